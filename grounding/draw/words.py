"""Owns setting words: which font has a letter, how long a line is, where it breaks."""

from __future__ import annotations

import importlib.util
import unicodedata
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from grounding.draw.colors import Color

CAPITAL = 0.73
"""A capital's height in DejaVu, of the size of the font."""
LEADING = 1.22
"""From line to line, of the size of the font."""

_SYSTEM_FONTS = (
    *("NotoSansCJK-Bold.ttc", "NotoSansCJK-Regular.ttc", "wqy-microhei.ttc", "DroidSansFallbackFull.ttf"),  # Linux
    *("PingFang.ttc", "Hiragino Sans GB.ttc", "AppleSDGothicNeo.ttc", "Arial Unicode.ttf"),  # macOS
    *("msyh.ttc", "YuGothM.ttc", "malgun.ttf", "Nirmala.ttf", "LeelawUI.ttf", "seguisym.ttf"),  # Windows
    *("NotoSansDevanagari-Regular.ttf", "NotoSansThai-Regular.ttf", "NotoEmoji-Regular.ttf", "unifont.otf"),
)
_PIL_FONT = ""


@lru_cache(maxsize=1)
def _font_paths() -> tuple[str, ...]:
    """DejaVu, which matplotlib carries (supervision depends on it), PIL's own, then systems' fonts of other scripts."""
    spec = importlib.util.find_spec("matplotlib")  # found, not imported: that would take a second
    homes = [Path(place) / "mpl-data/fonts/ttf" for place in (spec.submodule_search_locations or [] if spec else [])]
    own = [str(home / f"{name}.ttf") for home in homes for name in ("DejaVuSans-Bold", "DejaVuSans", "STIXGeneral")]
    return (*own, _PIL_FONT, *_SYSTEM_FONTS)


@lru_cache(maxsize=256)
def _font(path: str, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont | None:
    try:
        return ImageFont.load_default(size) if path == _PIL_FONT else ImageFont.truetype(path, size)
    except OSError:
        return None


@lru_cache(maxsize=4096)
def _path_for(character: str) -> str:
    """The first font with a glyph for the character; the first of all when none has."""
    fonts = [(path, font) for path in _font_paths() if (font := _font(path, 24)) is not None]
    for path, font in fonts:
        # What has no glyph is drawn as a font's empty box, as the last of the private characters surely is.
        if character.isspace() or _glyph(font, character) != _glyph(font, "\U0010fffd"):
            return path
    return fonts[0][0]


def _glyph(font: ImageFont.FreeTypeFont | ImageFont.ImageFont, character: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(character)
    return mask.size, bytes(mask)


def _runs(text: str) -> list[tuple[str, str]]:
    """The text in pieces that one font can set: (path of the font, piece)."""
    runs: list[tuple[str, str]] = []
    for character in text:
        # Accents and spaces stay with the letter before them, so that they are set as one.
        joined = runs and (unicodedata.combining(character) or character.isspace())
        path = runs[-1][0] if joined else _path_for(character)
        if runs and runs[-1][0] == path:
            runs[-1] = (path, runs[-1][1] + character)
        else:
            runs.append((path, character))
    return runs


def length(text: str, size: int) -> float:
    """How long a line is, in pixels."""
    fonts = ((_font(path, size), piece) for path, piece in _runs(text))
    return sum(font.getlength(piece) for font, piece in fonts if font is not None)


def write(picture: Image.Image, place: tuple[float, float], text: str, size: int, color: Color) -> float:
    """Writes a line onto the picture, its capitals' left top at `place`; returns where it ends."""
    pen = ImageDraw.Draw(picture)
    x = place[0]
    for path, piece in _runs(text):
        font = _font(path, size)
        if font is not None:
            pen.text((x, place[1] + round(size * CAPITAL)), piece, color, font, anchor="ls")
            x += font.getlength(piece)
    return x


def lines(text: str, size: int, width: float, most: int, tail: float = 0.0) -> list[str]:
    """The text in at most `most` lines no wider than `width`, the last leaving `tail` free; cut with "…" if too long.

    The lines are made about equally long. No text gives no line, or an empty one when there is a tail.
    """
    broken = _broken(text, size, width, most, tail)
    narrower = width
    while len(broken) > 1 and narrower > width / 2:
        narrower *= 0.94
        tighter = _broken(text, size, narrower, most, tail)
        if len(tighter) > len(broken) or (tighter[-1].endswith("…") and tighter[-1] != broken[-1]):
            break
        broken = tighter
    return broken


def _broken(text: str, size: int, width: float, most: int, tail: float) -> list[str]:
    done: list[str] = []
    rest = _clean(text)
    while length(rest, size) > width - (tail if rest else 0.0):
        if len(done) == most - 1:
            cut = rest[: _fitting(rest, size, width - tail - length("…", size))].rstrip()
            return [*done, cut + "…"]
        end = max(_fitting(rest, size, width), 1)
        space = rest.rfind(" ", 1, end + 1)
        end = space if space > 0 else end
        done.append(rest[:end].rstrip())
        rest = rest[end:].lstrip()
    return [*done, rest] if rest or tail else done


def _fitting(text: str, size: int, width: float) -> int:
    """How many characters from the start fit into `width`."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if length(text[:middle], size) <= width else (low, middle - 1)
    return low


def _clean(text: str) -> str:
    """One line of visible characters: labels are written by models."""
    shown = (" " if c.isspace() else c for c in text[:500] if c.isspace() or unicodedata.category(c) not in _UNSEEN)
    return " ".join("".join(shown).split())


_UNSEEN = ("Cc", "Cf", "Cs", "Cn", "Co")
