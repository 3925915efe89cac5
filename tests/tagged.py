"""What the tests of families with numbered tags share: what every reading promises, and texts to try it on."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from grounding.codecs.base import Codec, Decoded
from grounding.images import Canvas
from grounding.result import PROBLEM_KINDS, Region
from tests.strategies import boxes, broken, cut, labels

CARRY_NOTHING = re.compile(r"<[^<>]*>|no object detected|[\s,，;；.{}｛｝]", re.IGNORECASE)

SHARED_JUNK = (
    "<",
    ">",
    "<b",
    "<think>hm</think>",
    "</s>",
    "<s>",
    "<pad>",
    "<foo>",
    "man's red hat",
    "dog, brown",
    "[see below]",
    "No object detected.",
    "[[470,]]",
    "99999",
    " ",
    ", ",
    "\r\n",
    "猫",
    "\ufeff",
    "\x00",
    "\U0001f600",
    "{",
    "}",
)


def recorded(family: str) -> list[dict[str, Any]]:
    """The recorded answers of a family, with their reference decode."""
    lines = (Path(__file__).parent / "cases" / f"{family}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def junk(own: tuple[str, ...]) -> st.SearchStrategy[str]:
    """Any text, and heaps of the family's own pieces."""
    return st.text(max_size=40) | st.lists(st.sampled_from(own + SHARED_JUNK), max_size=14).map("".join)


def hold_promises(codec: Codec, task: str, canvas: Canvas, text: str) -> Decoded:
    """Reads the text, and holds the reading to what every reading promises."""
    decoded = codec.decode(text, canvas, task=task)
    words = text if decoded.text is None else decoded.text
    for region in decoded.regions:
        x1, y1, x2, y2 = region.box
        assert 0 <= x1 <= x2 <= canvas.width
        assert 0 <= y1 <= y2 <= canvas.height
        assert region.score is None
        assert region.span is None or 0 <= region.span[0] < region.span[1] <= len(words)
    for problem in decoded.problems:
        assert problem.kind in PROBLEM_KINDS
        assert problem.span is not None
        assert 0 <= problem.span[0] <= problem.span[1] <= len(text)
    if CARRY_NOTHING.sub("", text):
        assert decoded.regions or decoded.problems or decoded.text
    return decoded


def hold_when_cut(codec: Codec, task: str, canvas: Canvas, pieces: list[str]) -> None:
    """However the text was cut: the same reading, and what was fed out begins it."""
    stream = codec.stream(canvas, task=task)
    early = [region for piece in pieces for region in stream.feed(piece)]
    whole = stream.close()
    assert whole == codec.decode("".join(pieces), canvas, task=task)
    assert tuple(early) == whole.regions[: stream.yielded]


def hold_boxes(found: tuple[Region, ...], truth: list[Region], canvas: Canvas, bin_: float) -> None:
    """Each box within half a bin (a share of the picture's side)."""
    assert len(found) == len(truth)
    for region, meant in zip(found, truth, strict=True):
        assert region.box[0::2] == pytest.approx(meant.box[0::2], abs=bin_ / 2 * canvas.width + 1e-6)
        assert region.box[1::2] == pytest.approx(meant.box[1::2], abs=bin_ / 2 * canvas.height + 1e-6)


@st.composite
def distinct(draw: st.DrawFn, codec: Codec, canvas: Canvas, *, labelled: bool = True) -> list[Region]:
    """Up to five regions that the family writes differently; boxes without extent and at the edges among them."""
    found: dict[str, Region] = {}
    for _ in range(draw(st.integers(0, 5))):
        box = draw(boxes(canvas) | st.just((0.0, 0.0, float(canvas.width), float(canvas.height))))
        region = Region(box, label=draw(labels) if labelled else None)
        found.setdefault(codec.encode("locate", regions=[Region(box)], canvas=canvas), region)
    return list(found.values())


def cut_up(texts: st.SearchStrategy[str]) -> st.SearchStrategy[list[str]]:
    """Texts after accidents, in pieces."""
    return cut(broken(texts) | texts)
