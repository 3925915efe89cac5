"""A file's format is told by what is in it, and its reader gets it; what is no data set is named."""

import io
import json
import os
from pathlib import Path

import pytest
from PIL import Image

from grounding.data.opening import open_dataset
from grounding.data.scenes.write import write_dataset
from grounding.errors import InputError
from tests.refs_on_disk import REFS, instances, ref, toolbox

DATA = Path(os.environ.get("GROUNDING_SHARED_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
SIZE = {"width": 640, "height": 427}
MINIGPT = {"img_id": "COCO_train2014_000000581857_0", "sents": "lady", "bbox": [10, 20, 100, 200]} | SIZE
QWEN = {"image": "a.jpg", "sent": "lady", "bbox": [10, 20, 100, 200]} | SIZE
PHOTO = {"image": "a.jpg", "text": "lady", "split": "val", "bbox_norm_xyxy": [0.1, 0.1, 0.5, 0.5]} | SIZE
BOXES = {"image": "a.jpg", "boxes": [{"label": "cat", "box_unit_xyxy": [0, 0, 1, 1]}]} | SIZE
OURS = {"id": "1", "image": "a.jpg", "phrase": "lady", "boxes": [[10, 20, 100, 200]]} | SIZE
TOLOKA = "image,width,height,left,top,right,bottom,question\na.jpg,640,427,10,20,110,220,Who stands there?\n"
DETECTION = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}
HEADER = {"format": "grounding samples", "version": 1, "scoring": "rec"}
MDETR = {
    "images": [{"id": 0, "original_id": 5, "file_name": "a.jpg", "caption": "lady", **SIZE}],
    "annotations": [{"id": 0, "image_id": 0, "original_id": 6, "category_id": 1, "bbox": [10, 20, 100, 200]}],
    "categories": [],
}


def lines(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.mark.parametrize(
    ("name", "text", "source", "scoring"),
    [
        ("a.json", json.dumps([MINIGPT]), "MiniGPT-v2's json", "rec"),
        ("a.json", json.dumps([MINIGPT], indent=4), "MiniGPT-v2's json", "rec"),
        ("a.jsonl", lines(MINIGPT), "MiniGPT-v2's json", "rec"),
        ("a.jsonl", json.dumps([MINIGPT]), "MiniGPT-v2's json", "rec"),
        ("a.jsonl", lines(QWEN), "jsonl of Qwen-VL and InternVL", "rec"),
        ("a.json", lines(QWEN, QWEN), "jsonl of Qwen-VL and InternVL", "rec"),
        ("a.json", lines(QWEN), "jsonl of Qwen-VL and InternVL", "rec"),
        ("a.jsonl", "{broken\n" + lines(QWEN), "jsonl of Qwen-VL and InternVL", "rec"),
        ("a.txt", lines(QWEN), "jsonl of Qwen-VL and InternVL", "rec"),
        ("a.json", "\ufeff" + json.dumps([MINIGPT]), "MiniGPT-v2's json", "rec"),
        ("a.jsonl", lines(PHOTO), "jsonl of photographs and unit boxes", "rec"),
        ("a.jsonl", lines(BOXES), "jsonl of labelled boxes", "detection"),
        ("a.json", json.dumps(MDETR), "MDETR's json", "rec"),
        ("a.json", json.dumps(MDETR, indent=1), "MDETR's json", "rec"),
        ("a.json", json.dumps({"categories": [], **MDETR}), "MDETR's json", "rec"),
        ("a.json", json.dumps(instances()), "COCO instances, a.json", "detection"),
        ("a.json", json.dumps(instances(), indent=1), "COCO instances, a.json", "detection"),
        ("a.json", json.dumps({"info": "x" * 100_000, **MDETR}), "MDETR's json", "rec"),
        ("a.jsonl", lines(OURS), "jsonl, a.jsonl", "rec"),
        ("a.jsonl", lines(HEADER, OURS), "jsonl, a.jsonl", "rec"),
        ("a.jsonl", lines({**OURS, "boxes": []}), "jsonl, a.jsonl", "absent"),
        ("a.csv", TOLOKA, "Toloka's csv, a.csv", "rec"),
        ("a.csv", TOLOKA.replace("left,top", '"left","top"'), "Toloka's csv, a.csv", "rec"),
    ],
)
def test_a_format_is_told_by_what_is_in_the_file(tmp_path, name, text, source, scoring):
    (tmp_path / name).write_text(text, encoding="utf-8")
    data = open_dataset(tmp_path / name)
    assert (data.source.partition(": ")[0], data.scoring) == (source, scoring)
    assert len(data) >= 1


def test_refs_are_read_with_the_instances_beside_them(tmp_path):
    folder = toolbox(tmp_path)
    data = open_dataset(folder / "refs(unc).p")
    assert (len(data), data.scoring) == (5, "rec")
    assert [sample.meta["split"] for sample in open_dataset(folder / "refs(unc).p", split="testA")] == ["testA"]
    (folder / "grefs(unc).json").write_text(json.dumps([ref(0, [-1], 11), *REFS]))
    grefs = open_dataset(folder / "grefs(unc).json", split="val")
    assert (grefs.scoring, [sample.truth.count for sample in grefs][:3]) == ("generalized", [0, 0, 1])
    assert open_dataset(folder / "refs(unc).p", split="testA", scoring="segmentation").scoring == "segmentation"
    (folder / "instances.json").unlink()
    with pytest.raises(InputError, match=r"refs\(unc\).p needs instances.json beside it"):
        open_dataset(folder / "refs(unc).p")


def test_lists_of_a_drawn_data_set_are_read(tmp_path):
    write_dataset(tmp_path, 2, seed=1)
    for name in ("refs.json", "instances.json", "samples.jsonl"):
        data = open_dataset(tmp_path / name)
        assert (data.problems, data.missing_pictures()) == ((), []), name


def test_a_file_that_is_named_as_a_published_split_is_counted_as_one(tmp_path):
    path = tmp_path / "refcoco_testA.json"
    path.write_text(json.dumps([MINIGPT]))
    data = open_dataset(path)
    assert data.notes == ("refcoco_testA.json has 5,657 expressions as published; 1 were found here",)
    assert data[0].meta["split"] == "testA"


def test_pictures_lie_in_the_folder_that_is_given_or_beside_the_file(tmp_path):
    (tmp_path / "annotations").mkdir()
    path = tmp_path / "annotations" / "a.jsonl"
    path.write_text(lines(QWEN))
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").touch()
    assert open_dataset(path).missing_pictures() == ["a.jpg"]
    assert open_dataset(path, root=tmp_path).missing_pictures() == []
    assert open_dataset(path, images=tmp_path / "images").missing_pictures() == []


def test_parquet_of_ref_l4_is_read(tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="parquet needs the extra 'eval'")
    import pyarrow.parquet as parquet

    row = {"id": 3, "caption": "lady", "file_name": "a.jpg", "bbox": [1.0, 2.0, 3.0, 4.0], "split": "val", **SIZE}
    parquet.write_table(pyarrow.Table.from_pylist([row]), tmp_path / "rows.parquet")
    data = open_dataset(tmp_path / "rows.parquet")
    assert (data.source, data[0].id) == ("Ref-L4: rows.parquet", "3")
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "rows.parquet").read_bytes()[:40])
    with pytest.raises(InputError, match=r"cut.parquet can't be read as parquet"):
        open_dataset(tmp_path / "cut.parquet")


