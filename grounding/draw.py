"""Owns how a Grounding looks on its picture, and sheets of many, in colours that colour-blind people can tell apart.

supervision draws boxes and fills masks. Labels are placed and set here: supervision's lie on each other in a crowd, and
know no letters but ASCII where OpenCV writes them.
"""

from __future__ import annotations

import importlib.util
import math
import statistics
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from grounding.boxes import as_boxes, clip
from grounding.errors import ImageError, InputError
from grounding.images import ImageSource, open_image
from grounding.result import Grounding, Region, import_supervision

PALETTE = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#8C8C8C")
"""Colours by Okabe and Ito ("Color Universal Design", 2008), the strongest first, grey in place of their black."""

_INK = "#111111"
_PAPER = "#FFFFFF"
_SMOOTH = 4  # round shapes are drawn this much larger and shrunk, as PIL's own circles have hard edges

Color = tuple[int, int, int]


class _Style(NamedTuple):
    """Sizes in pixels of the drawing."""

    font: int
    line: int  # half the line, less its middle pixel: a line is 2 * line + 1 wide


def colors_of(grounding: Grounding) -> list[str]:
    """The colour of each region as "#RRGGBB": one a label where there are several labels, else one a region."""
    labels = list(dict.fromkeys(grounding.labels))
    numbers = range(grounding.count) if len(labels) < 2 else [labels.index(label) for label in grounding.labels]
    return [PALETTE[number % len(PALETTE)] for number in numbers]


def draw(
    image: ImageSource,
    grounding: Grounding,
    *,
    longest: int | None = None,
    line_width: float | None = None,
    font_size: float | None = None,
    show_labels: bool = True,
    show_scores: bool = True,
    mask_opacity: float = 0.4,
) -> Image.Image:
    """A copy of the picture with every region's mask, box, point and label; a banner in words when nothing was found.

    `longest` scales the drawing, so that labels stay sharp on a small picture: its longer side in pixels (default: the
    picture's own size). `line_width` and `font_size` in pixels follow the size of the drawing unless they are given.
    Raises ImageError when the picture's size is not the Grounding's.
    """
    picture = open_image(image)
    if picture.size != (grounding.width, grounding.height):
        raise ImageError(
            f"the regions lie in a picture of {grounding.width} x {grounding.height} pixels; "
            f"seen one of {picture.width} x {picture.height}: pass the picture that was asked about"
        )
    scale = 1.0 if longest is None else longest / max(picture.size)
    if not 0 < scale < math.inf:
        raise InputError(f"longest must be over 0 pixels; seen {longest}")
    if scale != 1.0:
        size = (max(round(picture.width * scale), 1), max(round(picture.height * scale), 1))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    style = _style(picture.size, grounding.count, line_width, font_size)
    if not grounding.found:
        return _with_banner(picture, grounding, style)

    colors = [_rgb(color) for color in colors_of(grounding)]
    boxes = clip(grounding.boxes * scale, *picture.size)
    drawn = _with_masks(picture, grounding, colors, mask_opacity, style)
    drawn = _with_boxes(drawn, boxes, grounding.regions, colors, style)
    points = [_scaled_point(region.point, scale) for region in grounding.regions]
    for point, color in zip(points, colors, strict=True):
        if point is not None:
            _dot(drawn, point, style, color)
    if show_labels:
        _put_labels(drawn, boxes, points, _label_texts(grounding, show_scores), colors, style)
    return drawn


