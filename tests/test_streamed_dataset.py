"""A streamed data set tells no length, counts its problems as it goes, and gives its first samples as a data set."""

import pytest
from PIL import Image

from grounding import Grounding, Region
from grounding.data.dataset import DataProblem, StreamedDataset
from grounding.data.sample import Sample
from grounding.errors import InputError

READ = []


def samples(problems):
    for number in range(5):
        READ.append(number)
        if number == 2:
            problems.append(DataProblem("no box", "the expression has no box", "rows", entry=3))
            continue
        truth = Grounding(str(number), (Region((0, 0, 1, 1)),), "", 4, 4)
        yield Sample(Image.new("RGB", (4, 4)), str(number), truth, str(number))


@pytest.fixture
def streamed():
    READ.clear()
    return StreamedDataset("hub:a/b:val", samples, notes=["by hand"], expected=5, identity=["r1", ["image"]])


def ids(dataset):
    return [sample.id for sample in dataset]


def test_it_has_no_length_and_says_what_to_do(streamed):
    with pytest.raises(TypeError, match=r"nobody knows its length: iterate over it, or take\(n\)"):
        len(streamed)
    assert streamed, "it is not taken for empty"
    assert READ == [], "nothing is read before it is asked for"


def test_it_can_be_iterated_again_and_its_problems_are_of_the_last_time(streamed):
    assert ids(streamed) == ids(streamed) == ["0", "1", "3", "4"]
    assert [problem.entry for problem in streamed.problems] == [3]


def test_taking_reads_no_further_than_asked_and_says_so(streamed):
    two = streamed.take(2)
    assert (ids(two), len(two), two.name, READ) == (["0", "1"], 2, "hub:a/b:val[:2]", [0, 1])
    assert two.notes == ("by hand", "only 2 expressions of it were asked")
    assert two.expected is None


def test_taking_more_than_there_is_gives_the_whole_with_its_problems(streamed):
    whole = streamed.take(99)
    assert (whole.name, len(whole), len(whole.problems)) == ("hub:a/b:val", 4, 1)
    assert whole.notes[0] == "hub:a/b:val has 5 expressions as published; 4 were found here"


def test_skipping_adds_up_and_leaves_the_original_as_it_is(streamed):
    rest = streamed.skip(1).skip(1)
    assert (ids(rest), ids(streamed)) == (["3", "4"], ["0", "1", "3", "4"])
    assert rest.take(1).name == "hub:a/b:val[2:3]"
    assert rest.fingerprint != streamed.fingerprint


def test_its_fingerprint_follows_the_revision_and_the_columns(streamed):
    others = [StreamedDataset("hub:a/b:val", samples, identity=told) for told in (["r2", ["image"]], ["r1", []])]
    assert len({streamed.fingerprint, *(other.fingerprint for other in others)}) == 3
    assert READ == []


def test_a_scoring_that_does_not_exist_is_refused():
    with pytest.raises(InputError, match="'boxes'; known: rec"):
        StreamedDataset("a", samples, scoring="boxes")
