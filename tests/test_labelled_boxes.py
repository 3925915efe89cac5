"""Pictures with labelled boxes, a line each, become a detection set."""

import json
import os
from pathlib import Path

import pytest

from grounding.data.folders import Folder
from grounding.data.labelled_boxes import read_labelled_boxes, speaks
from grounding.errors import InputError
from tests.refs_on_disk import told

DATA = Path(os.environ.get("GROUNDING_SHARED_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")


def row(image="a.jpg", boxes=(("cat", [0.1, 0.2, 0.5, 1.0]),), **more):
    entries = [{"label": label, "box_unit_xyxy": box} for label, box in boxes]
    return {"image": image, "split": "train2017", "width": 200, "height": 100, "boxes": entries, **more}


def read(folder, rows, **options):
    path = folder / "boxes.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_labelled_boxes(path, name="boxes", folder=Folder(None), **options)


def test_every_picture_is_asked_for_all_labels_of_the_file(tmp_path):
    data = read(tmp_path, [row(), row("b.jpg", (("dog", [0, 0, 1, 1]), ("cat", [0, 0, 0.5, 0.5]))), row("c.jpg", ())])
    assert (data.scoring, data.problems, data.meta) == ("detection", (), {"categories": ["cat", "dog"]})
    assert [sample.id for sample in data] == ["a.jpg", "b.jpg", "c.jpg"]
    assert {sample.names for sample in data} == {("cat", "dog")}
    assert {sample.task for sample in data} == {"detect"}
    assert data[0].truth.regions[0].box == (20.0, 20.0, 100.0, 100.0)
    assert [sample.truth.labels for sample in data] == [("cat",), ("dog", "cat"), ()]
    assert data[0].meta == {"split": "train2017"}


def test_a_box_that_is_none_is_left_out_and_its_picture_stays(tmp_path):
    data = read(tmp_path, [row(boxes=(("cat", [0.1, 0.2, 0.1, 0.4]), ("dog", None), ("cow", [0, 0, 1, 1])))])
    assert data[0].truth.labels == ("cow",)
    assert told(data) == [("empty box", "boxes.jsonl, line 1"), ("no box", "boxes.jsonl, line 1")]


def test_a_label_that_is_no_word_is_named_and_not_asked_for(tmp_path):
    data = read(tmp_path, [row(boxes=((None, [0, 0, 1, 1]), (["cat"], [0, 0, 1, 1]), ("cow", [0, 0, 1, 1])))])
    assert (data[0].truth.labels, data[0].names) == (("cow",), ("cow",))
    assert told(data) == [("unreadable line", "boxes.jsonl, line 1")] * 2


def test_lines_that_make_no_sense_are_named(tmp_path):
    data = read(tmp_path, [row(), row(), row("b.jpg", width=0), {"image": "c.jpg"}])
    assert len(data) == 1
    assert told(data) == [
        ("duplicate id", "boxes.jsonl, line 2"),
        ("no size", "boxes.jsonl, line 3"),
        ("unreadable line", "boxes.jsonl, line 4"),
    ]


def test_one_split_keeps_the_labels_of_the_whole_file(tmp_path):
    rows = [row(), row("b.jpg", (("dog", [0, 0, 1, 1]),), split="val2017")]
    data = read(tmp_path, rows, split="val2017")
    assert (len(data), data[0].names) == (1, ("cat", "dog"))
    with pytest.raises(InputError, match="no split 'test'; it has train2017, val2017"):
        read(tmp_path, rows, split="test")


def test_lines_of_our_own_jsonl_are_not_taken_for_it():
    assert not speaks({"image": "a.jpg", "width": 2, "height": 2, "phrase": "cat", "boxes": []})
    assert not speaks({"image": "a.jpg", "width": 2, "height": 2, "boxes": [[0, 0, 1, 1]]})


@pytest.mark.skipif(
    not (DATA / "coco_labelled").is_dir(), reason=f"no coco_labelled/ at {DATA}: set GROUNDING_SHARED_DATA"
)
def test_the_labelled_photographs_are_read():
    path = DATA / "coco_labelled" / "boxes.jsonl"
    data = read_labelled_boxes(path, name="boxes", folder=Folder(path.parent / "images"))
    assert (len(data), data.problems, data.missing_pictures()) == (226, (), [])
    assert data[0].open().size == data[0].size
