"""What words answer about photographs: points on things, captions tied to boxes, short questions."""

from __future__ import annotations

from random import Random

from grounding.codecs import get_codec
from grounding.data.photos.questions import ask
from grounding.data.photos.telling import answer, caption, describe_point
from grounding.images import Canvas
from tests.photo_scenes import facts, row_of_people, scene, thing


def drafts(build, known, tries=60):
    """All that comes of many tries."""
    return [draft for seed in range(tries) if (draft := build(known, Random(seed))) is not None]


def test_a_point_means_the_smallest_thing_around_it() -> None:
    known = facts(thing("couch", 5, 10, 95, 95), thing("cat", 40, 40, 60, 60, color="black"))
    found = drafts(describe_point, known)
    assert {draft.labels for draft in found} == {("couch",), ("black cat",)}
    for draft in found:
        x, y = draft.point
        on_cat = 40 <= x <= 60 and 40 <= y <= 60
        assert draft.targets == ((1,) if on_cat else (0,))


def test_no_point_where_two_boxes_are_alike_or_one_is_unsure() -> None:
    assert not drafts(describe_point, facts(thing("horse", 10, 10, 60, 60), thing("person", 12, 12, 62, 62)))
    assert not drafts(describe_point, facts(thing("dog", 10, 10, 50, 50), thing("cat", 10, 10, 50, 50, sure=False)))


def test_a_caption_names_what_is_there_and_ties_its_words_to_boxes() -> None:
    known = facts(
        thing("dog", 5, 40, 45, 95, color="brown"),
        thing("chair", 55, 50, 75, 80),
        thing("chair", 78, 50, 95, 80),
        thing("sports ball", 50, 90, 51, 91),  # too small beside the others to be spoken of
    )
    found = drafts(caption, known)
    assert {draft.text.removeprefix("a photo of ").removeprefix("there is ") for draft in found} == {
        "a brown dog and two chairs"
    }
    for draft in found:
        told = {draft.text[start:stop]: members for start, stop, members in draft.spans}
        assert told == {"a brown dog": (0,), "two chairs": (1, 2)}


def test_a_class_with_an_unsure_member_is_some() -> None:
    (text,) = {d.text.rpartition("there are ")[2].removeprefix("a photo of ") for d in drafts(caption, row_facts())}
    assert text.startswith("some people, ")


def row_facts():
    return facts(*row_of_people().things)


def test_short_questions_have_certain_answers() -> None:
    known = facts(
        thing("dog", 5, 40, 45, 95, color="white"), thing("chair", 55, 50, 75, 80), thing("chair", 78, 50, 95, 80)
    )
    said = {(draft.detail, draft.text) for draft in drafts(answer, known, 200)}
    assert ("color", "white") in said
    assert ("how many", "2") in said
    assert {("yes or no", "yes"), ("yes or no", "no")} <= said
    for draft in drafts(answer, known, 200):
        if draft.detail == "yes or no":
            assert bool(draft.targets) == (draft.text == "yes")
    with_one_unsure = facts(thing("dog", 5, 40, 45, 95), thing("dog", 50, 40, 95, 95, sure=False))
    assert all(draft.detail == "yes or no" for draft in drafts(answer, with_one_unsure))


def test_a_colour_is_not_asked_of_a_word_that_fits_two_things() -> None:
    bags = facts(thing("handbag", 5, 40, 45, 95, color="red"), thing("suitcase", 55, 50, 75, 80, color="black"))
    assert not any(draft.detail == "color" for draft in drafts(answer, bags, 300))
    alone = facts(thing("handbag", 5, 40, 45, 95, color="red"))
    assert any(draft.detail == "color" for draft in drafts(answer, alone, 300))


def test_they_are_written_and_read_again() -> None:
    codec, canvas = get_codec("location"), Canvas.identity(100, 100)
    mixture = {"caption": 1.0, "describe_point": 1.0, "answer": 1.0}
    samples = [sample for seed in range(20) for sample in ask(scene(*row_of_people().things), Random(seed), 6, mixture)]
    assert {sample.task for sample in samples} == {"caption", "describe", "answer"}
    for sample in samples:
        read = codec.decode(sample.answer, canvas, task=sample.task)
        assert not read.problems
        assert len(read.regions) == len(sample.boxes)
        for region, box, label in zip(read.regions, sample.boxes, sample.labels, strict=True):
            assert max(abs(a - b) for a, b in zip(region.box, box, strict=True)) < 0.1
            assert label is None or region.label == label
