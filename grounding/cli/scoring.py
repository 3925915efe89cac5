"""The command `grounding score`: a file of predictions, measured; two compared; one under every protocol."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grounding.cli.arguments import Commands, number
from grounding.errors import InputError, OutputError

if TYPE_CHECKING:
    from grounding.data.predictions import Predictions


def add_scoring(commands: Commands) -> None:
    """Adds the commands of this file."""
    score = commands.add("score", "measure a file of predictions under a named protocol", _score)
    score.add_argument("predictions", metavar="FILE", help="what `grounding predict` wrote")
    score.add_argument(
        "--protocol",
        default="iou",
        metavar="NAME",
        help="iou (default), iou-strict, refer-plus-one, mdetr-giou or oracle-best; see docs/protocols.md",
    )
    score.add_argument("--all-protocols", action="store_true", help="a line for each protocol")
    score.add_argument("--compare", metavar="FILE", help="other predictions of the same data set: what they change")
    score.add_argument(
        "--flips", type=number(int, 0), default=10, metavar="N", help="flipped questions to list (default: 10)"
    )
    score.add_argument("--as", dest="scoring", metavar="SCORING", help="measure otherwise than the data set says")
    score.add_argument("--partial", action="store_true", help="measure a file that is not finished, and say so")
    score.add_argument("--dataset", metavar="NAME", help="open the data set again and check the file's questions by it")
    score.add_argument("--root", metavar="DIR", help="the folder of --dataset's annotations")
    score.add_argument(
        "--score-threshold",
        type=number(float, 0, 1),
        metavar="X",
        help="generalized: leave out regions that score less (default: 0.7)",
    )
    score.add_argument("--engine", metavar="NAME", help="detection: what computes AP (default: pycocotools)")
    score.add_argument("--out", metavar="JSON", help="write everything here, verdicts among it")
    score.add_argument("--json", action="store_true", help="print everything as one line of JSON")


def _score(args: argparse.Namespace) -> None:
    """Measures a file of predictions."""
    from grounding.score import compare, score, score_all_protocols, write_scores
    from grounding.score.comparing_terminal import show_comparison, show_protocols
    from grounding.score.dispatch import json_text
    from grounding.score.terminal import show_scores

    if args.out and not Path(args.out).expanduser().parent.is_dir():
        raise OutputError(f"--out {args.out} can't be written: there is no directory {Path(args.out).parent}")
    if args.all_protocols and args.compare:
        raise InputError("--all-protocols is of one file: leave out --compare, or name one --protocol")
    if args.root and not args.dataset:
        raise InputError("--root is the folder of --dataset's annotations: name the data set too, or leave it out")
    predictions = _opened(args.predictions, args)
    options: dict[str, Any] = {"scoring": args.scoring, "partial": args.partial}
    given = {"score_threshold": args.score_threshold, "engine": args.engine}
    options |= {name: value for name, value in given.items() if value is not None}
    result: Any
    if args.compare:
        result = compare(predictions, _opened(args.compare, args), args.protocol, **options)
    elif args.all_protocols:
        result = score_all_protocols(predictions, **options)
    else:
        result = score(predictions, args.protocol, **options)
    if args.out:
        write_scores(list(result.values()) if args.all_protocols else result, args.out)
    if args.json:
        data = [one.to_json() for one in result.values()] if args.all_protocols else result.to_json()
        print(json_text(data))
    elif args.compare:
        show_comparison(result, args.flips)
    elif args.all_protocols:
        show_protocols(result)
    else:
        show_scores(result)


def _opened(path: str, args: argparse.Namespace) -> Predictions:
    """The predictions, checked against --dataset where it is given."""
    from grounding.data.predictions import read_predictions

    predictions = read_predictions(path)
    if args.dataset is None:
        return predictions
    from grounding.data.dataset import Dataset
    from grounding.data.opening import open_dataset
    from grounding.score.completeness import against

    dataset = open_dataset(args.dataset, root=args.root)
    if not isinstance(dataset, Dataset):
        raise InputError(f"{args.dataset} is streamed, and can't be searched for ids: leave out --dataset")
    return against(predictions, dataset, path)
