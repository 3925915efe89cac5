"""The sheet of samples: which are drawn, under which words, and what happens where pictures are missing or wrong."""

import numpy as np
import pytest
from PIL import Image

from grounding import Grounding, Region
from grounding.cli.datasets_drawn import drawable, sheet_of, title
from grounding.data.dataset import Dataset
from grounding.data.pictures import FilePicture, NoPicture
from grounding.data.sample import Sample
from grounding.errors import InputError


def sample(number, picture=None, phrase="cup", regions=((2, 2, 30, 30),), labels=(), task="locate", **more):
    found = tuple(Region(box, label) for box, label in zip(regions, labels or [None] * len(regions), strict=True))
    size = (64, 48)
    picture = picture or Image.new("RGB", size, (number * 20 % 255, 90, 120))
    return Sample(
        picture, phrase, Grounding(phrase, found, more.pop("text", ""), *size), str(number), task=task, **more
    )


def test_the_same_seed_draws_the_same_samples_and_another_seed_others():
    dataset = Dataset("a", [sample(number) for number in range(12)])
    sheets = [np.asarray(sheet_of(dataset, 4, seed, columns=4)[0]) for seed in (0, 0, 1)]
    assert np.array_equal(sheets[0], sheets[1])
    assert sheets[0].shape != sheets[2].shape or not np.array_equal(sheets[0], sheets[2])


def test_as_many_pictures_as_there_are_come_before_a_second_of_one(monkeypatch):
    picture = Image.new("RGB", (64, 48))
    dataset = Dataset("a", [sample(n, picture) for n in range(20)] + [sample(20), sample(21)])
    seen = []
    monkeypatch.setattr("grounding.draw.sheet", lambda items, **options: seen.extend(items) or picture)
    assert sheet_of(dataset, 3)[1] == 3
    assert len({id(shown) for shown, _, _ in seen}) == 3


def test_missing_and_wrong_pictures_are_passed_over_with_the_reason(tmp_path):
    Image.new("RGB", (10, 10)).save(tmp_path / "small.png")
    wrong = FilePicture(tmp_path / "small.png")
    dataset = Dataset("a", [sample(0, NoPicture("none.jpg")), sample(1, wrong), sample(2)])
    _, count, reasons = sheet_of(dataset, 12)
    assert count == 1
    assert len(reasons) == 1
    assert "has 10 x 10 pixels, but its boxes are in 64 x 48" in reasons[0]
    with pytest.raises(InputError, match="no picture of b can be opened: none is there; give --images"):
        sheet_of(Dataset("b", [sample(0, NoPicture("none.jpg"))]), 12)
    with pytest.raises(InputError, match=r"no picture of c can be opened: the picture 'small.png' has 10 x 10"):
        sheet_of(Dataset("c", [sample(0, wrong)]), 12)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (sample(0), "cup"),
        (sample(0, task="count", regions=((1, 1, 9, 9), (11, 1, 19, 9))), "cup (2)"),
        (sample(0, phrase="", task="detect", regions=((1, 1, 9, 9),) * 3, labels=("a", "b", "a")), "a × 2, b"),
        (sample(0, phrase="", task="detect", regions=()), "nothing there"),
        (sample(0, phrase="", task="caption", text="a cup on a table"), "a cup on a table"),
        (sample(0, phrase="", task="describe", text=""), "describe"),
    ],
)
def test_the_title_is_what_was_asked_or_what_is_there(made, words):
    assert title(made) == words


def test_labels_are_drawn_only_where_the_title_does_not_say_them():
    assert drawable(sample(0)).labels == ("",)
    assert drawable(sample(0, phrase="", task="detect", labels=("dog",))).labels == ("dog",)


def test_groups_are_drawn_as_dashes():
    plain, grouped = sample(0), sample(0, crowd=(Region((30, 10, 60, 40), "people"),))
    sheets = [np.asarray(sheet_of(Dataset("a", [one]), 1)[0]) for one in (plain, grouped)]
    assert sheets[0].shape == sheets[1].shape
    assert (sheets[0] != sheets[1]).any()
