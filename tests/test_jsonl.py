"""Our own jsonl: any sample comes back equal, a person can write it by hand, and every bad line is named."""

import json

import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image

from grounding import Grounding, Region
from grounding.data.dataset import SCORINGS, Dataset
from grounding.data.jsonl import lines_of, read_jsonl, write_jsonl
from grounding.data.opening import open_dataset
from grounding.data.pictures import FilePicture, NoPicture
from grounding.data.sample import Sample
from grounding.data.sample_lines import TASKS
from grounding.data.scenes.write import write_dataset
from grounding.errors import InputError, OutputError
from grounding.masks import Mask
from grounding.result import Problem

# ---- any sample comes back

WIDTH, HEIGHT = 64, 48
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | NUMBERS | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def boxes(draw):
    x, y = draw(st.floats(-0.9, WIDTH - 2)), draw(st.floats(-0.9, HEIGHT - 2))
    return (x, y, draw(st.floats(x + 1, WIDTH + 0.9)), draw(st.floats(y + 1, HEIGHT + 0.9)))


CORNERS = st.lists(st.tuples(st.floats(0, WIDTH), st.floats(0, HEIGHT)), min_size=3, max_size=5)
MASKS = st.one_of(
    st.lists(CORNERS, max_size=2).map(lambda polygons: Mask.from_polygons(polygons, WIDTH, HEIGHT)),
    st.integers(0, WIDTH * HEIGHT).map(
        lambda run: Mask.from_rle({"size": [HEIGHT, WIDTH], "counts": [run, WIDTH * HEIGHT - run]})
    ),
)
POINTS = st.tuples(NUMBERS, NUMBERS)
SPANS = st.tuples(st.integers(0, 9), st.integers(9, 20))
REGIONS = st.builds(
    Region,
    boxes(),
    label=st.none() | WORDS,
    score=st.none() | NUMBERS,
    span=st.none() | SPANS,
    mask=st.none() | MASKS,
    point=st.none() | POINTS,
) | POINTS.map(lambda point: Region((*point, *point), point=point))


@st.composite
def samples(draw, id):
    phrase, task = draw(WORDS), draw(st.sampled_from(TASKS))
    truth = Grounding(phrase, draw(st.lists(REGIONS, max_size=3)), draw(WORDS), WIDTH, HEIGHT, task=task)
    if draw(st.booleans()):  # a truth that says more of itself than a sample's usually does
        truth = truth.replace(
            phrase=draw(WORDS),
            task=draw(st.sampled_from(TASKS)),
            model=draw(st.none() | WORDS),
            seconds=draw(st.none() | NUMBERS),
            raw=draw(st.none() | WORDS),
            problems=(Problem("prose", draw(WORDS), draw(st.none() | SPANS)),),
        )
    return Sample(
        NoPicture(draw(WORDS.filter(bool))),
        phrase,
        truth,
        id,
        task=task,
        names=tuple(draw(st.lists(WORDS, max_size=3))),
        point=draw(st.none() | POINTS),
        box=draw(st.none() | boxes()),
        kind=draw(st.none() | WORDS),
        crowd=tuple(draw(st.lists(REGIONS, max_size=2))),
        meta=draw(st.dictionaries(WORDS, PLAIN, max_size=3)),
    )


@given(st.data())
@settings(max_examples=40)
def test_any_data_set_comes_back_equal(tmp_path_factory, data):
    ids = data.draw(st.lists(WORDS, unique=True, min_size=1, max_size=3))
    dataset = Dataset(
        data.draw(WORDS.filter(bool)),
        [data.draw(samples(id)) for id in ids],
        scoring=data.draw(st.sampled_from(SCORINGS)),
        source=data.draw(WORDS),
        expected=data.draw(st.none() | st.integers(0, 5)),
        notes=data.draw(st.lists(WORDS, max_size=2)),
        meta=data.draw(st.dictionaries(WORDS, PLAIN, max_size=2)),
    )
    path = tmp_path_factory.mktemp("jsonl") / "all.jsonl"
    assert write_jsonl(dataset, path) == len(ids)
    again = read_jsonl(path)
    assert again.problems == ()
    assert list(again) == list(dataset)
    assert again.fingerprint == dataset.fingerprint
    for said in ("name", "scoring", "expected", "notes", "meta"):
        assert getattr(again, said) == (getattr(dataset, said) or getattr(again, said)), said


