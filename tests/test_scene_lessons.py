"""Drawn scenes as lessons: endless, the same at every reading, with boxes, or in words alone."""

from itertools import islice

import pytest

from grounding.data.drawn import DrawnPicture
from grounding.data.lessons.lesson import Words
from grounding.data.lessons.sources import SceneSource
from grounding.errors import InputError


def test_a_lesson_is_the_same_at_every_reading_and_others_differ():
    first, again, other = SceneSource(seed=1), SceneSource(seed=1), SceneSource(seed=2)
    for ordinal in (0, 7, 10_000_000):
        assert first.lesson(ordinal) == again.lesson(ordinal)
        assert first.lesson(ordinal).pictures != other.lesson(ordinal).pictures
    assert [lesson.id for lesson in islice(first.lessons(2, 3), 3)] == [first.lesson(n).id for n in (2, 5, 8)]


def test_all_turns_are_about_the_lessons_own_picture():
    for lesson in islice(SceneSource(things=(2, 4)).lessons(), 10):
        (picture,) = lesson.pictures
        assert isinstance(picture, DrawnPicture)
        assert picture.things == (2, 4)
        for turn in lesson.turns:
            assert turn.picture == picture
            assert turn.size == picture.open().size


def test_in_words_alone_no_box_is_taught():
    seen = set()
    for lesson in islice(SceneSource(words=True, phrases=4).lessons(), 20):
        for turn in lesson.turns:
            assert isinstance(turn, Words)
            assert turn.prompt
            assert turn.answer
            assert "<" not in turn.answer
            assert not turn.answer_regions
            seen.add(turn.prompt == "describe the picture")
    assert seen == {True, False}


def test_skills_that_are_answered_with_boxes_have_no_words_to_teach():
    with pytest.raises(InputError, match="caption, answer; seen attribute"):
        SceneSource(words=True, skills={"attribute": 1.0, "caption": 1.0})
