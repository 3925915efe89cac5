"""Owns how a Grounding looks in a notebook: HTML for light and dark pages, in which nothing a model wrote is markup."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable

from PIL import Image

from grounding.draw.colors import colors_of
from grounding.draw.labels import names_of
from grounding.errors import MissingExtraError
from grounding.images import open_image
from grounding.result import Grounding

_SMALLEST, _LARGEST = 640, 1280  # of the picture's longer side, in pixels; the page shows 640 at most


def page_of(grounding: Grounding, draw: Callable[..., Image.Image]) -> str:
    """The picture with its regions when it is at hand, the words, a table and the problems, as one <div>."""
    found = f"{grounding.count} region{'' if grounding.count == 1 else 's'}" if grounding.found else "nothing found"
    seconds, took = grounding.seconds, ""
    if seconds is not None:
        took = f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
    facts = [grounding.task, found, f"{grounding.width} × {grounding.height} px", grounding.model, took]
    parts = (
        _tag("div", html.escape(grounding.phrase), "font-size:15px;font-weight:600") if grounding.phrase else "",
        _tag("div", html.escape(" · ".join(fact for fact in facts if fact)), "opacity:.7"),
        _picture(grounding, draw),
        _text(grounding),
        _table(grounding),
        _problems(grounding),
    )
    return _tag("div", "".join(parts), "font:13px/1.5 system-ui,sans-serif;color:inherit;max-width:720px")


def _tag(name: str, content: str, style: str = "") -> str:
    return f'<{name} style="{style}">{content}</{name}>' if style else f"<{name}>{content}</{name}>"


def _picture(grounding: Grounding, draw: Callable[..., Image.Image]) -> str:
    if grounding.image is None:
        return ""
    longest = min(max(grounding.width, grounding.height, _SMALLEST), _LARGEST)
    missing = ""
    try:
        picture = draw(grounding.image, grounding, longest=longest)
    except MissingExtraError as error:
        picture = open_image(grounding.image)
        missing = _tag("div", html.escape(str(error)), "opacity:.7")
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=88, subsampling=0)
    address = "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")
    words = html.escape(f"{grounding.phrase or grounding.text}: {grounding.count} drawn", quote=True)
    style = "max-width:min(100%,640px);max-height:640px;height:auto;border-radius:6px;margin:6px 0;display:block"
    return f'<img src="{address}" alt="{words}" style="{style}">{missing}'


def _text(grounding: Grounding) -> str:
    """The words, those of a region in its colour."""
    text, end = grounding.text, 0
    if not text:
        return ""
    pieces = []
    colored = [(r.span, c) for r, c in zip(grounding.regions, colors_of(grounding), strict=True) if r.span is not None]
    for (start, stop), color in sorted(colored):
        if not end <= start < stop <= len(text):
            continue
        style = f"background:{color}40;border-bottom:2px solid {color};border-radius:2px;padding:0 2px"
        pieces += [html.escape(text[end:start]), _tag("span", html.escape(text[start:stop]), style)]
        end = stop
    pieces.append(html.escape(text[end:]))
    worded = grounding.task in ("caption", "describe", "answer")  # the rest is markup for machines
    font = "" if worded else ";font:12px ui-monospace,monospace;opacity:.6"
    return _tag("div", "".join(pieces), "margin:6px 0;overflow-wrap:anywhere;white-space:pre-wrap" + font)


def _table(grounding: Grounding) -> str:
    if not grounding.found:
        return ""
    cell = "padding:2px 14px 2px 0;text-align:left;border-bottom:1px solid rgba(128,128,128,.35)"
    rows = ["".join(_tag("th", head, f"{cell};opacity:.7") for head in ("", "label", "score", "x1, y1, x2, y2"))]
    for color, name, region in zip(colors_of(grounding), names_of(grounding), grounding.regions, strict=True):
        square = f"display:inline-block;width:10px;height:10px;border-radius:2px;background:{color}"
        score = "" if region.score is None else f"{region.score:.2f}"
        box = ", ".join(f"{value:.1f}" for value in region.box)
        cells = (_tag("span", "", square), html.escape(name), score, box)
        rows.append("".join(_tag("td", content, cell) for content in cells))
    body = "".join(_tag("tr", row) for row in rows)
    return _tag("table", body, "border-collapse:collapse;font:inherit;margin:6px 0")


def _problems(grounding: Grounding) -> str:
    items = "".join(_tag("li", html.escape(f"{p.kind}: {p.message}")) for p in grounding.problems)
    return _tag("ul", items, "margin:6px 0;padding-left:1.4em") if items else ""
