"""Detection on COCO: the twelve numbers of a results file, or those of a model that is asked now.

    python -m eval.coco --truth instances_val2017.json --predictions results.json [--segm] [--json]
    python -m eval.coco --model M --data DIR [--split val2017]

The first prints COCO's twelve numbers, and precision, recall and F1 of the boxes beside them. Entries that cannot be
scored are named on stderr and counted; the exit code is 2 where nothing can be scored. The second asks, measures and
reports as all programs here do; `--data` may also be one file of labelled boxes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from eval.exits import DONE, ended
from eval.published import Published
from grounding.data.predictions import FORMAT, Predictions, read_predictions
from grounding.data.reading import load_json
from grounding.data.whole_files import whole_file
from grounding.errors import InputError
from grounding.metrics.box_matching import THRESHOLDS, Rates
from grounding.metrics.coco_ap import ENGINES, NUMBERS, CocoAp, score_entries
from grounding.metrics.coco_entries import EntryProblem, read_results, read_truth
from grounding.metrics.detection import tally_entries

SHOWN = 3
"""Problems of one kind that are named; the others are counted."""
PUBLISHED = (
    Published("Rex-Omni (3B), f1@0.5:0.95", {"coco:val2017": 52.9}, "arXiv:2510.12798"),
    Published("Grounding DINO-T, f1@0.5:0.95", {"coco:val2017": 56.6}, "arXiv:2510.12798"),
)
LEVELS = {"0.50": slice(0, 1), "0.95": slice(len(THRESHOLDS) - 1, None), "0.50:0.95": slice(None)}
"""IoU thresholds as COCO prints them, and which of THRESHOLDS they are."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program and returns its exit code: 0, 1 where it failed, 2 where what it was given makes no sense."""
    given = sys.argv[1:] if argv is None else list(argv)
    if any(flag.partition("=")[0] in ("--model", "--data") for flag in given):
        from eval.coco_model import CocoSettings, parts
        from eval.program import run

        return run(
            __doc__, parts, given, title="Detection", published=PUBLISHED, settings=CocoSettings, program="eval.coco"
        )
    args = _parser().parse_args(given)

    def work() -> int:
        _run(args)
        return DONE

    return ended("eval.coco", work)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m eval.coco",
        description="COCO's twelve numbers of a file of results.",
        epilog="To ask a model instead: python -m eval.coco --model M --data DIR; --help after --model has its flags.",
    )
    parser.add_argument("--truth", required=True, metavar="FILE", help="COCO's instances_*.json")
    parser.add_argument(
        "--predictions", required=True, metavar="FILE", help="COCO's results json, or predictions.jsonl of this package"
    )
    parser.add_argument("--segm", action="store_true", help="compare masks instead of boxes")
    parser.add_argument("--engine", choices=list(ENGINES), default="pycocotools", help="default: pycocotools")
    parser.add_argument("--min-score", type=float, metavar="S", help="leave out detections that score less")
    parser.add_argument("--categories", action="store_true", help="print the AP of each category as well")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--results-out", metavar="FILE", help="write the predictions as COCO's results json, without unknown ids"
    )
    return parser


def _run(args: argparse.Namespace) -> None:
    truth_path, found_path = Path(args.truth).expanduser(), Path(args.predictions).expanduser()
    instances = load_json(truth_path)
    truth = read_truth(instances, "segm" if args.segm else "bbox")
    given = read_entries(found_path, instances)
    results = read_results(given, truth, min_score=args.min_score)
    if args.results_out:
        unfit = {problem.entry for problem in results.problems if problem.kind in ("unknown id", "unreadable entry")}
        with whole_file(args.results_out) as stream:
            json.dump([row for entry, row in enumerate(given, 1) if entry not in unfit], stream)
    _report(truth_path.name, truth.problems)
    _report(found_path.name, results.problems)
    scores = score_entries(truth, results, engine=args.engine)
    rates = None if args.segm else tally_entries(truth, results).pooled
    if args.json:
        print(json.dumps(_as_json(scores, rates)))
    else:
        show(scores, rates, categories=args.categories, source=f"{found_path.name} against {truth_path.name}")


