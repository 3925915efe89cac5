"""Owns how a recipe is shown: as YAML that can be read back, the note of each setting above it as a comment."""

from __future__ import annotations

import dataclasses
import sys
import textwrap
import typing
from typing import Any, TextIO

import yaml

from grounding.flags import field_notes
from grounding.training.recipe_files import plain

WIDTH = 110


def recipe_text(config: Any, notes: bool = True, indent: int = 0) -> str:
    """The YAML of a recipe, or of one of its parts. In a list, the notes stand in the first entry alone."""
    said = _notes(type(config)) if notes else {}
    lines: list[str] = []
    margin = " " * indent
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        note = textwrap.wrap(said.get(field.name, ""), WIDTH - indent - 2, break_on_hyphens=False)
        lines += [f"{margin}# {line}" for line in note]
        if dataclasses.is_dataclass(value):
            lines += [f"{margin}{field.name}:", recipe_text(value, notes, indent + 2)]
        elif isinstance(value, tuple) and value and dataclasses.is_dataclass(value[0]):
            lines.append(f"{margin}{field.name}:")
            for number, entry in enumerate(value):
                text = recipe_text(entry, notes and number == 0, indent + 4)
                lines.append(f"{margin}  -\n{text}" if text.lstrip().startswith("#") else _dashed(text, indent))
        else:
            lines.append(_setting(field.name, plain(value), indent))
    return "\n".join(lines)


def _notes(config: type) -> dict[str, str]:
    """The note of each field, with what it may be where that is a choice of a few."""
    notes = field_notes(config)
    for name, hint in typing.get_type_hints(config).items():
        if typing.get_origin(hint) is typing.Literal:
            notes[name] += f" One of: {', '.join(map(str, typing.get_args(hint)))}."
    return notes


def _dashed(text: str, indent: int) -> str:
    """An entry of a list whose first setting stands beside the dash."""
    return " " * (indent + 2) + "- " + text[indent + 4 :]


def _setting(name: str, value: Any, indent: int) -> str:
    """`name: value`; on lines of its own where it is long."""
    margin = " " * indent
    flow = yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True, sort_keys=False)
    flow = flow.removesuffix("...\n").strip()
    if len(flow) + len(name) + indent <= WIDTH or not value or isinstance(value, int | float):
        return f"{margin}{name}: {flow}"
    if isinstance(value, str):
        folded = textwrap.wrap(value, WIDTH - indent - 2)
        if "\n".join(folded).replace("\n", " ") == value:
            return "\n".join([f"{margin}{name}: >-", *(f"{margin}  {line}" for line in folded)])
        return f"{margin}{name}: {flow}"
    block = yaml.safe_dump(value, default_flow_style=False, width=WIDTH, allow_unicode=True, sort_keys=False)
    return f"{margin}{name}:\n" + textwrap.indent(block.rstrip(), margin + "  ")


def show_recipe(config: Any, stream: TextIO | None = None) -> None:
    """Prints a recipe with its notes: coloured where `stream` (stdout) is a terminal, else plain YAML."""
    stream = stream or sys.stdout
    text = recipe_text(config)
    if not stream.isatty():
        stream.write(text + "\n")
        return
    from rich.console import Console
    from rich.syntax import Syntax

    Console(file=stream).print(Syntax(text, "yaml", theme="ansi_dark", background_color="default", word_wrap=True))
