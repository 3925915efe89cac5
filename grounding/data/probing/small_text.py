"""Small text: words on signs from tiny to large, beside words that differ in a letter; each size in each picture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PilImage, ImageDraw, ImageFont

from grounding.data.probing.stage import SIZE, Asked, Image, Plan, chance_of, painter
from grounding.data.scenes.looks import Chance
from grounding.data.scenes.palette import COLORS, Rgb, luminance
from grounding.data.scenes.scene import Box
from grounding.errors import MissingExtraError

HEIGHTS_PX = ((6, 8), (9, 12), (13, 18), (19, 27), (28, 40))
"""Heights of capitals, px: each picture has a word asked for in each of these."""
WORDS = (
    ("EXIT", "EDIT"), ("STOP", "SHOP"), ("OPEN", "OVEN"), ("SALE", "SAFE"), ("BOAT", "BOOT"), ("MILK", "SILK"),
    ("COLD", "GOLD"), ("PARK", "BARK"), ("FIRE", "WIRE"), ("BANK", "TANK"), ("CAFE", "CAGE"), ("ROAD", "ROOF"),
    ("POST", "PAST"), ("TAXI", "TAXES"), ("HOTEL", "MOTEL"), ("WATER", "LATER"), ("LEFT", "LIFT"), ("NORTH", "MOUTH"),
    ("BREAD", "BROAD"), ("MUSIC", "MAGIC"), ("PLANT", "PLANE"), ("CLOCK", "BLOCK"), ("TRAIN", "BRAIN"),
    ("LIGHT", "RIGHT"), ("RIVER", "DRIVER"), ("BEACH", "PEACH"), ("SUGAR", "CIGAR"), ("FLOWER", "TOWER"),
    ("GARDEN", "WARDEN"), ("LETTER", "BETTER"), ("MARKET", "BASKET"), ("POLICE", "POLISH"), ("SCHOOL", "STOOL"),
    ("SILVER", "SLIVER"), ("WINTER", "WRITER"), ("TICKET", "CRICKET"), ("BOTTLE", "BATTLE"), ("CASTLE", "CATTLE"),
)  # fmt: skip
"""Words with one that is easily read in their place."""
ASKED = len(HEIGHTS_PX)
_SIGNS: tuple[Rgb, ...] = (
    COLORS["white"], COLORS["yellow"], COLORS["red"], COLORS["green"], COLORS["blue"], COLORS["black"], (236, 228, 208),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Sign:
    """A board with a word on it."""

    word: str
    left: float
    top: float
    width: int
    height: int
    font_px: int
    board: Rgb
    ink: Rgb


def plan(seed: int) -> Plan:
    """The picture of a seed: a word of each height is asked for, and its look-alike is there in the same height."""
    chance = chance_of(seed)
    while True:
        pairs = chance.some(WORDS, len(HEIGHTS_PX))
        signs: list[_Sign] = []
        for (low, high), pair in reversed(list(zip(HEIGHTS_PX, pairs, strict=True))):
            height = chance.whole(low, high)
            for word in chance.some(pair, 2):
                sign = _hung(chance, word, height, signs)
                signs += [] if sign is None else [sign]
        if len(signs) == 2 * len(HEIGHTS_PX):
            break
    asked = []
    for number, (low, high) in enumerate(reversed(HEIGHTS_PX)):
        sign, other = signs[2 * number], signs[2 * number + 1]
        box, height = _ink(sign)
        meta = {"height_px": height, "look_alike": other.word}
        asked.append(Asked(f"the word {sign.word}", (box,), f"{low}-{high} px", meta))
    return Plan(tuple(reversed(asked)), lambda: _painted(signs, seed))


def _hung(chance: Chance, word: str, height: int, others: list[_Sign]) -> _Sign | None:
    """A sign in a free place, None where none was found."""
    font_px = _font_px(height)
    wide, tall = _extent(word, font_px)
    board = chance.pick(_SIGNS)
    pad = max(3, round(height * chance.between(0.35, 0.7)))
    width, high = wide + 2 * pad, tall + 2 * pad
    ink: Rgb = (20, 20, 24) if luminance(board) > 118 else (250, 250, 250)
    for _ in range(200):
        left, top = chance.whole(4, SIZE[0] - width - 4), chance.whole(4, SIZE[1] - high - 4)
        sign = _Sign(word, left, top, width, high, font_px, board, ink)
        if not any(_near(sign, other) for other in others):
            return sign
    return None


def _near(one: _Sign, other: _Sign, gap: float = 6.0) -> bool:
    return (
        one.left < other.left + other.width + gap
        and other.left < one.left + one.width + gap
        and one.top < other.top + other.height + gap
        and other.top < one.top + one.height + gap
    )


@lru_cache(maxsize=64)
def _font(size_px: int) -> ImageFont.FreeTypeFont:
    """Aileron, which Pillow carries: the same letters on every machine."""
    font = ImageFont.load_default(size_px)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise MissingExtraError("words are drawn with Pillow's own font, which needs a Pillow built with FreeType")
    return font


@lru_cache(maxsize=64)
def _font_px(height: int) -> int:
    """The font size whose capitals are `height` px high."""
    sizes = range(height, 2 * height + 4)
    return min(sizes, key=lambda size: abs(_extent("H", size)[1] - height))


@lru_cache(maxsize=4096)
def _extent(word: str, font_px: int) -> tuple[int, int]:
    left, top, right, bottom = _font(font_px).getbbox(word)
    return round(right - left), round(bottom - top)


def _ink(sign: _Sign) -> tuple[Box, int]:
    """The extent of the word's ink in the picture, and the height of its capitals, px."""
    layer = PilImage.new("L", SIZE, 0)
    _write(layer, sign, 255)
    rows, columns = np.nonzero(np.asarray(layer) > 64)  # what is fainter than a quarter nobody sees as the letter
    box = (float(columns.min()), float(rows.min()), float(columns.max() + 1), float(rows.max() + 1))
    return box, _extent("H", sign.font_px)[1]


def _write(layer: PilImage.Image, sign: _Sign, ink: Rgb | int) -> None:
    left, top, right, bottom = _font(sign.font_px).getbbox(sign.word)
    x = sign.left + (sign.width - (right - left)) / 2 - left
    y = sign.top + (sign.height - (bottom - top)) / 2 - top
    ImageDraw.Draw(layer).text((round(x), round(y)), sign.word, fill=ink, font=_font(sign.font_px))


def _painted(signs: list[_Sign], seed: int) -> Image:
    picture = PilImage.fromarray(painter((), seed)())
    for sign in signs:
        corner = (sign.left + sign.width - 1, sign.top + sign.height - 1)
        edge: Rgb = (96, 96, 100) if luminance(sign.board) > 60 else (190, 190, 190)
        radius = min(sign.width, sign.height) // 6
        ImageDraw.Draw(picture).rounded_rectangle((sign.left, sign.top, *corner), radius, sign.board, edge, 1)
        _write(picture, sign, sign.ink)
    pixels: NDArray[np.uint8] = np.asarray(picture, np.uint8)
    return pixels
