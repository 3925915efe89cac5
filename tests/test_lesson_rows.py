"""Lessons as rows of tokens: what is learned from them, what sees what, and that sharing a row changes nothing."""

import pytest
import torch

from grounding.data.lessons.lesson import Lesson, Words
from grounding.data.pictures import NoPicture
from grounding.errors import InputError, UnreadableImageError
from grounding.result import Region
from grounding.training.lesson_rows import IGNORE, LessonCollator
from grounding.training.losses import token_losses
from tests import tiny
from tests.tiny_training import Boxes, talk

LLAMA = {
    "model_type": "llama", "vocab_size": tiny.VOCAB, "hidden_size": 64, "intermediate_size": 128,
    "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2,
}  # fmt: skip
CROSSED = {"fusion": "cross_attention", "fusion_options": {"every": 1, "look": "all"}}
LESSONS = [Boxes().lesson(number) for number in range(5)]


def learned(model, collator, lessons):
    """Sums of both losses over all labels, and the shape of the rows."""
    batch = collator(lessons)
    labels = batch.pop("labels")
    logits = model(**batch).logits
    chosen = labels != IGNORE
    each = token_losses(logits[chosen], labels[chosen], tiny.VOCAB - 1024, 1024, 4.0)
    return [loss.sum().item() for loss in each], tuple(labels.shape)


def said(processor, ids):
    return processor.tokenizer.decode(ids)


@pytest.mark.parametrize(
    ("options", "how"),
    [
        ({}, {}),
        ({"attention": "causal"}, {}),
        ({"text_config": LLAMA}, {}),
        (CROSSED, {"fusion": "cross_attention"}),
        ({}, {"prompt_template": "answer <image> {prompt} red"}),
    ],
    ids=["prefix", "causal", "llama", "cross-attention", "picture within the prompt"],
)
def test_lessons_that_share_a_row_are_learned_as_each_by_itself(options, how):
    model, processor = tiny.model(**options), tiny.processor(**how)
    for name, gate in model.named_parameters():
        if name.endswith("_gate"):
            gate.data.fill_(1.0)  # closed at the start: pictures would count for nothing
    lessons = [*LESSONS, talk(9)]
    alone, apart = learned(model, LessonCollator(processor, 200), lessons)
    shared, together = learned(model, LessonCollator(processor, 200, pack=160), lessons)
    assert shared == pytest.approx(alone, rel=1e-6)
    assert together[0] < apart[0]
    assert together[1] == 160
    one_by_one = [learned(model, LessonCollator(processor, 200), [lesson])[0] for lesson in lessons]
    assert [sum(values) for values in zip(*one_by_one, strict=True)] == pytest.approx(alone, rel=1e-5)


def test_a_turn_by_itself_is_asked_as_it_is_when_the_model_answers():
    processor = tiny.processor()
    lesson = LESSONS[1]
    (row,) = LessonCollator(processor).prepare(lesson)
    sample = lesson.turns[-1]
    asked = processor([sample.picture.open()], ["locate " + sample.phrase])
    last = [number for number, segment in enumerate(row.segments) if segment == len(lesson.turns) - 1]
    ids = [*row.ids[: tiny.TOKENS], *(row.ids[number] for number in last)]
    count = asked["input_ids"].shape[1]
    assert ids[:count] == asked["input_ids"][0].tolist()
    places = [row.positions[number] for number in last]
    assert places == list(range(tiny.TOKENS, tiny.TOKENS + len(last)))


def test_labels_are_the_answers_and_their_ends():
    processor = tiny.processor()
    for lesson in LESSONS:
        (row,) = LessonCollator(processor).prepare(lesson)
        words = said(processor, [label for label in row.labels if label != IGNORE])
        answers = [processor.tokenizer.decode(processor.encode_answers(["red"])[0][-1:])] * len(lesson.turns)
        assert words.count(answers[0]) == len(lesson.turns)
        assert words.count("<loc") == 4 * len(lesson.turns)


