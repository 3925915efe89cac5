"""Whatever is odd in a file ends in a named problem or in one sentence; what is read can be written and converted."""

import io
import json

import pytest
from PIL import Image

from grounding.data.coco import read_instances
from grounding.data.convert import convert
from grounding.data.dataset import Dataset
from grounding.data.folders import Folder
from grounding.data.hub_rows import Row, columns_of, held
from grounding.data.jsonl import lines_of, read_jsonl
from grounding.data.reading import Findings
from grounding.data.toloka import read_csv
from grounding.errors import InputError

HUGE = [[1e308, 0, 0, 1e308, 5, 5]]
ODD = (None, True, -1, 10**30, 1e308, float("nan"), float("inf"), "", "x", "\ud800", [], {}, [None], HUGE, {"box": [1]})

INSTANCES = {
    "images": [{"id": 3, "file_name": "a.png", "width": 60, "height": 40}],
    "categories": [{"id": 1, "name": "cup", "supercategory": "kitchen"}],
    "annotations": [
        {"id": 11, "image_id": 3, "category_id": 1, "bbox": [10, 10, 20, 20], "area": 400, "iscrowd": 0}
        | {"segmentation": [[10, 10, 30, 10, 30, 30]]},
        {"id": 12, "image_id": 3, "category_id": 1, "bbox": [0, 0, 60, 40], "area": 2400, "iscrowd": 1}
        | {"segmentation": {"size": [40, 60], "counts": [0, 2400]}},
    ],
}
REGION = {"box": [1, 1, 9, 9], "label": "x", "score": 0.5, "span": [0, 2], "point": [1, 2]}
LINES = [
    {"id": "1", "image": "a.png", "width": 60, "height": 40, "task": "locate", "phrase": "cup", "names": ["a"]}
    | {"kind": "k", "about": {"point": [1, 2], "box": [1, 2, 3, 4]}, "text": "t", "meta": {"a": [1]}, "stretched": True}
    | {"regions": [REGION | {"mask": {"size": [40, 60], "polygons": [[1, 1, 9, 1, 9, 9]]}}]}
    | {"crowd": [{"box": [1, 1, 9, 9], "mask": {"size": [40, 60], "counts": [0, 2400]}}]}
    | {"truth": {"phrase": "p", "task": "detect", "model": "m", "seconds": 1.0, "raw": "r"}},
    {"image": "a.png", "phrase": "cups", "boxes": [[1, 1, 9, 9]], "labels": ["x"]},
    {"image": "a.png", "phrase": "cup", "box": [1, 1, 9, 9], "label": "x"},
    {"image": "a.png", "width": 60, "height": 40, "task": "describe", "skill": "d", "phrase": "", "prompt": "p"}
    | {"answer": "a", "boxes": [[1, 1, 9, 9]], "labels": [None], "point": None, "seed": 1},
    {"format": "grounding samples", "version": 1, "name": "n", "scoring": "rec", "expected": 3, "notes": ["x"]}
    | {"meta": {"categories": [{"id": 1, "name": "a"}]}, "source": "s"},
]
OBJECT = {"image": None, "answer": ["cup"], "bbox": [1.0, 1, 9, 9], "segmentation": [1.0, 1, 9, 1, 9, 9], "iscrowd": 0}
PICTURE = {"image": None, "file_name": "a.png", "samples": [{"id": 1, "sentences": ["cup"], "bbox": [1.0, 1, 9, 9]}]}
PICTURE["samples"][0]["mask"] = {"size": [40, 60], "counts": "09"}


def damaged(value):
    """The value with one part of it replaced by something odd, or left out, in every possible way."""
    yield from ODD
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            for odd in damaged(value[key]):
                copy = value.copy()
                copy[key] = odd
                yield copy
            copy = value.copy()
            del copy[key]
            yield copy


def is_sound(dataset, folder):
    """Whether all of a data set can be used: looked at, written in every format, and read again."""
    for sample in dataset:
        for region in (*sample.truth.regions, *sample.crowd):
            assert region.mask is None or region.mask.area >= 0
        sample.picture.missing()
    for line in lines_of(dataset):
        line.encode()
    for name in ("out.json", "out.jsonl", "refs"):
        convert(dataset, folder / name, overwrite=True)
    again = read_jsonl(folder / "out.jsonl", images=folder)
    assert again.problems == () or all(problem.kept for problem in again.problems)
    return list(again) == list(dataset)


@pytest.fixture
def folder(tmp_path):
    Image.new("RGB", (60, 40)).save(tmp_path / "a.png")
    return tmp_path


def opens_or_says_why(read, folder):
    """Opens a file that may be odd: a sound data set, or one sentence, and nothing else."""
    try:
        dataset = read()
    except InputError as error:
        return "\n" not in str(error)
    return is_sound(dataset, folder)


def test_odd_instances(folder):
    tried = list(damaged(INSTANCES))
    for odd in tried:
        (folder / "in.json").write_text(json.dumps(odd))
        assert opens_or_says_why(lambda: read_instances(folder / "in.json", images=folder), folder), odd
    assert len(tried) > 500


@pytest.mark.parametrize("line", LINES, ids=["full", "boxes", "box", "drawn", "header"])
def test_odd_lines(folder, line):
    tried = list(damaged(line))
    for odd in tried:
        (folder / "in.jsonl").write_text("".join(json.dumps(one) + "\n" for one in (odd, LINES[2])))
        assert opens_or_says_why(lambda: read_jsonl(folder / "in.jsonl"), folder), odd
    assert len(tried) > 70


@pytest.mark.parametrize("row", [OBJECT, PICTURE], ids=["object", "picture"])
@pytest.mark.parametrize("scoring", ["rec", "segmentation"])
def test_odd_rows_of_the_hub(folder, row, scoring):
    data = io.BytesIO()
    Image.new("RGB", (60, 40)).save(data, "PNG")
    columns = columns_of(row, "a")
    for odd in damaged(row):
        if not isinstance(odd, dict):
            continue  # a row is always a dict of all columns
        values = {key: odd.get(key) for key in row}
        if odd.get("image", 0) is None:
            values["image"] = {"bytes": data.getvalue(), "path": None}
        samples = list(columns.samples(Row(0, values, held), Findings("a"), Folder(folder), scoring))
        light = [sample.__class__(**{**vars(sample), "image": str(folder / "a.png")}) for sample in samples]
        assert is_sound(Dataset("a", light), folder), odd


def test_odd_cells(folder):
    cells = ["a.png", "60", "40", "1", "2", "30", "35", "what?"]
    head = "image,width,height,left,top,right,bottom,question\n"
    for place in range(len(cells)):
        for odd in ("", "x", "nan", "inf", "-1", "1e308", "1e400", "9" * 40, '"', "\x00", "1,2", "é", "\u0663"):
            row = [*cells[:place], odd, *cells[place + 1 :]]
            (folder / "in.csv").write_text(head + ",".join(cells) + "\n" + ",".join(row) + "\n")
            dataset = read_csv(folder / "in.csv")
            assert is_sound(dataset, folder), odd
            assert len(dataset) + len(dataset.problems) >= 2
