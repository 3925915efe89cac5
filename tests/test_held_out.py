"""What a run is watched by: what counts as right, given the true beginning and written by itself."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from grounding.data.lessons.lesson import Lesson, Words
from grounding.data.sample import Sample
from grounding.model.fusion import ANSWER
from grounding.result import Grounding, Region
from grounding.training.held_out import Shown, Watched, at_rest, overlap_of, right_answers
from grounding.training.lesson_rows import LessonCollator
from tests import tiny
from tests.tiny_training import Boxes, talk

VOCAB = tiny.VOCAB
FIRST, BINS, NONE, WORD, END = 6, 64, 4, 5, 2


def logits(*tokens):
    rows = torch.full((len(tokens), FIRST + BINS), -9.0)
    for row, token in zip(rows, tokens, strict=True):
        row[token] = 4.0
    return rows


def box(*bins):
    return [FIRST + bin_ for bin_ in bins]


def right(said, true, kind="locate", bins=BINS):
    phrases = torch.zeros(len(true), dtype=torch.long)
    return right_answers(logits(*said), torch.tensor(true), phrases, FIRST, bins, [kind])[0]


TRUE = [*box(10, 10, 30, 30), END]


@pytest.mark.parametrize(
    ("said", "good"),
    [
        (TRUE, 1.0),
        ([*box(11, 10, 30, 32), END], 1.0),
        ([*box(25, 25, 60, 60), END], 0.0),
        ([*box(30, 30, 10, 10), END], 0.0),
        ([*box(10, 10, 30, 30), WORD], 0.0),
        ([NONE, *box(10, 30, 30), END], 0.0),
        ([*box(10, 10), WORD, *box(30), END], 0.0),
    ],
)
def test_a_box_is_right_from_half_overlap_on_and_all_words_must_be(said, good):
    assert right(said, TRUE) == good


def test_without_coordinate_tokens_every_token_must_be_the_true_one():
    assert right(TRUE, TRUE, bins=0) == 1.0
    assert right([*box(11, 10, 30, 30), END], TRUE, bins=0) == 0.0


def test_coordinates_of_outlines_are_right_within_a_twentieth():
    true = [*box(10, 10, 30, 30, 20, 5, 7, 9), END]
    assert right([*box(12, 9, 31, 30, 20, 5, 7, 9), END], true, "segment") == 1.0
    assert right([*box(20, 10, 30, 30, 20, 5, 7, 9), END], true, "segment") == 0.0
    assert right([*box(10, 12), END], [*box(10, 10), END], "describe") == 1.0


def test_answers_are_judged_one_by_one():
    said = logits(*TRUE, NONE, END, *box(60, 60, 63, 63), END)
    true = torch.tensor([*TRUE, NONE, END, *box(1, 1, 9, 9), END])
    phrases = torch.tensor([0] * 5 + [1] * 2 + [2] * 5)
    assert right_answers(said, true, phrases, FIRST, BINS, ["a", "b", "c"]) == [1.0, 1.0, 0.0]


# ---- answers that were written


def sample(*boxes, task="locate", labels=()):
    regions = tuple(Region(one, label=label) for one, label in zip(boxes, labels or ["star"] * len(boxes), strict=True))
    return Sample("x.png", "star", Grounding("star", regions, "", 100, 100), task=task, names=tuple(labels))


A, B = (0.0, 0.0, 40.0, 40.0), (60.0, 60.0, 90.0, 90.0)


@pytest.mark.parametrize(
    ("asked", "written", "overlap", "exact"),
    [
        (sample(A), [Region(A)], 1.0, True),
        (sample(A), [Region((0, 0, 40, 30))], 0.75, True),
        (sample(A), [Region((0, 0, 40, 10))], 0.25, False),
        (sample(A), [Region(A), Region(B)], 2 / 3, False),
        (sample(A, B), [Region(B), Region(A)], 1.0, True),
        (sample(A), [], 0.0, False),
        (sample(), [Region(A)], 0.0, False),
        (sample(), [], 1.0, True),
        (sample(A, task="detect", labels=["star"]), [Region(A, label="Star")], 1.0, True),
        (sample(A, task="detect", labels=["star"]), [Region(A, label="ring")], 0.0, False),
    ],
)
def test_boxes_written_are_compared_with_all_true_ones(asked, written, overlap, exact):
    found = overlap_of(asked, written)
    assert found == (pytest.approx(overlap), exact)


# ---- with a model


@pytest.fixture(scope="module")
def watched():
    processor = tiny.processor()
    return Watched("held_out", [Boxes().lesson(n) for n in range(6)], LessonCollator(processor, 200), processor)


def test_both_looks_name_their_figures_after_the_lessons(watched):
    model = tiny.model()
    quick = watched.quick(model, rows=4)
    assert quick.keys() == {"held_out_loss", "held_out_right"}
    assert quick == watched.quick(model, rows=1)
    shown = watched.answered(model, 5)
    assert len(shown) == 5
    assert len({id(one.image) for one in shown}) == 5
    figures = watched.figures_of(shown)
    assert figures.keys() == {"held_out_overlap", "held_out_found", "held_out_unreadable"}
    assert all(0 <= value <= 1 for value in figures.values())


def test_a_model_that_knows_the_answers_is_found_right(watched):
    lessons = watched.lessons
    shown = [Shown(None, turn, turn.truth) for lesson in lessons for turn in lesson.turns]
    figures = watched.figures_of(shown)
    assert figures == {"held_out_overlap": 1.0, "held_out_found": 1.0, "held_out_unreadable": 0.0}
    model = tiny.model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    batch = watched.collator.tensors(watched.collator.prepare(lessons[0]))
    for _ in range(60):
        optimizer.zero_grad()
        model(**batch).loss.backward()
        optimizer.step()
    one = Watched("held_out", lessons[:1], watched.collator, watched.processor)
    with at_rest(model, False):
        assert one.quick(model)["held_out_right"] == 1.0


class Reader(torch.nn.Module):
    """Says what comes next in its text, the true answer; of the first question of each lesson nothing right."""

    def __init__(self):
        super().__init__()
        self.config = tiny.config(location_token_id=VOCAB - 1024, num_locations=1024)
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, input_ids, token_roles, segment_ids, logits_to_keep, **_):
        follows = (token_roles[:, 1:] == ANSWER) & (segment_ids[:, 1:] == segment_ids[:, :-1])
        said = torch.full_like(input_ids, END)
        said[:, :-1] = torch.where(follows, input_ids[:, 1:], END)
        said[segment_ids == 0] = 0
        return SimpleNamespace(logits=torch.nn.functional.one_hot(said, VOCAB).float()[:, logits_to_keep] * 20)


@pytest.mark.parametrize("rows", [1, 3, 12])
def test_every_question_of_a_lesson_is_judged_by_itself(rows):
    processor = tiny.processor()
    lessons = [Boxes().lesson(n) for n in range(12)]
    questions = sum(len(lesson.turns) for lesson in lessons)
    assert questions > 20
    watched = Watched("held_out", lessons, LessonCollator(processor, 400), processor)
    assert watched.quick(Reader(), rows)["held_out_right"] == round((questions - 12) / questions, 4)


def test_kinds_are_those_of_the_turns_that_the_box_language_can_say():
    processor = tiny.processor()
    lesson = Boxes().lesson(2)
    first, last = (replace(lesson.turns[0], kind=kind) for kind in ("wrong", "good"))
    unsaid = replace(lesson.turns[0], kind="never asked", task="track")
    watched = Watched(
        "held_out", [replace(lesson, turns=(first, unsaid, last))], LessonCollator(processor, 400), processor
    )
    figures = watched.quick(Reader())
    assert (figures["held_out_right_wrong"], figures["held_out_right_good"]) == (0.0, 1.0)


def test_conversations_have_a_kind_of_their_own_and_bad_lessons_are_passed_over():
    processor = tiny.processor()
    lessons = [talk(0), Boxes(bad=(1,)).lesson(1), Boxes().lesson(2)]
    watched = Watched("trained_on", lessons, LessonCollator(processor, 200), processor)
    figures = watched.quick(tiny.model())
    assert figures.keys() == {
        "trained_on_loss",
        "trained_on_right",
        "trained_on_right_locate",
        "trained_on_right_words",
    }
    assert len(watched.answered(tiny.model(), 9)) > 0


def test_nothing_is_said_of_lessons_without_answers():
    processor = tiny.processor()
    lessons = [Lesson("a", Boxes().lesson(0).pictures, (Words("answer who", "me"),))]
    watched = Watched("held_out", lessons, LessonCollator(processor, 200), processor)
    assert watched.answered(tiny.model(), 4) == []
    assert watched.figures_of([]) == {}
    assert Watched("held_out", [], watched.collator, processor).quick(tiny.model()) == {}


def test_looking_changes_neither_modes_nor_gradients():
    model = tiny.model().train()
    model.vision.eval()
    with at_rest(model, True):
        assert not any(module.training for module in model.modules())
        assert not torch.is_grad_enabled()
    assert model.training
    assert not model.vision.training
    assert model.language.training
