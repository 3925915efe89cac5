"""A row an expression: all families of columns, what is wrong in a row, and the 57,457 published ones."""

import json
import math
import os
import time
from pathlib import Path

import pytest

from grounding.data.folders import Folder
from grounding.data.referring.rows import DIALECTS, dialect_of, read_rows
from grounding.errors import InputError
from tests.refs_on_disk import told

DATA = Path(os.environ.get("GROUNDING_SHARED_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
PUBLISHED = {
    "refcoco_val": 10_834,
    "refcoco_testA": 5_657,
    "refcoco_testB": 5_095,
    "refcoco+_val": 10_758,
    "refcoco+_testA": 5_726,
    "refcoco+_testB": 4_889,
    "refcocog_val": 4_896,
    "refcocog_test": 9_602,
}

OBJECT, PICTURE = "COCO_train2014_000000581282_10", "COCO_train2014_000000581282.jpg"
XYXY = (3.24, 159.31, 159.64, 472.12)
MINIGPT = {"img_id": OBJECT, "sents": "man", "bbox": [3.24, 159.31, 156.4, 312.81]}
QWEN = {"image": f"data/coco/train2014/{PICTURE}", "sent": "man", "bbox": list(XYXY)}
PHOTO = {"image": "000000000154.jpg", "text": "man", "split": "refcoco_val", "bbox_norm_xyxy": [0.25, 0.5, 0.75, 1.0]}
SIZE = {"height": 480, "width": 640}


def written(folder, rows, name="rows.json"):
    path = folder / name
    lines = [json.dumps(row) for row in rows]
    path.write_text("\n".join(lines) + "\n" if name.endswith("l") else f"[{', '.join(lines)}]")
    return path


def read(path, **options):
    return read_rows(path, name=path.stem, folder=Folder(None), **options)


@pytest.mark.parametrize(
    ("row", "family", "box", "picture", "id"),
    [
        (MINIGPT, "MiniGPT-v2's json", XYXY, PICTURE, f"{OBJECT}-1"),
        (QWEN, "jsonl of Qwen-VL and InternVL", XYXY, QWEN["image"], "COCO_train2014_000000581282-1"),
        (
            PHOTO,
            "jsonl of photographs and unit boxes",
            (160, 240, 480, 480),
            PHOTO["image"],
            "refcoco_val/000000000154-1",
        ),
    ],
    ids=["minigpt", "qwen", "photo"],
)
@pytest.mark.parametrize("name", ["rows.json", "rows.jsonl"])
def test_every_family_gives_phrase_picture_and_box(tmp_path, row, family, box, picture, id, name):
    data = read(written(tmp_path, [row | SIZE], name))
    (sample,) = data
    assert data.source == f"{family}: {name}"
    assert (sample.phrase, sample.picture.key, sample.id, sample.size) == ("man", picture, id, (640, 480))
    assert sample.truth.regions[0].box == pytest.approx(box)
    assert data.problems == ()


def test_what_else_a_row_says_is_kept(tmp_path):
    row = PHOTO | SIZE | {"bbox_xywh": [1, 2], "odd": float("nan"), "deep": {"a": [1, "é"]}}
    (sample,) = read(written(tmp_path, [row]))
    assert sample.meta == {"split": "refcoco_val", "bbox_xywh": [1, 2], "odd": None, "deep": {"a": [1, "é"]}}
    (sample,) = read(written(tmp_path, [MINIGPT | SIZE]), meta={"split": "val"})
    assert sample.meta == {"split": "val", "img_id": MINIGPT["img_id"]}


def test_ids_number_the_expressions_of_one_object_and_count_those_left_out(tmp_path):
    other = MINIGPT | {"img_id": "COCO_train2014_000000581282_2"}
    rows = [MINIGPT | SIZE, MINIGPT | SIZE | {"bbox": None}, other | SIZE, MINIGPT | SIZE]
    ids = [sample.id for sample in read(written(tmp_path, rows))]
    assert ids == [f"{MINIGPT['img_id']}-1", f"{other['img_id']}-1", f"{MINIGPT['img_id']}-3"]


def test_a_null_box_means_nothing_is_there_where_the_family_says_so(tmp_path):
    data = read(written(tmp_path, [PHOTO | SIZE | {"bbox_norm_xyxy": None}]))
    assert (data[0].truth.regions, data.problems) == ((), ())


@pytest.mark.parametrize("row", [MINIGPT | SIZE, QWEN | SIZE], ids=["minigpt", "qwen"])
@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"bbox": None}, "no box"),
        ({"bbox": []}, "no box"),
        ({"bbox": [1, 2, 3]}, "not a number"),
        ({"bbox": [1, 2, math.nan, 4]}, "not a number"),
        ({"bbox": [1, 2, "3", 4]}, "not a number"),
        ({"bbox": [1, 2, math.inf, 4]}, "not a number"),
        ({"bbox": [5, 5, 0, 0]}, "empty box"),
        ({"bbox": [900, 5, 950, 20]}, "box outside"),
        ({"width": 0}, "no size"),
        ({"height": None}, "no size"),
        ({"sents": "", "sent": ""}, "unreadable line"),
        ({"sents": ["a"], "sent": 3}, "unreadable line"),
        ({"img_id": None, "image": None}, "unreadable line"),
    ],
)
def test_a_row_that_makes_no_sense_is_named_by_its_place(tmp_path, row, change, kind):
    bad = row | {key: value for key, value in change.items() if key in row}
    data = read(written(tmp_path, [row, bad, row], "rows.jsonl"))
    assert (len(data), told(data)) == (2, [(kind, "rows.jsonl, line 2")])
    data = read(written(tmp_path, [row, bad, row], "rows.json"))
    assert (len(data), told(data)) == (2, [(kind, "rows.json, entry 2")])


