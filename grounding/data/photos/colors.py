"""Owns the colour names of a photograph's pixels: what people would call most of a box, or nothing if unsure.

A colour is said only where most of the region goes by one name, nothing near it by another, and the region stands out
from what lies beside the box.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grounding.data.photos.color_names import COLOR_NAMES, SKIN, Codes, Pixels, codes_of, lab_table, names_table

_LEAST = {"black": 0.6, "gray": 0.75}
"""Much is black in the shade, and white in the shade is gray."""
_KIN = {
    "black": ("gray",),
    "white": ("gray",),
    "gray": (),
    "brown": ("black", "gray", "tan", "orange"),
    "tan": ("brown", "white", "gray"),
    "orange": ("brown", "black", "gray", "white"),
    "yellow": ("black", "gray", "white", "tan", "brown"),
}
"""What light, shade and folds make of a colour; of those that are not named here, black, gray and white."""
_OTHERS = [
    np.array([name != other and other not in _KIN.get(name, ("black", "gray", "white")) for other in COLOR_NAMES])
    for name in COLOR_NAMES
]
Box = tuple[float, float, float, float]
Part = tuple[float, float, float, float]
"""Left, top, right and bottom, as shares of a box's width and height."""


@dataclass(frozen=True, slots=True)
class ColorOptions:
    """How sure a colour must be before it is said."""

    share: float = 0.48
    """Of the region's pixels that must go by the name; black and gray need more."""
    second: float = 0.2
    """Of the region's pixels that may go by a name that contradicts it."""
    seen: float = 0.35
    """Of a person's region that must look unlike what is beside the box, and be no skin."""
    own: float = 0.45
    """Of another thing's region that must look unlike what is beside the box, to be measured without the rest."""
    whole: float = 0.36
    """Of a region, whatever else is in it, that must go by the name."""
    skin: float = 0.5
    """Of what looks unlike it, that must be no skin."""
    trace: float = 0.015
    """Of a box's pixels that may go by a name which its thing has not."""
    side: float = 20.0
    """Width of the narrowest box that is measured, px."""
    contrast: float = 12.0
    """How far the region must be from what is beside the box, in Lab."""
    cast: float = 14.0
    """How far a region of red, blue and so on must be from the picture's own tint, in Lab without lightness."""
    dim: float = 28.0
    """Median lightness of the darkest picture, and distance to what is beside, with which black is said."""


class _Beside:
    """What lies beside a box: which colours it has."""

    def __init__(self, pixels: Pixels) -> None:
        codes = codes_of(pixels)
        self.median = np.median(lab_table()[codes], 0) if len(codes) else None
        """(3,) Lab, the middle of each; None where the box goes from edge to edge."""
        shares = np.bincount(_cells(codes), minlength=512).reshape(8, 8, 8) / max(len(codes), 1)
        self._cells = shares > 0.01
        common = shares > 0.04  # of such colours, those a little lighter or darker are there as well
        for axis in range(3):
            grown = common.copy()
            for step in (slice(None, -1), slice(1, None)), (slice(1, None), slice(None, -1)):
                onto, of = ((slice(None),) * axis + (part,) for part in step)
                grown[onto] |= common[of]
            self._cells |= grown

    def holds(self, codes: Codes) -> NDArray[np.bool_]:
        """(N,) whether a colour like it takes over a hundredth of what is beside."""
        return np.asarray(self._cells.reshape(-1)[_cells(codes)])


def _cells(codes: Codes) -> Codes:
    """The codes with three bits a channel."""
    return np.asarray((codes >> 12 & 7) << 6 | (codes >> 7 & 7) << 3 | (codes >> 2 & 7))


