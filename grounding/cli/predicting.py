"""The command `grounding predict`: a data set asked of a model, into a file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from grounding.cli.arguments import Commands, add_model_flags, add_options_flag, number, options_of
from grounding.errors import BackendError

if TYPE_CHECKING:
    from grounding.data.dataset import Dataset, StreamedDataset
    from grounding.predict import Summary


def add_predicting(commands: Commands, arguments: Sequence[str]) -> None:
    """Adds the commands of this file; flags out of a dataclass only where `arguments` name their command."""
    predict = commands.add(
        "predict",
        "ask a model all questions of a data set, into a file that a killed run goes on with",
        _predict,
        epilog="example: grounding predict refcoco:testA --root refer/data --images coco/train2014 --out testA.jsonl",
    )
    predict.add_argument("dataset", help="such as refcoco:testA, or a file; an unknown name lists all")
    predict.add_argument(
        "--out", default="predictions.jsonl", help="the file, or an address such as s3://... (default: %(default)s)"
    )
    predict.add_argument("--root", help="the folder of the data set's annotations")
    predict.add_argument("--images", help="the folder of its pictures, or an address such as s3://...")
    predict.add_argument(
        "--stretched", action="store_true", help="the pictures are copies that were resized without keeping their shape"
    )
    predict.add_argument("--limit", type=number(int, 1), metavar="N", help="ask the first N questions only")
    add_model_flags(predict)
    add_options_flag(predict, "--option", "what else the data set's reader takes, such as n=200 or split=val")
    add_options_flag(predict, "--model-option", "what else the model is loaded with, such as rounding=official")
    if "predict" in arguments:  # the settings' module would be read for every command else
        from grounding.flags import add_flags
        from grounding.predict.options import PredictOptions

        add_flags(predict, PredictOptions)


def _predict(args: argparse.Namespace) -> None:
    """Asks, and says what came of it."""
    from dataclasses import asdict

    from grounding.flags import from_flags
    from grounding.predict import PredictOptions, predict

    options = from_flags(PredictOptions, args)
    try:
        summary = predict(
            _dataset(args),
            args.model,
            args.out,
            device=args.device,
            dtype=args.dtype,
            model_options=options_of(args.model_option, "--model-option", "rounding=official"),
            root=args.root,
            images=args.images,
            progress=True,
            **asdict(options),
        )
    except KeyboardInterrupt:
        print(f"{args.out} keeps what was answered; the same command goes on with it", file=sys.stderr)
        raise
    if summary.rank:  # the first process tells of the whole
        return
    _close(summary, args.out)


def _dataset(args: argparse.Namespace) -> Dataset | StreamedDataset:
    from grounding.data.opening import open_dataset

    more = options_of(args.option, "--option", "n=200") | ({"stretched": True} if args.stretched else {})
    dataset = open_dataset(args.dataset, root=args.root, images=args.images, **more)
    return dataset.take(args.limit) if args.limit else dataset


def _close(summary: Summary, out: str) -> None:
    """Says what came of it, and how to go on. Raises BackendError where nothing was answered."""
    if sys.stdout.isatty():
        _show(summary, out)
    else:
        print(f"{summary.path}: " + ", ".join(f"{count:,} {what}" for what, count in _counts(summary).items()))
        if summary.first_error is not None:
            print(f"the first failure: {summary.first_error}")
            print("ask these again: the same command with --retry-failed")
        if summary.answered:
            print(f"measure it: grounding score {out}")
    if not summary.answered:
        raise BackendError(f"none of the {summary.samples:,} questions was answered: {summary.first_error}")


def _counts(summary: Summary) -> dict[str, int]:
    return {
        "answered": summary.answered,
        "failed": summary.failed,
        "found nothing there": summary.empty,
        "unreadable": summary.unreadable,
    }


def _show(summary: Summary, out: str) -> None:
    """The designed form, for a terminal."""
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    from grounding.predict.progress import clock

    console = Console(highlight=False)

    def line(*parts: tuple[str, str]) -> None:
        console.print(Padding(Text.assemble(*parts), (0, 0, 0, 2)))

    took = f"  {summary.asked:,} asked in {clock(summary.seconds)}" if summary.asked else "  nothing was left to ask"
    styles = {"answered": "bold green", "failed": "bold red", "unreadable": "bold yellow"}
    counts = [(f"{count:,}", what, styles.get(what, "bold")) for what, count in _counts(summary).items()]
    console.print()
    line((summary.path, "bold"), (took, "dim"))
    line(*[part for n, what, style in counts for part in ((n, style if n != "0" else "dim"), (f" {what}   ", "dim"))])
    if summary.first_error is not None:
        line((f"! the first failure: {summary.first_error}", "yellow"))
    console.print()
    if summary.failed:
        line(("ask them again  ", "dim"), ("the same command with --retry-failed", ""))
    if summary.answered:
        line(("measure it      ", "dim"), (f"grounding score {out}", ""))
    console.print()
