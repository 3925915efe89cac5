"""Owns which keys of a JSON object name a place or a thing, and how their values are read as numbers and words."""

from __future__ import annotations

import math
import re
from typing import Any

from grounding.codecs.base import BLANK
from grounding.codecs.json_structure import Pairs

BOX_KEYS = ("bbox_2d", "box_2d", "bbox", "box", "boxes", "bboxes", "bounding_box", "bounding_boxes", "coordinates")
POINT_KEYS = ("point_2d", "point", "points", "points_2d")
LABEL_KEYS = (
    *("label", "labels", "name", "names", "text_content", "text", "class", "class_name", "category", "object"),
    *("phrase", "caption", "title", "sub_label", "description"),
)
"""Where an object has several, the first of these is its label."""

BOX, POINT, NO_LABEL = -2, -1, 99
ROLES = dict.fromkeys(BOX_KEYS, BOX) | dict.fromkeys(POINT_KEYS, POINT) | {key: i for i, key in enumerate(LABEL_KEYS)}
"""Key -> a place, or how early among the labels it is."""
_NO_LABELS = frozenset(
    (*BOX_KEYS, *POINT_KEYS, *LABEL_KEYS, "", "objects", "results", "result", "answer", "detections")
)
_SIDES = (("x1", "y1", "x2", "y2"), ("xmin", "ymin", "xmax", "ymax"), ("left", "top", "right", "bottom"), ("x", "y"))
_REAL = frozenset((int, float))
_HUGE = 10**9  # no picture is as large; whole numbers may be too long for a float
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def role_of(key: str) -> int | None:
    """What a key names, however it is spelled: BOX, POINT, how early among the labels it is; or None."""
    role = ROLES.get(key)
    return ROLES.get(key.strip().lower().replace(" ", "_").replace("-", "_")) if role is None else role


def label_of_key(key: str) -> str | None:
    """The key of an object as its label: {"cat": {"box": ...}}. None for keys that say nothing of it."""
    return None if key.strip().lower() in _NO_LABELS else key.strip(BLANK) or None


def places_in(value: Any, point: bool) -> list[Any]:
    """The places in a value: itself, or each list in it. Two corners are one box."""
    if value.__class__ is not list or value[0].__class__ is not list:
        return [value]
    if not point and len(value) == 2 and all(item.__class__ is list and len(item) == 2 for item in value):
        return [[*value[0], *value[1]]]
    return list(value)


def numbers_in(value: Any) -> list[float] | None:
    """The numbers of a place, however many; None where one of them can't be read."""
    if value.__class__ is str:
        return [float(number) for number in _NUMBER.findall(value)] or None
    if value.__class__ is Pairs:
        value = sides_by_name(value)
    if value is None:
        return []
    found: list[float] = []
    for item in value if value.__class__ is list else [value]:
        if item.__class__ is float or (item.__class__ is int and -_HUGE < item < _HUGE):
            found.append(item)
        elif item.__class__ is int:
            found.append(math.inf)
        elif item.__class__ is str and _NUMBER.fullmatch(item.strip()):
            found.append(float(item))
        else:
            return None
    return found


def sides_by_name(value: Pairs) -> list[Any] | None:
    """The sides of a box, or x and y of a point, out of an object that names them."""
    values = {key.strip().lower(): number for key, number in value}
    for keys in _SIDES:
        if all(key in values for key in keys):
            return [values[key] for key in keys]
    return None


def is_box(value: Any) -> bool:
    """Whether it is four numbers of a size that pictures have."""
    if value.__class__ is not list or len(value) != 4:
        return False
    a, b, c, d = value
    return (
        a.__class__ in _REAL
        and b.__class__ in _REAL
        and c.__class__ in _REAL
        and d.__class__ in _REAL
        and min(value) > -_HUGE
        and max(value) < _HUGE
    )


def is_places(value: Any) -> bool:
    """Whether it is four numbers, or lists of four."""
    if value.__class__ is not list or not value:
        return False
    if value[0].__class__ is list:
        return all(item.__class__ is list and is_places(item) and item[0].__class__ is not list for item in value)
    return len(value) == 4 and all(item.__class__ is int or item.__class__ is float for item in value)


def label_in(value: Any) -> str | None:
    """The words of a label: of names by language, the English one, else the first."""
    if value.__class__ is Pairs:
        names = {key.lower(): name for key, name in value if isinstance(name, str) and name.strip(BLANK)}
        value = names.get("en") or next(iter(names.values()), None)
    elif isinstance(value, list):
        value = ", ".join(str(item) for item in value if isinstance(item, str | int | float))
    return None if value is None else str(value).strip(BLANK) or None
