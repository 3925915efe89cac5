"""COCO instances: a sample a picture, masks and crowds as they stand, and every entry that is wrong named."""

import copy
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from grounding.data.coco import read_instances
from grounding.data.opening import open_dataset
from grounding.errors import ImageError, InputError

DATA = Path(os.environ.get("GROUNDING_SHARED_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
SQUARE = [[10, 10, 30, 10, 30, 30, 10, 30]]
TINY = {
    "info": {"description": "by hand"},
    "images": [
        {"id": 7, "file_name": "b.jpg", "width": 60, "height": 40},
        {"id": 3, "file_name": "a.jpg", "width": 100, "height": 80},
    ],
    "categories": [
        {"id": 1, "name": "person", "supercategory": "person"},
        {"id": 90, "name": "toothbrush", "supercategory": "indoor"},
    ],
    "annotations": [
        {"id": 11, "image_id": 3, "category_id": 90, "bbox": [10, 10, 20, 20], "area": 400, "iscrowd": 0}
        | {"segmentation": SQUARE},
        {"id": 12, "image_id": 3, "category_id": 1, "bbox": [0, 0, 100, 80], "area": 8000, "iscrowd": 1}
        | {"segmentation": {"size": [80, 100], "counts": [0, 8000]}},
    ],
}


def written(folder, data, name="instances.json"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return path


@pytest.fixture
def read(tmp_path):
    def reader(change=lambda data: None, **options):
        data = copy.deepcopy(TINY)
        change(data)
        return read_instances(written(tmp_path, data), **options)

    return reader


def test_a_sample_for_every_picture_in_the_order_of_the_file_also_without_annotations(read):
    dataset = read()
    assert (dataset.scoring, dataset.problems) == ("detection", ())
    assert [sample.id for sample in dataset] == ["7", "3"]
    empty, full = dataset
    assert (empty.task, empty.truth.regions, empty.names) == ("detect", (), ("person", "toothbrush"))
    assert full.size == (100, 80)
    (brush,) = full.truth.regions
    assert (brush.box, brush.label, brush.mask.area) == ((10, 10, 30, 30), "toothbrush", 400)
    (group,) = full.crowd
    assert (group.label, group.mask.area) == ("person", 8000)


def test_meta_keeps_what_the_source_calls_things(read):
    dataset = read()
    assert dataset.meta["categories"] == TINY["categories"]
    assert dataset[1].meta == {
        "image_id": 3,
        "file_name": "a.jpg",
        "annotation_ids": [11],
        "category_ids": [90],
        "areas": [400],
        "crowd_annotation_ids": [12],
        "crowd_category_ids": [1],
        "crowd_areas": [8000],
    }


def test_samples_are_the_same_at_every_reading_and_can_be_pickled(read):
    dataset = read()
    assert dataset.fingerprint == read().fingerprint
    again = pickle.loads(pickle.dumps(dataset[1]))
    assert (again.truth, again.crowd) == (dataset[1].truth, dataset[1].crowd)
    assert [sample.id for sample in dataset.samples[:1]] == ["7"]


def test_only_present_names_are_asked_for_and_empty_pictures_are_counted_out(read):
    dataset = read(names="present")
    (sample,) = dataset
    assert sample.names == ("toothbrush", "person")
    assert dataset.notes == ("only names that a picture shows are asked for; 1 pictures that show none are left out",)


def test_instances_of_names_that_are_not_asked_for_are_no_truth(read):
    dataset = read(names=["person"])
    assert [sample.truth.count for sample in dataset] == [0, 0]
    assert (len(dataset[1].crowd), dataset[1].names) == (1, ("person",))
    assert [category["id"] for category in dataset.meta["categories"]] == [1]
    assert read(names="person, toothbrush")[1].truth.count == 1
    with pytest.raises(InputError, match="no category named 'dog'; known: person, toothbrush"):
        read(names=["dog"])


def test_a_split_is_found_with_its_pictures_and_its_expected_count(tmp_path):
    written(tmp_path, TINY, "annotations/instances_val2017.json")
    (tmp_path / "val2017").mkdir()
    Image.new("RGB", (100, 80)).save(tmp_path / "val2017" / "a.jpg")
    Image.new("RGB", (50, 40)).save(tmp_path / "val2017" / "b.jpg")
    dataset = open_dataset("coco:val2017", root=tmp_path)
    assert (dataset.name, dataset.expected, dataset.missing_pictures()) == ("coco:val2017", 5000, [])
    assert dataset.notes == ("coco:val2017 has 5,000 expressions as published; 2 were found here",)
    assert dataset[1].open().size == (100, 80)
    with pytest.raises(ImageError, match=r"'b.jpg' has 50 x 40 pixels, but its boxes are in 60 x 40"):
        dataset[0].open()
    assert open_dataset("coco:val2017", root=tmp_path, stretched=True)[0].open().size == (60, 40)


def test_pictures_that_are_not_there_are_listed(read, tmp_path):
    assert read(images=tmp_path).missing_pictures() == ["b.jpg", "a.jpg"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("coco:test2017", "published without boxes"),
        ("coco:val2020", "there is no instances_val2020.json in"),
    ],
)
def test_a_split_without_truth_or_file_is_refused(tmp_path, name, said):
    with pytest.raises(InputError, match=said):
        open_dataset(name, root=tmp_path)


def test_a_split_needs_its_folder():
    with pytest.raises(InputError, match="needs root="):
        open_dataset("coco:val2017")


# ---- what is wrong in the file


def annotation(**changes):
    def change(data):
        data["annotations"][0].update(changes)

    return change


def picture(**changes):
    def change(data):
        data["images"][1].update(changes)

    return change


@pytest.mark.parametrize(
    ("change", "kind", "where", "said"),
    [
        (annotation(bbox=[10, 10, 0, 20]), "empty box", "annotation 11", "has no area"),
        (annotation(bbox=[200, 10, 5, 5]), "box outside", "annotation 11", "outside its picture of 100 x 80"),
        (annotation(bbox=[10, float("nan"), 5, 5]), "not a number", "annotation 11", "nan"),
        (annotation(bbox=None), "no box", "annotation 11", "no box"),
        (annotation(image_id=99), "unknown id", "annotation 11", "there is no picture 99"),
        (annotation(image_id=[3]), "unknown id", "annotation 11", "there is no picture"),
        (annotation(category_id=2), "unknown id", "annotation 11", "there is no category 2"),
        (annotation(id=12), "duplicate id", "annotation 2 of the list", "stands twice"),
        (lambda data: data["annotations"].append(5), "unreadable line", "annotation 3", "no annotation but 5"),
        (picture(id=7), "duplicate id", 2, "stands twice"),
        (picture(width=None), "no size", "picture 3", "None x 80"),
        (picture(file_name=None), "unreadable line", 2, "no picture with an id and a file_name"),
        (lambda data: data["categories"].append({"id": 1, "name": "x"}), "duplicate id", 3, "the category 1"),
        (lambda data: data["categories"].append({"id": 1}), "unreadable line", 3, "no category with"),
    ],
)
def test_an_entry_that_cannot_stand_is_named_and_the_rest_is_read(read, change, kind, where, said):
    dataset = read(change)
    problem = dataset.problems[0]
    assert (problem.kind, problem.file, problem.entry, problem.kept) == (kind, "instances.json", where, False)
    assert said in problem.message
    assert dataset[0].id == "7"


@pytest.mark.parametrize(
    ("segmentation", "said"),
    [
        ([[1, 2, 3, 4]], "neither polygons of 3 corners or more nor run lengths"),
        ([[1, 2, 3, 4, 5, float("inf")]], "neither polygons"),
        ({"size": [40, 60], "counts": [0, 2400]}, "its run lengths are of 60 x 40 pixels, the picture of 100 x 80"),
        ({"size": [80, 100], "counts": [1]}, "must be positive and add up"),
        ({"counts": [1]}, "run lengths come as"),
        ("cat", "neither polygons"),
    ],
)
def test_a_segmentation_that_is_none_costs_the_mask_and_not_the_box(read, segmentation, said):
    dataset = read(annotation(segmentation=segmentation))
    (problem,) = dataset.problems
    assert (problem.kind, problem.kept) == ("no mask", True)
    assert said in problem.message
    assert dataset[1].truth.regions[0].mask is None
    assert dataset[1].truth.count == 1


def test_an_overhanging_box_is_named_and_kept(read):
    dataset = read(annotation(bbox=[90, 10, 20, 20]))
    assert [(problem.kind, problem.kept) for problem in dataset.problems] == [("overhanging box", True)]
    assert dataset[1].truth.regions[0].box == (90, 10, 110, 30)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (json.dumps(TINY)[:-40], "is not JSON .*damaged or cut off"),
        ("[1, 2]", "is no COCO instances file, .* it holds a list"),
        ('{"images": []}', "it holds images"),
        ('{"images": [], "annotations": [], "categories": []}', "has no images"),
    ],
)
def test_a_file_that_is_no_instances_file_is_refused_in_one_sentence(tmp_path, text, said):
    with pytest.raises(InputError, match=said):
        read_instances(written(tmp_path, text))


# ---- COCO's own example


@pytest.mark.skipif(not (DATA / "coco_fake100").is_dir(), reason=f"no coco_fake100 at {DATA}")
def test_the_hundred_pictures_of_cocos_example_are_read_whole():
    path = DATA / "coco_fake100" / "instances_val2014_100.json"
    told = json.loads(path.read_text())
    dataset = read_instances(path)
    assert (len(dataset), dataset.problems) == (100, ())
    assert sum(sample.truth.count for sample in dataset) == sum(not a["iscrowd"] for a in told["annotations"]) == 830
    assert sum(len(sample.crowd) for sample in dataset) == 9
    assert len(dataset[0].names) == len(dataset.meta["categories"]) == 80
    for sample in dataset:
        for region, area in zip(sample.truth.regions, sample.meta["areas"], strict=True):
            assert sum(map(inside, region.mask.polygons)) == pytest.approx(area, rel=1e-6), "the mask is of its own box"
            assert region.mask.box == pytest.approx(region.box, abs=1.0)


def inside(corners):
    """Area inside an outline, by the shoelace formula."""
    x, y = corners.T
    return abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2
