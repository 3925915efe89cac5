"""Owns every rounding rule: how a family turns a fraction of the picture into a whole number, and back.

A rule is two formulas with the place they were read from. Families look alike and differ by one unit (1000, 1024, 1023,
999, half a bin more or less); that unit costs nothing at an IoU of 0.5 and a great deal at 0.9, so none of them is
written down anywhere else. Numbers are plain floats: training data is encoded thousands of times a second.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from grounding.errors import ConfigError


@dataclass(frozen=True, slots=True)
class BinRule:
    """One reader's rounding: `write` gives a bin from 0 to `top`, `read` the fraction of the picture it stands for."""

    top: int
    """The highest bin there is; the lowest is 0."""
    write: Callable[[float], int]
    """Fraction of the picture (0 to 1; others are moved to the nearer edge) to bin."""
    read: Callable[[float], float]
    """Bin, or a point between two bins, to fraction of the picture."""
    source: str
    """Where the formulas were read."""


def rounding_writer(top: int) -> Callable[[float], int]:
    """`round(v * top)`, clipped to 0 and `top`: the nearest bin where bins are points `1 / top` apart."""

    def write(fraction: float) -> int:
        if fraction <= 0.0:
            return 0
        return round(fraction * top) if fraction < 1.0 else top

    return write


def flooring_writer(bins: int, top: int) -> Callable[[float], int]:
    """`floor(v * bins)`, clipped to 0 and `top`: the bin that holds the value."""

    def write(fraction: float) -> int:
        return min(int(fraction * bins), top) if fraction > 0.0 else 0

    return write


def dividing_reader(divisor: int) -> Callable[[float], float]:
    """`bin / divisor`."""

    def read(bin_: float) -> float:
        return bin_ / divisor

    return read


def middle_reader(bins: int) -> Callable[[float], float]:
    """`(bin + 0.5) / bins`, the middle of what `flooring_writer` puts into a bin; never over 1."""

    def read(bin_: float) -> float:
        return min((bin_ + 0.5) / bins, 1.0)

    return read


LOCATION = BinRule(1023, rounding_writer(1023), dividing_reader(1023), "ours: both edges of the picture have a bin")

LOCATIONS: Mapping[str, BinRule] = {"official": LOCATION}

PALIGEMMA: Mapping[str, BinRule] = {
    "official": BinRule(
        1023, rounding_writer(1023), dividing_reader(1023), "big_vision, pp/proj/paligemma/segmentation.py"
    ),
    "supervision": BinRule(
        # Only the reading differs: the weights write what they were trained to write. It cannot reach the right edge.
        1023, rounding_writer(1023), dividing_reader(1024), "supervision, detection/vlm.py, from_paligemma"
    ),
}  # fmt: skip


def _even(bins: int, source: str, top: int | None = None) -> BinRule:
    """`round(v * bins)` and `bin / bins`, up to `top`."""
    nearest, last = rounding_writer(bins), bins if top is None else top

    def write(fraction: float) -> int:
        return min(nearest(fraction), last)

    return BinRule(last, nearest if last == bins else write, dividing_reader(bins), source)


FLORENCE_2: Mapping[str, BinRule] = {
    "official": BinRule(
        999, flooring_writer(1000, 999), middle_reader(1000), "transformers, models/florence2/processing_florence2.py"
    ),
    "supervision": BinRule(
        # maestro (trainer/models/florence_2/detection.py) reads so too, and its fine-tunes write round(v * 1000).
        999, flooring_writer(1000, 999), dividing_reader(1000), "supervision, detection/vlm.py, from_florence_2"
    ),
    "transformers": BinRule(
        999, flooring_writer(1000, 999), middle_reader(1000), "the official one; the codec then cuts to whole pixels"
    ),
}  # fmt: skip

QWEN_VL: Mapping[str, BinRule] = {
    # Its paper says [0, 1000) and its evaluation divides by 999; writing the nearest of those keeps to both.
    "official": _even(999, "Qwen-VL, eval_mm/evaluate_grounding.py: boxes / 999"),
    "thousand": BinRule(
        999, flooring_writer(1000, 999), dividing_reader(1000), "Qwen-VL, tokenization_qwen.py, its drawing"
    ),
}

QWEN2_VL: Mapping[str, BinRule] = {
    # [0, 1000) leaves the far edge without a number of its own; written as 1000, it is read where it is.
    "official": _even(1000, "Qwen2-VL report, on visual grounding: normalized within [0, 1000)"),
}


def pixel_rule(side: int) -> BinRule:
    """Absolute pixels of a resized picture's side: `round(v * side)`, at most `side - 1`."""
    return _even(side, "Qwen2.5-VL, qwen-vl-finetune/tools/process_bbox.ipynb", top=side - 1)


QWEN25_VL: Mapping[str, Callable[[int], BinRule]] = {"official": pixel_rule}

QWEN3_VL: Mapping[str, BinRule] = {"official": _even(1000, "Qwen3-VL cookbooks, 2d_grounding: bin / 1000")}

INTERNVL: Mapping[str, BinRule] = {
    "official": _even(
        1000, "InternVL documentation, chat data format; internvl_chat/eval/refcoco/evaluate_grounding.py"
    )
}

DEEPSEEK_VL2: Mapping[str, BinRule] = {
    "official": _even(999, "DeepSeek-VL2, deepseek_vl2/serve/app_modules/utils.py, parse_ref_bbox: bin / 999"),
}

