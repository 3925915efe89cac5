"""Owns the automaton over tokens that a grammar becomes, and its masks.

A `GrammarCompiler` belongs to one tokenizer and is kept; that tokenizer turns a grammar's symbols into tokens. States
of the automaton are made when a generation first reaches them, and their masks are rows of one table that all grammars
share.

    V  tokens      M  distinct masks
"""

from __future__ import annotations

from collections.abc import Iterable
from threading import Lock
from typing import Literal, cast

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from grounding.codecs.grammar import Coordinate, End, Grammar, Label, Text, Words
from grounding.errors import ConfigError

MOST_MASK_BYTES = 64 << 20
"""What a compiler's masks may take before it starts afresh: `detect` makes new ones for every new set of names."""
MOST_GRAMMARS = 512
"""Grammars a compiler remembers before it starts afresh."""

BLOCKED = float("-inf")

Phase = Literal["spaced", "silent", "visible"]
"""Of free words: a blank must come; nothing to see yet; something was seen, so that they may end."""


class _Trie:
    """The token sequences of some texts; a node of it is a place inside one of them."""

    __slots__ = ("children", "whole")

    def __init__(self) -> None:
        self.children: dict[int, _Trie] = {}
        self.whole = False

    def add(self, tokens: Iterable[int]) -> None:
        node = self
        for token in tokens:
            node = node.children.setdefault(token, _Trie())
        node.whole = True


Position = tuple[_Trie | Phase | None, int]
"""A place in a grammar: inside a text, inside free words, or (None) at the state itself; and the state it leads to."""


class Node:
    """A state of the automaton over tokens: a set of places in the grammar, made when it is first reached."""

    __slots__ = ("after", "mask", "next", "nothing", "place", "positions", "role")

    def __init__(self, positions: frozenset[Position]) -> None:
        self.positions = positions
        self.mask = 0  # row of the table
        self.role = ""  # of the coordinate that may come: "low y", "high x", ..., or "" where none may
        self.after: frozenset[Position] = frozenset()  # the places behind that coordinate
        self.place: Node | None = None  # the node of `after`, once it was needed
        self.next: dict[int, Node] = {}  # by token, once it was needed
        self.nothing = -1  # the token with which "nothing there" begins, where boxes may begin too


class _Masks:
    """The table of masks (M, V), a row for each distinct set of tokens: 0, or minus infinity where a token is blocked.

    Numbers to add, not booleans to fill by: on a CPU that is five times as fast.
    """

    def __init__(self, size: int) -> None:
        self.rows = torch.full((32, size), BLOCKED)
        self.count = 0
        self._known: dict[object, int] = {}
        self._copies: dict[torch.device, tuple[Tensor, int]] = {}
        self._lock = Lock()  # two generations may make masks at the same time

    def row(self, key: object, allowed: Iterable[Tensor | slice]) -> int:
        """The row that blocks all but `allowed`; the same for the same key."""
        with self._lock:
            row = self._known.get(key)
            if row is None:
                row = self.count
                if row == len(self.rows):
                    self.rows = torch.cat([self.rows, torch.full_like(self.rows, BLOCKED)])
                for tokens in allowed:
                    self.rows[row, tokens] = 0.0
                self._known[key] = row
                self.count += 1
            return row

    def on(self, device: torch.device) -> Tensor:
        """The table on `device`, with every row made so far."""
        if device.type == "cpu":
            return self.rows
        with self._lock:
            table, count = self._copies.get(device, (self.rows[:0], 0))
            if len(table) < len(self.rows):
                table, count = torch.empty_like(self.rows, device=device), 0
            if count < self.count:
                table[count : self.count] = self.rows[count : self.count].to(device)
                self._copies[device] = (table, self.count)
        return table

    @property
    def full(self) -> bool:
        """Whether it is time for a new table."""
        return self.count * self.rows.shape[1] * self.rows.element_size() > MOST_MASK_BYTES


