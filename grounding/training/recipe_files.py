"""Owns the reading of recipes: YAML or plain values into the dataclasses, every key and type checked, by name."""

from __future__ import annotations

import copy
import dataclasses
import difflib
import re
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from grounding.errors import ConfigError
from grounding.flags import field_notes
from grounding.training.recipe import Recipe

Config = TypeVar("Config")
SUFFIXES = (".yaml", ".yml", ".json")
"""By which a recipe's file is told from a preset's name."""


def open_recipe(
    what: str | Path, settings: Sequence[str] = (), *, out: str | Path | None = None, **changes: Any
) -> Recipe:
    """The recipe of a file or a preset, with changes: `settings` such as `stages.align.steps=100`, then those by name.

    Without a word on `out`, a file's run is called after the file. Raises ConfigError.
    """
    from grounding.training.presets import preset_names, preset_values

    if str(what).endswith(SUFFIXES) or Path(what).is_file():
        values, where = read_values(Path(what)), Path(what).name
        under = preset_values(str(values["preset"])) if values.get("preset") is not None else {}
        values = {"out": f"runs/{Path(what).stem}", **merged(under, values)}
    elif str(what) in preset_names():
        values, where = merged(preset_values(str(what)), {"preset": str(what)}), f"the preset {what}"
    else:
        close = difflib.get_close_matches(str(what), preset_names(), 1)
        hint = f"did you mean {close[0]!r}?" if close else f"presets: {', '.join(preset_names())}"
        raise ConfigError(f"no preset {str(what)!r}, and no file of that name; {hint}")
    for text in settings:
        if text.partition("=")[0].strip() == "preset":
            raise ConfigError(f"--set {text}: name the preset in place of {what}, or within the file")
        values = with_setting(values, text)
    values |= {name: value for name, value in changes.items() if value is not None}
    if out is not None:
        values["out"] = out
    return read(Recipe, values, where)


def load_recipe(path: str | Path) -> Recipe:
    """The recipe in a YAML file. Raises ConfigError that names the key, the value seen and what it may be."""
    return recipe_of(read_values(Path(path)), Path(path).name)


def recipe_of(values: Mapping[str, Any], where: str = "the recipe") -> Recipe:
    """A recipe out of plain values; those of its preset stand where it says nothing."""
    from grounding.training.presets import preset_values

    name = values.get("preset")
    if name is not None:
        values = merged(preset_values(str(name)), values)
    return read(Recipe, values, where)


def read_values(path: Path) -> dict[str, Any]:
    """What a YAML file of keys and values says. Raises ConfigError with line and column."""
    try:
        values = parse(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        place = f", line {where.line + 1}, column {where.column + 1}" if where else ""
        raise ConfigError(f"{path.name}{place} is not YAML: {getattr(error, 'problem', None) or error}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} can't be read: it is no text in UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror or error}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path.name} holds no recipe but {values!r:.60}: write keys such as `preset: scenes`")
    return values


class _Loader(yaml.SafeLoader):
    """Safe YAML in which 1e-4 is a number, as YAML 1.2 has it, and a key that stands twice is refused."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:str" and key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} stands twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def parse(text: str) -> Any:
    """The values of a YAML text. Raises yaml.YAMLError."""
    return yaml.load(text, _Loader)  # _Loader is a SafeLoader


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`above` over `below`: mappings key by key, everything else, lists too, as a whole."""
    result = copy.deepcopy(dict(below))
    for key, value in above.items():
        known = result.get(key)
        result[key] = merged(known, value) if isinstance(known, Mapping) and isinstance(value, Mapping) else value
    return result


def with_setting(values: Mapping[str, Any], text: str) -> dict[str, Any]:
    """`values` with one of them changed: `seed=3`, `stages.align.steps=100`, `data.0.weight=2`.

    An entry of a list is known by its number or its name; the number behind the last makes a new one.
    Raises ConfigError.
    """
    path, equals, given = text.partition("=")
    keys = [key.strip() for key in path.split(".")]
    if not equals or not all(keys):
        raise ConfigError(f"--set {text} is not written KEY.PATH=VALUE, such as --set stages.0.steps=100")
    try:
        value = parse(given)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {text}: the value is not YAML ({getattr(error, 'problem', None) or error})") from None
    result = copy.deepcopy(dict(values))
    node: Any = result
    for depth, key in enumerate(keys):
        last = depth == len(keys) - 1
        if isinstance(node, list):
            place = _entry(node, key, f"--set {text}: {'.'.join(keys[:depth])}")
            if last:
                node[place : place + 1] = [value]
            elif place == len(node):
                node.append({})
            node = node[place]
        elif isinstance(node, dict):
            if last:
                node[key] = value
            elif node.get(key) is None:
                node[key] = [] if keys[depth + 1].isdecimal() else {}
            node = node[key]
        else:
            raise ConfigError(f"--set {text}: {'.'.join(keys[:depth])} is {node!r:.60} and has nothing called {key!r}")
    return result


def _entry(entries: list[Any], key: str, where: str) -> int:
    """Which entry of a list a key means; `len(entries)` for a new one."""
    if key.isdecimal() and int(key) <= len(entries):
        return int(key)
    names = [entry.get("name") or entry.get("source") for entry in entries if isinstance(entry, dict)]
    if key in names:
        return names.index(key)
    known = f": {', '.join(map(str, names))}" if any(names) else ""
    raise ConfigError(f"{where} has no entry {key!r}; it has {len(entries)}{known}")


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
    read_values = {key: _value(hints[key], value, f"{where}: {key}") for key, value in values.items()}
    try:
        return config(**read_values)
    except ConfigError as error:  # what values must be of each other
        raise ConfigError(f"{where}: {error}") from None


def _value(hint: Any, value: Any, where: str) -> Any:
    """`value` as the type `hint`, or a ConfigError."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return _one_of(inner, value, where)
    if origin is typing.Literal:
        if value not in inner:
            raise ConfigError(f"{where} is {value!r:.60}; it must be one of {', '.join(map(str, inner))}")
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
    if hint is float and type(value) in (int, float):
        return float(value)
    if hint in (str, int, bool) and type(value) is hint:
        return value
    raise ConfigError(f"{where} is {value!r:.60}; it must be {KINDS[hint]}")


KINDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false", Path: "a path"}
"""What a type is called in errors."""


def _one_of(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    """`value` as the first of several types that takes it."""
    if value is None and type(None) in kinds:
        return None
    refused = []
    for kind in kinds:
        if kind is not type(None):
            try:
                return _value(kind, value, where)
            except ConfigError as error:
                refused.append(error)
    if len(refused) == 1:
        raise refused[0]
    wanted = " or ".join(str(error).partition("it must be ")[2] for error in refused)
    raise ConfigError(f"{where} is {value!r:.60}; it must be {wanted}")


def plain(config: Any) -> Any:
    """A recipe as plain values that YAML and JSON can hold, and `recipe_of` reads back."""
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        return {field.name: plain(getattr(config, field.name)) for field in dataclasses.fields(config)}
    if isinstance(config, Mapping):
        return {key: plain(value) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return [plain(value) for value in config]
    return str(config) if isinstance(config, Path) else config
