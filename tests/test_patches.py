"""Pictures as rows of patches: in SigLIP 2's order, their padding changes nothing, and towers merge neighbours."""

import numpy as np
import pytest
import torch
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.siglip2.image_processing_pil_siglip2 import convert_image_to_patches

from grounding.errors import ConfigError, InputError
from grounding.model import GroundingConfig, GroundingForConditionalGeneration, GroundingPatchesConfig
from grounding.model.patches import patchify, takes_patches
from grounding.model.vision import build_vision, feature_grid, patch_features
from tests.tiny_encoders import CLIP, ENCODERS, SHAPE

NATIVE = {"siglip 2 naflex": 8, "raw patches": 15, "qwen2-vl": 14, "qwen2.5-vl": 14, "qwen3-vl": 16}
"""Encoders of pictures that keep their shape, with the side of their patches, px."""
GRIDS = [(4, 6), (2, 4), (8, 2)]


def built(name):
    torch.manual_seed(0)
    return build_vision(ENCODERS[name].build()).eval()


def views(side, grids=GRIDS, most=28):
    """Patches of noisy pictures of these rows and columns, padded with values that would be seen."""
    generator = torch.Generator().manual_seed(0)
    patches = torch.full((len(grids), most, 3 * side * side), 7.0)
    for number, (rows, columns) in enumerate(grids):
        picture = torch.randn(1, 3, rows * side, columns * side, generator=generator)
        patches[number, : rows * columns] = patchify(picture, side)[0][0]
    return patches, torch.tensor(grids)


def test_patches_are_cut_as_siglip_2_cuts_them():
    picture = np.random.default_rng(0).normal(size=(3, 24, 40)).astype(np.float32)
    patches, shapes = patchify(torch.from_numpy(picture)[None], 8)
    assert shapes.tolist() == [[3, 5]]
    assert np.array_equal(patches[0].numpy(), convert_image_to_patches(picture, 8))


def test_a_picture_that_does_not_divide_is_refused():
    with pytest.raises(InputError, match="30 x 24 px does not divide into patches of 8 px"):
        patchify(torch.zeros(1, 3, 24, 30), 8)
    with pytest.raises(ConfigError, match="image_size 100, patch_size 16"):
        GroundingPatchesConfig(image_size=100)


def test_encoders_of_patches_are_known():
    assert {name for name, encoder in ENCODERS.items() if takes_patches(encoder.build())} == set(NATIVE)
    assert not takes_patches(CLIP)


@pytest.mark.parametrize("name", NATIVE)
def test_a_view_of_any_shape_is_seen_the_same_alone_and_padded_among_others(name):
    model = built(name)
    patches, shapes = views(NATIVE[name])
    features = patch_features(model, patches, -1, shapes)
    for number, (rows, columns) in enumerate(GRIDS):
        alone = patch_features(model, patches[number : number + 1, : rows * columns], -1, shapes[number : number + 1])
        tall, wide = feature_grid(model.config, rows, columns)
        assert alone.shape[1] == tall * wide
        assert torch.allclose(features[number, : tall * wide], alone[0], atol=1e-5)


@pytest.mark.parametrize("name", NATIVE)
def test_a_bright_patch_of_a_wide_picture_changes_its_own_feature_most(name):
    model, side = built(name), NATIVE[name]
    rows, columns = 4, 6
    tall, wide = feature_grid(model.config, rows, columns)
    picture = 0.1 * torch.randn(1, 3, rows * side, columns * side)
    before = patch_features(model, *cut(picture, side))
    cell = rows // tall * side
    for row, column in [(0, 1), (1, 0), (tall - 1, wide - 2), (tall - 1, wide - 1)]:
        bright = picture.clone()
        bright[:, :, row * cell : (row + 1) * cell, column * cell : (column + 1) * cell] += 3
        change = (patch_features(model, *cut(bright, side)) - before)[0].norm(dim=1)
        assert int(change.argmax()) == row * wide + column


