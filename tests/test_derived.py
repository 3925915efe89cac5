"""Counts and absent names out of a detection set: what is asked, what is true, and that the seed decides."""

import pytest
from PIL import Image

from grounding import Grounding, Region
from grounding.data.dataset import Dataset
from grounding.data.derived import absent_of, counting_of
from grounding.data.sample import Sample
from grounding.errors import InputError


def picture(number, *labels, crowd=()):
    regions = tuple(Region((i, 0, i + 1, 5), label) for i, label in enumerate(labels))
    truth = Grounding("", regions, "", 64, 48)
    image = Image.new("RGB", (64, 48))
    crowds = tuple(Region((0, 0, 60, 40), label) for label in crowd)
    return Sample(image, "", truth, str(number), task="detect", crowd=crowds)


DETECTION = Dataset(
    "coco:tiny",
    [
        picture(1, "dog", "dog", "cat"),
        picture(2, "cup", *["person"] * 25),
        picture(3, "dog", "bird", crowd=["bird"]),
        picture(4),
    ],
    scoring="detection",
)


def test_each_name_is_counted_with_its_own_regions():
    counted = {sample.id: sample for sample in counting_of(DETECTION)}
    assert {id: sample.truth.count for id, sample in counted.items()} == {
        "1/cat": 1,
        "1/dog": 2,
        "2/cup": 1,
        "3/dog": 1,
    }
    assert counted["1/dog"].truth.boxes.tolist() == [[0, 0, 1, 5], [1, 0, 2, 5]]
    assert {sample.task for sample in counted.values()} == {"count"}


def test_crowds_and_large_numbers_are_not_asked_to_be_counted():
    ids = [sample.id for sample in counting_of(DETECTION)]
    assert "3/bird" not in ids
    assert "2/person" not in ids


def test_absent_names_are_in_the_data_set_and_not_in_the_picture():
    for sample in absent_of(DETECTION, per_picture=2):
        here = {region.label for region in DETECTION[int(sample.id[0]) - 1].truth.regions}
        assert sample.phrase in {"dog", "cat", "cup", "person", "bird"} - here
        assert not sample.truth.found


def test_no_name_is_asked_twice_of_a_picture():
    ids = [sample.id for sample in absent_of(DETECTION, per_picture=5)]
    assert len(ids) == len(set(ids)) == 3 + 3 + 3 + 5


def test_the_seed_decides():
    first, again, other = (absent_of(DETECTION, per_picture=2, seed=seed) for seed in (0, 0, 1))
    assert first.fingerprint == again.fingerprint != other.fingerprint


def test_only_a_detection_set_can_be_counted():
    with pytest.raises(InputError, match="refcoco:val is scored as rec"):
        counting_of(Dataset("refcoco:val", []))