def test_a_stretched_copy_stays_one(tmp_path):
    Image.new("RGB", (32, 32)).save(tmp_path / "a.png")
    picture = FilePicture(tmp_path / "a.png", "a.png", (64, 48))
    sample = Sample(picture, "cup", Grounding("cup", (Region((0, 0, 60, 40)),), "", 64, 48), "1")
    write_jsonl(Dataset("a", [sample]), tmp_path / "a.jsonl")
    (again,) = read_jsonl(tmp_path / "a.jsonl")
    assert again == sample
    assert again.open().size == (64, 48)


def test_pictures_at_an_address_are_named_and_measured_like_those_in_a_folder(tmp_path):
    fsspec = pytest.importorskip("fsspec")
    with fsspec.open("memory://pictures/a.png", "wb") as stream:
        Image.new("RGB", (32, 20)).save(stream, "PNG")
    path = tmp_path / "a.jsonl"
    path.write_text('{"image": "a.png", "phrase": "cup", "box": [1, 1, 9, 9]}\n')
    dataset = read_jsonl(path, images="memory://pictures")
    assert (dataset.problems, dataset[0].size) == ((), (32, 20))
    path.write_text(
        '{"image": "a.png", "phrase": "cup", "box": [1, 1, 9, 9], "width": 64, "height": 20, "stretched": true}\n'
    )
    (sample,) = read_jsonl(path, images="memory://pictures")
    assert sample.open().size == (64, 20)
    assert '"stretched": true' in list(lines_of(Dataset("a", [sample])))[1]


# ---- by hand


@pytest.fixture
def by_hand(tmp_path):
    Image.new("RGB", (100, 80)).save(tmp_path / "a.jpg")
    (tmp_path / "more").mkdir()
    Image.new("RGB", (30, 20)).save(tmp_path / "more" / "b.png")

    def read(*lines, **options):
        path = tmp_path / "mine.jsonl"
        path.write_text("".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines))
        return read_jsonl(path, **options)

    return read


def test_a_line_is_a_picture_a_phrase_and_a_box(by_hand):
    dataset = by_hand({"image": "a.jpg", "phrase": "red cup", "box": [12, 30, 96, 70]})
    (sample,) = dataset
    assert (dataset.name, dataset.scoring, dataset.problems, dataset.notes) == ("mine.jsonl", "rec", (), ())
    assert (sample.phrase, sample.id, sample.task, sample.size) == ("red cup", "1", "locate", (100, 80))
    assert sample.truth.regions == (Region((12, 30, 96, 70)),)
    assert sample.open().size == (100, 80)


@pytest.mark.parametrize(
    ("lines", "scoring"),
    [
        ([{"phrase": "cup", "box": None}], "absent"),
        ([{"phrase": "cup", "box": [1, 1, 5, 5]}, {"phrase": "cat", "box": [0, 0, 9, 9]}], "rec"),
        ([{"phrase": "cup", "box": None}, {"phrase": "cat", "box": [0, 0, 9, 9]}], "generalized"),
        ([{"phrase": "cups", "boxes": [[0, 0, 9, 9], [20, 0, 29, 9]]}], "generalized"),
        ([{"phrase": "cups", "boxes": [[0, 0, 9, 9]], "task": "count"}], "counting"),
        ([{"phrase": "cup", "box": [0, 0, 9, 9], "task": "segment"}], "segmentation"),
        ([{"names": ["cup", "cat"], "boxes": [[0, 0, 9, 9]], "labels": ["cup"]}], "detection"),
    ],
)
def test_the_scoring_follows_from_the_lines_where_nobody_says(by_hand, lines, scoring):
    assert by_hand(*({"image": "a.jpg", **line} for line in lines)).scoring == scoring


def test_the_scoring_that_is_asked_for_goes_before_the_header_and_the_header_before_the_lines(by_hand):
    header = {"format": "grounding samples", "version": 1, "scoring": "pointing", "name": "cups", "expected": 3}
    line = {"image": "a.jpg", "phrase": "cup", "box": [0, 0, 9, 9]}
    dataset = by_hand(header, line)
    assert (dataset.scoring, dataset.name, dataset.expected) == ("pointing", "cups", 3)
    assert dataset.notes == ("cups has 3 expressions as published; 1 were found here",)
    assert by_hand(header, line, scoring="segmentation").scoring == "segmentation"


