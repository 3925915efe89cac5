"""Owns keeping a model's answer within a grammar: masks on the logits, row by row, as the automaton moves on.

A step costs one gather from the compiler's table of masks and one sum, whatever the batch asks. What no mask can know
beforehand, that a high coordinate is over its low one, is one comparison over the location tokens, which have
consecutive ids.

    B  rows of the batch      V  tokens      M  distinct masks
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from transformers import LogitsProcessor

from grounding.codecs.grammar import Grammar
from grounding.errors import ConfigError
from grounding.model.automaton import BLOCKED, GrammarCompiler, Node, TokenAutomaton


class GrammarLogitsProcessor(LogitsProcessor):
    """Blocks every token with which a row would leave its grammar. One object for one generation.

    `grammars`: one for each row of the batch (None: that row is free); where the batch is a multiple of them, each is
    repeated. It follows the rows by their newest token, so `generate` calls it as it is; a loop that keeps no
    `input_ids` calls `apply(scores)` and `advance(tokens)` in turn. A row that has ended may write only end or padding.

    `presence`: how a row that may say "nothing there" decides. The probability of a box is spread over many location
    tokens, so the best single token is too often "none". "mass" compares the sum over all location tokens with "none"
    and blocks the one that lost; "token" leaves it to the tokens. A box is written where the probability of presence,
    P(any location) / (P(any location) + P(none)), is `presence_threshold` or more. `present` keeps that probability for
    each row (NaN where the row had nothing to decide), whichever way it was decided.

    `prompt_length`: how many of the first call's tokens are the prompt; those behind are a part of the answer that was
    already written. None: all of them are the prompt.
    """

    def __init__(
        self,
        grammars: Sequence[Grammar | None],
        compiler: GrammarCompiler,
        *,
        presence: Literal["mass", "token"] = "mass",
        presence_threshold: float = 0.5,
        prompt_length: int | None = None,
    ) -> None:
        if presence not in ("mass", "token"):
            raise ConfigError(f'presence is "mass" or "token"; seen {presence!r}')
        if not 0.0 <= presence_threshold <= 1.0:
            raise ConfigError(f"presence_threshold is a probability from 0 to 1; seen {presence_threshold!r}")
        if not grammars:
            raise ConfigError("a constraint needs a grammar for each row; none was given")
        self._automata, self._masks = compiler.automata(grammars)
        self._first, self._bins = compiler.first, compiler.top + 1
        self._by_mass, self._threshold = presence == "mass", presence_threshold
        self._prompt_length = prompt_length
        self._length: int | None = None
        self._bin_numbers: Tensor | None = None
        self.present: Tensor | None = None
        self._rows: list[TokenAutomaton] = []
        self._nodes: list[Node] = []
        self._low_y: list[int] = []
        self._low_x: list[int] = []
        self._undecided = False
        self._begin(len(grammars))

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """The scores (B, V), blocked tokens at minus infinity. `input_ids` (B, T) is longer by one than last time."""
        length = input_ids.shape[1]
        if self._length is None or length <= self._length:
            self._begin(len(input_ids))
            self._length = length if self._prompt_length is None else self._prompt_length
        if length == self._length + 1:
            self.advance(input_ids[:, -1].tolist())
        elif length > self._length:
            for tokens in input_ids[:, self._length :].T.tolist():
                self.advance(tokens)
        self._length = length
        return self.apply(scores)

    @property
    def finished(self) -> list[bool]:
        """For each row, whether its answer has ended."""
        return [node is automaton.done for node, automaton in zip(self._nodes, self._rows, strict=True)]

    def advance(self, tokens: Sequence[int]) -> None:
        """Each row has written one more token."""
        first, bins, nodes, rows = self._first, self._bins, self._nodes, self._rows
        for row, token in enumerate(tokens):
            node = nodes[row]
            bin_ = token - first
            if 0 <= bin_ < bins:
                if node.role == "low y":
                    self._low_y[row] = bin_
                elif node.role == "low x":
                    self._low_x[row] = bin_
                nodes[row] = node.place or rows[row].place(node)
            else:
                nodes[row] = node.next.get(token) or rows[row].step(node, token)

    def apply(self, scores: Tensor) -> Tensor:
        """A copy of the scores (B, V), blocked tokens at minus infinity."""
        nodes = self._nodes
        table = self._masks.on(scores.device)
        size = scores.shape[1]
        if size < table.shape[1]:
            table = table[:, :size]
        elif size > table.shape[1]:
            table = torch.nn.functional.pad(table, (0, size - table.shape[1]), value=BLOCKED)
        masks = [node.mask for node in nodes]
        if masks.count(masks[0]) == len(masks):
            kept = scores + table[masks[0]]
        else:
            kept = table.index_select(0, torch.tensor(masks, device=scores.device)).add_(scores)
        kept = kept.to(scores.dtype)
        self._block_low_partners(kept)
        if self._undecided:
            self._decide_presence(scores, kept)
        return kept

    def select(self, rows: Sequence[int]) -> None:
        """Keeps these rows of the batch, in this order, for a loop that lets finished rows go."""
        self._nodes = [self._nodes[row] for row in rows]
        self._rows = [self._rows[row] for row in rows]
        self._low_y = [self._low_y[row] for row in rows]
        self._low_x = [self._low_x[row] for row in rows]
        if self.present is not None:
            self.present = self.present[list(rows)]

    def _begin(self, batch: int) -> None:
        repeats, rest = divmod(batch, len(self._automata))
        if rest:
            raise ConfigError(f"{len(self._automata)} grammars can't be given to {batch} rows: give one for each row")
        self._rows = [automaton for automaton in self._automata for _ in range(repeats)]
        self._nodes = [automaton.start for automaton in self._rows]
        self._low_y, self._low_x = [-1] * batch, [-1] * batch
        self._undecided = any(node.nothing >= 0 for node in self._nodes)

    def _block_low_partners(self, kept: Tensor) -> None:
        """In rows where a high coordinate comes, blocks the bins up to the low one."""
        floors = [
            self._low_y[row] if node.role == "high y" else self._low_x[row] if node.role == "high x" else -1
            for row, node in enumerate(self._nodes)
        ]
        highest = max(floors)
        if highest < 0:
            return
        first = self._first
        if min(floors) == highest:
            kept[:, first : first + highest + 1] = BLOCKED
            return
        if self._bin_numbers is None or self._bin_numbers.device != kept.device:
            self._bin_numbers = torch.arange(self._bins, device=kept.device)
        under = self._bin_numbers[: highest + 1] <= torch.tensor(floors, device=kept.device)[:, None]
        kept[:, first : first + highest + 1].masked_fill_(under, BLOCKED)

    def _decide_presence(self, scores: Tensor, kept: Tensor) -> None:
        """At the first token: compares all locations together with "nothing there", and blocks the one that lost."""
        self._undecided = False
        nothing = torch.tensor([node.nothing for node in self._nodes], device=scores.device)
        asked = nothing >= 0
        column = nothing.clamp(min=0)[:, None]
        places = slice(self._first, self._first + self._bins)
        mass = scores[:, places].float().logsumexp(dim=1)
        present = torch.sigmoid(mass - scores.gather(1, column)[:, 0].float())
        self.present = present.masked_fill(~asked, float("nan"))
        if self._by_mass:
            found = present >= self._threshold
            kept[:, places].masked_fill_((asked & ~found)[:, None], BLOCKED)
            kept.scatter_(1, column, kept.gather(1, column).masked_fill((asked & found)[:, None], BLOCKED))
