"""Keys and values of pictures: those of different lengths stand side by side, each as it would alone."""

import pytest
import torch

from grounding.model.picture_cache import PictureEncoder
from tests import tiny, tiny_kinds

SHAPES = [(160, 96), (64, 64), (300, 60), (96, 160), (64, 64)]


@pytest.fixture
def images():
    return [tiny.image(number).resize(shape) for number, shape in enumerate(SHAPES)]


@pytest.mark.parametrize(
    "name", ["tiles", "a Llama", "shuffled native pictures", "tiles and a thumbnail, left to right"]
)
@pytest.mark.parametrize("batch", [1, 7])
def test_each_picture_keeps_its_own_at_the_end(name, batch, images):
    model, processor = tiny_kinds.kind(name)
    with torch.inference_mode():
        together, fresh = PictureEncoder(model, processor, batch).encode(images)
        assert fresh
        longest = max(together.counts)
        assert together.mask.sum(1).tolist() == list(together.counts)
        assert together.mask[:, -1].all()
        for place, image in enumerate(images):
            alone, _ = PictureEncoder(model, processor, batch).encode([image])
            count = together.counts[place]
            assert alone.counts == (count,)
            assert alone.mask is None
            for mine, theirs in zip(together.cache.layers, alone.cache.layers, strict=True):
                assert mine.keys.shape[2] == longest
                assert torch.allclose(mine.keys[place, :, longest - count :], theirs.keys[0], atol=1e-4)
                assert torch.allclose(mine.values[place, :, longest - count :], theirs.values[0], atol=1e-4)


def test_a_picture_of_the_same_pixels_and_another_size_is_another_picture():
    """Two plain pictures whose views are alike may still take different numbers of tokens."""
    model, processor = tiny_kinds.kind("tiles")
    encoder = PictureEncoder(model, processor, 8)
    one, other = (tiny.image(0).resize((1, 1)).resize(size) for size in ((128, 64), (128, 60)))
    with torch.inference_mode():
        assert encoder.encode([one])[1]
        assert not encoder.encode([one])[1]
        assert encoder.encode([other])[1]
        assert encoder.encode([other], [1, 5])[1]  # with words before it
        assert not encoder.encode([other], [1, 5])[1]
        encoder.forget()
        assert encoder.encode([other], [1, 5])[1]


def test_what_a_row_is_shown_is_that_of_its_picture(images):
    model, processor = tiny_kinds.kind("a Llama that chats")
    encoder = PictureEncoder(model, processor, 2)
    with torch.inference_mode():
        shown = encoder.shown(images[:2], [1, 0, 1])
    counts = shown["picture_tokens"].tolist()
    first, second, third = shown["image_features"].split(counts)
    assert torch.equal(first, third)
    assert not torch.equal(first, second)
