"""What of a detector's boxes is believed, and how that reads and writes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from grounding.data.photos.cleaning import Agreement, CleanOptions, agreement, clean
from grounding.data.photos.labels import PhotoLabels, WeakBox, read_labels, write_labels
from grounding.errors import InputError

DATA = Path(__file__).parents[2] / "shared" / "data"


def labels(*boxes: tuple[str, float, tuple[float, float, float, float]]) -> PhotoLabels:
    return PhotoLabels("a.jpg", tuple(WeakBox(*box) for box in boxes))


def told_apart(*boxes: tuple[str, float, tuple[float, float, float, float]]) -> tuple[list[float], list[float]]:
    cleaned = clean(labels(*boxes))
    return [box.score for box in cleaned.sure], [box.score for box in cleaned.unsure]


def test_labels_read_as_they_were_written(tmp_path: Path) -> None:
    found = labels(("dog", 0.9, (0.1, 0.2, 0.5, 0.75)), ("dining table", 0.6125, (0.0, 0.5, 1.0, 1.0)))
    assert write_labels({"a.jpg": found}, tmp_path / "labels.jsonl") == 1
    assert read_labels(tmp_path / "labels.jsonl") == {"a.jpg": found}


def test_true_boxes_without_scores_read_as_certain(tmp_path: Path) -> None:
    path = tmp_path / "boxes.jsonl"
    path.write_text('{"image": "a.jpg", "boxes": [{"label": "dog", "box_unit_xyxy": [-0.01, 0.2, 0.5, 1.2]}]}\n')
    assert read_labels(path)["a.jpg"] == labels(("dog", 1.0, (0.0, 0.2, 0.5, 1.0)))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"image": "a.jpg"}', "line 1 is no picture with its boxes"),
        ('{"image": "a.jpg", "boxes": [{"label": "dog", "box_unit_xyxy": [0.5, 0, 0.5, 1]}]}', "without area"),
        ('{"image": "a.jpg", "boxes": [{"label": "dog", "score": 7, "box_unit_xyxy": [0, 0, 1, 1]}]}', "7.0"),
        ('{"image": "a.jpg", "boxes": [', "line 1"),
        ('{"image": "a", "boxes": []}\n{"image": "a", "boxes": []}', "line 2: the image 'a' is no name, or stands"),
    ],
)
def test_what_is_no_label_is_named_with_its_line(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(InputError, match=said):
        read_labels(path)


def test_scores_tell_answers_from_what_may_be_there_and_from_rumours() -> None:
    cleaned = clean(
        labels(("dog", 0.9, (0, 0, 0.3, 0.3)), ("cat", 0.72, (0.5, 0, 1, 0.5)), ("bus", 0.6, (0, 0.5, 0.4, 1)))
    )
    assert [box.name for box in cleaned.sure] == ["dog"]
    assert [box.name for box in cleaned.unsure] == ["cat"]
    assert cleaned.faint == ("bus",)


def test_a_rumour_of_one_more_is_remembered_but_not_of_the_same_one() -> None:
    dog = ("dog", 0.9, (0, 0, 0.3, 0.3))
    assert clean(labels(dog, ("dog", 0.3, (0.6, 0.6, 0.9, 0.9)))).faint == ("dog",)
    assert clean(labels(dog, ("dog", 0.3, (0, 0, 0.3, 0.29)))).faint == ()


def test_people_are_believed_sooner_than_cups() -> None:
    assert told_apart(("person", 0.74, (0, 0, 0.3, 0.6))) == ([0.74], [])
    assert told_apart(("cup", 0.82, (0, 0, 0.3, 0.6))) == ([], [0.82])


def test_the_same_thing_twice_is_one() -> None:
    assert told_apart(("dog", 0.9, (0.1, 0.1, 0.6, 0.6)), ("dog", 0.8, (0.1, 0.1, 0.6, 0.55))) == ([0.9], [])


def test_a_part_is_dropped_and_a_clear_one_may_be_there() -> None:
    whole, part = (0.0, 0.0, 0.8, 0.8), (0.1, 0.1, 0.4, 0.4)
    assert told_apart(("zebra", 0.9, whole), ("zebra", 0.69, part)) == ([0.9], [])
    assert told_apart(("zebra", 0.9, whole), ("zebra", 0.8, part)) == ([0.9], [0.8])


def test_a_thing_of_two_names_has_the_clearer_one_or_none() -> None:
    here, there = (0.1, 0.1, 0.6, 0.6), (0.1, 0.1, 0.6, 0.62)
    assert told_apart(("cow", 0.93, here), ("horse", 0.8, there)) == ([0.93], [])
    assert told_apart(("cow", 0.88, here), ("horse", 0.85, there)) == ([], [0.88, 0.85])
    assert told_apart(("person", 0.9, here), ("horse", 0.86, there)) == ([0.9, 0.86], [])  # riders fill the same place


def test_what_is_tiny_is_no_answer() -> None:
    assert told_apart(("person", 0.9, (0.5, 0.5, 0.53, 0.56))) == ([], [0.9])


def test_a_threshold_over_what_is_sure_is_refused() -> None:
    with pytest.raises(InputError, match=r"unsure is 0\.9"):
        replace(CleanOptions(), unsure=0.9)


def test_agreement_counts_each_true_box_once() -> None:
    truth = {"a.jpg": labels(("dog", 1.0, (0, 0, 0.5, 0.5)), ("dog", 1.0, (0.6, 0.6, 1.0, 1.0)))}
    found = {"a.jpg": labels(("dog", 0.9, (0, 0, 0.5, 0.48)), ("cat", 0.9, (0.6, 0.6, 1.0, 1.0)))}
    assert agreement(found, truth) == Agreement(
        pictures=1, sure=2, right=1, large=2, found=1, alone=2, alone_right=0
    )  # the dog is right, and yet not the only one


def test_four_of_five_sure_boxes_agree_with_the_true_ones() -> None:
    weak, true = DATA / "coco256" / "detections.jsonl", DATA / "coco_labelled" / "boxes.jsonl"
    if not (weak.is_file() and true.is_file()):
        pytest.skip(f"{weak} and {true} are not both there")
    found = {name.rpartition("_")[2]: picture for name, picture in read_labels(weak).items()}
    seen = agreement(found, read_labels(true))
    assert seen.pictures == 226
    assert seen.sure > 300
    assert seen.right / seen.sure > 0.8
    assert seen.alone_right / seen.alone > 0.7