COGVLM: Mapping[str, BinRule] = {
    "official": _even(1000, "CogVLM, README, on coordinates; utils/utils/grounding_parser.py: bin / 1000", top=999),
}

SHIKRA: Mapping[str, BinRule] = {
    "official": _even(
        1000, "Shikra, mllm/dataset/process_function/box_process_function.py: three decimals of the square"
    )
}

LLAVA: Mapping[str, BinRule] = {"official": _even(100, "LLaVA-1.5, its training data: two decimals of the square")}

KIMI_VL: Mapping[str, BinRule] = {
    # Nobody of the family wrote it down: three decimals of the picture's sides are what its answers show.
    "official": _even(1000, "answers recorded in issue 56 of the Kimi-VL repository"),
}

MINIGPT_V2: Mapping[str, BinRule] = {
    # Its training data (minigpt4/datasets/datasets/coco_dataset.py) is int(v * 100), with 100 for the far edge alone.
    "middle": BinRule(100, flooring_writer(100, 100), middle_reader(100), "the middle of what the writer floors"),
    "official": BinRule(
        100, flooring_writer(100, 100), dividing_reader(100), "MiniGPT-4, eval_scripts/eval_ref.py: bin / 100"
    ),
}

FERRET: Mapping[str, BinRule] = {
    "middle": BinRule(999, flooring_writer(1000, 999), middle_reader(1000), "the middle of what the writer floors"),
    "official": BinRule(
        999,
        flooring_writer(1000, 999),
        dividing_reader(1000),
        "ml-ferret, ferret/eval/eval_refexp.py: int(q * size / 1000)",
    ),
}

OFA: Mapping[str, BinRule] = {
    "official": _even(999, "OFA, data/mm_data/refcoco_dataset.py: round(v * 999); utils/eval_utils.py: bin / 999"),
}

REX_OMNI: Mapping[str, BinRule] = {
    "middle": BinRule(999, flooring_writer(999, 999), middle_reader(999), "the middle of what the writer floors"),
    "official": BinRule(
        999, flooring_writer(999, 999), dividing_reader(999), "Rex-Omni, rex_omni/parser.py: bin / 999"
    ),
}

LOCATE_ANYTHING: Mapping[str, BinRule] = {
    "official": _even(1000, "NVlabs/Eagle, Embodied/locateanything_worker.py: bin / 1000")
}

GEMINI: Mapping[str, BinRule] = {"official": _even(1000, "Gemini API guide, image understanding: box_2d / 1000")}

GLM_45V: Mapping[str, BinRule] = {"official": _even(1000, "GLM-V, README, on grounding: scaled by 1000")}

JSON_BOXES: Mapping[str, BinRule] = {"official": _even(1000, "our own prompt: 0 to 1000")}

MOLMO: Mapping[str, BinRule] = {"official": _even(1000, "Molmo, olmo/data/data_formatter.py: percent with one decimal")}
"""Tenths of a percent, so that what is written has one decimal."""

MOLMO_2: Mapping[str, BinRule] = {
    "official": _even(1000, "Molmo 2, olmo/preprocessing/point_formatter.py: round(1000 * v)")
}

KOSMOS_2_PATCHES = 32
"""Patches along a side (transformers, models/kosmos2/processing_kosmos2.py)."""

KOSMOS_2: Mapping[str, BinRule] = {
    "middle": BinRule(31, flooring_writer(32, 31), middle_reader(32), "the official one, each axis for itself"),
    "official": BinRule(
        31, flooring_writer(32, 31), middle_reader(32), "transformers, models/kosmos2/processing_kosmos2.py"
    ),
}
"""For one edge; a box is written and read whole, by the functions below."""


def kosmos_write(x1: float, y1: float, x2: float, y2: float) -> tuple[int, int]:
    """Upper-left and lower-right patch of a box in fractions: `floor(v * 32)` and `ceil(v * 32 - 1)`, never crossed."""
    side = KOSMOS_2_PATCHES
    left, top = (min(max(math.floor(v * side), 0), side - 1) for v in (x1, y1))
    right, bottom = (min(max(math.ceil(v * side - 1), 0), side - 1) for v in (x2, y2))
    return top * side + left, max(bottom, top) * side + max(right, left)


def kosmos_read(upper_left: int, lower_right: int, *, together: bool = False) -> tuple[float, float, float, float]:
    """Fractions x1 y1 x2 y2 of a box: middles of patches, or the outer edges where both share a column or a row.

    `together`: sharing either, both axes take the outer edges. That is the family's own reader; it costs a thin box
    half a patch on its long side (mean IoU .16 instead of .21 at 8 px in 640 x 480).
    """
    side = KOSMOS_2_PATCHES
    (top, left), (bottom, right) = divmod(upper_left, side), divmod(lower_right, side)
    column, row = left == right, top == bottom
    if together:
        column = row = column or row
    x1, x2 = (left / side, (right + 1) / side) if column else ((left + 0.5) / side, (right + 0.5) / side)
    y1, y2 = (top / side, (bottom + 1) / side) if row else ((top + 0.5) / side, (bottom + 0.5) / side)
    return x1, y1, x2, y2


Rule = TypeVar("Rule")


def pick_rule(family: str, rules: Mapping[str, Rule], rounding: str | None) -> Rule:
    """The rule named `rounding`, or the first one, which is the most accurate, for None. Raises ConfigError."""
    if rounding is None:
        return next(iter(rules.values()))
    if rounding not in rules:
        raise ConfigError(f"{family} has no rounding {rounding!r}; known: {', '.join(rules)}")
    return rules[rounding]
