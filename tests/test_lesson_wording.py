"""A lesson's turns as text: drawn questions as the generator writes them, boxes among words in every box language."""

import re
from collections import Counter

import numpy as np
import pytest

from grounding.codecs import CODECS, get_codec
from grounding.data.lessons.lesson import Lesson, Words
from grounding.data.lessons.sources import SceneSource
from grounding.data.lessons.wording import box_text, interleaved, texts_of
from grounding.data.pictures import NoPicture
from grounding.data.sample import Sample
from grounding.data.scenes.generate import ask
from grounding.data.scenes.scene import make_scene
from grounding.errors import InputError
from grounding.images import Canvas
from grounding.result import Grounding, Region

CAT = Region((160, 48, 320, 240), span=(4, 11))
DOG = Region((320, 240, 640, 480), span=(16, 21))
TALK = Words("What is at the dot?", "the red cat and a dog.", (Region((160, 48, 320, 240), span=(11, 18)),), (CAT, DOG))
PICTURE = NoPicture("a.jpg")


def canvas_of(codec, size=(640, 480)):
    return codec.canvas(*size, input_size=size)


def texts(turn, codec, left_out=None, **lesson):
    codec = get_codec(codec)
    return texts_of(Lesson("a", (PICTURE,), (turn,), **lesson), codec, [canvas_of(codec)], left_out)


def test_drawn_questions_are_written_as_the_generator_writes_them():
    source, codec = SceneSource(), get_codec("location")
    for ordinal in range(40):
        lesson = source.lesson(ordinal)
        seed = lesson.pictures[0].seed
        scene = make_scene(np.random.default_rng(seed), source.options.scene)
        asked = [(sample.prompt, sample.answer) for sample in ask(scene, seed, source.options)]
        assert texts_of(lesson, codec, [Canvas.identity(scene.width, scene.height)]) == asked


@pytest.mark.parametrize("name", [name for name in CODECS if not name.startswith("molmo")])
def test_every_box_language_writes_the_boxes_of_a_conversation(name):
    left_out = Counter()
    ((prompt, answer),) = texts(TALK, name, left_out)
    assert not left_out
    codec = get_codec(name)
    box = box_text(CAT, codec, canvas_of(codec))
    assert prompt.startswith("What is at the dot")
    assert box in prompt
    assert len(answer) > len(TALK.answer) + 2 * len(box) - 2
    if "answer" in codec.tasks and name not in ("paligemma", "ofa"):
        read = codec.decode(answer, canvas_of(codec), task="answer").regions
        assert [region.box for region in read] == [pytest.approx(r.box, abs=24) for r in (CAT, DOG)]


def test_boxes_stand_where_each_language_has_them():
    assert texts(TALK, "location")[0][1] == (
        "the red cat<loc0102><loc0256><loc0512><loc0512> and a dog<loc0512><loc0512><loc1023><loc1023>."
    )
    assert texts(TALK, "llava-1.5")[0] == (
        "What is at the dot [0.25, 0.20, 0.50, 0.50]?",
        "the red cat [0.25, 0.20, 0.50, 0.50] and a dog [0.50, 0.50, 1.00, 0.88].",
    )
    assert "<phrase> red cat</phrase><object><patch_index_" in texts(TALK, "kosmos-2")[0][1]
    assert texts(TALK, "qwen2.5-vl")[0][0] == "What is at the dot [160, 48, 320, 240]?"


def test_words_without_boxes_stay_as_they_are_in_every_language():
    plain = Words("<image>\n  Why < 3?\n", " [1] <b>so</b>\n")
    for name in CODECS:
        assert texts(plain, name) == [("<image>\n  Why < 3?\n", " [1] <b>so</b>\n")]


def test_a_picture_mark_stays_among_boxes():
    words = Words("<image>\nwho is he?", "Bob", (Region((0, 0, 64, 48), span=(15, 17)),))
    assert texts(words, "llava-1.5") == [("<image>\nwho is he [0.00, 0.12, 0.10, 0.20]?", "Bob")]


def sample(task="locate", regions=(CAT,), **changes):
    truth = Grounding("the cat", tuple(Region(r.box, r.label) for r in regions), "", 640, 480, task=task)
    return Sample(PICTURE, "the cat", truth, "7", task=task, **changes)


def test_what_a_language_cannot_say_is_left_out_and_counted():
    left_out = Counter()
    assert texts(sample("segment"), "shikra", left_out) == []
    assert texts(TALK, "molmo", left_out) == []
    assert texts(sample("detect", names=("cat",)), "shikra", left_out) == []
    assert left_out == {
        "shikra: it has no task 'segment'": 1,
        "molmo: words that it cannot write": 1,
        "shikra: detect that it cannot write": 1,
    }


def test_a_conversation_ends_at_the_turn_that_cannot_be_said():
    codec, left_out = get_codec("molmo"), Counter()
    lesson = Lesson("a", (PICTURE,), (Words("1?", "1"), TALK, Words("2?", "2"), Words("3?", "3")), sequential=True)
    assert texts_of(lesson, codec, [canvas_of(codec)], left_out) == [("1?", "1")]
    assert left_out == {"molmo: words that it cannot write": 1, "molmo: a turn after one that cannot be said": 2}
    apart = Lesson("a", (PICTURE,), lesson.turns)
    assert len(texts_of(apart, codec, [canvas_of(codec)], Counter())) == 3


def test_families_that_name_what_they_show_use_the_phrase():
    assert texts(sample(), "paligemma")[0][1].endswith(" the cat")
    assert "the cat" in texts(sample(), "rex-omni")[0][1]
    assert texts(sample(), "qwen2-vl")[0][1] == "<|box_start|>(250,100),(500,500)<|box_end|>"


def test_a_reason_is_logged_once_where_nobody_counts(caplog):
    for _ in range(3):
        texts(sample("count"), "deepseek-vl2")
    assert caplog.text.count("deepseek-vl2: it has no task 'count'") == 1


def test_a_canvas_that_is_missing_is_the_callers_mistake():
    codec = get_codec("location")
    with pytest.raises(InputError, match="boxes in picture 1; 0 canvases"):
        texts_of(Lesson("a", (PICTURE,), (TALK,)), codec, [])
    assert texts_of(Lesson("a", (), (Words("Hi", "Hello"),)), codec, []) == [("Hi", "Hello")]


def test_a_box_before_all_words_stands_apart_from_them():
    codec, words = get_codec("llava-1.5"), Words("is it a cat?", "Yes.", (Region((0, 0, 64, 48), span=(0, 0)),))
    ((prompt, _),) = texts_of(Lesson("a", (PICTURE,), (words,)), codec, [canvas_of(codec)])
    assert re.fullmatch(r"\[[\d., ]+\] is it a cat\?", prompt)


def test_a_span_outside_the_text_is_refused():
    with pytest.raises(InputError, match="within the 3 characters"):
        interleaved("cat", [DOG], get_codec("florence-2"), Canvas.identity(640, 480))