def test_parquet_with_pictures_goes_to_the_reader_of_the_hub(tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="parquet needs the extra 'eval'")
    import pyarrow.parquet as parquet

    stream = io.BytesIO()
    Image.new("RGB", (64, 48)).save(stream, "PNG")
    row = {"question_id": "1", "image": {"bytes": stream.getvalue(), "path": None}, "question": "Where?"}
    row |= {"answer": ["lady", "the lady"], "bbox": [1.0, 2.0, 3.0, 4.0], "file_name": "a.png"}
    parquet.write_table(pyarrow.Table.from_pylist([row]), tmp_path / "rows.parquet")
    data = open_dataset(tmp_path / "rows.parquet")
    assert [sample.phrase for sample in data] == ["lady", "the lady"]
    assert data[0].open().size == data[0].size == (64, 48)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.md", "# A title", r"begins with '# A title', as no format known here does; known: a row an expression"),
        ("a.json", "", "begins with nothing"),
        ("a.json", "[{", "is not JSON"),
        ("a.json", "{", "is not JSON"),
        ("a.json", '[{"a": 1}]', "holds rows with a; known are rows with img_id"),
        ("a.json", json.dumps([DETECTION]), "give the file of the truth"),
        ("a.jsonl", lines({"image": "a.jpg", "boxes": [DETECTION]}), "give the file of the truth"),
        ("a.jsonl", lines({"format": "grounding predictions", "version": 1}), "measure them with `grounding score"),
        ("a.json", json.dumps({"images": 3, "annotations": []}), "COCO instances"),
        ("a.p", "not a pickle", "needs instances.json beside it"),
        ("a.csv", "x,y\n1,2\n", "begins with 'x,y"),
        ("a.csv", "x\ry,z", "begins with 'x"),
    ],
)
def test_what_is_no_data_set_is_said_in_one_sentence(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=said) as caught:
        open_dataset(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_an_option_that_a_format_does_not_have_is_named_with_those_it_has(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps([MINIGPT]))
    with pytest.raises(InputError, match="no option 'scoring'; its options are split, stretched"):
        open_dataset(tmp_path / "a.json", scoring="rec")
    (tmp_path / "b.json").write_text(json.dumps(instances()))
    with pytest.raises(InputError, match="no option 'split'; its options are stretched, names"):
        open_dataset(tmp_path / "b.json", split="val")
    with pytest.raises(InputError, match="is a folder: name the data set in it"):
        open_dataset(tmp_path)


ODD = (None, True, -1, 10**400, 1e308, "", "\ud800", [], [[]], {}, {"a": 1}, "DELETE")


def damaged(value):
    """The value with one part of it replaced by something odd, or left out, in every possible way."""
    for odd in ODD[:-1]:
        yield odd
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            for odd in damaged(value[key]):
                copy = value.copy()
                copy[key] = odd
                yield copy
            copy = value.copy()
            del copy[key]
            yield copy


def opens_or_says_why(path, **options):
    """Opens a file that may be odd: a data set that can be written, or one sentence, and nothing else."""
    try:
        data = open_dataset(path, **options)
    except InputError as error:
        return "\n" not in str(error)
    json.dumps([sample.meta for sample in data], allow_nan=False, ensure_ascii=False).encode()
    return bool(data.fingerprint)


@pytest.mark.parametrize("doc", [[MINIGPT], [QWEN], [PHOTO], MDETR], ids=["minigpt", "qwen", "photo", "mdetr"])
def test_whatever_is_odd_in_a_file_ends_in_a_problem_or_one_sentence(tmp_path, doc):
    path = tmp_path / "a.json"
    tried = list(damaged(doc))
    for odd in tried:
        path.write_text(json.dumps(odd))
        assert opens_or_says_why(path), odd
    assert len(tried) > 100


@pytest.mark.parametrize("refs", ["refs.json", "grefs(unc).json"])
@pytest.mark.parametrize("name", [None, "instances.json"])
def test_whatever_is_odd_in_refs_ends_in_a_problem_or_one_sentence(tmp_path, refs, name):
    truth = {"images": instances()["images"][:1], "annotations": instances()["annotations"][:1], "categories": []}
    docs = {refs: [ref(ann_id=[1719310], category_id=[1])], "instances.json": truth}
    for file, doc in docs.items():
        (tmp_path / file).write_text(json.dumps(doc))
    tried = list(damaged(docs[name or refs]))
    for odd in tried:
        (tmp_path / (name or refs)).write_text(json.dumps(odd))
        for scoring in ("rec", "segmentation", "generalized"):
            assert opens_or_says_why(tmp_path / refs, scoring=scoring), odd
    assert len(tried) > 100


@pytest.mark.skipif(not (DATA / "photos").is_dir(), reason=f"no photos/ at {DATA}: set GROUNDING_SHARED_DATA")
def test_files_of_the_real_data_are_told_apart():
    sources = {
        "photos/expressions.jsonl": "jsonl of photographs",
        "coco_labelled/boxes.jsonl": "jsonl of labelled boxes",
        "refcoco/refcocog_val.json": "MiniGPT-v2's json",
        "coco_fake100/instances_val2014_100.json": "COCO instances",
    }
    for name, source in sources.items():
        data = open_dataset(DATA / name)
        assert data.source.startswith(source), name
        assert len(data) >= 100
    with pytest.raises(InputError, match="a model's answers"):
        open_dataset(DATA / "coco_fake100" / "instances_val2014_fakebbox100_results.json")
    with pytest.raises(InputError, match="a model's answers"):
        open_dataset(DATA / "photos" / "detections.jsonl")
