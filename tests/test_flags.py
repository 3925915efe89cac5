"""Flags out of a dataclass: types, defaults and help come from the fields."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from grounding.errors import ConfigError
from grounding.flags import add_flags, field_notes, from_flags


@dataclass(frozen=True)
class Oven:
    degrees: int = 180
    """How hot,
    in 100 % of the cases."""
    fan: bool = False
    """Whether air is moved."""
    where: Path | None = None
    """A folder."""
    kind: Literal["gas", "electric"] = "gas"
    """What heats it."""
    shelves: tuple[float, ...] = (1.0, 2.0)
    """Heights."""


def parsed(*arguments):
    parser = argparse.ArgumentParser()
    add_flags(parser, Oven)
    return from_flags(Oven, parser.parse_args(arguments))


def test_without_flags_the_defaults_hold():
    assert parsed() == Oven()


def test_each_type_is_read_from_its_flag():
    line = ["--degrees", "90", "--fan", "--where", "here", "--kind", "electric", "--shelves", "3", "4.5"]
    assert parsed(*line) == Oven(90, True, Path("here"), "electric", (3.0, 4.5))
    assert parsed("--no-fan") == Oven()


def test_value_outside_a_literal_is_refused(capsys):
    with pytest.raises(SystemExit):
        parsed("--kind", "coal")
    assert "gas" in capsys.readouterr().err


def test_string_under_a_field_is_its_help():
    assert field_notes(Oven)["degrees"] == "How hot, in 100 % of the cases."
    parser = argparse.ArgumentParser()
    add_flags(parser, Oven)
    assert "100 % of the cases. (default: 180)" in " ".join(parser.format_help().split())


def test_type_without_a_flag_is_refused():
    @dataclass(frozen=True)
    class Odd:
        table: dict = None

    with pytest.raises(ConfigError, match="--table"):
        add_flags(argparse.ArgumentParser(), Odd)
