"""Ref-L4's parquet: its rows, its ids, both splits together."""

import json

import pytest

from grounding.data.opening import open_dataset
from grounding.errors import InputError
from tests.refs_on_disk import told

pyarrow = pytest.importorskip("pyarrow", reason="parquet needs the extra 'eval'")


def row(id, caption="an antique camera", split="val", **more):
    """Columns and the first row as the hub's page of JierunChen/Ref-L4 shows them (CC BY-NC 4.0)."""
    return {
        "id": id,
        "caption": caption,
        "bbox": [580.6163330048, 179.4965209869, 93.59924316159993, 112.1013793848],
        "bbox_area": 10492.60426778866,
        "bbox_id": "o365_527361",
        "ori_category_id": "o365_64",
        "image_id": "o365_922765",
        "height": 741,
        "width": 1024,
        "file_name": "objects365_v2_00922765.jpg",
        "is_rewrite": True,
        "split": split,
        **more,
    }


def written(folder, val, test=()):
    import pyarrow.parquet as parquet

    for name, rows in (("val", val), ("test", test)):
        if rows:
            parquet.write_table(pyarrow.Table.from_pylist(list(rows)), folder / f"ref-l4-{name}.parquet")
    return folder


def test_a_row_is_an_expression_under_its_own_id(tmp_path):
    data = open_dataset("ref-l4:val", root=written(tmp_path, [row(1), row(5, "the lens")]))
    assert [(sample.id, sample.phrase) for sample in data] == [("1", "an antique camera"), ("5", "the lens")]
    box = data[0].truth.regions[0].box
    assert box == pytest.approx((580.6163330048, 179.4965209869, 674.2155761664, 291.5979003717))
    assert (data[0].size, data[0].picture.key) == ((1024, 741), "objects365_v2_00922765.jpg")
    assert data[0].meta == {
        "bbox_area": 10492.60426778866,
        "bbox_id": "o365_527361",
        "ori_category_id": "o365_64",
        "image_id": "o365_922765",
        "is_rewrite": True,
        "split": "val",
    }
    assert (data.scoring, data.source) == ("rec", "Ref-L4: ref-l4-val.parquet")
    assert data.notes == ("ref-l4:val has 13,420 expressions as published; 2 were found here",)


def test_both_splits_together_keep_the_first_of_two_equal_ids(tmp_path):
    root = written(tmp_path, [row(1)], [row(1, split="test"), row(2, split="test")])
    data = open_dataset("ref-l4:all", root=root)
    assert [(sample.id, sample.meta["split"]) for sample in data] == [("1", "val"), ("2", "test")]
    assert (data.expected, told(data)) == (45_341, [("duplicate id", "ref-l4-test.parquet, entry 1")])
    assert data.source == "Ref-L4: ref-l4-val.parquet and Ref-L4: ref-l4-test.parquet"


def test_bad_rows_are_named(tmp_path):
    boxes = {2: [5000.0, 1.0, 2.0, 2.0], 3: [float("nan"), 1.0, 2.0, 2.0], 4: None}
    rows = [row(1), row(1), *(row(id, bbox=box) for id, box in boxes.items())]
    data = open_dataset("ref-l4:val", root=written(tmp_path, rows))
    assert len(data) == 1
    assert [problem.kind for problem in data.problems] == ["duplicate id", "box outside", "not a number", "no box"]
    assert [problem.entry for problem in data.problems] == [2, 3, 4, 5]


def test_a_row_without_an_id_that_files_can_hold_is_named_or_mended(tmp_path):
    path = tmp_path / "ref-l4-val.jsonl"
    path.write_text("".join(json.dumps(row(id)) + "\n" for id in (None, [1], "\ud800", 5)))
    data = open_dataset("ref-l4:val", root=tmp_path)
    assert [sample.id for sample in data] == ["?", "5"]
    assert told(data) == [
        ("unreadable line", "ref-l4-val.jsonl, line 1"),
        ("unreadable line", "ref-l4-val.jsonl, line 2"),
    ]


def test_the_same_rows_are_read_as_jsonl(tmp_path):
    (tmp_path / "ref-l4-val.jsonl").write_text(json.dumps(row(1)) + "\n")
    assert len(open_dataset("ref-l4:val", root=tmp_path)) == 1


def test_pictures_lie_in_the_unpacked_folder(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "objects365_v2_00922765.jpg").touch()
    assert open_dataset("ref-l4:val", root=written(tmp_path, [row(1)])).missing_pictures() == []


def test_what_cannot_be_opened_is_said_in_one_sentence(tmp_path):
    with pytest.raises(InputError, match=r"no file ref-l4-val\.parquet"):
        open_dataset("ref-l4:val", root=tmp_path)
    with pytest.raises(InputError, match="needs root="):
        open_dataset("ref-l4:val")
    with pytest.raises(InputError, match="no split 'train'; there are ref-l4:val, ref-l4:test, ref-l4:all"):
        open_dataset("ref-l4:train", root=tmp_path)
    (tmp_path / "ref-l4-val.parquet").write_bytes(b"PAR1 cut off")
    with pytest.raises(InputError, match="can't be read as parquet") as caught:
        open_dataset("ref-l4:val", root=tmp_path)
    assert "\n" not in str(caught.value)
