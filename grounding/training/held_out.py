"""Owns the measuring of a model while it trains, on lessons kept for that: a quick look and a true one.

The quick look is one forward pass with each answer's true beginning given; the true one lets the model write, as users
will, and compares boxes. Shapes: R rows, L tokens, M places with a label.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from grounding.backends.base import Grounder, Question
from grounding.boxes import iou, iou_pairs
from grounding.data.lessons.lesson import Lesson, Turn
from grounding.data.sample import Sample
from grounding.errors import GroundingError
from grounding.result import Grounding, Region
from grounding.training.lesson_rows import IGNORE
from grounding.training.losses import token_losses
from grounding.training.metrics import phrase_numbers, smooth
from grounding.training.passes import Collator
from grounding.training.rewards import TASKS, label_of, matched

AROUND = 0.05
"""A coordinate of an outline is right within this share of the picture."""


@dataclass(frozen=True)
class Shown:
    """A question that the model has answered by writing."""

    image: Image.Image
    sample: Sample
    answer: Grounding


@dataclass
class Watched:
    """Lessons that a run is watched on."""

    called: str
    """What figures say of them: held_out, or trained_on where nothing is held out."""
    lessons: Sequence[Lesson]
    collator: Collator
    """One that keeps texts in their order: it packs none into rows with others."""
    processor: Any
    """Of the model: ours, or another family's."""

    # ---- the quick look

    @torch.no_grad()
    def quick(self, model: nn.Module, rows: int = 8) -> dict[str, float]:
        """`loss`, the mean over tokens of answers; `right`, the share of answers with every word right and every box at
        IoU 0.5 or more, the true beginning given; `right_KIND`, the same of kinds of question.

        `rows`: lessons of one pass. Every figure is called after the lessons, such as held_out_loss.
        """
        right: dict[str, list[float]] = defaultdict(list)
        total = labels_seen = 0.0
        first, bins = coordinates_of(model, self.collator)
        for start in range(0, len(self.lessons), rows):
            made, kinds = self._rows(self.lessons[start : start + rows])
            if not made:
                continue
            logits, labels, phrases = self._logits(model, made)
            places = labels != IGNORE
            chosen, truth = logits[places].float(), labels[places]
            losses, _ = token_losses(chosen, truth, first, bins, 0.0)
            total, labels_seen = total + float(losses.sum()), labels_seen + len(losses)
            for kind, good in zip(kinds, right_answers(chosen, truth, phrases, first, bins, kinds), strict=True):
                right[kind].append(good)
        everything = [good for answers in right.values() for good in answers]
        if not everything:
            return {}
        figures = {"loss": total / labels_seen, "right": mean(everything)}
        if len(right) > 1:
            figures |= {f"right_{kind}": mean(answers) for kind, answers in sorted(right.items())}
        return {f"{self.called}_{name}": round(value, 4) for name, value in figures.items()}

    def _rows(self, lessons: Sequence[Lesson]) -> tuple[list[Any], list[str]]:
        """The rows of lessons, and the kind of each of their answers, in order."""
        made: list[Any] = []
        kinds: list[str] = []
        for lesson in lessons:
            try:
                rows = self.collator.prepare(lesson)
            except GroundingError:
                continue
            made += rows
            count = self._answers(rows)
            turns: Sequence[Turn] = lesson.turns
            if count < len(turns) and not lesson.sequential:  # some may be left out between those that are asked
                alone = [replace(lesson, turns=(turn,)) for turn in turns]
                turns = [one.turns[0] for one in alone if self._answers(self.collator.prepare(one))]
            kinds += [kind_of(turn) for turn in turns[:count]] if count <= len(turns) else ["answers"] * count
        return made, kinds

    def _answers(self, rows: list[Any]) -> int:
        """How many answers the rows of a lesson have."""
        return answers_in(self.collator.tensors(rows)["labels"]) if rows else 0

    def _logits(self, model: nn.Module, rows: list[Any]) -> tuple[Tensor, Tensor, Tensor]:
        """(R, K, V) of the K columns that have labels, those labels (R, K), and the answer's number (M,) of each label.

        Answers are told apart by what lies between them, which is not among the K columns.
        """
        device = next(model.parameters()).device
        inputs = {name: tensor.to(device) for name, tensor in self.collator.tensors(rows).items()}
        labels = inputs.pop("labels")
        columns = (labels != IGNORE).any(0).nonzero()[:, 0]
        logits = model(**inputs, logits_to_keep=columns).logits
        logits = logits if logits.shape[1] == len(columns) else logits[:, columns]
        return logits, labels[:, columns], phrase_numbers(labels)

    # ---- the true look

    def answered(self, model: nn.Module, count: int) -> list[Shown]:
        """The first `count` questions with boxes as answers, as the model answers them now; one or two a picture."""
        grounder = grounder_of(model, self.processor)
        chosen = list(self._questions(grounder, count))
        answers = grounder.ask_many((image, question) for image, _, question in chosen) if chosen else []
        return [Shown(image, sample, answer) for (image, sample, _), answer in zip(chosen, answers, strict=True)]

    def _questions(self, grounder: Grounder, count: int) -> Iterator[tuple[Image.Image, Sample, Question]]:
        each = max(1, -(-count // max(1, len(self.lessons))))
        found = 0
        for lesson in self.lessons:
            turns = [turn for turn in lesson.turns if isinstance(turn, Sample) and turn.task in TASKS]
            for sample in turns[found % max(1, len(turns)) :][:each]:
                if sample.task not in grounder.tasks or found >= count:
                    continue
                question = Question(sample.task, sample.phrase, sample.names, sample.box, sample.point)
                try:
                    image = sample.open()
                    grounder.prompt_of(question, *image.size)
                except GroundingError:
                    continue
                found += 1
                yield image, sample, question

    def figures_of(self, shown: Sequence[Shown]) -> dict[str, float]:
        """`overlap`, the mean overlap of boxes written and true; `found`, the share of answers that have just the true
        boxes at IoU 0.5 or more, or rightly none; `unreadable`, the share of answers with problems."""
        if not shown:
            return {}
        overlaps = [overlap_of(one.sample, one.answer.regions) for one in shown]
        figures = {
            "overlap": mean([overlap for overlap, _ in overlaps]),
            "found": mean([float(exact) for _, exact in overlaps]),
            "unreadable": mean([float(bool(one.answer.problems)) for one in shown]),
        }
        return {f"{self.called}_{name}": round(value, 4) for name, value in figures.items()}


def right_answers(
    logits: Tensor, labels: Tensor, phrases: Tensor, first: int, bins: int, kinds: Sequence[str]
) -> list[float]:
    """For each answer 1 or 0, of logits (M, V), labels (M,) and the answer's number (M,) of each place.

    A coordinate is read as the mode of its smoothed mass, and only where coordinates are likelier than any word; four
    make a box, which is right at IoU 0.5 or more. Those of outlines, of any other number, are right within AROUND.
    """
    located = (labels >= first) & (labels < first + bins) if bins else torch.zeros_like(labels, dtype=torch.bool)
    best = logits.argmax(1)
    right = best == labels
    if bool(located.any()):
        span = F.softmax(logits[located], 1)
        mass = span[:, first : first + bins]
        words = span.clone()
        words[:, first : first + bins] = 0
        likelier = mass.sum(1) > words.max(1).values
        read, true = smooth(mass).argmax(1), labels[located] - first
        near = (read - true).abs() <= AROUND * bins
        right[located] = likelier & near
        numbers = phrases.to(labels.device)[located]
        for number in numbers.unique().tolist():
            mine = (numbers == number).nonzero()[:, 0]
            kind = kinds[int(number)] if int(number) < len(kinds) else ""
            if len(mine) % 4 == 0 and kind != "segment":
                written, wanted = (values[mine].view(-1, 4).double().cpu().numpy() for values in (read, true))
                written[:, 2:] = written[:, 2:].clip(min=written[:, :2])
                good = torch.from_numpy(iou_pairs(written, wanted) >= 0.5).repeat_interleave(4).to(labels.device)
                places = located.nonzero()[:, 0][mine]
                right[places] = good & likelier[mine]
    count = int(phrases.max()) + 1 if len(phrases) else 0
    wrong = torch.zeros(count, dtype=torch.long).index_add(0, phrases.cpu(), (~right).long().cpu())
    return [float(number == 0) for number in wrong.tolist()]


def overlap_of(sample: Sample, regions: Sequence[Region]) -> tuple[float, bool]:
    """Twice the overlap of matched boxes over their number, written and true; and whether they are just the true boxes,
    each at IoU 0.5 or more. (1, True) where nothing is there and nothing is written."""
    truth = sample.truth.regions
    if not regions or not truth:
        return (1.0, True) if not regions and not truth else (0.0, False)
    overlaps = iou([region.box for region in regions], [region.box for region in truth])
    if sample.task == "detect":
        same = [[label_of(region) == label_of(other) for other in truth] for region in regions]
        overlaps = np.where(same, overlaps, 0.0)
    hits = matched((overlaps >= 0.5).astype(float))
    return 2 * matched(overlaps) / (len(regions) + len(truth)), hits == len(regions) == len(truth)


def answers_in(labels: Tensor) -> int:
    """How many answers have labels (R, L)."""
    numbers = phrase_numbers(labels)
    return int(numbers.max()) + 1 if len(numbers) else 0


def kind_of(turn: Any) -> str:
    """What a turn asks for, in a word."""
    return (turn.kind or turn.task) if isinstance(turn, Sample) else "words"


def coordinates_of(model: Any, collator: Any) -> tuple[int, int]:
    """Id of the first of the tokens that each stand for a coordinate, and how many there are; 0 where none do."""
    if (known := getattr(collator, "coordinates", None)) is not None:
        return int(known[0]), int(known[1])
    first, bins = getattr(model.config, "location_token_id", None), getattr(model.config, "num_locations", 0)
    planar = getattr(model.config, "codec", "location") == "kosmos-2"  # its tokens stand for patches: two coordinates
    return (0, 0) if first is None or planar else (int(first), int(bins))


def grounder_of(model: Any, processor: Any) -> Grounder:
    """The model with the verbs, as it is now."""
    whole = model.get_base_model() if hasattr(model, "get_base_model") else model
    if hasattr(processor, "grounder"):  # another family's
        made: Grounder = processor.grounder(whole)
        return made
    from grounding.backends.native import Native
    from grounding.model.decode import DecodeOptions

    return Native("model", whole, processor, DecodeOptions(max_new_tokens=128))


@contextmanager
def at_rest(model: nn.Module, bf16: bool) -> Iterator[None]:
    """Within, the model is in evaluation mode, without gradients, in its training's precision; then as before."""
    modes = {module: module.training for module in model.modules()}
    kind = next(model.parameters()).device.type
    model.eval()
    try:
        with torch.no_grad(), torch.autocast(kind, torch.bfloat16, enabled=bf16):
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def mean(values: Sequence[float]) -> float:
    """Of numbers, of which there is one at least."""
    return sum(values) / len(values)
