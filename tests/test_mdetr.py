"""MDETR's json: every "image" is an expression; gRefCOCO's kind of it says where nothing is meant."""

import json

import pytest

from grounding.data.folders import Folder
from grounding.data.opening import open_dataset
from grounding.data.referring.mdetr import read_mdetr
from grounding.errors import InputError
from tests.refs_on_disk import CATEGORIES, told


def image(id=0, caption="lady in blue", **more):
    return {
        "file_name": "COCO_train2014_000000581857.jpg",
        "height": 427,
        "width": 640,
        "id": id,
        "original_id": 581857,
        "caption": caption,
        "dataset_name": "refcoco",
        "tokens_negative": [[0, len(caption)]],
        **more,
    }


def annotation(id=0, image_id=0, **more):
    return {
        "area": 9000.0,
        "iscrowd": 0,
        "image_id": image_id,
        "category_id": 1,
        "id": id,
        "bbox": [10.5, 20, 100, 200],
        "original_id": 1719310,
        "tokens_positive": [[0, 4]],
        **more,
    }


def written(folder, images, annotations, name="finetune_refcoco_val.json"):
    path = folder / name
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": CATEGORIES}))
    return path


def read(path, **options):
    return read_mdetr(path, name="refcoco:val", folder=Folder(None), **options)


def test_an_image_is_an_expression_with_its_ids(tmp_path):
    path = written(tmp_path, [image(), image(1, "the lady")], [annotation(), annotation(1, 1)])
    data = open_dataset("refcoco:val", root=path.parent)
    assert [(sample.id, sample.phrase) for sample in data] == [("0", "lady in blue"), ("1", "the lady")]
    assert data[0].truth.regions[0].box == (10.5, 20.0, 110.5, 220.0)
    assert data[0].truth.labels == ("person",)
    assert data[0].meta == {
        "dataset_name": "refcoco",
        "tokens_negative": [[0, 12]],
        "image_id": 581857,
        "ann_id": 1719310,
        "category": "person",
        "tokens_positive": [[0, 4]],
        "split": "val",
    }
    assert (data.scoring, data.problems, data.source) == ("rec", (), "MDETR's json: finetune_refcoco_val.json")
    assert data.notes == ("refcoco:val has 10,834 expressions as published; 2 were found here",)


def test_masks_are_taken_where_there_are_any(tmp_path):
    polygon = [[10, 20, 110, 20, 110, 220]]
    path = written(tmp_path, [image(), image(1)], [annotation(segmentation=polygon), annotation(1, 1)])
    assert read(path)[0].truth.regions[0].mask.to_json()["polygons"] == [[10.0, 20.0, 110.0, 20.0, 110.0, 220.0]]
    scored = read(path, scoring="segmentation")
    assert (len(scored), told(scored)) == (1, [("no mask", "finetune_refcoco_val.json, entry 1")])


def test_expressions_of_grefcoco_mean_none_or_several(tmp_path):
    images = [image(n, dataset_name="grefcoco") for n in range(3)]
    nothing = annotation(9, 1, empty=True, bbox=[0, 0, 0, 0], category_id=-1, original_id=-1)
    annotations = [annotation(0, 0, empty=False), nothing, annotation(1, 2, empty=False), annotation(2, 2, empty=False)]
    path = written(tmp_path, images, annotations, "finetune_grefcoco_val.json")
    data = open_dataset("grefcoco:val", root=path.parent)
    assert (data.scoring, [sample.truth.count for sample in data], data.problems) == ("generalized", [1, 0, 2], ())
    assert data[2].meta["ann_id"] == [1719310, 1719310]
    assert read(path).scoring == "generalized"


@pytest.mark.parametrize(
    ("images", "annotations", "kind", "entry"),
    [
        ([image(), image(1)], [annotation()], "no box", 1),
        ([image(), image(1)], [annotation(), annotation(1, 1), annotation(2, 1)], "no box", 1),
        ([image(), image(1)], [annotation(), annotation(1, 1, bbox=[1, 1, 0, 5])], "empty box", 1),
        ([image(), image(1)], [annotation(), annotation(1, 1, bbox=[1, 1, float("nan"), 5])], "not a number", 1),
        ([image(), image(1)], [annotation(), annotation(1, 1, bbox=[640, 1, 5, 5])], "box outside", 1),
        ([image(), image(1, width=None)], [annotation(), annotation(1, 1)], "no size", 1),
        ([image(), image(1, " ")], [annotation(), annotation(1, 1)], "unreadable line", 1),
        ([image(), "image"], [annotation()], "unreadable line", 2),
        ([image(), image()], [annotation()], "duplicate id", 0),
        ([image()], [annotation(), annotation(7, 5)], "unknown id", "7"),
        ([image()], [annotation(), [1]], "unreadable line", 2),
    ],
)
def test_what_is_wrong_is_named_by_its_id(tmp_path, images, annotations, kind, entry):
    data = read(written(tmp_path, images, annotations))
    assert [sample.id for sample in data] == ["0"]
    assert told(data) == [(kind, f"finetune_refcoco_val.json, entry {entry}")]


def test_captions_with_phrases_are_no_expressions(tmp_path):
    path = written(tmp_path, [image(dataset_name="flickr")], [annotation()])
    with pytest.raises(InputError, match="captions of 'flickr', not referring expressions"):
        read(path)


def test_plain_coco_is_not_taken_for_it(tmp_path):
    path = written(tmp_path, [{"id": 1, "file_name": "a.jpg", "width": 4, "height": 4}], [])
    with pytest.raises(InputError, match="is not MDETR's json"):
        read(path)