def sheet(
    items: Iterable[tuple[ImageSource, Grounding, str]],
    columns: int = 4,
    *,
    cell: int = 320,
    **options: Any,
) -> Image.Image:
    """A contact sheet: each picture drawn with its Grounding under its title, `columns` a row, on white.

    `cell` is the longer side of every picture on the sheet, in pixels; `options` go to `draw`. Raises InputError when
    there is nothing to show.
    """
    entries = list(items)
    if not entries or columns < 1 or cell < 16:
        raise InputError(
            f"a sheet needs pictures, columns and cells; seen {len(entries)} pictures, {columns}, {cell} px"
        )
    columns = min(columns, len(entries))
    font = max(round(cell * 0.042), 9)
    gap = round(cell * 0.07)
    drawings = [draw(image, grounding, longest=cell, **options) for image, grounding, _ in entries]
    titles = [_lines(title, font, cell, 2) for _, _, title in entries]
    rows = range(0, len(entries), columns)
    leading = round(font * 1.3)
    title_heights = [leading * max(len(lines) for lines in titles[row : row + columns]) for row in rows]
    row_heights = [max(drawing.height for drawing in drawings[row : row + columns]) for row in rows]
    width = gap + columns * (cell + gap)
    height = gap + sum(title_heights) + sum(row_heights) + len(rows) * (gap + font // 3)
    whole = Image.new("RGB", (width, height), _PAPER)
    top = gap
    for row, title_height, row_height in zip(rows, title_heights, row_heights, strict=True):
        for column, index in enumerate(range(row, min(row + columns, len(entries)))):
            left = gap + column * (cell + gap)
            for number, line in enumerate(titles[index]):
                _write(whole, (left, top + number * leading), line, font, _rgb(_INK))
            whole.paste(drawings[index], (left, top + title_height + font // 3))
        top += title_height + font // 3 + row_height + gap
    return whole


# ---- sizes and colours


def _style(size: tuple[int, int], count: int, line_width: float | None, font_size: float | None) -> _Style:
    # 15 px on 640 x 480, growing slower than the picture: large pictures are looked at shrunk, but not in proportion.
    middle = math.sqrt(size[0] * size[1])
    crowded = 1.0 if count <= 12 else 0.88 if count <= 30 else 0.75
    usual = 15 * (middle / 554) ** 0.75
    font = round(font_size if font_size is not None else max(usual * crowded, 9))
    width = line_width if line_width is not None else 2 + usual / 10
    if font < 1 or width <= 0:
        raise InputError(f"font_size and line_width must be over 0 pixels; seen {font_size} and {line_width}")
    return _Style(font, max(round((width - 1) / 2), 0))


def _rgb(color: str) -> Color:
    return (int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16))


def _luminance(color: Color) -> float:
    """Relative luminance, 0 black to 1 white (WCAG 2)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (part / 255 for part in color)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _against(color: Color) -> Color:
    """Ink or paper, whichever is read better on `color`."""
    light = _luminance(color) + 0.05
    return _rgb(_INK) if light / (_luminance(_rgb(_INK)) + 0.05) >= 1.05 / light else _rgb(_PAPER)


def _scaled_point(point: tuple[float, float] | None, scale: float) -> tuple[float, float] | None:
    return None if point is None else (point[0] * scale, point[1] * scale)


# ---- masks, boxes, points


def _one_by_one(sv: Any, colors: Sequence[Color]) -> dict[str, Any]:
    """Options of supervision's annotators: the first color for the first region, and so on."""
    return {"color": sv.ColorPalette([sv.Color(*color) for color in colors]), "color_lookup": sv.ColorLookup.INDEX}


def _with_masks(
    picture: Image.Image, grounding: Grounding, colors: Sequence[Color], opacity: float, style: _Style
) -> Image.Image:
    masked = [(r.mask, color) for r, color in zip(grounding.regions, colors, strict=True) if r.mask is not None]
    if not masked:
        return picture.copy()
    sv = import_supervision()
    shapes = []
    for mask, _ in masked:
        shape = Image.fromarray(mask.array.astype(np.uint8) * np.uint8(255))
        shapes.append(shape if shape.size == picture.size else shape.resize(picture.size, Image.Resampling.BILINEAR))
    arrays = np.stack([np.asarray(shape) > 127 for shape in shapes])
    detections = sv.Detections(xyxy=as_boxes([[0, 0, *picture.size]] * len(shapes)), mask=arrays)
    annotator = sv.MaskAnnotator(opacity=opacity, **_one_by_one(sv, [color for _, color in masked]))
    drawn: Image.Image = annotator.annotate(picture.copy(), detections)
    for shape, (_, color) in zip(shapes, masked, strict=True):
        drawn.paste(color, mask=_outline(shape, style.line / 2 + 0.5))
    return drawn


def _outline(shape: Image.Image, half: float) -> Image.Image:
    """How much of each pixel lies within `half` px of the edge of a mask, 0-255, with soft borders.

    Across a straight edge a Gaussian blur of width s turns the distance d into the normal distribution at d / s; turned
    back, it gives the distance anywhere near the edge.
    """
    width = max(half, 1.0)
    normal = statistics.NormalDist()
    distances = [width * normal.inv_cdf((value + 0.5) / 256) for value in range(256)]
    cover = [round(255 * min(max(half + 0.5 - abs(distance), 0.0), 1.0)) for distance in distances]
    return shape.filter(ImageFilter.GaussianBlur(width)).point(cover)


def _with_boxes(
    picture: Image.Image, boxes: NDArray[np.float64], regions: Sequence[Region], colors: Sequence[Color], style: _Style
) -> Image.Image:
    """Lines of each colour on a half-transparent edge of ink or paper, so that they stand out from any ground."""
    short = np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    # Lines of a quarter of the box at most, or the thing in a small box could not be seen.
    lines = np.clip(short // 12, 0, style.line).astype(int)
    # A point that was answered without a box is drawn as a point alone.
    shown = [i for i, region in enumerate(regions) if region.point is None or short[i] > 0]
    if not shown:
        return picture
    sv = import_supervision()
    limit = np.array([picture.width - 1, picture.height - 1] * 2)
    edges = np.clip(np.rint(boxes - 0.5), lines[:, None], limit - lines[:, None])
    edges[:, 2:] = np.maximum(edges[:, :2], edges[:, 2:])
    cased = picture.copy()
    for palette, extra in (([_against(color) for color in colors], max(style.line // 2, 1)), (colors, 0)):
        for line in sorted(set(lines[shown].tolist()), reverse=True):
            chosen = [i for i in shown if lines[i] == line]
            # OpenCV draws 1 as one pixel, and an even thickness as that and one more.
            options = _one_by_one(sv, [palette[i] for i in chosen])
            annotator = sv.BoxAnnotator(thickness=max(2 * (line + extra), 1), **options)
            cased = annotator.annotate(cased, sv.Detections(xyxy=edges[chosen]))
        if extra:
            cased = Image.blend(picture, cased, 0.6)
    return cased


def _dot(picture: Image.Image, point: tuple[float, float], style: _Style, color: Color) -> None:
    radius = style.font * 0.36
    ring = max(style.font * 0.12, 1.0)
    _disc(picture, point, radius + ring + max(ring / 2, 0.75), _against(_against(color)))
    _disc(picture, point, radius + ring, _against(color))
    _disc(picture, point, radius, color)


def _disc(picture: Image.Image, center: tuple[float, float], radius: float, color: Color) -> None:
    left, top = math.floor(center[0] - radius), math.floor(center[1] - radius)
    side = math.ceil(2 * radius) + 2
    large = Image.new("L", (side * _SMOOTH, side * _SMOOTH))
    x, y = (center[0] - left) * _SMOOTH, (center[1] - top) * _SMOOTH
    reach = radius * _SMOOTH
    ImageDraw.Draw(large).ellipse((x - reach, y - reach, x + reach, y + reach), fill=255)
    picture.paste(color, (left, top), large.reduce(_SMOOTH))


# ---- words


@lru_cache(maxsize=256)
def _font(path: str, size: int) -> ImageFont.FreeTypeFont | None:
    try:
        return ImageFont.truetype(path, size) if path else ImageFont.load_default(size)  # type: ignore[return-value]
    except OSError:
        return None


@lru_cache(maxsize=1)
def _font_paths() -> tuple[str, ...]:
    """DejaVu, which matplotlib carries (supervision depends on it), PIL's own, then systems' fonts of other scripts."""
    spec = importlib.util.find_spec("matplotlib")
    homes = [Path(place) / "mpl-data/fonts/ttf" for place in (spec.submodule_search_locations or [] if spec else [])]
    own = [str(home / f"{name}.ttf") for home in homes for name in ("DejaVuSans-Bold", "DejaVuSans", "STIXGeneral")]
    return (*own, "", *_SYSTEM_FONTS)


_SYSTEM_FONTS = (
    *("NotoSansCJK-Bold.ttc", "NotoSansCJK-Regular.ttc", "wqy-microhei.ttc", "DroidSansFallbackFull.ttf"),  # Linux
    *("PingFang.ttc", "Hiragino Sans GB.ttc", "AppleSDGothicNeo.ttc", "Arial Unicode.ttf"),  # macOS
    *("msyh.ttc", "YuGothM.ttc", "malgun.ttf", "Nirmala.ttf", "LeelawUI.ttf", "seguisym.ttf"),  # Windows
    *("NotoSansDevanagari-Regular.ttf", "NotoSansThai-Regular.ttf", "NotoEmoji-Regular.ttf", "unifont.otf"),
)


@lru_cache(maxsize=4096)
def _path_for(character: str) -> str:
    """The first font with a glyph for the character; the first of all when none has."""
    for path in _font_paths():
        font = _font(path, 24)
        if font is not None and (character.isspace() or _glyph(font, character) != _glyph(font, "\U000fffff")):
            return path
    return _font_paths()[0]


def _glyph(font: ImageFont.FreeTypeFont, character: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(character)
    return mask.size, bytes(mask)


def _runs(text: str) -> list[tuple[str, str]]:
    """The text in pieces that one font can set: (path of the font, piece)."""
    runs: list[tuple[str, str]] = []
    for character in text:
        # What joins on to a letter stays with it, so that accents and joined scripts are set as one.
        joined = runs and (unicodedata.combining(character) or character.isspace())
        path = runs[-1][0] if joined else _path_for(character)
        if runs and runs[-1][0] == path:
            runs[-1] = (path, runs[-1][1] + character)
        else:
            runs.append((path, character))
    return runs


def _length(text: str, size: int) -> float:
    fonts = ((_font(path, size), piece) for path, piece in _runs(text))
    return sum(font.getlength(piece) for font, piece in fonts if font is not None)


def _write(picture: Image.Image, place: tuple[float, float], text: str, size: int, color: Color) -> float:
    """Writes one line with its capitals' top at about `place`; returns where it ends."""
    pen = ImageDraw.Draw(picture)
    x = place[0]
    for path, piece in _runs(text):
        font = _font(path, size)
        if font is not None:
            pen.text((x, place[1] + round(size * _CAPITAL)), piece, color, font, anchor="ls")
            x += font.getlength(piece)
    return x


_CAPITAL = 0.73  # a capital's height in DejaVu, of its size
_LEADING = 1.22


def _clean(text: str) -> str:
    """One line without control characters: labels are written by models."""
    kept = (" " if c.isspace() else c for c in text[:500] if c.isspace() or unicodedata.category(c) not in _NOT_DRAWN)
    return " ".join("".join(kept).split())


_NOT_DRAWN = ("Cc", "Cf", "Cs", "Cn")


def _lines(text: str, size: int, width: float, most: int, tail: float = 0.0) -> list[str]:
    """The text in at most `most` lines no wider than `width`, the last leaving `tail` free; "…" for what is too much."""
    lines: list[str] = []
    rest = _clean(text)
    while _length(rest, size) > width - tail:
        if len(lines) == most - 1:
            cut = rest[: _fitting(rest, size, width - tail - _length("…", size))].rstrip()
            return [*lines, cut + "…"]
        end = max(_fitting(rest, size, width), 1)
        space = rest.rfind(" ", 1, end + 1)
        end = space if space > 0 else end
        lines.append(rest[:end].rstrip())
        rest = rest[end:].lstrip()
    return [*lines, rest] if rest or tail else lines


def _fitting(text: str, size: int, width: float) -> int:
    """How many characters from the start fit into `width`."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _length(text[:middle], size) <= width else (low, middle - 1)
    return low


# ---- labels


class _Label(NamedTuple):
    lines: list[str]
    score: str  # at the end of the last line
    size: tuple[int, int]


def _label_texts(grounding: Grounding, show_scores: bool) -> list[tuple[str, str]]:
    """Words and score of each region: its label, or a caption's words, or the phrase if it is alone, or its number."""
    texts = []
    for number, region in enumerate(grounding.regions, 1):
        words = region.label
        if words is None and region.span is not None and grounding.task == "caption":
            words = grounding.text[slice(*region.span)]
        if words is None:
            words = grounding.phrase if grounding.count == 1 else f"#{number}"
        texts.append((words, f"{region.score:.2f}" if show_scores and region.score is not None else ""))
    return texts


def _label(words: str, score: str, most: float, picture: tuple[int, int], font: int) -> _Label | None:
    """The label at most `most` wide, in two lines or in one; None without words, or where the picture is too small."""
    pad = _pad(font)
    tail = _length(f" {score}", font) if score else 0.0
    for count in (2, 1):
        lines = _lines(words, font, most - 2 * pad, count, tail)
        if not lines:
            return None
        widths = [_length(line, font) for line in lines]
        widths[-1] += tail
        size = (math.ceil(max(widths)) + 2 * pad, _chip_height(len(lines), font))
        if size[0] <= picture[0] and size[1] <= picture[1]:
            return _Label(lines, score, size)
    return None


def _pad(font: int) -> int:
    return max(round(font * 0.36), 2)


def _chip_height(lines: int, font: int) -> int:
    return round(font * (1.44 + _LEADING * (lines - 1)))


def _put_labels(
    picture: Image.Image,
    boxes: NDArray[np.float64],
    points: Sequence[tuple[float, float] | None],
    texts: Sequence[tuple[str, str]],
    colors: Sequence[Color],
    style: _Style,
) -> None:
    grown = boxes + np.array([-1, -1, 1, 1]) * (style.line + 0.5)
    # A label may be as wide as its box, and in any case take a part of the picture: all of a small one.
    usual = max(picture.width * 0.4, style.font * 12)
    wide = [min(max(usual, box[2] - box[0]), picture.width) for box in grown]
    made = [_label(*text, most, picture.size, style.font) for text, most in zip(texts, wide, strict=True)]
    labels = [(index, label) for index, label in enumerate(made) if label is not None]
    reach = style.font * 0.6
    dots = [(x - reach, y - reach, x + reach, y + reach) for x, y in filter(None, points)]
    own = np.array([index for index, _ in labels], dtype=int)
    places = place_labels([label.size for _, label in labels], own, grown, dots, picture.size)
    for (index, label), (x, y) in zip(labels, places, strict=True):
        _leader(picture, (x, y, x + label.size[0], y + label.size[1]), grown[index], style, colors[index])
    for (index, label), place in zip(labels, places, strict=True):
        _chip(picture, place, label, style.font, colors[index])


def place_labels(
    sizes: Sequence[tuple[int, int]],
    own: NDArray[np.int_],
    boxes: NDArray[np.float64],
    dots: Sequence[tuple[float, float, float, float]],
    picture: tuple[int, int],
) -> list[tuple[int, int]]:
    """Left and top of each label: inside the picture, and off the other labels where there is room.

    `sizes` are widths and heights of labels that fit into the picture, label i of box own[i]; `dots` are places to
    leave free. Every label has some places around its box, and each in turn takes the one that costs least as the others
    now stand, until none moves. What costs most is hiding another label, then a dot, then a small box, then lying far off.
    """
    others = as_boxes(boxes)
    spots, fixed = [], []
    for size, index in zip(sizes, own, strict=True):
        places, costs = _spots(others[index], np.array(size, dtype=np.float64), np.array(picture, dtype=np.float64))
        rects = np.concatenate([places, places + np.array(size)], axis=1)
        hidden = _shared(rects, others) / np.maximum(_shared(others, others).diagonal(), 1.0)
        hidden[:, index] *= 0.6  # its own box it may cover sooner than another
        costs = costs + 4.0 * hidden.sum(1) + 0.5 * _shared(rects, others).sum(1) / (size[0] * size[1])
        costs += 6.0 * (_shared(rects, as_boxes(list(dots))) > 0).sum(1)
        spots.append(rects)
        fixed.append(costs)
    chosen = np.zeros((len(sizes), 4))
    for turn in range(5):
        before = chosen.copy()
        for i, (rects, costs) in enumerate(zip(spots, fixed, strict=True)):
            placed = np.delete(chosen, i, axis=0) if turn else chosen[:i]
            met = _shared(rects, placed) / (sizes[i][0] * sizes[i][1])
            chosen[i] = rects[np.argmin(costs + (12.0 * (met > 0) + 30.0 * met).sum(1))]
        if (before == chosen).all():
            break
    return [(int(rect[0]), int(rect[1])) for rect in chosen]


def _spots(
    box: NDArray[np.float64], size: NDArray[np.float64], picture: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Places (K, 2) of a label's left top corner around and in its box, and what each costs (K,)."""
    (x1, y1, x2, y2), (width, height) = box, size
    middle = (x1 + x2 - width) / 2
    touching = [
        *((x1, y1 - height), (x1, y2), (x2 - width, y1 - height), (x2 - width, y2)),  # above and below
        *((x1, y1), (x2 - width, y1), (x1, y2 - height), (x2 - width, y2 - height)),  # in the corners
        *((x2, y1), (x1 - width, y1), (x2, y2 - height), (x1 - width, y2 - height)),  # beside
        *((middle, y1 - height), (middle, y2), (x2, y1 - height), (x1 - width, y1 - height)),
    ]
    costs = [0.0, 0.3, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 0.8, 0.9, 1.0, 1.1, 0.5, 0.6, 1.2, 1.3]
    # Farther off, on rings around the box, with a line that leads to it.
    turns = np.arange(24) * (2 * math.pi / 24)
    rings = [height * step for step in (0.8, 1.6, 2.6, 4.0, 6.0)]
    center = np.array([(x1 + x2) / 2, (y1 + y2) / 2])
    half = np.array([(x2 - x1 + width) / 2, (y2 - y1 + height) / 2])
    round_it = np.stack([np.cos(turns), np.sin(turns)], axis=1)
    to_edge = round_it / np.maximum(np.abs(round_it).max(1, keepdims=True), 1e-9)
    away = [center + to_edge * (half + ring) - size / 2 for ring in rings]
    wanted = np.concatenate([np.array(touching), *away])
    cost = np.concatenate([costs, np.repeat([3.0 + ring / height for ring in rings], len(turns))])
    places = np.clip(np.rint(wanted), 0.0, np.maximum(np.floor(picture - size), 0.0))
    return places, cost + np.abs(places - wanted).sum(1) / height * 0.5


def _shared(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, M) area that each of `a` shares with each of `b`."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    sides: NDArray[np.float64] = np.maximum(high - low, 0.0)
    return sides.prod(axis=2)


def _leader(
    picture: Image.Image, chip: tuple[int, int, int, int], box: NDArray[np.float64], style: _Style, color: Color
) -> None:
    """A line from a label that lies off its box to the nearest point of the box."""
    near_x = min(max((chip[0] + chip[2]) / 2, box[0]), box[2])
    near_y = min(max((chip[1] + chip[3]) / 2, box[1]), box[3])
    from_x, from_y = min(max(near_x, chip[0]), chip[2]), min(max(near_y, chip[1]), chip[3])
    if math.hypot(near_x - from_x, near_y - from_y) <= style.line + 2:
        return
    _line(picture, (from_x, from_y), (near_x, near_y), 2 * style.line + 3, _against(color))
    _line(picture, (from_x, from_y), (near_x, near_y), 2 * style.line + 1, color)


def _line(
    picture: Image.Image, start: tuple[float, float], end: tuple[float, float], width: float, color: Color
) -> None:
    left = math.floor(min(start[0], end[0]) - width)
    top = math.floor(min(start[1], end[1]) - width)
    size = (math.ceil(abs(start[0] - end[0]) + 2 * width) + 2, math.ceil(abs(start[1] - end[1]) + 2 * width) + 2)
    large = Image.new("L", (size[0] * _SMOOTH, size[1] * _SMOOTH))
    ends = [((x - left) * _SMOOTH, (y - top) * _SMOOTH) for x, y in (start, end)]
    ImageDraw.Draw(large).line(ends, fill=255, width=max(round(width * _SMOOTH), 1))
    picture.paste(color, (left, top), large.reduce(_SMOOTH))


def _chip(picture: Image.Image, place: tuple[int, int], label: _Label, font: int, color: Color) -> None:
    """The label's words on a plate of its region's colour."""
    _plate(picture, place, label.size, font, color, 1.0)
    ink = _against(color)
    dim = tuple(round(0.85 * a + 0.15 * b) for a, b in zip(ink, color, strict=True))
    x, y = place[0] + _pad(font), place[1] + _first_line(font)
    for number, line in enumerate(label.lines):
        end = _write(picture, (x, y + round(number * font * _LEADING)), line, font, ink)
    if label.score:
        score = f" {label.score}" if label.lines[-1] else label.score
        _write(picture, (end, y + round(number * font * _LEADING)), score, font, (dim[0], dim[1], dim[2]))


def _first_line(font: int) -> int:
    """From the top of a plate to the top of its first line's capitals."""
    return round((_chip_height(1, font) - _CAPITAL * font) / 2)


def _plate(
    picture: Image.Image, place: tuple[int, int], size: tuple[int, int], font: int, color: Color, opacity: float
) -> None:
    large = Image.new("L", (size[0] * _SMOOTH, size[1] * _SMOOTH))
    corner = font * 0.22 * _SMOOTH
    shape = (0, 0, large.width - 1, large.height - 1)
    ImageDraw.Draw(large).rounded_rectangle(shape, corner, fill=round(255 * opacity))
    picture.paste(color, place, large.reduce(_SMOOTH))


# ---- nothing found


def _with_banner(picture: Image.Image, grounding: Grounding, style: _Style) -> Image.Image:
    """The answer in words at the foot of the picture, as there is nothing to point at."""
    if grounding.task in ("caption", "describe", "answer") and grounding.text.strip():
        words = grounding.text
    elif grounding.problems:
        words = "the answer could not be read"
    else:
        words = f"nothing found: {grounding.phrase}" if grounding.phrase else "nothing found"
    drawn = picture.copy()
    # On a picture too small for words in the usual size, smaller ones down to what can just be told.
    for font in range(style.font, 5, -1):
        margin, pad = round(font * 0.6), _pad(font) + 1
        room = picture.width - 2 * (min(margin, picture.width // 20) + pad)
        lines = _lines(words, font, room, 3)
        size = (math.ceil(max(_length(line, font) for line in lines)) + 2 * pad, _chip_height(len(lines), font))
        if size[1] <= picture.height // 2 and not (lines[-1].endswith("…") and font > 6 and picture.height < 200):
            break
    if size[0] > picture.width or size[1] > picture.height:
        return drawn
    place = ((picture.width - size[0]) // 2, max(picture.height - size[1] - margin, (picture.height - size[1]) // 2))
    _plate(drawn, place, size, font, _rgb(_INK), 0.82)
    for number, line in enumerate(lines):
        x = place[0] + (size[0] - _length(line, font)) / 2
        top = place[1] + _first_line(font) + round(number * font * _LEADING)
        _write(drawn, (x, top), line, font, _rgb(_PAPER))
    return drawn
