"""Owns the adding of location tokens to a language model of any kind: ids that follow each other, rows that know where.

    import grounding
    added = grounding.add_location_tokens(model, tokenizer)    # <loc0000> to <loc1023>

Source of the start: the sines and cosines of A. Vaswani et al., "Attention Is All You Need" (2017), of a coordinate in
the picture in place of one in the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import AddedToken
from torch import nn
from transformers import PreTrainedModel

from grounding.errors import ConfigError
from grounding.model.language import GroundingTextModel
from grounding.model.token_starts import Start, as_coordinates, check_start, sample_rows, start_rows
from grounding.model.token_tables import (
    check_tables,
    grow_vocabulary as grow_vocabulary,
    is_tied,
    tables,
    tables_with_bias,
    text_model,
    write_rows,
)

SURFACE = "<loc{:04d}>"
MOST_BINS = 10000
"""Four digits name no more."""


@dataclass(frozen=True)
class AddedTokens:
    """What `add_location_tokens` and `add_tokens` did."""

    first: int
    """Id of the first token; the others follow."""
    ids: tuple[int, ...]
    """Ids of the tokens, in their order."""
    marks: tuple[int, ...]
    """Ids of the marks, in theirs."""
    new: int
    """Tokens and marks that the tokenizer did not have."""
    started: int
    """Rows that were given a start; 0 where all was there before."""
    tied: bool
    """Whether the head is the embedding table."""


def add_location_tokens(
    model: PreTrainedModel,
    tokenizer: Any,
    *,
    bins: int = 1024,
    marks: Sequence[str] = (),
    start: Start = "fourier",
    restart: bool = False,
    pad_to_multiple_of: int | None = None,
    seed: int = 0,
) -> AddedTokens:
    """Gives `model` and `tokenizer` the tokens `<loc0000>` to `<loc{bins - 1}>`, with ids that follow each other.

    model: any model of transformers with an embedding table (V, D): causal, encoder-decoder, with pictures, or ours.
    tokenizer: its tokenizer, or the processor that holds it.
    marks: further tokens, such as `<p>`; each starts from the mean of the words it was spelled with before.
    start: "fourier", rows by sines and cosines of their coordinate, at the table's mean norm; "mean", all the mean row;
        "random".
    restart: start the rows afresh where tokens and rows are there already (PaliGemma's); else those are left alone.
    pad_to_multiple_of: rows of the table are filled up to a multiple; rows without a token are the mean row.

    The table never shrinks, and rows that it has beyond the tokenizer are used first. A head of its own gets a start of
    its own. A second call changes nothing. `model.config` remembers the ids (`location_token_id`, `num_locations`,
    `new_token_ranges`). Raises ConfigError, before anything is changed, for adapters, frozen or quantised tables, and
    tokens that are there with ids in another order.
    """
    if not 2 <= bins <= MOST_BINS:
        raise ConfigError(f"bins is {bins}: give 2 to {MOST_BINS}, which four digits can name")
    tokens = [SURFACE.format(bin_) for bin_ in range(bins)]
    coordinates = [bin_ / (bins - 1) for bin_ in range(bins)]
    added = add_tokens(
        model,
        tokenizer,
        tokens,
        coordinates,
        marks=marks,
        start=start,
        restart=restart,
        pad_to_multiple_of=pad_to_multiple_of,
        seed=seed,
    )
    model.config.location_token_id, model.config.num_locations = added.first, bins
    return added


def add_tokens(
    model: PreTrainedModel,
    tokenizer: Any,
    tokens: Sequence[str],
    coordinates: Sequence[float] | Sequence[Sequence[float]],
    *,
    marks: Sequence[str] = (),
    start: Start = "fourier",
    restart: bool = False,
    pad_to_multiple_of: int | None = None,
    seed: int = 0,
) -> AddedTokens:
    """The same for tokens of any spelling, in order, each at its `coordinates`: one a token (N,), or several (N, K).

    Kosmos-2's patches have two: `[(i // 32 / 31, i % 32 / 31) for i in range(1024)]`. Arguments and errors are those of
    `add_location_tokens`.
    """
    tokenizer = getattr(tokenizer, "tokenizer", tokenizer)
    check_start(start)
    places = as_coordinates(coordinates, len(tokens))
    check_tables(model)
    vocabulary = tokenizer.get_vocab()
    own = isinstance(text_model(model), GroundingTextModel)
    if own and (made := _made_of_features(model, tokenizer, tokens, marks)) is not None:
        return made
    rows = len(tables(model)[0])
    if (here := [token for token in tokens if token in vocabulary]) and len(here) < len(tokens):
        raise ConfigError(
            f"{len(here)} of the {len(tokens)} tokens are in the tokenizer already, {here[0]!r} among them, so their "
            "ids could not follow each other: begin with the tokenizer as it was published"
        )
    taken = _consecutive(tokenizer, tokens) if here else []
    known = torch.tensor(sorted(id_ for id_ in {*vocabulary.values()} - {*taken} if id_ < rows))
    if not len(known):
        raise ConfigError(f"none of the table's {rows} rows belongs to a word of the tokenizer: is it this model's?")
    new_marks = [mark for mark in dict.fromkeys(marks) if mark not in vocabulary]
    spelled = {mark: _spelling(tokenizer, mark) for mark in dict.fromkeys(marks)}
    new = [*new_marks, *([] if here else tokens)]
    # not special: they are what the model says, so `skip_special_tokens=True` must leave them in its answers
    tokenizer.add_tokens([AddedToken(text, normalized=False, special=False) for text in new])
    ids, mark_ids = _consecutive(tokenizer, tokens), list(tokenizer.convert_tokens_to_ids(list(marks)))
    highest = max(*ids, *mark_ids, *vocabulary.values())
    if highest >= rows and not own:
        grow_vocabulary(model, highest + 1, pad_to_multiple_of)
    started: list[int] = []
    fresh = ids[-1] >= rows  # the tokenizer may know them from before, and this model does not
    if restart or fresh or not here:
        for number, (table, bias) in enumerate(tables_with_bias(model)):
            write_rows(table, ids, start_rows(table, known, places, start, seed + number), bias, known)
        started += ids
    for mark, id_ in dict(zip(marks, mark_ids, strict=True)).items():
        if mark not in new_marks and not (fresh and here and ids[0] - len(mark_ids) <= id_ < ids[0]):
            continue
        for table, bias in tables_with_bias(model):
            pieces = torch.tensor([piece for piece in spelled[mark] if piece < rows] or known.tolist())
            write_rows(table, [id_], sample_rows(table, pieces).mean(0, keepdim=True), bias, known)
        started.append(id_)
    if started:
        _remember(model, started)
    return AddedTokens(ids[0], tuple(ids), tuple(mark_ids), len(new), len(started), is_tied(model))


def new_token_ids(model: Any) -> list[int]:
    """Ids that `add_tokens` started in this model, or in the one that it was saved from; none, where it never did."""
    config = getattr(model, "config", None)
    ranges = getattr(config, "new_token_ranges", None)
    if ranges is None and config is not None:  # a language model that was given them before it joined an encoder
        ranges = getattr(config.get_text_config(), "new_token_ranges", None)
    return [id_ for first, count in ranges or [] for id_ in range(first, first + count)]


def location_parameters(model: Any) -> list[tuple[str, nn.Parameter]]:
    """Names and parameters through which location tokens learn, for whoever says what moves and how fast.

    With adapters, their rows alone; of our own decoder, the layer that makes their rows; else the whole table, and a
    head of its own with its bias, of which `training.location_rows` lets only the new rows move.
    """
    named = list(model.named_parameters())
    for part in ("trainable_tokens_delta", "embedding.locations."):
        if chosen := [(name, parameter) for name, parameter in named if part in name and "original_module" not in name]:
            return chosen
    own = {id(parameter) for pair in tables_with_bias(model) for parameter in pair if parameter is not None}
    return [(name, parameter) for name, parameter in named if id(parameter) in own]


def as_ranges(ids: Iterable[int]) -> list[tuple[int, int]]:
    """First id and number of each run of ids that follow each other."""
    ranges: list[tuple[int, int]] = []
    for id_ in sorted({*ids}):
        if ranges and id_ == sum(ranges[-1]):
            ranges[-1] = ranges[-1][0], ranges[-1][1] + 1
        else:
            ranges.append((id_, 1))
    return ranges


def _remember(model: PreTrainedModel, ids: Sequence[int]) -> None:
    """Ids whose rows are new, in the configuration, so that adapters and frozen tables know them."""
    model.config.new_token_ranges = [list(range_) for range_ in as_ranges([*ids, *new_token_ids(model)])]


def _spelling(tokenizer: Any, mark: str) -> list[int]:
    """Ids of the pieces that a mark is written with; of its characters, where it is a token already."""
    pieces: list[int] = tokenizer(mark, add_special_tokens=False)["input_ids"]
    if len(pieces) > 1:
        return pieces
    return [id_ for character in mark for id_ in tokenizer(character, add_special_tokens=False)["input_ids"]]


def _consecutive(tokenizer: Any, tokens: Sequence[str]) -> list[int]:
    ids: list[int] = tokenizer.convert_tokens_to_ids(list(tokens))
    if ids != list(range(ids[0], ids[0] + len(ids))):
        raise ConfigError(
            f"the ids of {tokens[0]!r} to {tokens[-1]!r} do not follow each other in this tokenizer: begin with one "
            "that has none of them"
        )
    return ids


def _made_of_features(
    model: PreTrainedModel, tokenizer: Any, tokens: Sequence[str], marks: Sequence[str]
) -> AddedTokens | None:
    """Our own decoder makes the rows of its location tokens, the last ones, of their features, and grows no others.

    None for tokens among its words, whose rows are like any other's.
    """
    vocabulary = tokenizer.get_vocab()
    config = text_model(model).config
    words = config.vocab_size - config.num_locations
    if new := [token for token in (*tokens, *marks) if vocabulary.get(token, config.vocab_size) >= config.vocab_size]:
        raise ConfigError(
            f"our own decoder keeps the {config.vocab_size} tokens that it was made with, and {len(new)} of those "
            f"asked for are new, {new[0]!r} first: train its tokenizer with them, and set num_locations in its config"
        )
    ids = _consecutive(tokenizer, tokens)
    if ids[-1] < words:
        return None
    if ids != list(range(words, config.vocab_size)):
        raise ConfigError(
            f"our own decoder has {config.num_locations} location tokens from id {words}, and {len(ids)} were asked "
            f"for from {ids[0]}: give as many as it has"
        )
    return AddedTokens(ids[0], tuple(ids), tuple(tokenizer.convert_tokens_to_ids(list(marks))), 0, 0, True)
