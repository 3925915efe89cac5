"""The command `grounding report`: a page out of a file of predictions."""

from __future__ import annotations

import argparse
import sys

from grounding.cli.arguments import Commands, number


def add_reporting(commands: Commands) -> None:
    """Adds the commands of this file."""
    report = commands.add(
        "report",
        "make one HTML page of a file of predictions: figures, charts, and its answers on their pictures",
        _report,
        epilog="example: grounding report predictions.jsonl --out report.html",
    )
    report.add_argument("predictions", help="a file that `grounding predict` wrote")
    report.add_argument("--out", metavar="HTML", default="report.html", help="the page (default: report.html)")
    report.add_argument("--compare", metavar="OTHER", help="a second model's predictions on the same data set")
    report.add_argument("--protocol", default="iou", help="the rule to judge by (default: iou; see `grounding score`)")
    report.add_argument("--as", dest="scoring", help="measure as another task than the data set's own, such as rec")
    report.add_argument(
        "--score-threshold",
        type=number(float, 0, 1),
        metavar="X",
        help="generalized: leave out regions that score less (default: 0.7)",
    )
    report.add_argument("--partial", action="store_true", help="also of a file that is not finished")
    report.add_argument("--root", metavar="DIR", help="where the data set lies (default: where it was asked)")
    report.add_argument("--images", metavar="DIR", help="where its pictures lie (default: where they were asked)")
    report.add_argument(
        "--gallery",
        type=number(int, 1),
        default=24,
        metavar="N",
        help="answers of each order that are sure to have their picture (default: 24)",
    )


def _report(args: argparse.Namespace) -> None:
    """Writes the page and says what is in it."""
    from grounding.report import write_report

    options = {} if args.score_threshold is None else {"score_threshold": args.score_threshold}
    made = write_report(
        args.out,
        args.predictions,
        other=args.compare,
        protocol=args.protocol,
        scoring=args.scoring,
        partial=args.partial,
        root=args.root,
        images=args.images,
        gallery=args.gallery,
        progress=sys.stderr.isatty(),
        **options,
    )
    for note in made.notes:
        print(f"note: {note}", file=sys.stderr)
    print(f"{made.path}: {made.answers:,} answers, {made.pictures:,} pictures, {made.size_bytes / 1e6:.1f} MB")
