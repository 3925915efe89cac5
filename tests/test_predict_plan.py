"""The plan of a run: whole pictures, about so many questions, the same every time."""

import pytest

from grounding import Grounding
from grounding.data.dataset import Dataset, StreamedDataset
from grounding.data.pictures import NoPicture
from grounding.data.sample import Sample
from grounding.errors import InputError
from grounding.predict.plan import Plan


def sample(id, picture):
    return Sample(NoPicture(picture), f"what {id} is", Grounding("", (), "", 40, 30), id)


def dataset(*pictures):
    return Dataset("letters", [sample(str(number), picture) for number, picture in enumerate(pictures)])


def chunks(plan):
    return [(chunk.number, "".join(sample.picture.key for sample in chunk.samples)) for chunk in plan]


def test_questions_of_a_picture_stand_together_in_order_of_first_appearance():
    (chunk,) = Plan(dataset(*"abcabca"), 10)
    assert "".join(sample.picture.key for sample in chunk.samples) == "aaabbcc"
    assert chunk.ids == ["0", "3", "6", "1", "4", "2", "5"]
    assert chunk.pictures == 3


def test_chunks_are_cut_between_pictures():
    assert chunks(Plan(dataset(*"aabbbccd"), 4)) == [(0, "aa"), (1, "bbb"), (2, "ccd")]


def test_a_picture_asked_about_more_than_that_is_a_chunk_of_its_own():
    assert chunks(Plan(dataset(*"abbbbbc"), 3)) == [(0, "a"), (1, "bbbbb"), (2, "c")]


def test_a_plan_is_the_same_at_every_reading():
    plan = Plan(dataset(*"abcabcdd"), 3)
    assert list(plan) == list(plan) == list(Plan(dataset(*"abcabcdd"), 3))
    assert plan.questions == 8


def test_of_a_stream_only_questions_that_follow_each_other_are_grouped():
    stream = StreamedDataset("letters", lambda problems: iter(dataset(*"aabba")))
    plan = Plan(stream, 2)
    assert chunks(plan) == [(0, "aa"), (1, "bb"), (2, "a")]
    assert plan.questions is None


@pytest.mark.parametrize(("ids", "said"), [(("a", "a"), "number 2 .* the id of number 1"), (("a", ""), "no id")])
def test_ids_that_tell_nothing_apart_are_refused(ids, said):
    with pytest.raises(InputError, match=said):
        Plan(Dataset("letters", [sample(id, "p") for id in ids]), 2)


def test_some_questions_of_a_chunk_keep_its_number():
    _, chunk = Plan(dataset(*"aabb"), 2)
    assert (chunk.only({"3"}).number, chunk.only({"3"}).ids) == (1, ["3"])