def test_a_conversation_goes_on_behind_the_end_of_each_answer():
    processor = tiny.processor()
    (row,) = LessonCollator(processor).prepare(talk(3))
    begin, end = processor.tokenizer.bos_token, processor.tokenizer.eos_token
    text = said(processor, row.ids[tiny.TOKENS :])
    assert text.count(begin) == 1
    assert text.count(end) == 1  # behind the first answer; that of the last is only predicted
    assert said(processor, [label for label in row.labels if label != IGNORE]).count(end) == 2
    assert row.positions == list(range(len(row.ids)))


def test_pictures_of_a_conversation_stand_at_their_marks():
    pictures = tuple(Boxes().lesson(number).pictures[0] for number in range(2))
    turns = (Words("<image> answer the colour", "red"), Words("<image> count the square", "one"))
    collator = LessonCollator(tiny.processor())
    lesson = Lesson("two", pictures, turns, sequential=True)
    (row,) = collator.prepare(lesson)
    runs = "".join("i" if role == 1 else "t" for role in row.roles)
    assert [part for part in runs.replace("it", "i t").replace("ti", "t i").split() if part[0] == "i"] == ["i" * 16] * 2
    assert [image.size for image in row.images] == [picture.open().size for picture in pictures]
    batch = collator([lesson])
    assert batch["pixel_values"].shape[0] == 2
    with pytest.raises(InputError, match="2 places for pictures"):
        collator.prepare(Lesson("one", pictures[:1], turns, sequential=True))


def test_pictures_of_turns_that_are_left_out_are_left_out_too():
    first, second = (Boxes().lesson(number).pictures[0] for number in range(2))
    unsaid = Words("where?", "there", answer_regions=(Region((1, 1, 5, 5), span=(0, 99)),))
    turns = (Words("<image> answer the colour", "red"), unsaid, Words("<image> count the square", "one"))
    (row,) = LessonCollator(tiny.processor()).prepare(Lesson("two", (first, second), turns, sequential=True))
    assert [image.size for image in row.images] == [first.open().size]
    blind = Lesson("late", (first,), (Words("answer red", "red"), unsaid, turns[0]), sequential=True)
    (row,) = LessonCollator(tiny.processor()).prepare(blind)
    assert row.images == []


def test_turns_that_do_not_fit_are_left_out_and_the_first_is_kept():
    whole = LessonCollator(tiny.processor(), 200).prepare(LESSONS[1])[0]
    assert set(whole.segments) == {0, 1, 2}
    one_less = len(whole.ids) - 1
    assert set(LessonCollator(tiny.processor(), one_less).prepare(LESSONS[1])[0].segments) == {0, 1}
    assert set(LessonCollator(tiny.processor(), 1).prepare(LESSONS[1])[0].segments) == {0}


def test_a_prompt_longer_than_the_model_reads_is_left_out():
    pictures = LESSONS[0].pictures
    turns = (Words("answer " + "red " * 200, "red"), Words("answer red", "red"))
    (row,) = LessonCollator(tiny.processor()).prepare(Lesson("long", pictures, turns))
    assert len(row.ids) < 40
    assert LessonCollator(tiny.processor()).prepare(Lesson("long", pictures, turns, sequential=True)) == []


@pytest.mark.parametrize("fusion", [{}, CROSSED], ids=["concatenation", "cross-attention"])
def test_without_lessons_every_part_still_runs_and_learns_nothing(fusion):
    model = tiny.model(**fusion)
    batch = LessonCollator(tiny.processor(fusion=fusion.get("fusion", "concatenation")), 200)([])
    labels = batch.pop("labels")
    assert (labels == IGNORE).all()
    model(**batch).logits.sum().backward()
    assert all(weight.grad is not None for weight in model.projector.parameters())


def test_a_lesson_without_a_picture_is_words_alone():
    lesson = Lesson("words", (), (Words("answer red", "red"),))
    batch = LessonCollator(tiny.processor())([lesson])
    assert not (batch["input_ids"] == tiny.processor().ids[3]).any()
    assert batch["image_index"].shape == (0, 2)
    labels = batch.pop("labels")
    assert torch.isfinite(tiny.model()(**batch).logits[labels != IGNORE]).all()


def test_a_picture_that_is_not_there_is_an_error():
    with pytest.raises(UnreadableImageError):
        LessonCollator(tiny.processor()).prepare(Lesson("gone", (NoPicture("x"),), LESSONS[0].turns))
