"""Command-line flags out of a frozen dataclass: one flag a field, its help the string that stands under the field."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import inspect
import types
import typing
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from grounding.errors import ConfigError

Config = TypeVar("Config")


def add_flags(parser: argparse.ArgumentParser, config: type) -> None:
    """Adds `--field-name` to `parser` for each field of the dataclass `config`, with its type, default and help.

    Understood: str, int, float, bool (`--x` and `--no-x`), Path, Literal, tuples of these (several values), or None.
    """
    notes = field_notes(config)
    hints = typing.get_type_hints(config)
    group = parser.add_argument_group(f"settings ({config.__name__})")
    for field in dataclasses.fields(config):
        flag = "--" + field.name.replace("_", "-")
        default = _default(field)
        note = notes.get(field.name, "").replace("%", "%%")
        shown = "" if default is dataclasses.MISSING or default is None else f" (default: {_say(default)})"
        group.add_argument(
            flag,
            dest=field.name,
            default=argparse.SUPPRESS,
            required=default is dataclasses.MISSING,
            help=note + shown.replace("%", "%%"),
            **_reading(hints[field.name], flag),
        )


def from_flags(config: type[Config], args: argparse.Namespace) -> Config:
    """The dataclass with the values that were given; fields without a flag on the command line keep their default."""
    names = {field.name for field in dataclasses.fields(config)}  # type: ignore[arg-type]
    return config(**{name: value for name, value in vars(args).items() if name in names})


def field_notes(config: type) -> dict[str, str]:
    """The string literal under each field of a dataclass, by the field's name; those of parent classes too."""
    notes: dict[str, str] = {}
    for owner in reversed(config.__mro__):
        if not dataclasses.is_dataclass(owner):
            continue
        (tree,) = ast.parse(inspect.cleandoc(inspect.getsource(owner))).body
        body = tree.body if isinstance(tree, ast.ClassDef) else []
        for statement, following in pairwise(body):
            if not (isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)):
                continue
            if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
                notes[statement.target.id] = " ".join(str(following.value.value).split())
    return notes


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _reading(hint: Any, flag: str) -> dict[str, Any]:
    """The arguments of add_argument that read a value of the type `hint`."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return _reading(next(kind for kind in inner if kind is not type(None)), flag)
    if origin is typing.Literal:
        return {"choices": inner, "type": type(inner[0])}
    if origin is tuple:
        return {**_reading(inner[0], flag), "nargs": "+", "action": _Tuple}
    if hint is bool:
        return {"action": argparse.BooleanOptionalAction}
    if hint in (str, int, float, Path):
        return {"type": hint, "metavar": hint.__name__.upper()}
    raise ConfigError(f"{flag} has the type {hint!r}, which no flag can be made of")


class _Tuple(argparse.Action):
    def __call__(
        self, parser: Any, namespace: argparse.Namespace, values: Any, option_string: str | None = None
    ) -> None:
        setattr(namespace, self.dest, tuple(values))


def _say(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