class PhotoColors:
    """The colours of one picture's boxes, seen in the picture's own light."""

    def __init__(self, image: Pixels, options: ColorOptions | None = None) -> None:
        """`image`: (height, width, 3) RGB."""
        self.image, self.options = image, options or ColorOptions()
        height, width = image.shape[:2]
        sparse = lab_table()[codes_of(image[:: height // 64 + 1, :: width // 64 + 1])]
        self.tint = np.median(sparse, 0)
        """(3,) Lab, the middle of each."""
        self.white = float(np.percentile(sparse[:, 0], 97))
        """Lightness of the lightest parts."""
        self.colorless = float(np.hypot(sparse[:, 1], sparse[:, 2]).mean()) < 5.0
        """Whether it is a picture in black and white."""

    def of(self, box: Box, name: str) -> tuple[str | None, str | None, str | None, frozenset[str]]:
        """Of a thing in a box, px: its colour; what it wears above and below, of persons; and colours it has not."""
        upper, lower = self.person(box) if name == "person" else (None, None)
        return None if name == "person" else self.thing(box, name), upper, lower, self.without(box)

    def without(self, box: Box) -> frozenset[str]:
        """Colours that hardly a pixel of the box goes by, even in another light."""
        shares = names_table()[codes_of(self._part(box, 0.05, 0.0, 0.95, 1.0)), :SKIN].mean(0, dtype=np.float64)
        return frozenset(np.array(COLOR_NAMES)[shares < self.options.trace].tolist())

    def person(self, box: Box) -> tuple[str | None, str | None]:
        """What a person wears above and below the waist, as far as the box tells where that is.

        A standing person is told by the shape of the box; of others only what is the same over a longer stretch is
        said to be worn above, and nothing below.
        """
        x1, y1, x2, y2 = box
        wide, high = x2 - x1, y2 - y1
        if wide < self.options.side or high < 1.4 * self.options.side:
            return None, None
        beside = _Beside(self._beside(box))
        if y2 > self.image.shape[0] * 0.98:  # cut off by the picture's edge: who knows where
            upper = self._worn(box, (0.25, 0.5, 0.75, 0.78), beside)
            if high > 1.4 * wide and upper != self._worn(box, (0.25, 0.28, 0.75, 0.5), beside):
                upper = None
            return upper, None
        if high < 1.6 * wide:
            return self._worn(box, (0.25, 0.28, 0.75, 0.5), beside), None
        upper = self._worn(box, (0.25, 0.22, 0.75, 0.45), beside)
        return upper, self._worn(box, (0.25, 0.55, 0.75, 0.8), beside)

    def thing(self, box: Box, name: str) -> str | None:
        """The colour of most of a thing; None for kinds that are of many colours, or that boxes hold little of."""
        region = _REGIONS.get(name)
        x1, y1, x2, y2 = box
        if region is None or self.colorless or min(x2 - x1, y2 - y1) < self.options.side:
            return None
        beside = _Beside(self._beside(box))
        codes = codes_of(self._part(box, *region))
        kept = codes[~beside.holds(codes)]
        names = {self._name(codes, beside)}
        if len(kept) > max(self.options.own * len(codes), 6):
            names.add(self._most_of(codes, self._name(kept, beside)))
        names.discard(None)
        found = names.pop() if len(names) == 1 else None
        return found if found in _COATS.get(name, COLOR_NAMES) else None

    def _most_of(self, codes: Codes, name: str | None) -> str | None:
        """A name of part of a region where it goes for the region: it may be a scarf, or what is seen past an arm."""
        if name is None or names_table()[codes, COLOR_NAMES.index(name)].mean() < self.options.whole:
            return None
        return name

    def _worn(self, box: Box, part: Part, beside: _Beside) -> str | None:
        """The colour of a part of a box, skin and what looks as it does beside the box left out."""
        codes = codes_of(self._part(box, *part))
        kept = codes[~beside.holds(codes)]
        clothes = kept[names_table()[kept, SKIN] < 0.5]
        if len(clothes) < max(self.options.seen * len(codes), self.options.skin * len(kept), 6):
            return None
        name = self._most_of(codes, self._name(clothes, beside))
        # Brown and tan may be skin after all, and most of what is gray on people is black or white in some light.
        return None if name in ("brown", "tan", "gray") else name

    def _name(self, codes: Codes, beside: _Beside) -> str | None:
        """The name of a region's colour, where it is sure and the region is no part of what is beside it."""
        options, shares = self.options, names_table()[codes].mean(0, dtype=np.float64)[:SKIN]
        best = int(shares.argmax())
        name = COLOR_NAMES[best]
        if shares[best] < _LEAST.get(name, options.share) or shares[_OTHERS[best]].max() > options.second:
            return None
        own = np.median(lab_table()[codes], 0)
        if beside.median is not None:
            away = own - beside.median
            if np.linalg.norm(away) < options.contrast or (name == "black" and abs(away[0]) < options.dim):
                return None
        if name == "black" and self.tint[0] < options.dim:
            return None
        if name not in ("black", "gray", "white") and np.hypot(*(own - self.tint)[1:]) < options.cast:
            return None
        if name == "gray" and not (self.white > 86.0 and own[0] < 62.0):
            return None
        if self.colorless and name not in ("black", "white"):
            return None
        return name

    def _part(self, box: Box, left: float, top: float, right: float, bottom: float) -> Pixels:
        """Pixels of a part of a box, its edges given as shares of the box's; at most about a thousand of them."""
        height, width = self.image.shape[:2]
        x1, y1, x2, y2 = box
        a = min(max(int(x1 + (x2 - x1) * left), 0), width - 1)
        b = min(max(round(x1 + (x2 - x1) * right), a + 1), width)
        c = min(max(int(y1 + (y2 - y1) * top), 0), height - 1)
        d = min(max(round(y1 + (y2 - y1) * bottom), c + 1), height)
        return self.image[c : d : (d - c) // 32 + 1, a : b : (b - a) // 32 + 1]

    def _beside(self, box: Box) -> Pixels:
        """(N, 3) pixels of narrow bands left and right of a box, within the picture."""
        height, width = self.image.shape[:2]
        x1, y1, x2, y2 = box
        band = max((x2 - x1) * 0.15, 3.0)
        c, d = max(int(y1), 0), min(max(round(y2), int(y1) + 1), height)
        step = (d - c) // 32 + 1
        bands = [
            self.image[c:d:step, max(int(x1 - band), 0) : max(int(x1), 0)],
            self.image[c:d:step, min(round(x2), width) : min(round(x2 + band), width)],
        ]
        return np.concatenate([part.reshape(-1, 3) for part in bands])


_MIDDLE = (0.25, 0.25, 0.75, 0.75)
_BODY = (0.2, 0.45, 0.8, 0.78)
"""Below the windows and above the wheels."""
_REGIONS: dict[str, Part] = {
    **dict.fromkeys(("car", "truck", "bus"), _BODY),
    "boat": (0.2, 0.55, 0.8, 0.9),
    "umbrella": (0.2, 0.1, 0.8, 0.5),
    "motorcycle": (0.3, 0.35, 0.7, 0.65),
    **dict.fromkeys(
        (
            *("bird", "cat", "dog", "horse", "cow", "sheep", "bear", "teddy bear"),
            *("backpack", "handbag", "suitcase", "tie", "frisbee", "kite", "surfboard", "snowboard", "skateboard"),
            *("sports ball", "bottle", "cup", "vase", "apple", "chair", "couch", "bed", "bench", "toilet"),
            *("fire hydrant", "parking meter", "mouse", "microwave", "oven", "refrigerator", "sink"),
            *("clock", "book", "remote", "hair drier", "airplane", "donut", "cake"),
        ),
        _MIDDLE,
    ),
}
"""Where in its box a thing shows its colour: left, top, right and bottom, as shares of the box."""
_COATS = {
    **dict.fromkeys(
        ("bird", "cat", "dog", "horse", "cow", "sheep", "bear"), ("black", "gray", "white", "brown", "tan", "orange")
    ),
    **dict.fromkeys(("toilet", "sink", "refrigerator", "oven", "microwave"), ("black", "white")),
}
"""The colours that some kinds come in; others are the light's."""