# ---- what is read


def read_entries(path: Path, instances: Mapping[str, Any]) -> Any:
    """The entries of COCO's results json, or of predictions.jsonl, whose pictures and names `instances` numbers.

    Raises InputError.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as stream:
            first = stream.readline()
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror or error}") from None
    if f'"{FORMAT}"' not in first[:200]:
        return load_json(path)
    return coco_results(read_predictions(path), instances)


def coco_results(predictions: Predictions, instances: Mapping[str, Any]) -> list[dict[str, Any]]:
    """COCO's results entries, one a region.

    Pictures are found by the image id that the data set gave, else by the file's name. A picture or a name that
    `instances` does not have stands as it is in place of the id, for `read_results` to name.
    """
    images, names = ([row for row in instances[part] if isinstance(row, Mapping)] for part in ("images", "categories"))
    files = {str(image.get("file_name", "")): image.get("id") for image in images}
    files |= {Path(file).name: id for file, id in files.items()}
    categories = {str(category.get("name")).casefold(): category.get("id") for category in names}
    entries: list[dict[str, Any]] = []
    for row in predictions.rows:
        key = row.picture
        image = row.meta.get("image_id", files.get(key, files.get(Path(key).name, key)))
        for region in row.answer.regions if row.answer else ():
            name = region.label or (row.names[0] if len(row.names) == 1 else row.phrase)
            entry = {"image_id": image, "category_id": categories.get(name.casefold(), name), "bbox": list(region.xywh)}
            if region.mask is not None:
                entry["segmentation"] = region.mask.rle
            if region.score is not None:
                entry["score"] = region.score
            entries.append(entry)
    return entries


# ---- what is said


def _report(file: str, problems: Sequence[EntryProblem]) -> None:
    """Names the first problems of each kind on stderr, and counts all."""
    kinds: dict[tuple[str, str, bool], list[EntryProblem]] = {}
    for problem in problems:
        kinds.setdefault((problem.part, problem.kind, problem.kept), []).append(problem)
    for (part, kind, kept), alike in kinds.items():
        entries = "1 entry" if len(alike) == 1 else f"{len(alike):,} entries"
        print(f"{file}: {kind}, {entries} {'counted all the same' if kept else 'left out'}", file=sys.stderr)
        for one in alike[:SHOWN]:
            where = f"entry {one.entry}" if part == "results" else f"{part}, entry {one.entry}"
            print(f"  {where}: {one.message}", file=sys.stderr)


def _as_json(scores: CocoAp, rates: Rates | None) -> dict[str, Any]:
    data = scores.to_json()
    kinds = Counter((problem.part, problem.kind) for problem in scores.problems)
    data["problems"] = [{"part": part, "kind": kind, "count": count} for (part, kind), count in kinds.items()]
    if rates is not None:
        data["boxes"] = {
            level: {
                "precision": _mean(rates.precision[at]),
                "recall": _mean(rates.recall[at]),
                "f1": _mean(rates.f1[at]),
            }
            for level, at in LEVELS.items()
        }
    return data


def _mean(values: Any) -> float | None:
    value = float(values.mean())
    return None if value != value else value


def show(
    scores: CocoAp, rates: Rates | None, *, categories: bool = False, source: str = "", stream: TextIO | None = None
) -> None:
    """Prints the numbers: designed where `stream` (stdout) is a terminal, else in the lines of COCO's own evaluator."""
    stream = stream or sys.stdout
    if stream.isatty():
        _show_designed(scores, rates, categories, source, stream)
    else:
        stream.write(plain(scores, rates, categories=categories))


