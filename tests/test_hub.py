"""Rows of the hub: streamed through `datasets` or out of parquet files, with their pictures, notes and problems."""

import io
import itertools
import json
import pickle

import numpy as np
import pytest
from PIL import Image

from grounding.data.dataset import StreamedDataset
from grounding.data.hub import ParquetPicture, open_hub, read_parquet
from grounding.data.opening import open_dataset
from grounding.errors import InputError, UnreadableImageError
from grounding.masks import Mask

datasets = pytest.importorskip("datasets", reason="rows of the hub need the package datasets")
pa = pytest.importorskip("pyarrow", reason="parquet files need the package pyarrow")
import pyarrow.parquet as pq  # noqa: E402

SQUARE = [10.0, 10, 30, 10, 30, 30, 10, 30]


def jpeg(size=(100, 80), color="red"):
    data = io.BytesIO()
    Image.new("RGB", size, color).save(data, "JPEG")
    return data.getvalue()


def row(**changes):
    """As lmms-lab/RefCOCO has them: one object."""
    usual = {
        "question_id": "7",
        "image": {"bytes": jpeg(), "path": "COCO_train2014_000000581857_16.jpg"},
        "question": "Describe the region.",
        "answer": ["red cup", "the cup on the left"],
        "segmentation": SQUARE,
        "bbox": [10.0, 10.0, 20.1, 20.0],
        "iscrowd": 0,
        "file_name": "COCO_train2014_000000581857_16.jpg",
    }
    return {**usual, **changes}


REFCOCO = {
    "question_id": "string",
    "question": "string",
    "answer": ["string"],
    "segmentation": ["float32"],
    "bbox": ["float32"],
    "iscrowd": "int8",
    "file_name": "string",
}
M_ROW = {
    "image": {"bytes": jpeg(), "path": "a.jpg"},
    "image_id": 5,
    "file_name": "a.jpg",
    "samples": [
        {"id": 1, "image_id": 5, "category": "cup", "sentences": ["a cup", "the cup"], "bbox": [10.0, 10, 20, 20]}
        | {"mask": Mask.from_polygons([SQUARE], 100, 80).rle},
        {"id": 2, "image_id": 5, "category": "dog", "sentences": ["dog"], "bbox": [40.0, 10, 20, 20], "mask": None},
    ],
}


