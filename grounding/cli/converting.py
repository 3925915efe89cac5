"""The commands `grounding data convert` and `grounding data show`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from grounding.cli.arguments import (
    Commands,
    add_options_flag,
    check_picture_path,
    number,
    options_of,
    save_picture,
)

if TYPE_CHECKING:
    from grounding.data.dataset import Dataset, StreamedDataset
    from grounding.data.sample import Sample

_FEW = 1_000
"""Samples below which no progress bar is worth its flicker."""


def add_converting(data: Commands) -> None:
    """Adds the commands of this file."""
    place = argparse.ArgumentParser(add_help=False)
    place.add_argument("--root", metavar="DIR", help="the folder that its annotations lie in")
    place.add_argument("--images", metavar="DIR", help="the folder that its pictures lie in")
    place.add_argument(
        "--stretched", action="store_true", help="the pictures are copies that were resized without keeping their shape"
    )
    add_options_flag(place, "--option", "what else its reader takes, such as names=present or scoring=segmentation")
    convert = data.add(
        "convert",
        "write a data set in another format",
        _convert,
        parents=[place],
        epilog="example: grounding data convert refcoco:val val.jsonl --root refer/data --images coco/train2014",
    )
    convert.add_argument("dataset", help="such as refcoco:val, or a file; `grounding data show` lists the names")
    convert.add_argument("out", help="where to write: FILE.jsonl, FILE.json (COCO) or a folder (refs)")
    convert.add_argument("--to", metavar="FORMAT", help="jsonl, coco or refs (default: told by the name)")
    convert.add_argument(
        "--pictures", metavar="DIR", help="write pictures that lie in no file of their own, as those of the hub, here"
    )
    convert.add_argument("--overwrite", action="store_true", help="replace what is there")
    show = data.add(
        "show",
        "say what is in a data set, and draw some of it",
        _show,
        parents=[place],
        epilog="example: grounding data show coco:val2017 --root coco --out sheet.png",
    )
    show.add_argument("dataset", nargs="?", help="such as refcoco:val, or a file; without it all names are listed")
    show.add_argument("--out", metavar="PNG", help="draw samples with what is true of them, and write the sheet here")
    show.add_argument("--n", type=number(int, 1, 200), default=12, help="how many to draw (default: 12)")
    show.add_argument("--seed", type=number(int, 0), default=0, help="which ones to draw (default: 0)")
    show.add_argument("--limit", type=number(int, 1), default=200, help="of a stream, how many to read (default: 200)")
    show.add_argument("--problems", action="store_true", help="list every problem, a line each")


def _convert(args: argparse.Namespace) -> None:
    """Writes the data set, and says what was lost."""
    from grounding.data.convert import convert
    from grounding.data.summary import by_kind

    dataset = _opened(args)
    done = convert(
        dataset,
        args.out,
        args.to,
        pictures=args.pictures,
        overwrite=args.overwrite,
        through=lambda samples: _watched(samples, "converting", dataset),
    )
    for kind, count, kept, _ in by_kind(dataset.problems):
        print(f"grounding: {count:,} x {kind} in the data set{f', {kept:,} kept' if kept else ''}", file=sys.stderr)
    for sentence in done.losses:
        print(f"grounding: not held: {sentence}", file=sys.stderr)
    files = " and ".join(str(path) for path in done.paths)
    pictures = f", {done.pictures:,} pictures in {args.pictures}" if done.pictures else ""
    print(f"{done.samples:,} samples in {files}{pictures}")


def _show(args: argparse.Namespace) -> None:
    """Prints what is in the data set, and draws some of it."""
    from grounding.cli.datasets_drawn import sheet_of
    from grounding.cli.datasets_shown import show_readers, show_summary
    from grounding.data.dataset import StreamedDataset
    from grounding.data.summary import summary_of

    if args.dataset is None:
        show_readers()
        return
    if args.out:
        check_picture_path(args.out)
    opened = _opened(args)
    dataset = opened.take(args.limit) if isinstance(opened, StreamedDataset) else opened
    show_summary(summary_of(dataset, lambda samples: _watched(samples, "counting", dataset)))
    if args.problems:
        for problem in dataset.problems:
            print(f"{problem.where}\t{problem.kind}\t{problem.message}{' (kept)' if problem.kept else ''}")
    if not args.out:
        return
    picture, count, reasons = sheet_of(dataset, args.n, args.seed)
    save_picture(picture, args.out)
    for reason in reasons[:3]:
        print(f"grounding: a picture was passed over: {reason}", file=sys.stderr)
    print(f"{count} samples drawn to {args.out}")


def _opened(args: argparse.Namespace) -> Dataset | StreamedDataset:
    from grounding.data.opening import open_dataset

    options = options_of(args.option, "--option", "names=present") | ({"stretched": True} if args.stretched else {})
    return open_dataset(args.dataset, root=args.root, images=args.images, **options)


def _watched(samples: Iterable[Sample], what: str, dataset: Dataset | StreamedDataset) -> Iterator[Sample]:
    """The samples, with a progress bar on stderr where that is a terminal and there are many."""
    from grounding.data.dataset import Dataset

    total = len(dataset) if isinstance(dataset, Dataset) else None
    if not sys.stderr.isatty() or (total is not None and total < _FEW):
        yield from samples
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield from bar.track(samples, total=total)