def plain(scores: CocoAp, rates: Rates | None, *, categories: bool = False) -> str:
    """COCO's twelve lines, each with its short name; then a line for each IoU; then one for each category."""
    lines = []
    for name, value in scores.numbers.items():
        recall = name.startswith("AR")
        title, short = ("Average Recall", "(AR)") if recall else ("Average Precision", "(AP)")
        at = {"AP50": "0.50", "AP75": "0.75"}.get(name, "0.50:0.95")
        area = {"s": "small", "m": "medium", "l": "large"}.get(name[-1], "all")
        most = int(name[2:]) if recall and name[2:].isdecimal() else 100
        lines.append(
            f" {title:<18} {short} @[ IoU={at:<9} | area={area:>6} | maxDets={most:>3} ] = {_three(value)}  {name}"
        )
    if rates is not None:
        for level, part in LEVELS.items():
            values = (_three(_mean(rate[part])) for rate in (rates.precision, rates.recall, rates.f1))
            lines.append(" Boxes @[ IoU={:<9} ] precision = {}  recall = {}  F1 = {}".format(level, *values))
    lines += [f" {_counts(scores)}", *(f" {note}" for note in _notes(scores))]
    if categories:
        lines += [f"{_three(value)}\t{name}" for name, value in scores.categories.items()]
    return "".join(line + "\n" for line in lines)


def _three(value: float | None) -> str:
    return "    -" if value is None else f"{value:0.3f}"


def _counts(scores: CocoAp) -> str:
    crowds = f", {scores.crowds:,} crowd regions" if scores.crowds else ""
    what = "masks" if scores.kind == "segm" else "boxes"
    return (
        f"{scores.detections:,} {what} against {scores.objects:,} objects{crowds} in {scores.pictures:,} pictures; "
        f"{scores.engine}"
    )


def _notes(scores: CocoAp) -> list[str]:
    notes = []
    if not scores.scored and scores.detections:
        notes.append("no scores: every detection ranks as 1, in the order written; such AP compares with no detector's")
    if left_out := sum(not problem.kept for problem in scores.problems):
        notes.append(f"{left_out:,} entries could not be scored and are left out")
    return notes


def _show_designed(scores: CocoAp, rates: Rates | None, categories: bool, source: str, stream: TextIO) -> None:
    from rich.columns import Columns
    from rich.console import Console, Group
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    numbers = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, show_header=False)
    for name, value in scores.numbers.items():
        if name == "AR1":
            numbers.add_row()
        style = "bold" if name == "AP" else ""
        numbers.add_row(Text(name, style), Text(_three(value), style), _bar(value), Text(NUMBERS[name], "dim"))
    heading = Text.assemble(
        ("COCO AP", "bold"), f" of {'masks' if scores.kind == 'segm' else 'boxes'}  ", (source, "dim")
    )
    parts: list[Any] = [heading, Text(), numbers]
    if rates is not None:
        boxes = Table(box=None, padding=(0, 3, 0, 0), header_style="dim", show_edge=False)
        for column in ("boxes at IoU", "precision", "recall", "F1"):
            boxes.add_column(column, justify="left" if column == "boxes at IoU" else "right")
        for level, at in LEVELS.items():
            boxes.add_row(level, *(_three(_mean(part[at])) for part in (rates.precision, rates.recall, rates.f1)))
        parts += [Text(), boxes]
    if categories:
        cells = [Text.assemble((_three(value), "bold"), f" {name}") for name, value in scores.categories.items()]
        parts += [Text(), Text("AP of each category", style="dim"), Columns(cells, padding=(0, 3), column_first=True)]
    parts += [Text(), Text(_counts(scores), style="dim")]
    parts += [Text(f"! {note}", style="yellow") for note in _notes(scores)]
    Console(file=stream, highlight=False).print(Padding(Group(*parts), (1, 2)))


def _bar(value: float | None) -> Any:
    """`━━━━━╸────` of twenty cells."""
    from rich.text import Text

    if value is None:
        return Text("nothing to measure", style="dim")
    full, half = divmod(round(value * 40), 2)
    cells = "━" * full + "╸" * half
    return Text.assemble((cells, "cyan"), ("─" * (20 - len(cells)), "bright_black"))


if __name__ == "__main__":
    raise SystemExit(main())
