"""Which tokens of a picture a phrase means: its targets, its loss, and trainings that ask for it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from grounding.errors import ConfigError
from grounding.model.fusion import IMAGE, PROMPT
from grounding.training.lesson_rows import IGNORE, LessonCollator
from grounding.training.phrase_places import ENDS, SHARES, Places, covered
from tests import tiny
from tests.tiny_training import LLAMA, SIGLIP, Boxes, losses, run, talk

LESSONS = [Boxes().lesson(number) for number in range(5)]


def test_a_token_counts_by_the_share_of_it_that_a_box_covers() -> None:
    places = np.array([[0, 0, 10, 10], [10, 0, 20, 10], [0, 0, 20, 20], [np.nan] * 4])
    shares = covered(places, [(5, 0, 20, 10), (15, 5, 30, 30)])
    assert shares.tolist() == pytest.approx([0.5, 1.0, 0.375, 0.0])
    assert not covered(places, []).any()


@pytest.mark.parametrize("pack", [0, 160])
def test_each_phrase_ends_where_its_answer_begins_and_means_the_tokens_below_its_box(pack: int) -> None:
    processor = tiny.processor()
    batch = LessonCollator(processor, 200, pack, where=True)([*LESSONS, talk(9)])
    phrases = [(lesson, turn) for lesson in LESSONS for turn in lesson.turns]
    assert len(batch[ENDS]) == len(batch[SHARES]) == len(phrases)
    found = []
    for (row, last, first), shares in zip(batch[ENDS].tolist(), batch[SHARES], strict=True):
        assert batch["token_roles"][row, last] == PROMPT
        assert batch["labels"][row, last] != IGNORE
        assert (batch["token_roles"][row, first : first + tiny.TOKENS] == IMAGE).all()
        assert first == 0 or batch["token_roles"][row, first - 1] != IMAGE
        found.append(shares.view(4, 4))
    wanted = []
    for _, turn in phrases:
        x1, y1, x2, y2 = turn.truth.regions[0].box
        cell = np.array([turn.truth.width, turn.truth.height] * 2) / 4
        wanted.append((x1 / cell[0], y1 / cell[1], x2 / cell[2], y2 / cell[3]))
    for grid in found:  # rows that share a row may come in another order
        total = float(grid.sum())
        areas = [(x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in wanted]
        assert min(abs(total - area) for area in areas) < 1e-3


def test_lessons_without_boxes_ask_nothing() -> None:
    batch = LessonCollator(tiny.processor(), 200, where=True)([talk(3)])
    assert batch[ENDS].shape == (0, 3)
    model = tiny.model()
    places = Places(model, 0)
    ends, shares = batch.pop(ENDS), batch.pop(SHARES)
    batch.pop("labels")
    with places.watched():
        model(**batch)
    assert places.loss(ends, shares).item() == 0


@pytest.mark.parametrize("options", [{}, {"text_config": LLAMA}], ids=["ours", "llama"])
def test_the_loss_is_a_sum_over_phrases_and_falls_when_it_is_learned(options: dict) -> None:
    model, processor = tiny.model(**options), tiny.processor()
    collator, places = LessonCollator(processor, 200, where=True), Places(model, 0)

    def asked(lessons: list) -> torch.Tensor:
        batch = collator(lessons)
        ends, shares = batch.pop(ENDS), batch.pop(SHARES)
        batch.pop("labels")
        with places.watched():
            model(**batch)
        return places.loss(ends, shares)

    model.eval()
    with torch.no_grad():
        assert sum(asked([one]).item() for one in LESSONS) == pytest.approx(asked(LESSONS).item(), rel=1e-4)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    before = asked(LESSONS).item()
    for _ in range(60):
        optimizer.zero_grad()
        asked(LESSONS).backward()
        optimizer.step()
    assert asked(LESSONS).item() < 0.7 * before


@pytest.mark.parametrize(
    "changes",
    [{"micro_batch": 1}, {"pack": 150}, {"gradient_checkpointing": True}],
    ids=["accumulated", "shared rows", "computed anew"],
)
def test_a_recipe_asks_and_logs_it_however_its_steps_are_made(changes: dict, tmp_path) -> None:
    options = {"vision_config": SIGLIP}
    run(tmp_path / "plain", options=options, where_weight=2.0)
    run(tmp_path / "other", options=options, where_weight=2.0, **changes)
    assert losses(tmp_path / "other") == pytest.approx(losses(tmp_path / "plain"), abs=1e-5)
    lines = [json.loads(line) for line in (tmp_path / "plain" / "ground" / "log.jsonl").read_text().splitlines()]
    steps = [line for line in lines if "where" in line]
    assert len(steps) == 4
    for line in steps:
        assert line["loss"] == pytest.approx(line["text"] + line["expectation"] + 2 * line["where"], abs=1e-3)


def test_a_decoder_of_one_block_is_refused() -> None:
    model = tiny.model(text_config={**LLAMA, "num_hidden_layers": 1})
    with pytest.raises(ConfigError, match="where_weight needs blocks with norms"):
        Places(model, 0)


def test_pictures_that_are_no_tokens_are_refused() -> None:
    processor = tiny.processor(fusion="cross_attention")
    assert LessonCollator(processor, 200).crossed
    with pytest.raises(ConfigError, match="cross-attention has none"):
        LessonCollator(processor, 200, where=True)