def test_boxes_have_labels_and_a_name_to_detect_needs_no_task(by_hand):
    (sample,) = by_hand(
        {"image": "a.jpg", "names": ["cup"], "boxes": [[0, 0, 9, 9], [5, 5, 9, 9]], "labels": ["cup", None]}
    )
    assert (sample.task, sample.names, sample.truth.labels) == ("detect", ("cup",), ("cup", None))


def test_pictures_lie_below_the_files_folder_or_below_the_given_one(by_hand, tmp_path):
    line = {"image": "b.png", "phrase": "cup", "box": [0, 0, 9, 9]}
    assert by_hand(line)[0].size == (30, 20)
    assert by_hand(line, images=tmp_path / "more")[0].size == (30, 20)
    (tmp_path / "other").mkdir()
    known = line | {"width": 30, "height": 20}
    assert by_hand(known, images=tmp_path / "other").missing_pictures() == ["b.png"]


def test_questions_of_several_tasks_are_named_and_can_be_taken_apart(by_hand):
    lines = [{"image": "a.jpg", "phrase": "cup", "box": [0, 0, 9, 9], "task": task} for task in ("locate", "count")]
    (note,) = by_hand(*lines).notes
    assert note.startswith("it holds questions of several tasks (1 to locate, 1 to count)")
    counted = by_hand(*lines, task="count")
    assert (len(counted), counted.scoring, counted.notes) == (1, "counting", ("only questions to count are taken",))


def test_what_is_asked_about_is_kept_apart_from_what_is_true(by_hand):
    box, point = by_hand(
        {"image": "a.jpg", "task": "describe", "about": {"box": [1, 2, 3, 4]}, "box": [1, 2, 3, 4], "label": "cup"},
        {"image": "a.jpg", "task": "describe", "about": {"point": [5, 6]}, "box": None, "text": "a cup"},
    )
    assert (box.box, box.point, box.truth.labels) == ((1, 2, 3, 4), None, ("cup",))
    assert (point.box, point.point, point.truth.text, point.truth.regions) == (None, (5, 6), "a cup", ())


# ---- drawn scenes


def test_what_grounding_draws_is_read_with_its_answers(tmp_path):
    written = write_dataset(tmp_path / "drawn", 12, seed=3)
    dataset = open_dataset(tmp_path / "drawn" / "samples.jsonl")
    told = [json.loads(line) for line in (tmp_path / "drawn" / "samples.jsonl").read_text().splitlines()]
    wordy = sum(row["task"] == "answer" for row in told)
    assert len(dataset) + wordy == written.samples
    assert dataset.problems == ()
    assert f"as no verb asks them: {wordy}" in " ".join(dataset.notes)
    asked = [row for row in told if row["task"] != "answer"]
    for sample, row in zip(dataset, asked, strict=True):
        assert (sample.task, sample.phrase, sample.kind) == (row["task"], row["phrase"], row["skill"])
        assert [list(region.box) for region in sample.truth.regions] == row["boxes"]
        if row["task"] == "detect":
            assert set(sample.truth.labels) <= set(sample.names) == set(row["phrase"].split(" ; "))
        if row["task"] == "describe":
            assert (sample.box is None) == (sample.point is not None)
            assert sample.truth.labels == (sample.truth.text,)
        if row["task"] in ("describe", "caption"):
            assert "<" not in sample.truth.text
            assert sample.truth.text
    assert dataset[0].open().size == dataset[0].size
    assert dataset.missing_pictures() == []


# ---- what is wrong in a line

GOOD = {"image": "a.jpg", "phrase": "cup", "box": [1, 1, 9, 9]}