def test_a_box_without_its_column_is_no_box(tmp_path):
    without = {key: value for key, value in PHOTO.items() if key != "bbox_norm_xyxy"}
    data = read(written(tmp_path, [PHOTO | SIZE, without | SIZE]))
    assert told(data) == [("no box", "rows.json, entry 2")]


def test_an_overhanging_box_is_named_and_kept(tmp_path):
    data = read(written(tmp_path, [MINIGPT | SIZE | {"bbox": [600, 400, 60, 60]}]))
    assert (len(data), told(data), data.problems[0].kept) == (1, [("overhanging box", "rows.json, entry 1")], True)


def test_a_line_cut_short_is_named_and_the_others_are_read(tmp_path):
    path = written(tmp_path, [QWEN | SIZE] * 2, "rows.jsonl")
    path.write_text('{"image": broken\n' + path.read_text()[:-10])
    data = read(path)
    assert [sample.phrase for sample in data] == ["man"]
    assert told(data) == [("unreadable line", "rows.jsonl, line 1"), ("unreadable line", "rows.jsonl, line 3")]
    assert "ends in the middle" in data.problems[1].message


def test_a_list_cut_short_is_one_sentence(tmp_path):
    path = written(tmp_path, [MINIGPT | SIZE] * 3)
    path.write_text(path.read_text()[:-20])
    with pytest.raises(InputError, match=r"rows.json, line 1, column \d+ is not JSON"):
        read(path)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"a": 1, "b": 2}], r"holds rows with a, b; known are rows with img_id, sents, bbox, width, height"),
        ([], "holds no rows; known"),
        ([7], r"holds no rows \(it is no JSON object but 7\)"),
        ([{}], "holds rows with no columns"),
    ],
)
def test_a_file_of_other_rows_says_which_are_known(tmp_path, rows, said):
    with pytest.raises(InputError, match=said):
        read(written(tmp_path, rows))


def test_one_split_is_taken_and_an_unknown_one_named(tmp_path):
    rows = [PHOTO | SIZE, PHOTO | SIZE | {"split": "refcocog_val"}]
    path = written(tmp_path, rows)
    assert [sample.meta["split"] for sample in read(path, split="refcocog_val")] == ["refcocog_val"]
    with pytest.raises(InputError, match="no split 'val'; it has refcoco_val, refcocog_val"):
        read(path, split="val")
    with pytest.raises(InputError, match="no split 'val'; it has no column of splits"):
        read(written(tmp_path, [MINIGPT | SIZE]), split="val")


def test_an_id_is_the_same_whichever_split_is_taken(tmp_path):
    path = written(tmp_path, [PHOTO | SIZE, PHOTO | SIZE | {"split": "b"}, PHOTO | SIZE | {"split": "b"}])
    assert [s.id for s in read(path)][1:] == [s.id for s in read(path, split="b")]


def test_families_are_told_apart_by_columns_alone():
    assert [dialect_of(row | SIZE).name for row in (MINIGPT, QWEN, PHOTO)] == [
        dialect.name for dialect in DIALECTS if dialect.name != "Ref-L4"
    ]
    assert dialect_of({"image": "a.jpg", "text": "a caption", "regions": []} | SIZE) is None
    assert dialect_of("row") is None


# ---- the published files


@pytest.mark.skipif(not (DATA / "refcoco").is_dir(), reason=f"no refcoco/ at {DATA}: set GROUNDING_SHARED_DATA")
def test_all_published_expressions_are_read_quickly_with_unique_ids_and_boxes_that_can_be_ones():
    start = time.process_time()
    read_now = {name: read(DATA / "refcoco" / f"{name}.json") for name in PUBLISHED}
    seconds = time.process_time() - start
    assert {name: len(data) for name, data in read_now.items()} == PUBLISHED
    assert sum(map(len, read_now.values())) == 57_457
    for data in read_now.values():
        assert data.problems == ()
        assert len({sample.id for sample in data}) == len(data)
    assert seconds < 5  # 1.5 s of an idle core; others may want the same one


@pytest.mark.skipif(not (DATA / "photos").is_dir(), reason=f"no photos/ at {DATA}: set GROUNDING_SHARED_DATA")
def test_photographs_open_in_the_size_of_their_boxes():
    path = DATA / "photos" / "expressions.jsonl"
    data = read_rows(path, name="photos", folder=Folder(path.parent / "images"))
    assert (len(data), data.problems, data.missing_pictures()) == (1_888, (), [])
    assert len({sample.id for sample in data}) == 1_888
    assert sum(not sample.truth.found for sample in data) == 3
    squashed = [sample for sample in data if sample.picture.stretched_from]
    assert len({sample.picture.key for sample in squashed}) > 200
    for sample in (data[0], squashed[0]):
        assert sample.open().size == sample.size
    for sample in data:  # the two boxes of a row are the same one
        if sample.truth.found:
            assert sample.truth.regions[0].xywh == pytest.approx(sample.meta["bbox_xywh"], abs=0.6)
    assert len(read_rows(path, name="photos", folder=Folder(None), split="refcoco_testA")) == 161
