"""From a picture to the pixels of the model: squashed or padded, normalized, with a canvas that leads back."""

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor

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