def features():
    made = {}
    for name, kind in REFCOCO.items():
        value = datasets.Value(kind[0] if isinstance(kind, list) else kind)
        made[name] = datasets.Sequence(value) if isinstance(kind, list) else value
    return datasets.Features({**made, "image": datasets.Image()})


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A folder that `datasets` takes for ORG/NAME, as it looks for a folder of that name before it asks the hub."""
    datasets.utils.logging.disable_progress_bar()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))

    def write(rows, repository="lmms-lab/RefCOCO", split="val", plain=False):
        folder = tmp_path / repository / "data"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{split}-00000-of-00001.parquet"
        if plain:
            pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=2)
        else:
            datasets.Dataset.from_list(rows, features=features()).to_parquet(path)
        return path

    return write


def ids(dataset):
    return [sample.id for sample in dataset]


# ---- streamed


def test_a_row_gives_a_sample_for_each_expression(hub):
    hub([row(), row(answer=["one"])])
    dataset = open_dataset("hub:lmms-lab/RefCOCO:val")
    assert isinstance(dataset, StreamedDataset)
    with pytest.raises(TypeError, match="nobody knows its length"):
        len(dataset)
    samples = list(dataset)
    assert [(sample.id, sample.phrase) for sample in samples] == [
        ("0/0", "red cup"),
        ("0/1", "the cup on the left"),
        ("1/0", "one"),
    ]
    assert samples[0].truth.regions[0].box == (10, 10, 10 + 20.1, 30), "32-bit floats are read as they were written"
    assert samples[0].truth.regions[0].mask.area == 400
    assert (samples[0].size, samples[0].open().size) == ((100, 80), (100, 80))
    assert samples[0].picture.key == "COCO_train2014_000000581857.jpg", "one picture has one key, whatever the object"
    assert samples[0].meta == {"question_id": "7", "file_name": "COCO_train2014_000000581857_16.jpg", "iscrowd": 0}
    assert ids(dataset.skip(1)) == ["0/1", "1/0"]


def test_splits_that_are_not_the_published_ones_are_named_so(hub):
    for split in ("val", "test", "testA"):
        hub([row()], split=split)
    val, test, people = (open_dataset(f"hub:lmms-lab/RefCOCO:{split}") for split in ("val", "test", "testA"))
    assert "its 8,811 objects are not the val of RefCOCO (UNC), which has 3,811" in val.notes[0]
    assert "UNC's RefCOCO has no split test" in test.notes[0]
    assert (people.notes, people.expected) == ((), 5657)
    assert people.take(9).notes == ("hub:lmms-lab/RefCOCO:testA has 5,657 expressions as published; 2 were found here",)


def test_a_streamed_fingerprint_is_told_by_what_is_opened(hub):
    hub([row()])
    first = open_dataset("hub:lmms-lab/RefCOCO:val")
    assert first.fingerprint == open_dataset("hub:lmms-lab/RefCOCO:val").fingerprint
    assert first.fingerprint != open_dataset("hub:lmms-lab/RefCOCO:val", scoring="segmentation").fingerprint


def test_masks_can_be_scored_instead_of_boxes(hub):
    hub([row(), row(segmentation=[])])
    dataset = open_dataset("hub:lmms-lab/RefCOCO:val", scoring="segmentation")
    assert [(sample.task, sample.truth.task) for sample in dataset] == [("segment", "segment")] * 2
    assert dataset.scoring == "segmentation"
    with pytest.raises(InputError, match="are scored as rec or segmentation; seen 'detection'"):
        open_dataset("hub:lmms-lab/RefCOCO:val", scoring="detection")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("hub:lmms-lab/RefCOCO", "is no data set on the hub: write hub:ORG/NAME:SPLIT"),
        ("hub:RefCOCO:val", "is no data set on the hub"),
        ("hub:lmms-lab/RefCOCO:train", "can't be opened: Bad split: train"),
    ],
)
def test_a_name_or_split_that_is_none_is_refused(hub, name, said):
    hub([row()])
    with pytest.raises(InputError, match=said):
        open_dataset(name)


def test_columns_that_no_reader_knows_are_named_with_those_that_are(hub):
    hub([{"text": "a", "label": 1}], plain=True)
    with pytest.raises(InputError, match=r"has the columns text, label, .* known are answer, bbox, image \(lmms-lab"):
        open_dataset("hub:lmms-lab/RefCOCO:val")


def test_a_picture_a_row_with_its_objects_is_read_and_masks_are_scored(hub):
    hub([M_ROW], "moondream/refcoco-m", "validation", plain=True)
    masks = open_dataset("hub:moondream/refcoco-m:validation")
    assert [(sample.id, sample.phrase, sample.task) for sample in masks] == [
        ("0/0/0", "a cup", "segment"),
        ("0/0/1", "the cup", "segment"),
    ]
    assert [(problem.kind, problem.kept) for problem in masks.problems] == [("no mask", False)]
    boxes = open_dataset("hub:moondream/refcoco-m:validation", scoring="rec")
    assert [(sample.phrase, sample.truth.labels) for sample in boxes][-1] == ("dog", ("dog",))
    assert [(problem.kind, problem.kept) for problem in boxes.problems] == [("no mask", True)]
    assert boxes.expected == 5598


def test_rows_with_addresses_take_their_pictures_from_a_folder(hub, tmp_path):
    Image.new("RGB", (100, 80)).save(tmp_path / "13.jpg")
    edges = {"left": 1, "top": 2, "right": 30, "bottom": 40}
    question = {"image": "https://a.b/13.jpg", "width": 100, "height": 80, **edges, "question": "What?"}
    hub([question, question | {"left": None}], "toloka/WSDMCup2023", "test_public", plain=True)
    dataset = open_dataset("hub:toloka/WSDMCup2023:test_public", images=tmp_path)
    (sample,) = dataset
    assert (sample.phrase, sample.open().size, dataset.expected) == ("What?", (100, 80), 1705)
    assert [problem.kind for problem in dataset.problems] == ["not a number"]


# ---- parquet files


def test_a_parquet_file_gives_the_same_samples_as_the_stream(hub):
    path = hub([row(), row(answer=["one"])])
    local, streamed = read_parquet(path), list(open_dataset("hub:lmms-lab/RefCOCO:val"))
    assert ids(local) == ids(streamed)
    assert [sample.truth for sample in local] == [sample.truth for sample in streamed]
    assert [sample.picture.key for sample in local] == [sample.picture.key for sample in streamed]
    assert local.fingerprint == open_dataset(path).fingerprint
    assert local.missing_pictures() == []


def test_a_picture_stays_in_its_file_until_it_is_opened(hub):
    colors = ["red", "lime", "blue", "white", "black"]
    path = hub([row(image={"bytes": jpeg(color=color), "path": f"{color}.jpg"}) for color in colors], plain=True)
    dataset = read_parquet(path)
    pictures = [sample.picture for sample in dataset][::2]
    assert {(picture.group, picture.row) for picture in pictures} == {(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)}
    for picture, color in zip(pictures, colors, strict=True):
        shown = np.asarray(Image.new("RGB", (1, 1), color))[0, 0]
        again = pickle.loads(pickle.dumps(picture))
        assert isinstance(again, ParquetPicture)
        assert np.abs(np.asarray(again.open())[0, 0].astype(int) - shown).max() < 3
    path.unlink()
    assert pictures[0].missing()


def test_a_folder_of_parquet_files_is_read_by_split(hub, tmp_path):
    for split, count in (("val", 2), ("testA", 1)):
        hub([row()] * count, split=split)
    root = tmp_path / "lmms-lab" / "RefCOCO"
    assert len(read_parquet(root, split="val")) == 4
    assert ids(read_parquet(root)) == ["0/0", "0/1", "1/0", "1/1", "2/0", "2/1"], (
        "rows go on counting from file to file"
    )
    people = open_hub("hub", "lmms-lab/RefCOCO:testA", root=root, images=None)
    assert people.name == "hub:lmms-lab/RefCOCO:testA"
    assert people.notes == ("hub:lmms-lab/RefCOCO:testA has 5,657 expressions as published; 2 were found here",)
    with pytest.raises(InputError, match=r"there is no testB-\*.parquet in"):
        read_parquet(root, split="testB")


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        ({"bbox": [10.0, 10, 0, 20]}, "empty box", "no area"),
        ({"bbox": [200.0, 10, 10, 20]}, "box outside", "outside its picture of 100 x 80"),
        ({"bbox": [float("nan"), 10, 10, 20]}, "not a number", "nan"),
        ({"bbox": []}, "no box", "no box"),
        ({"answer": []}, "unreadable line", "its expressions are []"),
        ({"answer": [" "]}, "unreadable line", "its expressions are [' ']"),
        ({"image": {"bytes": b"GIF8 no", "path": "a.jpg"}}, "no size", "begins like a picture but is damaged"),
        ({"image": {"bytes": None, "path": "a.jpg"}, "file_name": "a.jpg"}, "no size", "is not here: give images="),
    ],
)
def test_a_row_that_cannot_be_used_is_named_and_the_others_are_read(hub, changes, kind, said):
    path = hub([row(), row(**changes), row()], plain=True)
    dataset = read_parquet(path)
    (problem,) = dataset.problems
    assert (problem.kind, problem.file, problem.entry) == (kind, path.name, 2)
    assert said in problem.message
    assert ids(dataset) == ["0/0", "0/1", "2/0", "2/1"]
    streamed = open_dataset("hub:lmms-lab/RefCOCO:val")
    assert ids(streamed) == ids(dataset)
    assert [(problem.kind, problem.file) for problem in streamed.problems] == [(kind, "RefCOCO")]


def test_an_outline_that_is_none_costs_the_mask_only(hub):
    dataset = read_parquet(hub([row(segmentation=[1.0, 2.0])], plain=True))
    assert [(problem.kind, problem.kept) for problem in dataset.problems] == [("no mask", True)]
    assert dataset[0].truth.regions[0].mask is None


def test_a_damaged_parquet_file_is_refused_in_one_sentence(hub, tmp_path):
    path = hub([row()])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"val-00000-of-00001.parquet can't be read as parquet: .*; fetch it again"):
        read_parquet(path)
    whole = hub([row(image={"bytes": jpeg((400, 300)), "path": "a.jpg"})] * 3, plain=True)
    data = bytearray(whole.read_bytes())
    data[200:2000] = b"\x00" * 1800
    whole.write_bytes(data)
    with pytest.raises(InputError, match=r"is damaged at row 1|holds no sample|can't be read"):
        read_parquet(whole)
    with pytest.raises(InputError, match="there is no file or folder"):
        read_parquet(tmp_path / "none.parquet")


def test_a_picture_whose_file_changed_is_refused_and_not_shown_wrong(hub):
    path = hub([row()], plain=True)
    (sample, _) = read_parquet(path)
    hub([row(image={"bytes": b"", "path": None})], plain=True)
    from grounding.data import hub as module

    module._images_of.cache_clear()
    with pytest.raises(UnreadableImageError):
        sample.open()


def test_meta_is_plain_json(hub):
    hub([row()])
    for sample in itertools.islice(open_dataset("hub:lmms-lab/RefCOCO:val"), 1):
        assert json.loads(json.dumps(sample.meta)) == sample.meta
