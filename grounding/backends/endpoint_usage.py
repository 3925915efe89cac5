"""Owns what answers cost: tokens as the server counts them, and money by prices that the caller gives."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from grounding.errors import ConfigError

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """What a million tokens cost, in whatever currency the caller counts."""

    input: float
    """Tokens of prompts and pictures."""
    output: float
    """Tokens that the model writes, its thinking included."""
    cached_input: float | None = None
    """Tokens of prompts that the server remembered; None: as `input`."""


def price_of(model: str, prices: Mapping[str, Sequence[float]] | None) -> Price | None:
    """The price of a model in a table of {model: (input, output)} or (input, output, cached input), or None.

    Raises ConfigError where the table can't be read.
    """
    row = (prices or {}).get(model)
    if row is None:
        return None
    try:
        numbers = [float(value) for value in row]
    except (TypeError, ValueError):
        numbers = []
    if len(numbers) not in (2, 3) or not all(math.isfinite(number) and number >= 0 for number in numbers):
        raise ConfigError(
            f"the price of {model!r} is {row!r:.60}; give what a million tokens cost, (input, output) "
            "or (input, output, cached input)"
        )
    return Price(*numbers)


@dataclass(frozen=True, slots=True)
class AnswerUsage:
    """What one answer took."""

    task: str
    """Which verb was asked."""
    phrase: str
    """What was asked; names joined as in Grounding.phrase."""
    model: str
    """The model that the server says it was."""
    input_tokens: int | None
    """Tokens of the prompt and the picture; None where the server doesn't say."""
    output_tokens: int | None
    """Tokens written, hidden thinking included; None where the server doesn't say."""
    cached_tokens: int | None
    """How many of the input tokens the server remembered; None where it doesn't say."""
    cost: float | None
    """By the prices given; None where there are none, or no tokens to count."""
    seconds: float
    """From the request to the answer's end, repeated tries included."""
    finish: str | None
    """Why the answer ended, in the server's word; None where it broke off."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a model's answers took so far."""

    answers: tuple[AnswerUsage, ...]
    """One for each, in the order of the questions of each call."""

    @property
    def input_tokens(self) -> int:
        """Of the answers whose tokens are known."""
        return sum(answer.input_tokens or 0 for answer in self.answers)

    @property
    def output_tokens(self) -> int:
        """Of the answers whose tokens are known."""
        return sum(answer.output_tokens or 0 for answer in self.answers)

    @property
    def cost(self) -> float | None:
        """Of all answers; None as soon as that of one is not known."""
        costs = [answer.cost for answer in self.answers]
        return None if None in costs else math.fsum(cost for cost in costs if cost is not None)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values: the totals, and each answer."""
        return {
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cost": self.cost,
            "answers": [asdict(answer) for answer in self.answers],
        }


def count_tokens(usage: Any) -> tuple[int | None, int | None, int | None]:
    """Input, output and cached tokens out of a reply's `usage`; None where it doesn't say.

    Some servers count hidden thinking in the total only (Gemini's compatible endpoint), so output is what the total has
    beyond the input, if that is more than what is called output.
    """
    if not isinstance(usage, dict):
        return None, None, None
    given, written, total = (_whole(usage.get(key)) for key in ("prompt_tokens", "completion_tokens", "total_tokens"))
    if given is not None and total is not None and total - given > (written or 0):
        written = total - given
    details = usage.get("prompt_tokens_details")
    cached = _whole(details.get("cached_tokens")) if isinstance(details, dict) else None
    return given, written, cached


def cost_of(price: Price | None, given: int | None, written: int | None, cached: int | None) -> float | None:
    """What so many tokens cost, or None where the price or the tokens are not known."""
    if price is None or given is None or written is None:
        return None
    remembered = min(cached or 0, given) if price.cached_input is not None else 0
    return (
        (given - remembered) * price.input + remembered * (price.cached_input or 0) + written * price.output
    ) / MILLION


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
