"""RowCache: what DynamicCache would hold, without its copies; rows that share pictures; rows that go."""

import pytest
import torch
from transformers.cache_utils import DynamicCache

from grounding.model.cache import PictureLayer, RowCache, picture_states, rows_of

LAYERS, PICTURES, HEADS, IMAGE, WIDTH = 2, 3, 2, 5, 4
WHICH = torch.tensor([2, 0, 0, 1])


@pytest.fixture
def pictures():
    generator = torch.Generator().manual_seed(0)
    cache = DynamicCache()
    for layer in range(LAYERS):
        cache.update(*torch.randn(2, PICTURES, HEADS, IMAGE, WIDTH, generator=generator), layer)
    return cache


def states(seed, rows=4, length=1):
    return torch.randn(2, rows, HEADS, length, WIDTH, generator=torch.Generator().manual_seed(seed))


def both(pictures, room=10):
    return RowCache(pictures, WHICH, room), rows_of(pictures, WHICH)


def test_each_row_starts_with_the_keys_and_values_of_its_picture(pictures):
    for cache in both(pictures):
        assert cache.get_seq_length() == IMAGE
        keys, values = cache.update(*states(1), 0)
        assert torch.equal(keys[:, :, :IMAGE], pictures.layers[0].keys[WHICH])
        assert torch.equal(values[:, :, :IMAGE], pictures.layers[0].values[WHICH])


def test_it_holds_what_a_dynamic_cache_holds(pictures):
    ours, theirs = both(pictures)
    for step, length in enumerate((3, 1, 1)):
        for layer in range(LAYERS):
            new = states(10 * step + layer, length=length)
            for mine, want in zip(ours.update(*new, layer), theirs.update(*new, layer), strict=True):
                assert torch.equal(mine, want)
        assert ours.get_seq_length() == theirs.get_seq_length()


@pytest.mark.parametrize("kept", [[0, 1, 2, 3], [0, 1], [3, 1], [3], [2, 3, 0], [1, 0, 3, 2]])
def test_rows_can_go_and_the_rest_keep_their_own(pictures, kept):
    ours, theirs = both(pictures)
    for layer in range(LAYERS):
        for cache in (ours, theirs):
            cache.update(*states(layer, length=2), layer)
    ours.select(kept)
    theirs.batch_select_indices(torch.tensor(kept))
    for layer in range(LAYERS):
        new = states(20 + layer, rows=len(kept))
        for mine, want in zip(ours.update(*new, layer), theirs.update(*new, layer), strict=True):
            assert torch.equal(mine, want)


def test_a_row_never_writes_into_its_picture_nor_into_another_row(pictures):
    before = [layer.keys.clone() for layer in pictures.layers]
    for cache in both(pictures):
        for layer in range(LAYERS):
            cache.update(*states(layer, length=4), layer)
        assert all(torch.equal(layer.keys, was) for layer, was in zip(pictures.layers, before, strict=True))
    one = DynamicCache()
    one.update(*states(5, rows=1, length=IMAGE), 0)
    cache = RowCache(one, torch.zeros(2, dtype=torch.long), 3)
    keys, _ = cache.update(*states(6, rows=2), 0)
    assert not torch.equal(keys[0, :, -1], keys[1, :, -1])


def test_writing_copies_nothing(pictures):
    cache = RowCache(pictures, WHICH, 10)
    first, _ = cache.update(*states(1), 0)
    second, _ = cache.update(*states(2), 0)
    assert first.data_ptr() == second.data_ptr()


# ---- pictures beside the text


@pytest.fixture
def beside(pictures):
    """Two layers of cross-attention behind the language model's own."""
    for seed in (30, 31):
        pictures.layers.append(PictureLayer(*states(seed, rows=PICTURES, length=7)))
    return pictures


def test_pictures_beside_the_text_come_with_their_rows_and_never_grow(beside):
    for cache in both(beside):
        cache.update(*states(1), 0)
        assert cache.get_seq_length() == IMAGE + 1
        for (keys, values), layer in zip(picture_states(cache), beside.layers[LAYERS:], strict=True):
            assert torch.equal(keys, layer.keys[WHICH])
            assert torch.equal(values, layer.values[WHICH])


@pytest.mark.parametrize("kept", [[0, 1, 2, 3], [0, 1], [3, 1], [1, 0, 3, 2]])
def test_they_go_with_rows_that_go(beside, kept):
    ours, theirs = both(beside)
    ours.select(kept)
    theirs.batch_select_indices(torch.tensor(kept))
    for cache in (ours, theirs):
        for (keys, values), layer in zip(picture_states(cache), beside.layers[LAYERS:], strict=True):
            assert torch.equal(keys, layer.keys[WHICH[kept]])
            assert torch.equal(values, layer.values[WHICH[kept]])


def test_text_that_is_taken_back_takes_nothing_of_them(beside):
    before = [layer.keys.clone() for layer in beside.layers]
    beside.crop(-2)
    assert beside.get_seq_length() == IMAGE - 2
    assert all(torch.equal(keys, before[LAYERS + n]) for n, (keys, _) in enumerate(picture_states(beside)))
