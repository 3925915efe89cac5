"""A drawn data set on disk: readable by COCO's own tools, whole or not there."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from grounding.data.scenes.generate import PictureOptions, draw_picture
from grounding.data.scenes.scene import SceneOptions
from grounding.data.scenes.write import segmentation_of, write_dataset
from grounding.errors import InputError, OutputError

KEYS = ["image", "width", "height", "task", "phrase", "prompt", "answer", "boxes", "labels", "point", "seed"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("drawn") / "set"
    write_dataset(out, 12, seed=40)
    return out


def lines(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "samples.jsonl").read_text("utf-8").splitlines()]


def test_every_line_has_the_promised_keys(folder: Path) -> None:
    for line in lines(folder):
        assert [key for key in line if key != "skill"] == KEYS
        assert all(0 <= x1 < x2 <= line["width"] and 0 <= y1 < y2 <= line["height"] for x1, y1, x2, y2 in line["boxes"])


def test_pictures_are_those_of_the_seeds_pixel_by_pixel(folder: Path) -> None:
    by_seed = {line["seed"]: line for line in lines(folder)}
    assert sorted(by_seed) == list(range(40, 52))
    for seed, line in by_seed.items():
        picture = draw_picture(seed)
        assert np.array_equal(np.asarray(Image.open(folder / line["image"])), picture.image)
        assert (line["width"], line["height"]) == (picture.scene.width, picture.scene.height)


def test_coco_tools_read_the_instances(folder: Path) -> None:
    from pycocotools.coco import COCO

    coco = COCO(str(folder / "instances.json"))
    assert len(coco.imgs) == 12
    for annotation in coco.loadAnns(coco.getAnnIds()):
        mask = coco.annToMask(annotation)
        x, y, width, height = annotation["bbox"]
        ys, xs = np.nonzero(mask)
        seen = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
        assert np.allclose(seen, (x, y, x + width, y + height), rtol=0, atol=2.5)
        assert coco.cats[annotation["category_id"]]["name"]


def test_each_ref_points_at_the_annotation_its_sentences_mean(folder: Path) -> None:
    instances = json.loads((folder / "instances.json").read_text("utf-8"))
    annotations = {annotation["id"]: annotation for annotation in instances["annotations"]}
    images = {image["id"]: image for image in instances["images"]}
    boxes = {
        (line["image"], line["phrase"]): line["boxes"]
        for line in lines(folder)
        if line["task"] == "locate" and len(line["boxes"]) == 1
    }
    refs = json.loads((folder / "refs.json").read_text("utf-8"))
    said = 0
    for ref in refs:
        annotation = annotations[ref["ann_id"]]
        assert annotation["image_id"] == ref["image_id"]
        assert annotation["category_id"] == ref["category_id"]
        assert ref["sent_ids"] == [sentence["sent_id"] for sentence in ref["sentences"]]
        for sentence in ref["sentences"]:
            x, y, width, height = annotation["bbox"]
            name = images[ref["image_id"]]["file_name"]
            assert np.allclose(boxes[name, sentence["sent"]], [[x, y, x + width, y + height]], atol=0.02)
            assert sentence["tokens"] == sentence["sent"].split()
            said += 1
    assert said == len(boxes)


def test_hidden_parts_are_left_out_of_the_segmentation() -> None:
    options = PictureOptions(SceneOptions(overlap=1.0, min_visibility=0.55), phrases=1)
    hidden = 0
    for seed in range(40):
        scene = draw_picture(seed, options).scene
        for thing in scene.things:
            if thing.visibility < 0.9:
                hidden += 1
                segmentation, area = segmentation_of(scene, thing.index)
                assert isinstance(segmentation["counts"], str)
                x1, y1, x2, y2 = thing.box
                assert 0 < area <= (x2 - x1 + 2) * (y2 - y1 + 2)
    assert hidden > 3


def test_jpeg_is_smaller_and_named_so(tmp_path: Path) -> None:
    write_dataset(tmp_path / "set", 1, image_format="jpg")
    (line,) = {line["image"] for line in lines(tmp_path / "set")}
    assert line == "images/00000000.jpg"
    assert Image.open(tmp_path / "set" / line).format == "JPEG"


def test_progress_is_told_after_every_picture(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    write_dataset(tmp_path / "set", 3, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_an_interrupted_run_leaves_no_lists_and_can_be_repeated(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_dataset(tmp_path / "set", 3, progress=stop)
    assert sorted(path.name for path in (tmp_path / "set").iterdir()) == ["images"]
    assert write_dataset(tmp_path / "set", 3).pictures == 3


def test_a_finished_data_set_is_not_written_over(folder: Path) -> None:
    with pytest.raises(OutputError, match="already"):
        write_dataset(folder, 1)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "set").write_text("mine")
    with pytest.raises(OutputError, match="not a directory"):
        write_dataset(tmp_path / "set", 1)
    assert (tmp_path / "set").read_text() == "mine"


def test_a_file_above_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="file"):
        write_dataset(tmp_path / "file" / "set", 1)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no device that is always full")
def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "samples.jsonl.part").symlink_to("/dev/full")
    with pytest.raises(OutputError, match="space"):
        write_dataset(tmp_path / "set", 1)


@pytest.mark.parametrize("wrong", [{"n": 0}, {"n": 1, "seed": -1}, {"n": 1, "image_format": "gif"}])
def test_values_that_cannot_work_are_refused(tmp_path: Path, wrong: dict) -> None:
    with pytest.raises(InputError):
        write_dataset(tmp_path / "set", **wrong)