class GrammarCompiler:
    """Grammars as automata over the tokens of one tokenizer. Keep one for each tokenizer: it remembers what it made.

    `size`: how many logits the model gives, where they are more than the tokenizer's tokens. Raises ConfigError where
    coordinates are not single tokens with consecutive ids, or there is no end token.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        *,
        size: int | None = None,
        top: int = 1023,
        surface: str = "<loc{:04d}>",
    ) -> None:
        self.tokenizer, self.top, self.surface = tokenizer, top, surface
        tokens = tokenizer.convert_tokens_to_ids([surface.format(bin_) for bin_ in range(top + 1)])
        self.first = cast(list[int | None], tokens)[0] or 0
        if tokens != list(range(self.first, self.first + top + 1)):
            raise ConfigError(
                f"{surface.format(0)} to {surface.format(top)} are not tokens of this tokenizer with consecutive ids: "
                "add them in order, at once"
            )
        if tokenizer.eos_token_id is None:
            raise ConfigError("the tokenizer has no end token, so no answer could end: set eos_token")
        self.end = int(cast(int, tokenizer.eos_token_id))
        pad = tokenizer.pad_token_id
        self.stops = sorted({self.end, self.end if pad is None else int(cast(int, pad))})
        self.size = max(size or 0, len(tokenizer))
        self._sort_words()
        self._start_afresh()

    def automata(self, grammars: Iterable[Grammar | None]) -> tuple[list[TokenAutomaton], _Masks]:
        """The automaton of each grammar (None: anything may follow anything), and the table of their masks."""
        if self._masks.full or len(self._automata) > MOST_GRAMMARS:
            self._start_afresh()
        return [self._automaton(grammar) for grammar in grammars], self._masks

    def tokens(self, text: str, *, begins: bool) -> list[int]:
        """The tokens of `text` where it `begins` an answer, or else behind a coordinate."""
        front = "" if begins else self.surface.format(0)
        tokens = list(self.tokenizer(front + text, add_special_tokens=False)["input_ids"])
        if not begins:
            tokens = tokens[1:] if tokens[:1] == [self.first] else []
        if not tokens:
            raise ConfigError(f"the tokenizer makes no tokens of {text!r}: a grammar can't ask for it")
        return tokens

    def _automaton(self, grammar: Grammar | None) -> TokenAutomaton:
        known = self._automata.get(id(grammar))
        if known is None:
            if grammar is not None and (grammar.top, grammar.surface) != (self.top, self.surface):
                raise ConfigError(
                    f"this grammar writes coordinates as {grammar.surface} up to {grammar.top}, "
                    f"this compiler as {self.surface} up to {self.top}: make a compiler for it"
                )
            known = self._automata[id(grammar)] = TokenAutomaton(grammar, self, self._masks)
        return known

    def _start_afresh(self) -> None:
        self._masks = _Masks(self.size)
        self._automata: dict[int, TokenAutomaton] = {}  # each holds its grammar, so that no id is used twice

    def _sort_words(self) -> None:
        """Which tokens free words may use, which of those begin with a blank, and which have something to see.

        No token with a `<` is among them: free words could spell markup with it. Byte-level vocabularies show a byte
        that is no printable character as one from U+0100 on, the blank as U+0120; others show the blank as U+2581.
        """
        special = set(self.tokenizer.all_special_ids)
        names = cast(list[str | None], self.tokenizer.convert_ids_to_tokens(list(range(len(self.tokenizer)))))
        wordy: list[int] = []
        self.spaced: set[int] = set()
        self.visible: set[int] = set()
        for token, name in enumerate(names):
            if not name or "<" in name or token in special:
                continue
            wordy.append(token)
            if name[0] in " \u0120\u2581":
                self.spaced.add(token)
            if any(char > " " and char not in "\x7f\u2581" and not "\u0100" <= char <= "\u0121" for char in name):
                self.visible.add(token)
        self.wordy = frozenset(wordy)
        self.word_tokens = {"any": torch.tensor(wordy), "spaced": torch.tensor(sorted(self.spaced), dtype=torch.long)}


class TokenAutomaton:
    """One grammar over tokens. `start` is its first node; `step` leads from node to node."""

    def __init__(self, grammar: Grammar | None, compiler: GrammarCompiler, masks: _Masks) -> None:
        self.grammar, self._compiler, self._masks = grammar, compiler, masks
        self._nodes: dict[frozenset[Position], Node] = {}
        self._tries: dict[Text | Label, _Trie] = {}
        self.done = Node(frozenset())
        self.done.mask = masks.row("done", [torch.tensor(compiler.stops)])
        if grammar is None:
            self.start = Node(frozenset())
            self.start.mask = masks.row("anything", [slice(None)])
            self.start.place = self.start
        else:
            self.start = self._node(frozenset([(None, 0)]))
            self.start.nothing = self._nothing(grammar)

    def step(self, node: Node, token: int) -> Node:
        """The node behind a token that is no location; an end, or a token that may not come, leads to `done`."""
        known = node.next.get(token)
        if known is None:
            known = node.next[token] = self._step(node, token)
        return known

    def place(self, node: Node) -> Node:
        """The node behind a location token."""
        if node.place is None:
            node.place = self._node(node.after) if node.after else self.done
        return node.place

    def _step(self, node: Node, token: int) -> Node:
        if self.grammar is None:
            return self.done if token == self._compiler.end else self.start
        reached: set[Position] = set()
        for position, state in node.positions:
            if isinstance(position, _Trie):
                self._enter(position.children.get(token), state, reached)
            elif position is not None:
                self._speak(position, token, state, reached)
            else:
                for symbol, then in self.grammar.states[state]:
                    if isinstance(symbol, Text | Label):
                        self._enter(self._trie(symbol, state).children.get(token), then, reached)
                    elif isinstance(symbol, Words):
                        self._speak("spaced" if symbol.spaced else "silent", token, then, reached)
        return self._node(frozenset(reached)) if reached else self.done

    def _enter(self, trie: _Trie | None, then: int, reached: set[Position]) -> None:
        if trie is not None:
            if trie.whole:
                reached.add((None, then))
            if trie.children:
                reached.add((trie, then))

    def _speak(self, phase: Phase, token: int, then: int, reached: set[Position]) -> None:
        compiler = self._compiler
        if token not in compiler.wordy or (phase == "spaced" and token not in compiler.spaced):
            return
        if phase == "visible" or token in compiler.visible:
            reached.update((("visible", then), (None, then)))
        else:
            reached.add(("silent", then))

    def _trie(self, symbol: Text | Label, state: int) -> _Trie:
        trie = self._tries.get(symbol)
        if trie is None:
            trie = self._tries[symbol] = _Trie()
            for text in symbol.texts if isinstance(symbol, Label) else (symbol.text,):
                trie.add(self._compiler.tokens(text, begins=state == 0))
        return trie

    def _node(self, positions: frozenset[Position]) -> Node:
        node = self._nodes.get(positions)
        if node is None:
            node = self._nodes[positions] = Node(positions)
            self._fill(node)
        return node

    def _fill(self, node: Node) -> None:
        """What may follow at the node, as a mask."""
        compiler, states = self._compiler, self.grammar.states if self.grammar else ()
        tokens: set[int] = set()
        words = ""
        after: set[Position] = set()
        for position, state in node.positions:
            if isinstance(position, _Trie):
                tokens.update(position.children)
            elif position is not None:
                words = "any"
            else:
                for symbol, then in states[state]:
                    if isinstance(symbol, Coordinate):
                        node.role = f"{symbol.role} {symbol.axis}"
                        after.add((None, then))
                    elif isinstance(symbol, End):
                        tokens.add(compiler.end)
                    elif isinstance(symbol, Words):
                        words = words or ("spaced" if symbol.spaced else "any")
                    else:
                        tokens.update(self._trie(symbol, state).children)
        node.after = frozenset(after)
        allowed: list[Tensor | slice] = [torch.tensor(sorted(tokens), dtype=torch.long)]
        places = 0
        if after:  # the top bin can be no low edge: its high one would have nothing left to be
            places = compiler.top if node.role.startswith("low") else compiler.top + 1
            allowed.append(slice(compiler.first, compiler.first + places))
        if words:
            allowed.append(compiler.word_tokens[words])
        node.mask = self._masks.row((frozenset(tokens), places, words), allowed)

    def _nothing(self, grammar: Grammar) -> int:
        """The token with which "nothing there" begins, where the answer may begin with a box instead; or else -1."""
        edges = grammar.states[0]
        if any(isinstance(symbol, Coordinate) for symbol, _ in edges):
            for symbol, _ in edges:
                if isinstance(symbol, End):
                    return self._compiler.end
                if isinstance(symbol, Text):
                    return self._compiler.tokens(symbol.text, begins=True)[0]
        return -1
