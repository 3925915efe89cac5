"""Refs beside instances.json: sentences become samples with boxes and masks, and what is wrong is named."""

import json
import math

import pytest

from grounding.data.folders import Folder
from grounding.data.referring.toolbox import read_refs
from grounding.data.scenes.write import write_dataset
from grounding.errors import InputError
from tests.refs_on_disk import ANNOTATIONS, IMAGES, REFS, instances, ref, told, toolbox


def read(folder, **options):
    path = folder / "refs(unc).p"
    return read_refs(path, folder / "instances.json", name="refcoco:val", folder=Folder(None), **options)


def test_a_sentence_is_a_sample_with_the_box_mask_and_ids_of_its_ref(tmp_path):
    data = read(toolbox(tmp_path), split="val")
    assert [sample.id for sample in data] == ["0-0", "0-1", "3-30"]
    first = data[0]
    assert (first.phrase, first.size, first.picture.key) == ("lady in blue", (640, 427), IMAGES[0]["file_name"])
    (region,) = first.truth.regions
    assert (region.box, region.label) == ((10.5, 20.0, 110.5, 220.0), "person")
    assert region.mask.to_json()["polygons"] == [ANNOTATIONS[0]["segmentation"][0]]  # two corners are no polygon
    assert first.meta == {
        "file_name": "COCO_train2014_000000581857_0.jpg",
        "ann_id": 1719310,
        "ref_id": 0,
        "image_id": 581857,
        "split": "val",
        "category_id": 1,
        "category": "person",
        "tokens": ["lady", "in", "blue"],
        "raw": "Lady in blue.",
        "sent_id": 0,
    }
    assert (data.scoring, data.problems) == ("rec", ())
    assert data.source == "refs of the refer toolbox: refs(unc).p and instances.json"


def test_run_lengths_become_masks(tmp_path):
    (region,) = read(toolbox(tmp_path), split="testA")[0].truth.regions
    assert (region.mask.area, region.mask.box) == (40, (0.0, 0.0, 1.0, 40.0))


@pytest.mark.parametrize("protocol", range(6))
def test_every_protocol_gives_the_same_data_set(tmp_path, protocol):
    folder = toolbox(tmp_path, protocol=protocol)
    assert read(folder, split="val").fingerprint == read(toolbox(tmp_path / "2"), split="val").fingerprint


def test_a_split_that_is_not_there_names_those_that_are(tmp_path):
    with pytest.raises(InputError, match=r"no split 'testC'; it has testA, train, val"):
        read(toolbox(tmp_path), split="testC")


def test_a_drawn_data_set_is_read_with_its_masks(tmp_path):
    written = write_dataset(tmp_path, 3, seed=5)
    refs = json.loads((tmp_path / "refs.json").read_text())
    data = read_refs(
        tmp_path / "refs.json",
        tmp_path / "instances.json",
        name="drawn",
        folder=Folder(tmp_path),
        scoring="segmentation",
    )
    assert written.refs == len(refs) > 3
    assert len(data) == sum(len(entry["sentences"]) for entry in refs)
    assert (data.problems, data.missing_pictures()) == ((), [])
    sample = data[0]
    assert sample.open().size == sample.size
    mask, box = sample.truth.regions[0].mask, sample.truth.regions[0].box
    assert mask.array.shape == sample.size[::-1]
    assert mask.box == pytest.approx(box, abs=2)


# ---- what is wrong in a file


def broken(**changes):
    return instances(annotations=[{**ANNOTATIONS[0], **changes}, *ANNOTATIONS[1:]])


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"bbox": None}, "no box"),
        ({"bbox": [10, 20, 0, 5]}, "empty box"),
        ({"bbox": [10, 20, math.nan, 5]}, "not a number"),
        ({"bbox": [10, 20, 10**400, 5]}, "not a number"),
        ({"bbox": [700, 20, 10, 5]}, "box outside"),
    ],
)
def test_a_box_that_is_none_is_named_and_its_expressions_are_counted(tmp_path, changes, kind):
    data = read(toolbox(tmp_path, truth=broken(**changes)), split="val")
    assert [sample.id for sample in data] == ["3-30"]
    assert told(data) == [("no box", "refs(unc).p, entry 1"), (kind, "instances.json, entry 1719310")]
    assert data.problems[0].message.endswith("left out: 2 expressions")


def test_a_mask_that_is_none_is_named_and_the_box_is_kept(tmp_path):
    folder = toolbox(tmp_path, truth=broken(segmentation=[[1, 2, 3, 4, 5, math.nan]]))
    data = read(folder, split="val")
    assert told(data) == [("no mask", "instances.json, entry 1719310")]
    assert data.problems[0].kept
    assert data[0].truth.regions[0].mask is None
    scored = read(folder, split="val", scoring="segmentation")
    assert [sample.id for sample in scored] == ["3-30"]
    assert told(scored)[0] == ("no mask", "refs(unc).p, entry 1")


