"""Owns the reading of recipes: YAML or plain values into the dataclasses, every key and type checked, by name."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from grounding.errors import ConfigError
from grounding.flags import field_notes
from grounding.training.recipe import Recipe

Config = TypeVar("Config")


def load_recipe(path: str | Path) -> Recipe:
    """The recipe in a YAML file. Raises ConfigError that names the key, the value seen and what it may be."""
    path = Path(path)
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        place = f", line {where.line + 1}, column {where.column + 1}" if where else ""
        raise ConfigError(f"{path.name}{place} is not YAML: {getattr(error, 'problem', error)}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} can't be read: {getattr(error, 'strerror', None) or error}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path.name} holds no recipe but {values!r:.60}: write keys such as `preset: scenes`")
    return recipe_of(values, path.name)


def recipe_of(values: Mapping[str, Any], where: str = "the recipe") -> Recipe:
    """A recipe out of plain values; those of its preset stand where it says nothing."""
    from grounding.training.presets import preset_values

    name = values.get("preset")
    if name is not None:
        values = merged(preset_values(str(name)), values)
    return read(Recipe, values, where)


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`above` over `below`: mappings key by key, everything else, lists too, as a whole."""
    result = dict(below)
    for key, value in above.items():
        known = result.get(key)
        result[key] = merged(known, value) if isinstance(known, Mapping) and isinstance(value, Mapping) else value
    return result


def read(config: type[Config], values: Any, where: str) -> Config:
    """The dataclass out of plain values. `where` is said in errors, such as `recipe.yaml: stages[1]`."""
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where} is {values!r:.60}; it must be keys and values")
    fields = {field.name: field for field in dataclasses.fields(config)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(config)
    for key in values:
        if key not in fields:
            close = difflib.get_close_matches(str(key), fields, 1)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(fields)}"
            raise ConfigError(f"{where} has no setting {key!r}; {hint}")
    missing = [
        name
        for name, field in fields.items()
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING and name not in values
    ]
    if missing:
        note = field_notes(config).get(missing[0], "")
        raise ConfigError(f"{where} says nothing of {missing[0]!r}, which has no default: {note}")
    return config(**{key: _value(hints[key], value, f"{where}: {key}") for key, value in values.items()})


def _value(hint: Any, value: Any, where: str) -> Any:
    """`value` as the type `hint`, or a ConfigError."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in inner:
            return None
        return _value(next(kind for kind in inner if kind is not type(None)), value, where)
    if origin is typing.Literal:
        if value not in inner:
            raise ConfigError(f"{where} is {value!r}; it must be one of {', '.join(map(str, inner))}")
        return value
    if origin is tuple:
        if isinstance(value, str) or not isinstance(value, list | tuple):
            raise ConfigError(f"{where} is {value!r:.60}; it must be a list")
        return tuple(_value(inner[0], item, f"{where}[{number}]") for number, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where} is {value!r:.60}; it must be keys and values")
        return {str(key): _value(inner[1], item, f"{where}.{key}") for key, item in value.items()}
    if hint is Any:
        return value
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return read(hint, value, where)
    if hint is Path and isinstance(value, str | Path):
        return Path(value)
    if hint is float and isinstance(value, str):  # YAML 1.1 reads 1e-4, without a point, as text
        try:
            return float(value)
        except ValueError:
            pass
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if hint in (str, int, bool) and type(value) is hint:
        return value
    kind = {str: "text", int: "a whole number", float: "a number", bool: "true or false", Path: "a path"}[hint]
    raise ConfigError(f"{where} is {value!r:.60}; it must be {kind}")


def plain(config: Any) -> Any:
    """A recipe as plain values that YAML and JSON can hold, and `recipe_of` reads back."""
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        return {field.name: plain(getattr(config, field.name)) for field in dataclasses.fields(config)}
    if isinstance(config, Mapping):
        return {key: plain(value) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return [plain(value) for value in config]
    return str(config) if isinstance(config, Path) else config
