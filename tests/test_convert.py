"""Converting: what a format holds comes back the same, and what it has no place for is said with a count."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image

from grounding import Grounding, Region
from grounding.data.coco import read_instances
from grounding.data.convert import convert
from grounding.data.dataset import Dataset, StreamedDataset
from grounding.data.jsonl import read_jsonl
from grounding.data.opening import open_dataset
from grounding.data.pictures import HeldPicture, NoPicture
from grounding.data.sample import Sample
from grounding.errors import InputError, OutputError
from grounding.masks import Mask

DATA = Path(os.environ.get("GROUNDING_SHARED_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
WIDTH, HEIGHT = 64, 48
NAMES = ("cup", "dog", "猫")
WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9).map(str.strip).filter(bool)


@st.composite
def boxes(draw):
    x, y = draw(st.floats(-0.9, WIDTH - 2)), draw(st.floats(-0.9, HEIGHT - 2))
    return (x, y, draw(st.floats(x + 1, WIDTH + 0.9)), draw(st.floats(y + 1, HEIGHT + 0.9)))


CORNERS = st.lists(st.tuples(st.floats(0, WIDTH), st.floats(0, HEIGHT)), min_size=3, max_size=4)
MASKS = st.one_of(
    st.lists(CORNERS, min_size=1, max_size=2).map(lambda polygons: Mask.from_polygons(polygons, WIDTH, HEIGHT)),
    st.integers(0, WIDTH * HEIGHT).map(
        lambda run: Mask.from_rle({"size": [HEIGHT, WIDTH], "counts": [run, WIDTH * HEIGHT - run]})
    ),
)


def regions(names, least=0, most=3):
    drawn = st.builds(Region, boxes(), st.sampled_from(names), mask=st.none() | MASKS)
    return st.lists(drawn, min_size=least, max_size=most).map(tuple)


def detection(key, regions, crowd=(), id=None, meta=None):
    truth = Grounding("", regions, "", WIDTH, HEIGHT, task="detect")
    id, meta = id or key, meta or {}
    return Sample(NoPicture(key), "", truth, id, task="detect", names=NAMES, crowd=crowd, meta=meta)


@st.composite
def detections(draw):
    keys = draw(st.lists(WORDS.filter(lambda key: "/" not in key), unique=True, min_size=1, max_size=3))
    ids = draw(st.lists(WORDS | st.integers(0, 99).map(str), unique=True, min_size=len(keys), max_size=len(keys)))
    meta = st.dictionaries(st.sampled_from(["seed", "place"]), st.integers() | WORDS, max_size=2)
    samples = [
        detection(key, draw(regions(NAMES)), draw(regions(NAMES)), id, draw(meta))
        for key, id in zip(keys, ids, strict=True)
    ]
    return Dataset("drawn", samples, scoring="detection")


def near(a, b):
    """Whether two tuples of regions are the same; a box may be off by its last bit, as COCO holds widths."""
    return len(a) == len(b) and all(
        (x.label, x.mask, x.box) == (y.label, y.mask, pytest.approx(y.box, abs=1e-12))
        for x, y in zip(a, b, strict=True)
    )


def again(samples):
    """What must come back of each: everything but the numbers that reading COCO adds to the meta."""
    derived = {"image_id", "file_name", "annotation_ids", "category_ids", "areas"}
    derived |= {f"crowd_{key}" for key in derived}
    return [
        (s.id, s.picture.key, s.size, s.task, s.names, {k: v for k, v in s.meta.items() if k not in derived})
        for s in samples
    ]


@given(dataset=detections())
@settings(max_examples=40)
def test_a_detection_set_goes_to_coco_and_back_with_nothing_lost(tmp_path_factory, dataset):
    folder = tmp_path_factory.mktemp("both")
    convert(dataset, folder / "a.jsonl")
    done = convert(read_jsonl(folder / "a.jsonl"), folder / "b.json")
    assert done.losses == ()
    coco = read_instances(folder / "b.json")
    convert(coco, folder / "c.jsonl")
    back = read_jsonl(folder / "c.jsonl")
    assert (back.problems, back.scoring) == ((), "detection")
    assert again(back) == again(dataset)
    for one, other in zip(back, dataset, strict=True):
        assert near(one.truth.regions, other.truth.regions)
        assert near(one.crowd, other.crowd)
    assert list(back) == list(coco), "the second time not even a bit changes"


@st.composite
def expressions(draw, several):
    keys = draw(st.lists(WORDS.filter(lambda key: "/" not in key), unique=True, min_size=1, max_size=3))
    samples = []
    for number in range(draw(st.integers(1, 5))):
        targets = draw(regions(NAMES) if several else regions(NAMES, 1, 1))
        phrase = draw(WORDS)
        truth = Grounding(phrase, tuple(dict.fromkeys(targets)), "", WIDTH, HEIGHT)
        meta = draw(st.dictionaries(st.sampled_from(["seed", "place"]), st.integers() | WORDS, max_size=2))
        samples.append(
            Sample(NoPicture(draw(st.sampled_from(keys))), phrase, truth, f"{number + 3}-{number}", meta=meta)
        )
    return Dataset("refer:val", samples, scoring="generalized" if several else "rec")


@pytest.mark.parametrize("several", [False, True])
@given(data=st.data())
@settings(max_examples=40)
def test_expressions_go_to_refs_and_back_with_nothing_lost(tmp_path_factory, several, data):
    dataset = data.draw(expressions(several))
    folder = tmp_path_factory.mktemp("refs")
    done = convert(dataset, folder / "refs")
    assert done.losses == ()
    back = open_dataset(done.paths[1])
    assert back.problems == ()
    told = [(s.id, s.picture.key, s.phrase, s.size) for s in dataset]
    assert [(s.id, s.picture.key, s.phrase, s.size) for s in back] == told
    for one, other in zip(back, dataset, strict=True):
        assert near(one.truth.regions, other.truth.regions)
        assert {key: one.meta[key] for key in other.meta} == dict(other.meta)
    if any(sample.truth.count != 1 for sample in dataset):
        assert back.scoring == "generalized"


def test_refs_that_were_refs_keep_their_ids_through_our_jsonl(tmp_path):
    def sample(id, ann, phrase):
        box = (1, 1, 9.5, 9) if ann == 21 else (3, 3, 8, 8)
        truth = Grounding(phrase, (Region(box, "cup"),), "", WIDTH, HEIGHT)
        meta = {"ref_id": int(id.split("-")[0]), "ann_id": ann, "image_id": 77, "category_id": 47, "split": "testB"}
        meta |= {
            "file_name": "COCO_train2014_000000000077_3.jpg",
            "sent_id": int(id.split("-")[1]),
            "raw": phrase.upper(),
        }
        return Sample(NoPicture("77.jpg"), phrase, truth, id, meta=meta | {"tokens": ["x"], "category": "cup"})

    dataset = Dataset("refcoco:testB", [sample("5-12", 21, "a"), sample("5-13", 21, "b"), sample("9-1", 30, "c")])
    convert(dataset, tmp_path / "a.jsonl")
    done = convert(read_jsonl(tmp_path / "a.jsonl"), tmp_path / "refs")
    assert done.losses == ()
    refs = json.loads((tmp_path / "refs" / "refs.json").read_text())
    assert [(ref["ref_id"], ref["ann_id"], ref["sent_ids"], ref["split"]) for ref in refs] == [
        (5, 21, [12, 13], "testB"),
        (9, 30, [1], "testB"),
    ]
    instances = json.loads((tmp_path / "refs" / "instances.json").read_text())
    assert [image["id"] for image in instances["images"]] == [77]
    assert [(one["id"], one["category_id"]) for one in instances["annotations"]] == [(21, 47), (30, 47)]
    assert list(open_dataset(tmp_path / "refs" / "refs.json")) == list(dataset)


@pytest.mark.skipif(not (DATA / "coco_fake100").is_dir(), reason=f"no coco_fake100 at {DATA}")
def test_cocos_own_example_comes_back_number_for_number(tmp_path):
    path = DATA / "coco_fake100" / "instances_val2014_100.json"
    assert convert(open_dataset(path), tmp_path / "a.jsonl").losses == ()
    assert convert(open_dataset(tmp_path / "a.jsonl"), tmp_path / "b.json").losses == ()
    told, back = json.loads(path.read_text()), json.loads((tmp_path / "b.json").read_text())
    for entry in told["images"]:
        (same,) = (image for image in back["images"] if image["id"] == entry["id"])
        assert same == {key: entry[key] for key in ("id", "file_name", "width", "height")}
    assert back["categories"] == [{key: c[key] for key in ("id", "name", "supercategory")} for c in told["categories"]]
    ours = {one["id"]: one for one in back["annotations"]}
    assert len(ours) == len(told["annotations"])
    for one in told["annotations"]:
        same = ours[one["id"]]
        assert (same["image_id"], same["category_id"], same["iscrowd"]) == (
            one["image_id"],
            one["category_id"],
            one["iscrowd"],
        )
        assert same["area"] == one["area"]
        assert same["bbox"] == pytest.approx(one["bbox"], abs=1e-12)
        if not one["iscrowd"]:
            assert same["segmentation"] == one["segmentation"]


# ---- what a format has no place for


def rich_sample(id="1", key="a.jpg", phrase="red cup"):
    region = Region((1, 1, 9, 9), None, 0.5, (0, 3), None, (4, 4))
    truth = Grounding(phrase, (region, Region((5, 5, 5, 5), point=(5, 5))), "words", WIDTH, HEIGHT)
    return Sample(NoPicture(key), phrase, truth, id, kind="color", crowd=(Region((0, 0, 9, 9), "cup"),))


def test_what_coco_has_no_place_for_is_said_with_its_count(tmp_path):
    dataset = Dataset("mine", [rich_sample("1"), rich_sample("2", phrase="the cup")], scoring="generalized")
    done = convert(dataset, tmp_path / "a.json")
    assert set(done.losses) == {
        "2 x question to locate, of which instances keep the boxes and not the words",
        "2 x sample that shares its picture with others, where a picture stands once",
        "2 x place without an area, a point, that COCO's boxes cannot be",
        "2 x kind of question",
        "2 x text of a truth, or phrase beside the names to detect",
        "1 x region that nobody named: its category is 'object'",
        "1 x region with a point, a span of words or a score, which instances do not hold",
        "1 x data set that is scored as generalized, where instances are always scored as detection",
    }
    (sample,) = read_instances(tmp_path / "a.json")
    assert sample.truth.labels == ("object",), "the same region of two phrases is one instance"
    assert len(sample.crowd) == 1


def test_what_refs_have_no_place_for_is_said_with_its_count(tmp_path):
    point = rich_sample()
    cup = Region((1, 1, 9, 9), "cup")
    plain = Sample(NoPicture("a.jpg"), "cup", Grounding("cup", (cup,), "", WIDTH, HEIGHT), "x", kind="color")
    done = convert(Dataset("mine", [point, plain, detection("b.jpg", (cup,))]), tmp_path / "refs")
    assert set(done.losses) == {
        "1 x expression that means a point, which has no box: left out",
        "1 x question to detect, which refs have no place for: left out",
        "1 x id of a sample: refs and sentences are numbered",
        "1 x kind of question",
    }
    assert done.samples == 3
    assert [sample.phrase for sample in open_dataset(tmp_path / "refs" / "refs.json")] == ["cup"]


def test_our_jsonl_loses_nothing(tmp_path):
    done = convert(Dataset("mine", [rich_sample()]), tmp_path / "a.jsonl")
    assert (done.losses, done.samples) == ((), 1)
    assert list(read_jsonl(tmp_path / "a.jsonl")) == [rich_sample()]


# ---- pictures that lie in no file


def held(tmp_path, key, form):
    Image.new("RGB", (WIDTH, HEIGHT), "teal").save(tmp_path / "x", form)
    truth = Grounding("cup", (Region((1, 1, 9, 9)),), "", WIDTH, HEIGHT)
    return Sample(HeldPicture((tmp_path / "x").read_bytes(), key), "cup", truth, key)


def test_pictures_in_no_file_are_written_as_they_came_and_found_again(tmp_path):
    samples = [held(tmp_path, key, form) for key, form in (("a.jpg", "JPEG"), ("b/c.jpg", "PNG"), ("row-7", "JPEG"))]
    samples.append(held(tmp_path, "../../d.png", "BMP"))
    done = convert(Dataset("mine", [*samples, samples[0]][:4]), tmp_path / "out.jsonl", pictures=tmp_path / "pictures")
    assert done.pictures == 4
    written = sorted(str(path.relative_to(tmp_path)) for path in (tmp_path / "pictures").rglob("*.*"))
    assert written == ["pictures/a.jpg", "pictures/b/c.png", "pictures/d.png", "pictures/row-7.jpg"]
    assert (tmp_path / "pictures" / "a.jpg").read_bytes() == samples[0].image.source, "byte for byte"
    back = read_jsonl(tmp_path / "out.jsonl", images=tmp_path / "pictures")
    assert back.missing_pictures() == []
    assert [sample.open().getpixel((0, 0)) for sample in back][1] == (0, 128, 128)


def test_pictures_in_no_file_are_counted_where_nobody_wants_them_written(tmp_path):
    samples = [held(tmp_path, "a.jpg", "JPEG"), held(tmp_path, "a.jpg", "JPEG"), held(tmp_path, "b.jpg", "JPEG")]
    done = convert(Dataset("mine", samples), tmp_path / "out.jsonl")
    assert done.losses == ("2 x picture in no file of its own, not written: --pictures FOLDER writes it",)
    broken = Sample(HeldPicture(b"GIF8", "c.gif"), "cup", samples[0].truth, "c")
    done = convert(Dataset("mine", [broken]), tmp_path / "two.jsonl", pictures=tmp_path / "pictures")
    assert done.losses == ("1 x picture that can't be opened, not written",)


def test_a_stream_is_converted_as_it_comes(tmp_path):
    samples = [held(tmp_path, f"{number}.jpg", "JPEG") for number in range(3)]
    stream = StreamedDataset("hub:a/b:val", lambda problems: iter(samples))
    for name in ("a.jsonl", "a.json"):
        assert convert(stream, tmp_path / name, pictures=tmp_path / "pictures").samples == 3
    assert [sample.id for sample in read_jsonl(tmp_path / "a.jsonl")] == ["0.jpg", "1.jpg", "2.jpg"]


# ---- where it is written


@pytest.mark.parametrize(
    ("name", "to", "said"),
    [
        ("a.csv", None, "tells no format: end it in .jsonl or .json, or say --to FORMAT"),
        ("a.json", "yolo", "nothing is written as 'yolo'; known: jsonl, coco, refs"),
        ("there", "jsonl", "is a folder: give the name of a file in it"),
        ("file.txt", "refs", "refs are a folder with two files"),
        ("file.txt", "jsonl", "is there already: give another place, or overwrite it"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_anything_is_read(tmp_path, name, to, said):
    (tmp_path / "there").mkdir()
    (tmp_path / "file.txt").write_text("mine")

    def never(problems):
        raise AssertionError("nothing is to be read")
        yield

    with pytest.raises(InputError, match=said):
        convert(StreamedDataset("a", never), tmp_path / name, to)
    assert (tmp_path / "file.txt").read_text() == "mine"


def test_overwriting_is_asked_for(tmp_path):
    dataset = Dataset("mine", [rich_sample()])
    convert(dataset, tmp_path / "a.jsonl")
    assert convert(dataset, tmp_path / "a.jsonl", overwrite=True).samples == 1
    with pytest.raises(OutputError, match=r"none/a.jsonl can't be written \(No such file"):
        convert(dataset, tmp_path / "none" / "a.jsonl")


def test_a_data_set_can_be_overwritten_with_itself(tmp_path):
    convert(Dataset("mine", [rich_sample("1"), rich_sample("2")]), tmp_path / "a.jsonl")
    before = (tmp_path / "a.jsonl").read_text().splitlines()[1:]
    convert(read_jsonl(tmp_path / "a.jsonl"), tmp_path / "a.jsonl", overwrite=True)
    assert (tmp_path / "a.jsonl").read_text().splitlines()[1:] == before
