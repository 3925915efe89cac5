"""From a picture to the pixels of the model: squashed or padded, normalized, with a canvas that leads back."""

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor
from transformers.models.siglip2.image_processing_pil_siglip2 import Siglip2ImageProcessorPil

from grounding.errors import ConfigError, UnreadableImageError
from grounding.model import GroundingImageProcessor


@pytest.fixture
def wide():
    """Left half black, right half white."""
    pixels = np.zeros((50, 100, 3), np.uint8)
    pixels[:, 50:] = 255
    return Image.fromarray(pixels)


def test_a_squashed_picture_fills_the_square(wide):
    processor = GroundingImageProcessor(32)
    pixels = processor.pixels(wide)
    assert pixels.shape == (32, 32, 3)
    assert pixels[:, :14].max() == 0
    assert pixels[:, 18:].min() == 255
    canvas = processor.canvas(100, 50)
    assert (canvas.width, canvas.height, canvas.model_width, canvas.model_height) == (100, 50, 32, 32)


def test_a_padded_picture_keeps_its_shape_between_bars(wide):
    processor = GroundingImageProcessor(32, resize="pad")
    pixels = processor.pixels(wide)
    canvas = processor.canvas(100, 50)
    x1, y1, x2, y2 = canvas.to_model([(50, 0, 100, 50)])[0].round().astype(int)
    assert (x2 - x1, y2 - y1) == (16, 16)
    assert pixels[y1 + 1 : y2 - 1, x1 + 2 : x2 - 1].min() > 250
    assert pixels[y1 + 1 : y2 - 1, : x1 - 2].max() < 5


def test_values_run_from_minus_one_to_one():
    processor = GroundingImageProcessor(4)
    black, white = Image.new("RGB", (9, 9)), Image.new("RGB", (9, 9), "white")
    values = processor([black, white])["pixel_values"]
    assert values.shape == (2, 3, 4, 4)
    assert values.dtype == torch.float32
    assert torch.equal(values[0], torch.full((3, 4, 4), -1.0))
    assert torch.equal(values[1], torch.full((3, 4, 4), 1.0))


def test_channels_stay_in_order():
    values = GroundingImageProcessor(4)(Image.new("RGB", (9, 9), (255, 0, 0)))["pixel_values"]
    assert values[0, :, 0, 0].tolist() == [1.0, -1.0, -1.0]


def test_mean_and_std_can_be_those_of_another_encoder():
    processor = GroundingImageProcessor(4, mean=(0.4, 0.5, 0.6), std=(0.1, 0.2, 0.4))
    values = processor(Image.new("RGB", (9, 9), "white"))["pixel_values"]
    assert values[0, :, 0, 0].tolist() == pytest.approx([6.0, 2.5, 1.0])


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (3000, 2), (32, 32)])
@pytest.mark.parametrize("resize", ["squash", "pad"])
def test_a_picture_of_any_size_becomes_the_square(size, resize):
    processor = GroundingImageProcessor(32, resize=resize)
    image = Image.new("RGB", size, "white")
    values = processor(image)["pixel_values"]
    assert values.shape == (1, 3, 32, 32)
    x1, y1, x2, y2 = processor.canvas(*size).to_model([(0, 0, *size)])[0]
    seen = values[0, 0, int((y1 + y2) / 2), int((x1 + x2) / 2)]
    assert seen == 1.0


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (3000, 2), (500, 400)])
@pytest.mark.parametrize("resize", ["llava_next", "internvl", "native"])
def test_a_picture_of_any_size_becomes_views(resize, size):
    processor = GroundingImageProcessor(32, resize=resize, grid=(2, 2))
    values = processor(Image.new("RGB", size, "white"))
    layout = processor.layout(*size)
    if resize == "native":
        ((rows, columns),) = values["spatial_shapes"].tolist()
        assert values["pixel_values"].shape == (1, rows * columns, 16 * 16 * 3)
    else:
        assert values["pixel_values"].shape == (len(layout.views), 3, 32, 32)
    assert values["picture_tokens"] == [len(layout.tokens)]
    assert values["pixel_values"].max() == 1.0


def test_views_are_counted_over_the_batch():
    processor = GroundingImageProcessor(32, resize="llava_next", grid=(2, 2), line_ends=True)
    wide, small = Image.new("RGB", (64, 32)), Image.new("RGB", (100, 100))
    values = processor([[wide], [small, wide]])
    layouts = [processor.layout(*image.size) for image in (wide, small, wide)]
    assert values["picture_tokens"] == [len(layout.tokens) for layout in layouts]
    assert len(values["pixel_values"]) == 3 + 5 + 3
    want = [
        (view + start, place) for layout, start in zip(layouts, (0, 3, 8), strict=True) for view, place in layout.tokens
    ]
    assert values["image_index"].tolist() == [list(token) for token in want]


def test_views_that_are_all_shown_in_turn_need_no_index():
    tiles = GroundingImageProcessor(32, resize="internvl", grid=(2, 2))
    image = Image.new("RGB", (200, 100))
    assert "image_index" not in tiles(image)
    assert tiles(image, index=True)["image_index"].tolist() == tiles.layout(200, 100).tokens.tolist()
    assert set(GroundingImageProcessor(32)(image)) == {"pixel_values"}
    assert GroundingImageProcessor(32, grid=(2, 2))(image)["picture_tokens"] == [4]


