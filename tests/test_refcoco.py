"""RefCOCO, + and g by name: whichever layout is there is read, in a fixed order, and said."""

import json
import os
from pathlib import Path

import pytest

from grounding.data.opening import open_dataset
from grounding.errors import InputError
from tests.refs_on_disk import REFS, instances, ref, toolbox

DATA = Path(os.environ.get("GROUNDING_SHARED_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
ROW = {"width": 640, "height": 427, "bbox": [10, 20, 110, 220]}
MINIGPT = [{"img_id": "COCO_train2014_000000581857_0", "sents": "lady", **ROW}]
JSONL = {"image": "train2014/COCO_train2014_000000581857.jpg", "sent": "lady", **ROW}
MDETR = {
    "images": [{"id": 0, "original_id": 5, "file_name": "a.jpg", "width": 640, "height": 427, "caption": "lady"}],
    "annotations": [{"id": 0, "image_id": 0, "original_id": 6, "category_id": 1, "bbox": [10, 20, 100, 200]}],
    "categories": [],
}


def every_layout(root):
    (root / "refcoco_val.json").write_text(json.dumps(MINIGPT))
    (root / "refcoco_val.jsonl").write_text(json.dumps(JSONL) + "\n")
    (root / "finetune_refcoco_val.json").write_text(json.dumps(MDETR))
    toolbox(root)
    return root


def test_the_layout_that_says_most_is_read_first(tmp_path):
    every_layout(tmp_path)
    seen = []
    for gone in ("refcoco/refs(unc).p", "finetune_refcoco_val.json", "refcoco_val.jsonl", "refcoco_val.json"):
        data = open_dataset("refcoco:val", root=tmp_path)
        seen.append(data.source.partition(": ")[0])
        assert {sample.meta["split"] for sample in data} == {"val"}
        (tmp_path / gone).unlink()
    assert seen == [
        "refs of the refer toolbox",
        "MDETR's json",
        "jsonl of Qwen-VL and InternVL",
        "MiniGPT-v2's json",
    ]
    with pytest.raises(InputError, match=r"no file of refcoco:val below .*; looked for refcoco/refs\(unc\).p"):
        open_dataset("refcoco:val", root=tmp_path)


@pytest.mark.parametrize(("layout", "count"), [("refer", 3), ("mdetr", 1), ("jsonl", 1), ("minigpt", 1)])
def test_a_layout_can_be_chosen(tmp_path, layout, count):
    data = open_dataset("refcoco:val", root=every_layout(tmp_path), layout=layout)
    assert (len(data), data.expected, data.problems) == (count, 10_834, ())
    assert f"refcoco:val has 10,834 expressions as published; {count} were found here" in data.notes


def test_only_layouts_with_masks_are_read_to_score_masks(tmp_path):
    every_layout(tmp_path)
    data = open_dataset("refcoco:val", root=tmp_path, scoring="segmentation")
    assert data.scoring == "segmentation"
    assert all(sample.truth.regions[0].mask is not None for sample in data)
    (tmp_path / "refcoco" / "refs(unc).p").unlink()
    (tmp_path / "finetune_refcoco_val.json").unlink()
    with pytest.raises(InputError, match="no file of refcoco:val that holds masks"):
        open_dataset("refcoco:val", root=tmp_path, scoring="segmentation")


@pytest.mark.parametrize(
    ("name", "folder", "file"),
    [
        ("refcoco:val", "refcoco", "refcoco_val.jsonl"),
        ("refcoco+:val", "refcoco+", "refcoco+_val.jsonl"),
        ("refcoco+:val", "refcoco", "refcoco+_val.jsonl"),
        ("refcocog:test", ".", "refcocog_test.jsonl"),
    ],
)
def test_rows_are_found_in_the_folders_people_keep_them_in(tmp_path, name, folder, file):
    (tmp_path / folder).mkdir(exist_ok=True)
    (tmp_path / folder / file).write_text(json.dumps(JSONL) + "\n")
    assert len(open_dataset(name, root=tmp_path)) == 1


def test_the_data_sets_own_folder_may_be_the_root_but_no_others(tmp_path):
    folder = toolbox(tmp_path, "refcoco+")
    assert len(open_dataset("refcoco+:val", root=folder)) == 3
    with pytest.raises(InputError, match="no file of refcoco:val"):
        open_dataset("refcoco:val", root=folder)


def test_pictures_are_found_where_the_toolbox_keeps_them(tmp_path):
    toolbox(tmp_path)
    place = tmp_path / "images" / "mscoco" / "images" / "train2014"
    place.mkdir(parents=True)
    (place / "COCO_train2014_000000581857.jpg").touch()
    data = open_dataset("refcoco:val", root=tmp_path)
    assert data[0].picture.path == place / "COCO_train2014_000000581857.jpg"
    assert data.missing_pictures() == ["COCO_train2014_000000000011.jpg"]


def test_stretched_pictures_are_opened_in_the_size_of_the_original(tmp_path):
    toolbox(tmp_path)
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "COCO_train2014_000000581857.jpg").touch()
    assert open_dataset("refcoco:val", root=tmp_path, stretched=True)[0].picture.stretched_from == (640, 427)


def test_the_google_split_says_what_it_shares_with_train(tmp_path):
    refs = [*REFS, ref(7, 1719310, 581857, "train")]
    toolbox(tmp_path, "refcocog", "google", refs, instances())
    data = open_dataset("refcocog-google:val", root=tmp_path)
    assert data.expected is None
    assert "its val shares pictures with its train" in data.notes[0]
    assert data.notes[1] == "in these files 2 of the 2 pictures of val are pictures of train, too"
    with pytest.raises(InputError, match=r"looked for refcocog/refs\(umd\).p"):
        open_dataset("refcocog:val", root=tmp_path)


def test_the_google_split_is_not_taken_from_files_that_hold_the_other(tmp_path):
    (tmp_path / "refcocog_val.jsonl").write_text(json.dumps(JSONL) + "\n")
    with pytest.raises(InputError, match=r"looked for refcocog/refs\(google\).p"):
        open_dataset("refcocog-google:val", root=tmp_path)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("refcocog:testA", {}, "no split 'testA'; there are refcocog:train, refcocog:val, refcocog:test"),
        ("refcoco:test", {}, "there are refcoco:train, refcoco:val, refcoco:testA, refcoco:testB"),
        ("refcoco:val", {"root": None}, "needs root="),
        ("refcoco:val", {"root": "nowhere"}, "there is no folder"),
        ("refcoco:val", {"images": "nowhere"}, "there is no folder of pictures"),
        ("refcoco:val", {"scoring": "detection"}, "not scored as 'detection'; known: rec, segmentation"),
        ("refcoco:val", {"layout": "tsv"}, "no layout 'tsv'; known: refer, mdetr, jsonl, minigpt"),
        ("refcoco:val", {"layout": "jsonl", "scoring": "segmentation"}, "no layout 'jsonl' that has what is asked"),
        ("refcoco:val", {"colour": "red"}, "has no option 'colour'"),
    ],
)
def test_what_cannot_be_opened_is_said_in_one_sentence(tmp_path, name, options, said):
    every_layout(tmp_path)
    with pytest.raises(InputError, match=said):
        open_dataset(name, **{"root": tmp_path, **options})


@pytest.mark.skipif(not (DATA / "refcoco").is_dir(), reason=f"no refcoco/ at {DATA}: set GROUNDING_SHARED_DATA")
@pytest.mark.parametrize("name", ["refcoco:testA", "refcoco+:testB", "refcocog:val"])
def test_published_splits_are_whole(name):
    data = open_dataset(name, root=DATA)
    assert (len(data), data.problems, data.notes) == (data.expected, (), ())
