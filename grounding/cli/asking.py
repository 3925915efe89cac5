"""The commands that ask a picture: ground, detect, describe, caption, count, segment."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grounding.cli.arguments import Commands, add_model_flags, check_picture_path, save_picture

if TYPE_CHECKING:
    from PIL.Image import Image

    from grounding.result import Grounding


def add_asking(commands: Commands) -> None:
    """Adds the commands of this file."""
    asking = argparse.ArgumentParser(add_help=False)
    asking.add_argument("image", help="a picture's file")
    asking.add_argument("--out", metavar="PNG", help="draw the answer onto the picture and write it here")
    asking.add_argument("--json", action="store_true", help="print the answer as one line of JSON")
    add_model_flags(asking)

    def question(name: str, task: str, what: str) -> argparse.ArgumentParser:
        added: argparse.ArgumentParser = commands.add(name, what, _ask, parents=[asking])
        added.set_defaults(task=task)
        return added

    phrases: dict[str, Any] = {"nargs": "+", "metavar": "phrase"}
    question("ground", "locate", "find what a phrase names").add_argument(
        "phrases", **phrases, help="such as 'the red cup'"
    )
    names = question("detect", "detect", "find every instance of each name")
    names.add_argument("names", nargs="+", metavar="name", help="what to look for")
    where = question("describe", "describe", "say what is at a point or in a box")
    place = where.add_mutually_exclusive_group(required=True)
    place.add_argument("--point", nargs=2, type=float, metavar=("X", "Y"), help="pixels from the left and from the top")
    place.add_argument(
        "--box", nargs=4, type=float, metavar=("X1", "Y1", "X2", "Y2"), help="left, top, right, bottom edge"
    )
    question("caption", "caption", "say what the picture shows, with a box for each thing named")
    question("count", "count", "count what a phrase names").add_argument(
        "phrases", **phrases, help="such as 'red circles'"
    )
    question("segment", "segment", "outline what a phrase names").add_argument(
        "phrases", **phrases, help="such as 'the cup'"
    )


def _ask(args: argparse.Namespace) -> None:
    """Asks one picture one question, or the same of several phrases; draws and prints the answers."""
    from grounding.backends import load
    from grounding.backends.base import Question
    from grounding.images import open_image

    if args.out:
        check_picture_path(args.out)
    image = open_image(args.image)
    model = load(args.model, device=args.device, dtype=args.dtype)
    given = {name: value for name, value in vars(args).items() if name in ("task", "names", "box", "point")}
    questions = [Question(phrase=phrase, **given) for phrase in getattr(args, "phrases", [""])]
    answers = model.ask_many((image, question) for question in questions)
    if args.out:
        save_picture(_drawn(answers, image), args.out)
    if args.json:
        for answer in answers:
            print(json.dumps(as_json(answer), ensure_ascii=False))
        return
    from grounding.terminal import show

    show(answers, source=Path(args.image).name, drawn_to=args.out)


def as_json(answer: Grounding) -> dict[str, Any]:
    """The answer for another program: phrase, regions, text, problems, found, size, model, seconds, and more."""
    return {**answer.to_json(), "found": answer.found}


def _drawn(answers: Sequence[Grounding], image: Image) -> Image:
    """The picture with the answer on it; with several answers a sheet of such pictures, each under its phrase."""
    if len(answers) == 1:
        return answers[0].draw(image)
    from grounding.draw import sheet

    titled = [(image, _only_scores(answer), answer.phrase) for answer in answers]
    return sheet(titled, columns=min(len(answers), 3), cell=420)


def _only_scores(answer: Grounding) -> Grounding:
    """The answer with its scores for labels: under a title that is the phrase, the phrase need not stand again."""
    labels = [region.label or (f"{region.score:.2f}" if region.score is not None else "") for region in answer.regions]
    regions = [replace(region, label=label, score=None) for region, label in zip(answer.regions, labels, strict=True)]
    return answer.replace(regions=tuple(regions))