@pytest.mark.parametrize(
    ("line", "kind", "said"),
    [
        ('{"image": "a.jpg", "phra', "unreadable line", "the file ends in the middle of it"),
        ("[1]\n", "unreadable line", "no JSON object"),
        ({"phrase": "cup", "box": None}, "unreadable line", '"image" is to be a file name; seen None'),
        (GOOD | {"phrase": 5}, "unreadable line", '"phrase" is to be words; seen 5'),
        (GOOD | {"task": "find"}, "unreadable line", "no task 'find'; known: locate"),
        (GOOD | {"names": [5]}, "unreadable line", '"names" is to be a list of words'),
        (GOOD | {"regions": [5]}, "unreadable line", 'lists of objects with a "box"'),
        (GOOD | {"about": [1, 2]}, "unreadable line", '"about" is to be an object'),
        (GOOD | {"about": {"point": [1]}}, "not a number", "a point is 2 numbers"),
        ({"image": "a.jpg", "phrase": "cup"}, "no box", 'write "box": null where nothing is there'),
        ({"image": "a.jpg", "phrase": "cup", "boxes": [None]}, "no box", "no box"),
        (GOOD | {"box": [1, 1, 1, 9]}, "empty box", "has no area"),
        (GOOD | {"box": [200, 1, 210, 9]}, "box outside", "outside its picture of 100 x 80"),
        ('{"image": "a.jpg", "phrase": "cup", "box": [1, NaN, 5, 5]}\n', "not a number", "nan"),
        (GOOD | {"regions": [{"box": [1, 1, 9, 9], "score": "high"}]}, "not a number", "a score is 1 numbers"),
        (GOOD | {"boxes": [[1, 1, 9, 9]], "labels": ["a", "b"]}, "unreadable line", "2 labels for 1 boxes"),
        (GOOD | {"regions": [{"box": [1, 1, 9, 9], "mask": {"size": [80, 100]}}]}, "no mask", "run lengths"),
        (
            GOOD | {"regions": [{"box": [1, 1, 9, 9], "mask": {"size": [8, 9], "polygons": []}}]},
            "no mask",
            "a mask of 9 x 8 pixels in a picture of 100 x 80",
        ),
        (GOOD | {"image": "none.jpg"}, "no size", "the picture 'none.jpg' is not here to tell: give images="),
        (GOOD | {"image": "mine.jsonl"}, "no size", "its width and height can't be told"),
        (GOOD | {"width": 0, "height": 80}, "no size", "0 x 80"),
        (GOOD | {"width": 100}, "no size", "100 x None"),
        (GOOD | {"id": "1"}, "duplicate id", "'1' stands twice"),
        ({"format": "grounding samples", "version": 1}, "unreadable line", "a second header"),
    ],
)
def test_a_line_that_cannot_be_used_is_named_and_the_others_are_read(by_hand, line, kind, said):
    dataset = by_hand(GOOD, line)
    (problem,) = dataset.problems
    assert (problem.kind, problem.where) == (kind, "mine.jsonl, line 2")
    assert said in problem.message
    assert [sample.id for sample in dataset] == ["1"]


def test_an_overhanging_box_is_named_and_kept(by_hand):
    dataset = by_hand(GOOD | {"box": [90, 70, 110, 90]})
    assert [(problem.kind, problem.kept) for problem in dataset.problems] == [("overhanging box", True)]
    assert dataset[0].truth.boxes.tolist() == [[90, 70, 110, 90]]


def test_half_a_character_in_the_file_does_not_stop_the_rest(by_hand):
    dataset = by_hand({**GOOD, "phrase": "cup \ud800", "meta": {"n": "\udfff", "x": float("nan")}})
    assert (dataset[0].phrase, dataset[0].meta) == ("cup ?", {"n": "?", "x": None})
    assert all(line.encode() for line in lines_of(dataset))


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["\n"], "holds no sample that can be read"),
        (["{\n"], "holds no sample that can be read: mine.jsonl, line 1: it is not JSON"),
        ([{"format": "grounding samples", "version": 2}], "version 2 of the format; this package reads 1"),
        ([{"format": "grounding samples", "version": 1, "scoring": "boxes"}], "scored as 'boxes'; known: rec"),
        ([{"format": "grounding samples", "version": 1, "notes": "x"}], "'notes' is no list but 'x'"),
    ],
)
def test_a_file_without_a_sample_or_of_another_version_is_refused(by_hand, lines, said):
    with pytest.raises(InputError, match=said):
        by_hand(*lines)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none.jsonl can't be read: No such file"):
        read_jsonl(tmp_path / "none.jsonl")


# ---- writing


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    class Breaking(list):
        def __iter__(self):
            yield from list.__iter__(self)
            raise KeyboardInterrupt

    path = tmp_path / "a.jsonl"
    path.write_text("what was there")
    sample = Sample(NoPicture("a"), "cup", Grounding("cup", (), "", 9, 9), "1")
    with pytest.raises(KeyboardInterrupt):
        write_jsonl(Dataset("a", Breaking([sample])), path)
    assert path.read_text() == "what was there"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(OutputError, match=r"can't be written \(No such file"):
        write_jsonl(Dataset("a", [sample]), tmp_path / "none" / "a.jsonl")
