"""Owns the measuring of a model on drawn scenes: fresh seeds, one table by skill, with intervals over pictures.

`python -m grounding.training.evaluate --model DIR --n 1000 --out card.json` prints the table and writes the figures.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image

from grounding.boxes import iou, iou_pairs
from grounding.data.drawn import FIRST_SEED, ONE_BOX
from grounding.data.scenes.generate import SKILLS, Picture, PictureOptions, SceneSample, evaluation_set
from grounding.data.scenes.scene import (
    SceneOptions,
    held_out_pairs_options,
    held_out_style_options,
    training_options,
)
from grounding.data.scenes.sprites import SpriteSet
from grounding.masks import Mask
from grounding.metrics.base import Column
from grounding.metrics.intervals import ratio_figures
from grounding.model.decode import Ask, DecodeOptions, Decoder, ModelAnswer
from grounding.model.processing import GroundingProcessor
from grounding.result import Region


@dataclass
class Tally:
    """What one skill gave: lists with one entry a sample, and the picture each entry is about."""

    values: dict[str, list[float]] = field(default_factory=dict)
    pictures: dict[str, list[int]] = field(default_factory=dict)

    def add(self, metric: str, value: float, picture: int) -> None:
        self.values.setdefault(metric, []).append(float(value))
        self.pictures.setdefault(metric, []).append(picture)


@dataclass(frozen=True)
class Figure:
    """A mean with its 95 % interval over pictures, and how many samples it is of."""

    mean: float
    low: float
    high: float
    n: int


def ask_about(sample: SceneSample, image: Image.Image, processor: GroundingProcessor, constrained: bool = True) -> Ask:
    """The question of a drawn sample, as the decoder takes it."""
    codec = processor.codec_object
    extra = {"point": True} if sample.point is not None else {}
    grammar = codec.grammar(sample.task, names=sample.names, **extra) if constrained else None
    return Ask(image, sample.prompt, processor.canvas(*image.size), sample.task, grammar)


def score_answer(tally: Tally, sample: SceneSample, answer: ModelAnswer, picture: Picture) -> None:
    """Adds what the answer is worth to the tally."""

    def add(metric: str, value: float) -> None:
        tally.add(metric, value, picture.seed)

    skill = sample.skill
    found = [region.box for region in answer.regions]
    add("problems", bool(answer.problems))
    if skill in ONE_BOX:
        best = float(iou([found[0]], [sample.boxes[0]])[0, 0]) if found else 0.0
        add("acc@0.5", best >= 0.5)
        add("acc@0.75", best >= 0.75)
        add("acc@0.9", best >= 0.9)
        add("said none", not found)
        add("more than one", len(found) > 1)
        if best >= 0.5:
            add("iou of hits", best)
        if skill in ("relation", "nearest"):
            add(f"acc@0.5 {sample.detail}", best >= 0.5)
    elif skill == "absent":
        add("said boxes", bool(found))
    elif skill in ("detect", "all"):
        hits = matched(answer.regions, sample.boxes, sample.labels if skill == "detect" else None)
        add("hits", hits)
        add("written", len(found))
        add("true", len(sample.boxes))
        add("exact", hits == len(found) == len(sample.boxes))
    elif skill == "count":
        said = answer.text.split(" ")[0]
        add("exact", said == str(len(sample.boxes)))
        add("off by", abs(int(said) - len(sample.boxes)) if said.isdigit() else len(sample.boxes))
    elif skill == "describe_box":
        add("exact", answer.text == sample.answer)
    elif skill == "describe_point":
        words = answer.text.rpartition(">")[2].strip()
        best = float(iou([found[0]], [sample.boxes[0]])[0, 0]) if found else 0.0
        add("words exact", words == sample.answer.rpartition(">")[2].strip())
        add("acc@0.5", best >= 0.5)
    elif skill == "segment":
        if not sample.polygons:
            add("said outlines on absent", bool(found))
        else:
            add("mask iou", _mask_iou(answer.regions, sample, picture))
    elif skill == "caption":
        true = [thing.box for thing in picture.scene.things]
        overlaps = iou(found, true).max(1) if found and true else np.zeros(len(found))
        add("boxes right", float((overlaps >= 0.5).mean()) if len(found) else 0.0)
    else:
        add(
            "exact",
            answer.text == sample.answer or (_words(answer.text) == _words(sample.answer) and _close(answer, sample)),
        )


def matched(regions: Sequence[Region], boxes: Sequence[Sequence[float]], labels: Sequence[str | None] | None) -> int:
    """How many true boxes are found, each by one region with IoU 0.5 or more and, where labels are given, its label."""
    if not regions or not boxes:
        return 0
    overlaps = iou([region.box for region in regions], boxes)
    if labels is not None:
        same = [[(region.label or "").lower() == (label or "").lower() for label in labels] for region in regions]
        overlaps = overlaps * np.array(same)
    hits = 0
    while overlaps.max() >= 0.5:
        row, column = np.unravel_index(overlaps.argmax(), overlaps.shape)
        overlaps[row, :] = overlaps[:, column] = 0.0
        hits += 1
    return hits


def _mask_iou(regions: Sequence[Region], sample: SceneSample, picture: Picture) -> float:
    height, width = picture.image.shape[:2]
    true = Mask.from_polygons([np.array(polygon) for polygon in sample.polygons], width, height).array
    said = np.zeros_like(true)
    for region in regions:
        if region.mask is not None:
            said |= region.mask.array
    union = (true | said).sum()
    return float((true & said).sum() / union) if union else 1.0


def _words(text: str) -> list[str]:
    """The words of an answer, without its location tokens."""
    return re.sub(r"<[^<>]*>", " ", text).split()


def _close(answer: ModelAnswer, sample: SceneSample) -> bool:
    found = [region.box for region in answer.regions]
    return len(found) == len(sample.boxes) and (not found or bool((iou_pairs(found, sample.boxes) >= 0.5).all()))


def measure(
    decoder: Decoder,
    skill: str,
    n: int,
    options: PictureOptions,
    *,
    constrained: bool = True,
    chunk: int = 64,
    progress: Callable[[int], None] = lambda done: None,
) -> Tally:
    """`n` fresh samples of a skill, answered and scored."""
    tally = Tally()
    first = FIRST_SEED + 1_000_000 * list(SKILLS).index(skill)
    waiting: list[tuple[Picture, SceneSample, Ask]] = []
    images: dict[int, Image.Image] = {}

    def flush() -> None:
        answers = decoder.answer_many([ask for *_, ask in waiting])
        for (picture, sample, _), answer in zip(waiting, answers, strict=True):
            score_answer(tally, sample, answer, picture)
        progress(len(waiting))
        waiting.clear()
        images.clear()

    for picture, sample in evaluation_set(skill, n, first, options):
        image = images.setdefault(picture.seed, Image.fromarray(picture.image))
        waiting.append((picture, sample, ask_about(sample, image, decoder.processor, constrained)))
        if len(waiting) >= chunk:
            flush()
    if waiting:
        flush()
    return tally


def interval(values: Sequence[float], pictures: Sequence[int]) -> Figure:
    """The mean, and its 95 % interval when whole pictures are drawn anew with replacement."""
    return _figures({"mean": Column.mean(values)}, pictures)["mean"]


def f1_interval(tally: Tally) -> dict[str, Figure]:
    """Precision, recall and F1 over all boxes, with intervals over pictures."""
    hits, written, true = (np.asarray(tally.values[key]) for key in ("hits", "written", "true"))
    columns = {
        "precision": Column(hits, written),
        "recall": Column(hits, true),
        "f1": Column(2 * hits, written + true),
    }
    figures = _figures(columns, tally.pictures["hits"])
    return {name: replace(figure, n=len(hits)) for name, figure in figures.items()}


def _figures(columns: Mapping[str, Column], pictures: Sequence[int]) -> dict[str, Figure]:
    """Rounded to four digits; 0 where nothing is below the line; of one picture alone, an interval of no width."""
    figures = {}
    for name, found in ratio_figures(columns, [str(picture) for picture in pictures]).items():
        mean = found.value or 0.0
        low, high = (mean if edge is None else edge for edge in (found.low, found.high))
        figures[name] = Figure(round(mean, 4), round(low, 4), round(high, 4), found.n)
    return figures


def summarize(tallies: Mapping[str, Tally]) -> dict[str, dict[str, Figure]]:
    """Figures of every skill, and `overall`: what no single skill says."""
    table: dict[str, dict[str, Figure]] = {}
    for skill, tally in tallies.items():
        figures = {
            metric: interval(values, tally.pictures[metric])
            for metric, values in tally.values.items()
            if metric not in ("hits", "written", "true")
        }
        if "hits" in tally.values:
            figures |= f1_interval(tally)
        table[skill] = figures
    together = Tally()
    for skill in ONE_BOX:
        for metric in ("said none", "iou of hits"):
            values = tallies[skill].values.get(metric, []) if skill in tallies else []
            for value, picture in zip(values, tallies[skill].pictures.get(metric, []) if values else [], strict=True):
                together.add(metric, value, picture)
    table["overall"] = {
        metric: interval(values, together.pictures[metric]) for metric, values in together.values.items()
    }
    return table


BARS: tuple[tuple[str, str, str, str, float], ...] = (
    ("attributes", "attribute", "acc@0.5", ">=", 0.90),
    ("absolute place", "place", "acc@0.5", ">=", 0.92),
    ("directional relations", "relation", "acc@0.5", ">=", 0.90),
    ("nearest, farthest", "nearest", "acc@0.5", ">=", 0.75),
    ("size order", "size", "acc@0.5", "", 0.0),
    ("ordinals", "ordinal", "acc@0.5", ">=", 0.80),
    ("every instance, F1@0.5", "all", "f1", "", 0.0),
    ("detection, F1@0.5", "detect", "f1", ">=", 0.90),
    ("detection, precision", "detect", "precision", "", 0.0),
    ("detection, recall", "detect", "recall", "", 0.0),
    ("region to text, exact", "describe_box", "exact", ">=", 0.85),
    ("point to text, exact", "describe_point", "words exact", "", 0.0),
    ("point to box", "describe_point", "acc@0.5", "", 0.0),
    ("count, exact", "count", "exact", ">=", 0.80),
    ("`none` said wrongly", "overall", "said none", "<", 0.08),
    ("boxes on absent phrases", "absent", "said boxes", "<", 0.10),
    ("mean IoU of hits", "overall", "iou of hits", ">=", 0.90),
    ("segment, mask IoU", "segment", "mask iou", "", 0.0),
    ("caption, boxes right", "caption", "boxes right", "", 0.0),
    ("answer, exact", "answer", "exact", "", 0.0),
)
"""Line of the card, skill, metric, and the bar it is held to."""


def card_table(columns: Mapping[str, Mapping[str, Mapping[str, Figure]]]) -> str:
    """A Markdown table: a line of BARS each, a column for each set of scenes."""
    head = ["", "bar", *columns]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for name, skill, metric, sign, bar in BARS:
        cells = [name, f"{sign} {bar:.2f}".strip() if sign else ""]
        for table in columns.values():
            figure = table.get(skill, {}).get(metric)
            cells.append(f"{figure.mean:.3f} ({figure.low:.3f}-{figure.high:.3f})" if figure else "")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def scene_sets(sprites: SpriteSet | None) -> dict[str, SceneOptions]:
    """Name of the column to what is drawn for it."""
    sets = {
        "scenes": training_options(),
        "held-out style": held_out_style_options(),
        "held-out pairs": held_out_pairs_options(),
    }
    if sprites is not None:
        sets["stickers"] = training_options(SceneOptions(sprites=sprites, sprite_share=1.0))
    return sets


def _measured(decoder: Decoder, args: argparse.Namespace) -> Iterator[tuple[str, dict[str, dict[str, Figure]]]]:
    sprites = SpriteSet.from_folder(args.sprites) if args.sprites else None
    for name, scene in scene_sets(sprites).items():
        if args.sets and name not in args.sets:
            continue
        n = args.n if name == "scenes" else min(args.n, args.others)
        tallies = {}
        for skill in args.skills or SKILLS:
            if name == "stickers" and skill == "segment":
                continue  # outlines are asked of drawn things only
            start = time.perf_counter()
            tallies[skill] = measure(decoder, skill, n, PictureOptions(scene), constrained=not args.free)
            print(f"{name}: {skill}, {n} in {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
        yield name, summarize(tallies)


def main() -> None:
    """The command line of this file."""
    parser = argparse.ArgumentParser(description="Measure a model on freshly drawn scenes.")
    parser.add_argument("--model", type=Path, required=True, help="directory of a model")
    parser.add_argument("--n", type=int, default=1000, help="samples of each skill")
    parser.add_argument("--others", type=int, default=400, help="samples of each skill on held-out and sticker scenes")
    parser.add_argument("--skills", nargs="*", help=f"of {', '.join(SKILLS)}")
    parser.add_argument("--sets", nargs="*", help="scenes, held-out style, held-out pairs, stickers")
    parser.add_argument("--sprites", type=Path, help="folder of stickers, for their own column")
    parser.add_argument("--free", action="store_true", help="without the grammar")
    parser.add_argument("--argmax", action="store_true", help="coordinates from the best token, not the window's mean")
    parser.add_argument("--presence", type=float, default=0.5, help="presence threshold")
    parser.add_argument("--out", type=Path, help="where the figures go, as JSON")
    args = parser.parse_args()
    from grounding.model import GroundingForConditionalGeneration

    model = GroundingForConditionalGeneration.from_pretrained(args.model, dtype="float32")
    options = DecodeOptions(expectation=not args.argmax, presence_threshold=args.presence)
    decoder = Decoder(model, GroundingProcessor.from_pretrained(args.model), options)
    columns = dict(_measured(decoder, args))
    print(card_table(columns))
    if args.out:
        figures = {
            column: {s: {m: vars(figure) for m, figure in metrics.items()} for s, metrics in table.items()}
            for column, table in columns.items()
        }
        args.out.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