def test_patches_are_those_of_siglip_2():
    """Normalized, row by row, the channels of each pixel together; shorter pictures are filled with zeros behind."""
    theirs = Siglip2ImageProcessorPil(patch_size=16, max_num_patches=64, resample=Image.Resampling.BICUBIC)
    ours = GroundingImageProcessor(resize="native", grid=(8, 8), resize_options={"max_patches": 64})
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 255, (high, wide, 3), np.uint8) for high, wide in ((128, 128), (50, 130), (90, 20))]
    want, values = theirs(pictures, return_tensors="pt"), ours(pictures)
    assert values["spatial_shapes"].tolist() == want["spatial_shapes"].tolist()
    for mine, expected, (rows, columns) in zip(
        values["pixel_values"], want["pixel_values"], values["spatial_shapes"].tolist(), strict=True
    ):
        count = rows * columns
        assert torch.allclose(mine[:count], expected[:count], atol=0.02)
        assert not mine[count:].any()
        assert values["pixel_values"].shape[1] <= 64


def test_bars_have_the_colour_that_is_asked_for():
    processor = GroundingImageProcessor(32, resize="pad", fill=(255, 0, 0))
    pixels = processor.pixels(Image.new("RGB", (100, 50), "white"))
    assert pixels[0, 0].tolist() == [255, 0, 0]
    assert pixels[16, 16].tolist() == [255, 255, 255]


def test_tiles_show_the_picture_between_bars():
    processor = GroundingImageProcessor(32, resize="llava_next", grid=(2, 2), fill=(0, 255, 0))
    views = processor.views(Image.new("RGB", (128, 32), "white"))
    assert len(views) == 4  # the whole picture and three tiles in a row
    assert views[0].min() == 255
    tiles = np.concatenate(list(views[1:]), 1)
    assert tiles.shape == (32, 96, 3)
    assert tiles[0, 5].tolist() == [0, 255, 0]
    assert tiles[16].min() == 255


def test_anything_that_opens_is_taken(wide, tmp_path):
    wide.save(tmp_path / "wide.png")
    processor = GroundingImageProcessor(32)
    want = processor(wide)["pixel_values"]
    for source in (tmp_path / "wide.png", (tmp_path / "wide.png").read_bytes(), np.asarray(wide)):
        assert torch.equal(processor(source)["pixel_values"], want)
    assert torch.equal(processor([wide, np.asarray(wide)])["pixel_values"], torch.cat([want, want]))


def test_what_can_not_work_is_refused_with_the_value_seen():
    with pytest.raises(ConfigError, match="'crop'"):
        GroundingImageProcessor(32, resize="crop")
    with pytest.raises(ConfigError, match="no option 'max_tils'"):
        GroundingImageProcessor(32, resize="internvl", resize_options={"max_tils": 3})
    with pytest.raises(ConfigError, match=r"fill \[0, 0, 256\]"):
        GroundingImageProcessor(32, fill=(0, 0, 256))
    with pytest.raises(ConfigError, match=r"grid \[0, 4\]"):
        GroundingImageProcessor(32, grid=(0, 4))
    with pytest.raises(ConfigError, match=r"pass grid=\(rows, columns\)"):
        GroundingImageProcessor(32, resize="internvl").layout(30, 40)
    with pytest.raises(UnreadableImageError):
        GroundingImageProcessor(32)(b"no picture")
    with pytest.raises(UnreadableImageError, match="no picture was given"):
        GroundingImageProcessor(32)([])


def test_a_saved_processor_comes_back_equal(wide, tmp_path):
    processor = GroundingImageProcessor(32, resize="pad", mean=(0.4, 0.5, 0.6))
    processor.save_pretrained(tmp_path)
    again = AutoImageProcessor.from_pretrained(tmp_path)
    assert isinstance(again, GroundingImageProcessor)
    assert torch.equal(again(wide)["pixel_values"], processor(wide)["pixel_values"])


@pytest.mark.parametrize(
    ("resize", "options"),
    [
        ("llava_next", {"grids": [[2, 1], [1, 2]]}),
        ("internvl", {"max_tiles": 4, "thumbnail": False}),
        ("native", {"max_patches": 32, "min_patches": 4, "patch_size": 8, "merge": 2}),
    ],
)
def test_layouts_come_back_with_their_options(resize, options, wide, tmp_path):
    processor = GroundingImageProcessor(
        32, resize, fill=(1, 2, 3), grid=(2, 2), cell=20, line_ends=True, resize_options=options
    )
    processor.save_pretrained(tmp_path)
    again = AutoImageProcessor.from_pretrained(tmp_path)
    assert again.plan == processor.plan != GroundingImageProcessor(32, resize).plan
    mine, theirs = processor(wide), again(wide)
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[key], theirs[key]) for key in mine if key != "picture_tokens")
    assert mine["picture_tokens"] == theirs["picture_tokens"]
    assert np.array_equal(processor.layout(90, 70).places, again.layout(90, 70).places, equal_nan=True)
