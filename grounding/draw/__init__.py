"""Owns how a Grounding looks on its picture, and sheets of many, in colours that colour-blind people can tell apart.

supervision draws boxes and fills masks. Labels are placed and set by this package: supervision's lie on each other in a
crowd, and know no letters but ASCII where OpenCV writes them.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from grounding.boxes import Boxes, as_boxes, as_points, clip
from grounding.draw.colors import INK, PALETTE, PAPER, Color, against, colors_of, rgb
from grounding.draw.labels import SMALLEST_FONT, first_line, names_of, padding, plate_height, put_labels
from grounding.draw.page import page_of
from grounding.draw.shapes import disc, plate
from grounding.draw.words import LEADING, length, lines, write
from grounding.errors import ImageError, InputError
from grounding.images import ImageSource, open_image
from grounding.masks import Mask
from grounding.result import Grounding, import_supervision

__all__ = ["PALETTE", "colors_of", "draw", "names_of", "sheet", "to_html"]


class _Style(NamedTuple):
    font: int  # in pixels
    line: int  # pixels on each side of a line's middle one: it is 2 * line + 1 wide


def draw(
    image: ImageSource,
    grounding: Grounding,
    *,
    truth: Grounding | None = None,
    longest: int | None = None,
    line_width: float | None = None,
    font_size: float | None = None,
    show_labels: bool = True,
    show_scores: bool = True,
    mask_opacity: float = 0.35,
) -> Image.Image:
    """A copy of the picture with every region's mask, box, point and label; a banner in words when nothing was found.

    `truth` adds the boxes that should have been found, as dashes of black and white. `longest` scales the drawing, so
    that labels stay sharp on a small picture: its longer side in pixels (default: the picture's own size). `line_width`
    and `font_size`, in pixels, follow the size of the drawing unless they are given.

    Raises ImageError when the picture's size is not the Grounding's.
    """
    picture = open_image(image)
    for one in (grounding, truth or grounding):
        if picture.size != (one.width, one.height):
            raise ImageError(
                f"the regions lie in a picture of {one.width} x {one.height} pixels; "
                f"seen one of {picture.width} x {picture.height}: pass the picture that was asked about"
            )
    if (longest is not None and longest < 1) or not 0 <= mask_opacity <= 1:
        raise InputError(f"longest must be over 0 and mask_opacity 0-1; seen {longest} and {mask_opacity}")
    scale = 1.0 if longest is None else longest / max(picture.size)
    size = (max(round(picture.width * scale), 1), max(round(picture.height * scale), 1))
    drawn = picture.copy() if size == picture.size else picture.resize(size, Image.Resampling.LANCZOS)
    style = _style(size, grounding.count, line_width, font_size)
    colors = [rgb(color) for color in colors_of(grounding)]
    boxes = clip(grounding.boxes * scale, *size)
    points = [None if r.point is None else (r.point[0] * scale, r.point[1] * scale) for r in grounding.regions]

    drawn = _with_masks(drawn, [region.mask for region in grounding.regions], colors, mask_opacity, style)
    # A point that was answered without a box is drawn as a point alone.
    shown = [i for i, point in enumerate(points) if point is None or grounding.regions[i].area > 0]
    drawn = _with_boxes(drawn, boxes[shown], [colors[i] for i in shown], style)
    if truth is not None:
        _dash(drawn, clip(truth.boxes * scale, *size), style)
    for point, color in zip(points, colors, strict=True):
        if point is not None:
            _dot(drawn, point, style.font, color)
    if show_labels and grounding.found:
        centers, reach = as_points([point for point in points if point is not None]), style.font * 0.6
        dots = np.concatenate([centers - reach, centers + reach], axis=1)
        scores = [f"{s:.2f}" if show_scores and s is not None else "" for s in grounding.scores]
        texts = list(zip(names_of(grounding), scores, strict=True))
        line_px = 2 * style.line + 1
        put_labels(drawn, _grown(boxes, line_px / 2), dots, texts, colors, style.font, line_px)
    if not grounding.found:
        _put_banner(drawn, _banner_words(grounding), style.font)
    return drawn


def sheet(
    items: Iterable[tuple[ImageSource, Grounding, str]],
    columns: int = 4,
    *,
    truths: Sequence[Grounding | None] | None = None,
    cell: int = 320,
    **options: Any,
) -> Image.Image:
    """A contact sheet: each picture drawn with its Grounding under its title, at most `columns` a row, on white.

    `truths`, one an item, are drawn as dashes. `cell` is the longer side of every picture on the sheet, in pixels;
    `options` go to `draw`. Raises InputError when there is nothing to show, or a truth too few.
    """
    entries = list(items)
    if not entries or columns < 1 or cell < 16:
        raise InputError(
            f"a sheet needs pictures, columns and room; seen {len(entries)} pictures, {columns}, {cell} px"
        )
    if truths is not None and len(truths) != len(entries):
        raise InputError(f"{len(truths)} truths for {len(entries)} pictures: give one each, None where there is none")
    columns = min(columns, len(entries))
    font, gap = max(round(cell * 0.042), 9), max(round(cell * 0.07), 4)
    under = gap // 3
    rows = []
    for start in range(0, len(entries), columns):
        row = entries[start : start + columns]
        pictures = [
            draw(image, grounding, truth=truths[start + at] if truths else None, **{"longest": cell, **options})
            for at, (image, grounding, _) in enumerate(row)
        ]
        rows.append((pictures, [lines(title, font, cell, 2) for _, _, title in row]))
    leading = round(font * LEADING)
    heads = [leading * max(len(title) for title in titles) for _, titles in rows]
    bodies = [max(picture.height for picture in pictures) for pictures, _ in rows]
    height = gap + sum(head + under + body + gap for head, body in zip(heads, bodies, strict=True))
    whole = Image.new("RGB", (gap + columns * (cell + gap), height), PAPER)
    top = gap
    for (pictures, titles), head, body in zip(rows, heads, bodies, strict=True):
        for column, (picture, title) in enumerate(zip(pictures, titles, strict=True)):
            left = gap + column * (cell + gap)
            for number, words in enumerate(title):
                # Titles stand on their pictures, those of one line beside those of two.
                write(whole, (left, top + head - leading * (len(title) - number) + font // 6), words, font, INK)
            whole.paste(picture, (left, top + head + under))
        top += head + under + body + gap
    return whole


def to_html(grounding: Grounding) -> str:
    """HTML for a notebook: the picture with its regions when it is at hand, the words, a table; all text escaped."""
    return page_of(grounding, draw)


def _style(size: tuple[int, int], count: int, line_width: float | None, font_size: float | None) -> _Style:
    # 15 px on 640 x 480, growing slower than the picture: large pictures are looked at shrunk, but not in proportion.
    usual = 15 * (math.sqrt(size[0] * size[1]) / 554) ** 0.75
    crowded = 1.0 if count <= 12 else 0.88 if count <= 30 else 0.75
    font = round(max(usual * crowded, SMALLEST_FONT + 1) if font_size is None else font_size)
    width = min(2 + usual / 10, min(size) / 50) if line_width is None else line_width
    if font < 1 or width < 0:
        raise InputError(f"font_size must be over 0 and line_width 0 or more; seen {font_size} and {line_width}")
    return _Style(font, max(round((width - 1) / 2), 0))


def _grown(boxes: Boxes, by: float) -> Boxes:
    return boxes + np.array([-by, -by, by, by])


# ---- masks, boxes, points


def _one_by_one(sv: Any, colors: Sequence[Color]) -> dict[str, Any]:
    """Options of supervision's annotators: the first color for the first region, and so on."""
    return {"color": sv.ColorPalette([sv.Color(*color) for color in colors]), "color_lookup": sv.ColorLookup.INDEX}


def _with_masks(
    picture: Image.Image, masks: Sequence[Mask | None], colors: Sequence[Color], opacity: float, style: _Style
) -> Image.Image:
    masked = [(mask, color) for mask, color in zip(masks, colors, strict=True) if mask is not None]
    if not masked:
        return picture
    shapes = [Image.fromarray(mask.array.astype(np.uint8) * np.uint8(255)) for mask, _ in masked]
    shapes = [s if s.size == picture.size else s.resize(picture.size, Image.Resampling.BICUBIC) for s in shapes]
    sv = import_supervision()
    arrays = np.stack([np.asarray(shape) > 127 for shape in shapes])
    detections = sv.Detections(xyxy=as_boxes([[0, 0, *picture.size]] * len(shapes)), mask=arrays)
    annotator = sv.MaskAnnotator(opacity=opacity, **_one_by_one(sv, [color for _, color in masked]))
    drawn: Image.Image = annotator.annotate(picture, detections)
    for shape, (_, color) in zip(shapes, masked, strict=True):
        drawn.paste(color, mask=_edge(shape, style.line / 2 + 0.5))
    return drawn


def _edge(shape: Image.Image, half: float) -> Image.Image:
    """How much of each pixel lies within `half` px of the edge of a mask, 0-255, with soft borders.

    Across a straight edge a Gaussian blur of width s turns the distance d into the normal distribution at d / s; turned
    back, it gives the distance anywhere near the edge.
    """
    width = max(half, 1.0)
    normal = statistics.NormalDist()
    distances = [width * normal.inv_cdf((value + 0.5) / 256) for value in range(256)]
    cover = [round(255 * min(max(half + 0.5 - abs(distance), 0.0), 1.0)) for distance in distances]
    return shape.filter(ImageFilter.GaussianBlur(width)).point(cover)


def _with_boxes(picture: Image.Image, boxes: Boxes, colors: Sequence[Color], style: _Style) -> Image.Image:
    """Lines of each colour on a half-transparent edge of ink or paper, so that they stand out from any ground."""
    if not len(boxes):
        return picture
    sv = import_supervision()
    # Lines of a quarter of the box at most, or the thing in a small box could not be seen.
    halves = np.clip(np.min(boxes[:, 2:] - boxes[:, :2], axis=1) // 12, 0, style.line).astype(int)
    last = np.array([picture.width - 1, picture.height - 1] * 2)
    inside = np.minimum(halves[:, None], last // 2)
    edges = np.clip(np.rint(boxes - 0.5), inside, last - inside)
    edges[:, 2:] = np.maximum(edges[:, :2], edges[:, 2:])
    drawn = picture
    for palette, extra in (([against(color) for color in colors], max(style.line // 2, 1)), (colors, 0)):
        cased = drawn.copy()
        for half in sorted(set(halves.tolist()), reverse=True):
            chosen = np.flatnonzero(halves == half).tolist()
            # OpenCV draws 1 as one pixel, and an even thickness as that and one more.
            options = _one_by_one(sv, [palette[i] for i in chosen])
            annotator = sv.BoxAnnotator(thickness=max(2 * (half + extra), 1), **options)
            cased = annotator.annotate(cased, sv.Detections(xyxy=edges[chosen]))
        drawn = Image.blend(drawn, cased, 0.6) if extra else cased
    return drawn


def _dash(picture: Image.Image, boxes: Boxes, style: _Style) -> None:
    pen = ImageDraw.Draw(picture)
    step = max(round(style.font * 0.45), 2)
    width = max(style.line, 1)
    for box in np.rint(boxes).astype(int).tolist():
        x1, y1, x2, y2 = box[0], box[1], max(box[2] - width, box[0]), max(box[3] - width, box[1])
        for at, end, lying in ((y1, x2, True), (y2, x2, True), (x1, y2, False), (x2, y2, False)):
            start = x1 if lying else y1
            for number, low in enumerate(range(start, end + width, step)):
                high = min(low + step, end + width) - 1
                corners = (low, at, high, at + width - 1) if lying else (at, low, at + width - 1, high)
                pen.rectangle(corners, PAPER if number % 2 else INK)


def _dot(picture: Image.Image, point: tuple[float, float], font: int, color: Color) -> None:
    radius, ring = max(font * 0.36, 2.0), max(font * 0.12, 1.0)
    disc(picture, point, radius + ring + max(ring / 2, 0.75), against(against(color)))
    disc(picture, point, radius + ring, against(color))
    disc(picture, point, radius, color)


# ---- nothing found


def _banner_words(grounding: Grounding) -> str:
    if grounding.task in ("caption", "describe", "answer") and grounding.text.strip():
        return grounding.text
    if grounding.problems:
        return "the answer could not be read"
    return f"nothing found: {grounding.phrase}" if grounding.phrase else "nothing found"


def _put_banner(picture: Image.Image, words: str, font: int) -> None:
    """Words at the foot of the picture, as there is nothing to point at; none on a picture too small for any."""
    for size in range(font, SMALLEST_FONT - 2, -1):
        pad, margin = padding(size) + 1, round(size * 0.6)
        broken = lines(words, size, picture.width - 2 * (pad + min(margin, picture.width // 30)), 3)
        if not broken[-1].endswith("…"):
            break
    width = math.ceil(max(length(row, size) for row in broken)) + 2 * pad
    height = plate_height(len(broken), size)
    if width > picture.width or height > picture.height:
        return
    left, top = (picture.width - width) // 2, max(picture.height - height - margin, (picture.height - height) // 2)
    plate(picture, (left, top), (width, height), size * 0.3, INK, 0.82)
    for number, row in enumerate(broken):
        x = left + (width - length(row, size)) / 2
        write(picture, (x, top + first_line(size) + round(number * size * LEADING)), row, size, PAPER)
