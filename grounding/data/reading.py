"""How every reader reads: JSON that may be cut off, boxes that may be no boxes, ids that may stand twice."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from grounding.data.dataset import DataProblem
from grounding.errors import InputError

OVERHANG_PX = 1.0
"""Annotators' tools let boxes overhang a picture by up to a pixel; more is named, though kept."""

Box = tuple[float, float, float, float]


class Findings:
    """What was wrong in one file; a reader asks it about every id and box, and gives `problems` to the Dataset."""

    def __init__(self, path: str | Path) -> None:
        self.file = Path(path).name
        self.problems: list[DataProblem] = []
        self._ids: set[str] = set()

    def add(
        self, kind: str, message: str, *, line: int | None = None, entry: int | str | None = None, kept: bool = False
    ) -> None:
        """Notes a problem; `kind` is one of `PROBLEM_KINDS`, `message` names the value seen."""
        self.problems.append(DataProblem(kind, message, self.file, line, entry, kept))

    def new(self, id: str, *, line: int | None = None, entry: int | str | None = None) -> bool:
        """Whether the id has not been seen before; if it has, that is noted and the second one is to be left out."""
        if id in self._ids:
            self.add("duplicate id", f"the id {id!r} stands twice; the first is kept", line=line, entry=entry)
            return False
        self._ids.add(id)
        return True

    def size(self, width: Any, height: Any, *, line: int | None = None, entry: int | str | None = None) -> bool:
        """Whether these are a picture's width and height: whole pixels over 0; if not, that is noted.

        A picture of more pixels than COCO's run lengths can count, in 32 bits, is none either.
        """
        whole = all(_is_number(side) and side >= 1 and side % 1 == 0 for side in (width, height))
        if whole and width * height < 2**32:
            return True
        self.add("no size", f"a picture of {width!r:.20} x {height!r:.20} pixels", line=line, entry=entry)
        return False

    def box(
        self,
        values: Any,
        form: str,
        size: tuple[float, float],
        *,
        line: int | None = None,
        entry: int | str | None = None,
    ) -> Box | None:
        """x1, y1, x2, y2 in pixels out of four numbers, or None after noting why there is no box in them.

        `form`: "xyxy" or "xywh" in pixels, "xyxy-unit" or "xywh-unit" as fractions of `size`, the picture's width and
        height. A box that lies partly outside its picture is noted and kept as it is.
        """
        where: dict[str, Any] = {"line": line, "entry": entry}
        if values is None or (isinstance(values, list | tuple) and not len(values)):
            self.add("no box", "the expression has no box", **where)
            return None
        if not isinstance(values, list | tuple) or len(values) != 4 or not all(map(_is_number, values)):
            self.add("not a number", f"{values!r:.80} are not the four numbers of a box", **where)
            return None
        a, b, c, d = (float(value) for value in values)
        if form.startswith("xywh"):
            c, d = a + c, b + d
        if form.endswith("-unit"):
            a, b, c, d = a * size[0], b * size[1], c * size[0], d * size[1]
        seen = f"the box {_show((a, b, c, d))} (x1, y1, x2, y2)"
        if c <= a or d <= b:
            self.add("empty box", f"{seen} has no area", **where)
            return None
        if a >= size[0] or b >= size[1] or c <= 0 or d <= 0:
            self.add("box outside", f"{seen} lies outside its picture of {size[0]:g} x {size[1]:g}", **where)
            return None
        if max(-a, -b, c - size[0], d - size[1]) > OVERHANG_PX:
            message = f"{seen} overhangs its picture of {size[0]:g} x {size[1]:g}; it is kept as it is"
            self.add("overhanging box", message, **where, kept=True)
        return (a, b, c, d)


def load_json(path: str | Path) -> Any:
    """What a JSON file holds, NaN and infinities as floats. Raises InputError that says where it stops making sense."""
    path = Path(path)
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except RecursionError:
        raise InputError(f"{path.name} is nested too deeply to be a data set's file; fetch it again") from None
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path.name}, line {error.lineno}, column {error.colno} is not JSON ({error.msg}): "
            "the file is damaged or cut off; fetch it again"
        ) from None
    except (OSError, ValueError) as error:
        if isinstance(error, UnicodeDecodeError):
            reason: object = "it is not UTF-8 text"
        else:  # Python refuses numbers of more than 4,300 digits with a bare ValueError
            reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{path} can't be read: {reason}") from None


def load_jsonl(path: str | Path, findings: Findings) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and object of each line; a line that is none is noted and left out. Raises InputError."""
    path = Path(path)
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as stream:
            for number, line in enumerate(stream, 1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError) as error:
                    cut = "" if line.endswith("\n") else ": the file ends in the middle of it"
                    findings.add("unreadable line", f"it is not JSON ({error}){cut}", line=number)
                    continue
                if isinstance(row, dict):
                    yield number, row
                else:
                    findings.add("unreadable line", f"it is no JSON object but {row!r:.40}", line=number)
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror or error}") from None


def first_existing(root: Path, names: Sequence[str]) -> Path | None:
    """The first of `names` that is a file below `root`; None if none is."""
    return next((root / name for name in names if os.path.isfile(root / name)), None)


def _is_number(value: Any) -> bool:
    # the bound keeps sums finite, and spares isfinite ints that are no floats
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15


def _show(box: Box) -> str:
    return "(" + ", ".join(f"{edge:.6g}" for edge in box) + ")"
