"""A probe is a data set like any other: drawn when it is opened, the same everywhere, its difficulties balanced."""

import pickle
from collections import Counter

import numpy as np
import pytest

from grounding.data.opening import open_dataset
from grounding.data.probing.probes import PROBES
from grounding.data.probing.stage import SIZE
from grounding.errors import InputError

KINDS = {
    "clutter": {f"{many}, {dense}" for many in ("2-5", "6-10", "11-20", "21-40") for dense in ("apart", "overlapping")},
    "small-text": {"6-8 px", "9-12 px", "13-18 px", "19-27 px", "28-40 px"},
    "spatial": {"left or right", "above or below", "between", "inside or outside"},
    "ordinals": {"row only, 3-5 items", "row only, 6-8 items", "row and column, 2-3 rows", "row and column, 3-5 rows"},
}


@pytest.mark.parametrize("name", PROBES)
def test_questions_are_spread_evenly_over_what_makes_them_hard(name):
    dataset = open_dataset(f"probes:{name}", n=40)
    counts = Counter(sample.kind for sample in dataset)
    assert set(counts) == KINDS[name]
    assert len(set(counts.values())) == 1
    assert dataset.scoring == PROBES[name].scoring
    assert len({sample.id for sample in dataset}) == 40


@pytest.mark.parametrize("name", PROBES)
def test_a_picture_has_its_size_and_every_box_lies_in_it(name):
    for sample in open_dataset(f"probes:{name}", n=20):
        assert sample.open().size == sample.size == SIZE
        assert sample.truth.regions
        for x1, y1, x2, y2 in sample.truth.boxes.tolist():
            assert 0 <= x1 < x2 <= SIZE[0]
            assert 0 <= y1 < y2 <= SIZE[1]


@pytest.mark.parametrize("name", PROBES)
def test_samples_and_pictures_are_the_same_at_every_reading(name):
    one, two = open_dataset(f"probes:{name}", n=12), open_dataset(f"probes:{name}", n=12)
    assert one.fingerprint == two.fingerprint != open_dataset(f"probes:{name}", n=12, seed=5).fingerprint
    packed = pickle.dumps(one[11].picture)
    assert len(packed) < 200
    assert np.array_equal(np.asarray(pickle.loads(packed).open()), np.asarray(two[11].open()))
    assert [sample.id for sample in one.samples[4:6]] == [one[4].id, one[5].id]
    assert one[-1].id == one[11].id
    with pytest.raises(IndexError):
        one[12]


def test_pictures_are_opened_upright_and_in_colour():
    pixels = np.asarray(open_dataset("probes:clutter", n=1)[0].open())
    assert pixels.shape == (480, 640, 3)
    assert pixels.std() > 10


def test_a_count_is_the_number_of_its_boxes():
    for sample in open_dataset("probes:clutter", n=16):
        assert sample.task == "count"
        assert sample.truth.count == len(sample.truth.regions)


def test_whole_pairs_come_together():
    pairs = Counter(sample.meta["pair"] for sample in open_dataset("probes:spatial", n=40))
    assert set(pairs.values()) == {2}


MISTAKES = [
    ("juggling", {}, "no probe 'juggling'; known: clutter, small-text, spatial, ordinals"),
    ("clutter", {"n": 0}, "ask at least 1"),
    ("clutter", {"seed": -1}, "seed is -1"),
    ("clutter", {"scoring": "x"}, "nothing is scored as 'x'"),
]


@pytest.mark.parametrize(("split", "options", "said"), MISTAKES)
def test_mistakes_are_named(split, options, said):
    with pytest.raises(InputError, match=said):
        open_dataset(f"probes:{split}", **options)
