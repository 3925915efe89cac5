"""A summary counts what is there: samples, pictures, regions by size, words, problems by kind."""

from PIL import Image

from grounding import Grounding, Region
from grounding.data.dataset import DataProblem, Dataset, StreamedDataset
from grounding.data.pictures import NoPicture
from grounding.data.sample import Sample
from grounding.data.summary import by_kind, summary_of, words_told
from grounding.masks import Mask

SIZE = (400, 300)


def sample(id, *boxes, picture="a.jpg", phrase="the red cup", **more):
    regions = tuple(Region(box) for box in boxes)
    return Sample(NoPicture(picture), phrase, Grounding(phrase, regions, "", *SIZE), id, **more)


SAMPLES = [
    sample("1", (0, 0, 10, 10), (0, 0, 50, 50), kind="color"),
    sample("2", (0, 0, 200, 200), phrase="cup", kind="color", crowd=(Region((0, 0, 9, 9)),)),
    sample("3", picture="b.jpg", phrase="", task="detect", names=("cup", "dog")),
    Sample(
        Image.new("RGB", SIZE),
        "dog",
        Grounding("dog", (Region((0, 0, 96, 96), mask=Mask.from_polygons([], *SIZE)),), "", *SIZE),
        "4",
        names=("dog",),
    ),
]


def test_everything_is_counted_once():
    problems = [DataProblem("no box", "a", "f"), DataProblem("empty box", "b", "f"), DataProblem("no box", "c", "f")]
    dataset = Dataset("a", SAMPLES, expected=5, problems=problems, notes=["by hand"])
    summary = summary_of(dataset)
    assert (summary.samples, summary.expected, summary.pictures) == (4, 5, 3)
    assert summary.missing == ["a.jpg", "b.jpg"]
    assert summary.sizes == {"small": 1, "medium": 1, "large": 2}, "32 and 96 px squared part the sizes, as in COCO"
    assert (summary.regions, summary.masks, summary.crowds, summary.empty) == (4, 1, 1, 1)
    assert (summary.kinds, summary.names) == ({"color": 2}, 2)
    assert summary.tasks == {"locate": 3, "detect": 1}
    assert words_told(summary.words) == {"least": 1, "mean": 5 / 3, "most": 3}
    assert [(kind, count, first.message) for kind, count, _, first in by_kind(summary.problems)] == [
        ("no box", 2, "a"),
        ("empty box", 1, "b"),
    ]
    assert summary.notes == dataset.notes
    assert summary.fingerprint == dataset.fingerprint


def test_a_stream_is_counted_to_its_end_with_its_problems():
    def samples(problems):
        yield SAMPLES[0]
        problems.append(DataProblem("no box", "a", "f"))

    summary = summary_of(StreamedDataset("hub:a/b:val", samples))
    assert (summary.samples, summary.streamed, len(summary.problems)) == (1, True, 1)


def test_nothing_has_no_words():
    assert words_told(summary_of(Dataset("a", [])).words) == {}