@pytest.mark.parametrize(
    ("entry", "kind", "said"),
    [
        (ref(0, 999), "unknown id", "no annotation 999"),
        (ref(0, 1719310, 12), "unknown id", "no picture 12"),
        (ref(0, 2), "unknown id", "annotation 2 lies in picture 11, not in 581857"),
        (ref(0, -1), "unknown id", "no annotation -1"),
        (ref(0, [1719310, 2]), "no box", "means 2 things"),
        (ref(0, {"a": 1}), "unknown id", "no annotation"),
        ({**ref(), "sentences": []}, "unreadable line", "no sentences"),
        ({**ref(), "sentences": [{"sent_id": 3, "sent": " "}]}, "unreadable line", "without words"),
        ({"ref_id": 0}, "unreadable line", "no ref"),
        ("ref", "unreadable line", "no ref"),
    ],
)
def test_a_ref_that_makes_no_sense_is_named_by_its_entry(tmp_path, entry, kind, said):
    data = read(toolbox(tmp_path, refs=[*REFS[1:], entry]), split="val")
    assert [sample.id for sample in data] == ["3-30"]
    assert told(data) == [(kind, "refs(unc).p, entry 4")]
    assert said in data.problems[0].message


def test_ids_that_stand_twice_are_named_and_the_first_is_kept(tmp_path):
    truth = instances(images=[*IMAGES, {**IMAGES[0], "width": 1}], annotations=[*ANNOTATIONS, ANNOTATIONS[0]])
    data = read(toolbox(tmp_path, refs=[*REFS, ref()], truth=truth), split="val")
    assert len(data) == 3
    assert data[0].size == (640, 427)
    assert told(data) == [
        ("duplicate id", "refs(unc).p, entry 5"),
        ("duplicate id", "refs(unc).p, entry 5"),
        ("duplicate id", "instances.json, entry 581857"),
        ("duplicate id", "instances.json, entry 1719310"),
    ]


def test_a_picture_without_a_size_is_named(tmp_path):
    truth = instances(images=[{**IMAGES[0], "height": 0}, IMAGES[1]])
    data = read(toolbox(tmp_path, truth=truth), split="val")
    assert [sample.id for sample in data] == ["3-30"]
    assert told(data) == [("no size", "refs(unc).p, entry 1"), ("no size", "instances.json, entry 581857")]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("instances.json", '{"images": [', "instances.json, line 1, column 13 is not JSON"),
        ("instances.json", "[]", "holds no COCO instances"),
        ("instances.json", '{"images": [], "annotations": {}, "categories": []}', "holds no COCO instances"),
        ("instances.json", "[" * 100_000, "nested too deeply"),
        ("instances.json", "[" + "9" * 5000 + "]", "can't be read: Exceeds the limit"),
        ("refs(unc).p", "(lp0\n", "stops at byte"),
        ("refs(unc).p", "(dp0\n.", "holds no refs"),
    ],
)
def test_a_file_that_is_no_such_file_is_one_sentence(tmp_path, name, content, said):
    folder = toolbox(tmp_path)
    (folder / name).write_text(content)
    with pytest.raises(InputError, match=said):
        read(folder)


def test_text_that_no_file_can_hold_is_mended(tmp_path):
    folder = toolbox(tmp_path, refs=[ref(sents=("caf\udce9 sign",)), *REFS[1:]], protocol=4)
    sample = read(folder, split="val")[0]
    assert (sample.phrase, sample.meta["raw"]) == ("caf? sign", "Caf? sign.")


def test_a_split_that_is_not_there_is_answered_in_text_that_can_be_printed(tmp_path):
    with pytest.raises(InputError, match=r"no split 'test'; it has \?, val"):
        read(toolbox(tmp_path, refs=[{**ref(), "split": "\ud800"}, ref()], protocol=4), split="test")


def test_containers_where_ids_and_words_belong_are_no_trouble(tmp_path):
    held = [[1], {"a": []}]
    odd = ref()
    odd["sentences"][0] |= {"tokens": held, "sent_id": held}
    refs = [{**REFS[3], key: held} for key in ("ref_id", "image_id", "split", "ann_id", "file_name", "sentences")]
    data = read(toolbox(tmp_path, refs=[*refs, odd, *REFS[3:]]))
    assert {"3-30", "0-a list"} < {sample.id for sample in data}
    assert [sample.meta["tokens"] for sample in data if sample.id == "0-a list"] == [held]
    assert data.fingerprint


def test_one_ref_a_thousand_times_over_is_not_gone_through(tmp_path):
    shared = ref()
    shared["sentences"] *= 1000
    with pytest.raises(InputError, match="values, as its lists and dicts stand in it many times over"):
        read(toolbox(tmp_path, refs=[shared] * 1000))
