"""How the command line reads its arguments: groups and commands, numbers with limits, sizes, places to write to."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from grounding.errors import InputError, OutputError


class Commands:
    """The commands of a program, or of one group of it such as `grounding data`."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._added = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(self, name: str, what: str, run: Callable[[argparse.Namespace], None], **options: Any) -> Any:
        """A command called `name` that runs `run` with the arguments; `options` go to its parser."""
        debug = argparse.ArgumentParser(add_help=False)
        debug.add_argument("--debug", action="store_true", help="show the stack trace when something fails")
        parents = [*options.pop("parents", ()), debug]
        added = self._added.add_parser(
            name, help=what, description=f"{what[:1].upper()}{what[1:]}.", parents=parents, **options
        )
        added.set_defaults(run=run)
        return added

    def group(self, name: str, what: str) -> Commands:
        """Commands under a name of their own."""
        added = self._added.add_parser(name, help=what, description=f"{what[:1].upper()}{what[1:]}.")
        return Commands(added)


def add_model_flags(parser: argparse.ArgumentParser) -> None:
    """Which model, and where it computes."""
    parser.add_argument(
        "--model", help="a model's directory or name (default: the shipped one; see `grounding models`)"
    )
    parser.add_argument("--device", help="cpu, cuda, ... (default: a GPU where there is one)")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), help="the precision to compute in")


def add_options_flag(parser: argparse.ArgumentParser, flag: str, what: str) -> None:
    """A flag that is given once for each NAME=VALUE; `options_of` reads what was given."""
    parser.add_argument(
        flag, action="append", default=[], metavar="NAME=VALUE", help=f"{what}; may be given several times"
    )


def options_of(given: Sequence[str], flag: str, example: str) -> dict[str, Any]:
    """Names and values of such a flag; a value that is JSON is read as such, any other is text. Raises InputError."""
    options: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not (equals and name.isidentifier()):
            raise InputError(f"{flag} {text} is not written NAME=VALUE, such as {flag} {example}")
        if name in ("root", "images", "device", "dtype"):
            raise InputError(f"{flag} {text}: there is a flag of its own for it, --{name}")
        try:
            options[name] = json.loads(value)
        except ValueError:
            options[name] = value
    return options


def number(kind: type[int] | type[float], least: float, most: float = float("inf")) -> Callable[[str], float]:
    """Reads a flag's number and refuses it outside `least` to `most`."""

    def read(text: str) -> float:
        value = kind(text)
        if not least <= value <= most:
            limits = f"{least} or more" if most == float("inf") else f"{least} to {most}"
            raise argparse.ArgumentTypeError(f"{text} is not {limits}")
        return value

    read.__name__ = kind.__name__  # argparse says "invalid int value" of text that is no number
    return read


def size(text: str) -> tuple[int, int]:
    """Reads WIDTHxHEIGHT."""
    width, _, height = text.lower().replace("×", "x").partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise argparse.ArgumentTypeError(f"{text} is no size: write width x height in pixels, such as 640x480")
    return int(width), int(height)


def check_picture_path(path: str) -> None:
    """Raises before any work is done where no picture can be written to `path`."""
    from PIL import Image

    suffix = Path(path).suffix.lower()
    if Image.registered_extensions().get(suffix) not in Image.SAVE:
        raise InputError(f"--out {path} names no picture format that can be written: end it in .png")
    if not Path(path).parent.is_dir():
        raise OutputError(f"--out {path} can't be written: there is no directory {Path(path).parent}")


def save_picture(picture: Any, path: str) -> None:
    """Writes the picture, whole or not at all."""
    from PIL import Image

    from grounding.data.whole_files import whole_bytes

    with whole_bytes(path) as stream:
        picture.save(stream, format=Image.registered_extensions()[Path(path).suffix.lower()])
