"""The command `grounding data shards`: packs what is taught into tar shards, or indexes shards that are there."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from grounding.cli.arguments import Commands, add_options_flag, number, options_of
from grounding.errors import InputError

if TYPE_CHECKING:
    from grounding.data.lessons.reading import BadLesson, Ready

_FEW = 200
"""Lessons below which no progress bar is worth its flicker."""


def add_sharding(data: Commands) -> None:
    """Adds the command of this file."""
    shards = data.add(
        "shards",
        "pack a data set into tar shards for training, or index shards that are there",
        _shards,
        epilog="examples: grounding data shards llava:chat.json shards --images CC3M; "
        "grounding data shards 'shards:cc3m-{000..331}.tar'",
    )
    shards.add_argument("source", help="such as llava:FILE, swift:FILE, scenes, refcoco:train, or shards:PATTERN")
    shards.add_argument(
        "out", nargs="?", help="the folder to write; without it shards:PATTERN is indexed where it lies"
    )
    shards.add_argument("--root", metavar="DIR", help="the folder that its files lie in")
    shards.add_argument("--images", metavar="DIR", help="the folder that its pictures lie in")
    add_options_flag(shards, "--option", "what else its opener takes, such as captions=false")
    shards.add_argument("--n", type=number(int, 1), help="how many lessons (default: all; scenes need it)")
    shards.add_argument("--per-shard", type=number(int, 1), default=1000, help="lessons of a shard (default: 1000)")
    shards.add_argument("--name", default="shard", help="what the shards are called (default: shard)")
    shards.add_argument("--seed", type=number(int, 0), default=0, help="of drawn scenes and of questions (default: 0)")
    shards.add_argument("--bad-share", type=number(float, 0, 1), default=0.01, help="lessons that may be bad (0.01)")
    shards.add_argument("--overwrite", action="store_true", help="replace what is there")


def _shards(args: argparse.Namespace) -> None:
    if args.out is None:
        _index(args)
        return
    from grounding.data.lessons.opening import open_source
    from grounding.data.lessons.packing import lessons_of, pack
    from grounding.data.lessons.reading import BadLessons

    options = options_of(args.option, "--option", "captions=false")
    if args.source.partition(":")[0].lower() != "scenes":
        options.setdefault("shuffle", False)
    source = open_source(args.source, root=args.root, images=args.images, seed=args.seed, **options)
    bad = BadLessons(args.bad_share)
    bad.opened([source])
    total = source.size if args.n is None else args.n
    done = pack(
        _watched(bad.passing(lessons_of(source, args.n)), total),
        args.out,
        args.name,
        per_shard=args.per_shard,
        overwrite=args.overwrite,
    )
    for reason, count in bad.reasons.items():
        print(f"grounding: left out: {count:,} x {reason}", file=sys.stderr)
    print(f"{done.lessons:,} lessons in {len(done.shards):,} shards, {done.bytes / 1e6:,.1f} MB, in {args.out}")


def _index(args: argparse.Namespace) -> None:
    """Writes the indexes of shards that lie on this machine."""
    from grounding.data.addresses import is_address
    from grounding.data.lessons.shard_places import Shard, find_shards, write_shard_index
    from grounding.data.lessons.tar_members import members_of, write_index

    kind, _, pattern = args.source.partition(":")
    if kind != "shards":
        raise InputError(f"{args.source} is packed into a folder: name one, or give shards:PATTERN to index")
    found = find_shards(pattern, args.root)
    folders = {Path(shard.place).parent for shard in found}
    if len(folders) > 1 or any(is_address(shard.place) or not shard.name.endswith(".tar") for shard in found):
        raise InputError("shards are indexed where they lie: tar files in one folder of this machine")
    problems: Counter[str] = Counter()
    indexed = []
    for shard in found:
        path = Path(shard.place)
        path.with_suffix(".idx").unlink(missing_ok=True)
        members = members_of(path)
        write_index(path, members)
        problems.update(f"{problem.where}: {problem.message}" for problem in members.problems)
        indexed.append(Shard(shard.place, len(members.samples), path.stat().st_size))
    for message in problems:
        print(f"grounding: {message}", file=sys.stderr)
    path = write_shard_index(folders.pop(), indexed, args.name)
    print(f"{sum(shard.count or 0 for shard in indexed):,} lessons in {len(indexed):,} shards, told by {path}")


def _watched(lessons: Iterable[Ready | BadLesson], total: int | None) -> Iterator[Ready | BadLesson]:
    """The lessons, with a progress bar on stderr where that is a terminal and there are many."""
    if not sys.stderr.isatty() or (total is not None and total < _FEW):
        yield from lessons
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("packing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield from bar.track(lessons, total=total)