def cut(picture, side):
    patches, shapes = patchify(picture, side)
    return patches, -1, shapes


@pytest.mark.parametrize("layer", [-1, -2])
def test_naflex_gives_any_hidden_layer(layer):
    model = built("siglip 2 naflex")
    patches, shapes = views(8)
    there = torch.arange(28)[None] < shapes.prod(1)[:, None]
    output = model(patches, pixel_attention_mask=there.long(), spatial_shapes=shapes, output_hidden_states=True)
    assert len(output.hidden_states) == SHAPE["num_hidden_layers"] + 1
    want = output.last_hidden_state if layer == -1 else output.hidden_states[layer]
    assert torch.equal(patch_features(model, patches, layer, shapes), want)


@pytest.mark.parametrize("name", ["qwen2-vl", "qwen2.5-vl"])
def test_a_tower_gives_what_it_gives_behind_its_own_processor(name):
    model, processor = built(name), Qwen2VLImageProcessorPil(do_resize=False)
    random = np.random.default_rng(0)
    sizes = [(56, 84), (84, 28)]
    pictures = [random.integers(0, 255, (height, width, 3), dtype=np.uint8) for height, width in sizes]
    own = processor(pictures, return_tensors="pt")
    want = model(own["pixel_values"], grid_thw=own["image_grid_thw"]).pooler_output.split([6, 3])
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (processor.image_mean, processor.image_std))
    for number, picture in enumerate(pictures):
        pixels = (torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255 - mean) / std
        assert torch.allclose(patch_features(model, *cut(pixels, 14))[0], want[number], atol=1e-5)


@pytest.mark.parametrize("name", ["siglip 2 naflex", "raw patches", "qwen2-vl"])
def test_pictures_of_their_own_shapes_train_in_our_model(name):
    torch.manual_seed(0)
    text = {**SHAPE, "num_hidden_layers": 1, "vocab_size": 200, "num_locations": 64}
    config = GroundingConfig(
        vision_config=ENCODERS[name].build(), text_config=text, num_locations=64, resize="native", line_ends=True
    )
    model = GroundingForConditionalGeneration(config)
    patches, shapes = views(NATIVE[name])
    index = []
    for view, (rows, columns) in enumerate(GRIDS):
        tall, wide = feature_grid(model.config.vision_config, rows, columns)
        for row in range(tall):
            index += [(view, row * wide + column) for column in range(wide)] + [(view, -1)]
    counts = [sum(view == number for view, _ in index) for number in range(3)]
    text = torch.zeros(3, max(counts) + 2, dtype=torch.long)
    for row, count in enumerate(counts):
        text[row, :count] = config.image_token_id
        text[row, count : count + 2] = 50
    labels = torch.where(text == 50, 51, -100)
    mask = (text != 0).long()
    inputs = {"input_ids": text, "attention_mask": mask, "pixel_values": patches, "spatial_shapes": shapes}
    model(**inputs, image_index=torch.tensor(index), labels=labels).loss.backward()
    first = next(iter(model.vision.parameters()), model.projector.weight)
    assert first.grad.abs().sum() > 0
    assert model.line_end.grad.abs().sum() > 0


def test_patches_without_their_shapes_are_refused():
    model = built("raw patches")
    with pytest.raises(InputError, match="how many rows and columns"):
        patch_features(model, torch.zeros(1, 4, 675))


def test_shapes_of_other_views_are_refused():
    model = built("raw patches")
    with pytest.raises(InputError, match="1 views of up to 4 patches, and spatial_shapes of 1 views of up to 6"):
        patch_features(model, torch.zeros(1, 4, 675), -1, torch.tensor([[2, 3]]))


def test_an_odd_grid_is_not_merged():
    model = built("qwen2-vl")
    with pytest.raises(InputError, match="3 x 4 patches cannot be merged by 2"):
        patch_features(model, torch.zeros(1, 12, 588), -1, torch.tensor([[3, 4]]))
