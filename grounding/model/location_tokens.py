"""Owns the adding of location tokens to a language model of any kind: ids that follow each other, rows that know where.

    import grounding
    added = grounding.add_location_tokens(model, tokenizer)    # <loc0000> to <loc1023>

Source of the start: sinusoidal features as in "Attention Is All You Need", over a coordinate; around the mean row, as
J. Hewitt's "Initializing New Word Embeddings for Pretrained Language Models" (2021) argues for all new words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import AddedToken
from torch import Tensor, nn
from transformers import PreTrainedModel

from grounding.errors import ConfigError
from grounding.model.language import GroundingTextModel
from grounding.model.token_starts import Start, as_coordinates, check_start, sample_rows, start_rows

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
    start: "fourier", rows near the mean row by the features of their coordinate; "mean"; "random".
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
    if isinstance(text_model(model), GroundingTextModel):
        return _own_tokens(model, tokenizer, tokens, marks)
    check_tables(model)
    rows = len(tables(model)[0])
    vocabulary = tokenizer.get_vocab()
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
    spelled = {mark: tokenizer(mark, add_special_tokens=False)["input_ids"] for mark in new_marks}
    new = [*new_marks, *([] if here else tokens)]
    # not special: they are what the model says, so `skip_special_tokens=True` must leave them in its answers
    tokenizer.add_tokens([AddedToken(text, normalized=False, special=False) for text in new])
    ids, mark_ids = _consecutive(tokenizer, tokens), list(tokenizer.convert_tokens_to_ids(list(marks)))
    highest = max(*ids, *mark_ids, *vocabulary.values())
    if highest >= rows:
        grow_vocabulary(model, highest + 1, known, pad_to_multiple_of)
    started: list[int] = []
    if restart or not here or ids[-1] >= rows:
        for number, (table, bias) in enumerate(_tables_with_bias(model)):
            _write(table, ids, start_rows(table, known, places, start, seed + number), bias, known)
        started += ids
    for mark in new_marks:
        id_ = int(tokenizer.convert_tokens_to_ids(mark))
        for table, bias in _tables_with_bias(model):
            pieces = torch.tensor([piece for piece in spelled[mark] if piece < rows] or known.tolist())
            _write(table, [id_], sample_rows(table, pieces).mean(0, keepdim=True), bias, known)
        started.append(id_)
    if started:
        _remember(model, started)
    return AddedTokens(ids[0], tuple(ids), tuple(mark_ids), len(new), len(started), is_tied(model))


def grow_vocabulary(
    model: PreTrainedModel, size: int, known: Tensor | None = None, pad_to_multiple_of: int | None = None
) -> None:
    """Gives table and head at least `size` rows, a multiple of `pad_to_multiple_of`; never fewer than there are.

    New rows are the mean of the rows `known` (all, if None), so that they change no distribution by much and two calls
    on the same checkpoint give the same model. Biases likewise.
    """
    rows = len(tables(model)[0])
    step = pad_to_multiple_of or 1
    size = -(-size // step) * step
    if size <= rows:
        return
    known = torch.arange(rows) if known is None else known
    with torch.random.fork_rng(devices=[]):  # transformers draws rows, which are overwritten here
        text_model(model).resize_token_embeddings(size, mean_resizing=False)
    for table, bias in _tables_with_bias(model):
        mean = sample_rows(table, known).mean(0, keepdim=True)
        _write(table, list(range(rows, size)), mean.expand(size - rows, -1), bias, known)


def text_model(model: PreTrainedModel) -> PreTrainedModel:
    """What has the table: of ours its language model, else the model itself."""
    return model.language if getattr(model.config, "model_type", "") == "grounding" else model


def tables(model: PreTrainedModel) -> list[nn.Parameter]:
    """The embedding table (V, D) and, where the head has one of its own, that (V, D)."""
    found = [model.get_input_embeddings().weight]
    head = model.get_output_embeddings()
    if head is not None and head.weight is not found[0]:
        found.append(head.weight)
    return found


def is_tied(model: PreTrainedModel) -> bool:
    """Whether the head is the embedding table."""
    return model.get_output_embeddings() is not None and len(tables(model)) == 1


def check_tables(model: PreTrainedModel) -> None:
    """Raises ConfigError where new rows could not be added, or would not learn."""
    if getattr(model, "peft_config", None):
        raise ConfigError(
            f"{type(model).__name__} has adapters already: add the tokens first, and then the adapters "
            "(grounding.training.lora.with_lora)"
        )
    for table in tables(model):
        if table.ndim != 2 or table.device.type == "meta" or not table.numel():
            raise ConfigError(
                f"a table of shape {tuple(table.shape)} on {table.device} cannot be resized: load the model whole, "
                "without offloading and before it is sharded"
            )
        if not table.dtype.is_floating_point or table.dtype.itemsize < 2:
            raise ConfigError(
                f"the embeddings are quantised ({table.dtype}), and rows of that do not learn: add the tokens to the "
                "checkpoint in bfloat16, save it, and quantise that without its embeddings and head"
            )
        if not table.requires_grad:
            raise ConfigError(
                "the embeddings are frozen, so new rows would never learn: add the tokens before freezing, or call "
                "model.get_input_embeddings().requires_grad_(True)"
            )


def new_token_ids(model: Any) -> list[int]:
    """Ids that `add_tokens` started in this model, or in the one that it was saved from; none, where it never did."""
    ranges = getattr(getattr(model, "config", None), "new_token_ranges", None) or []
    return [id_ for first, count in ranges for id_ in range(first, first + count)]


def _remember(model: PreTrainedModel, ids: Sequence[int]) -> None:
    ranges: list[list[int]] = []
    for id_ in sorted({*ids, *new_token_ids(model)}):
        if ranges and id_ == sum(ranges[-1]):
            ranges[-1][1] += 1
        else:
            ranges.append([id_, 1])
    model.config.new_token_ranges = ranges


def _consecutive(tokenizer: Any, tokens: Sequence[str]) -> list[int]:
    ids: list[int] = tokenizer.convert_tokens_to_ids(list(tokens))
    if ids != list(range(ids[0], ids[0] + len(ids))):
        raise ConfigError(
            f"the ids of {tokens[0]!r} to {tokens[-1]!r} do not follow each other in this tokenizer: begin with one "
            "that has none of them"
        )
    return ids


def _own_tokens(model: PreTrainedModel, tokenizer: Any, tokens: Sequence[str], marks: Sequence[str]) -> AddedTokens:
    """Our own decoder makes its location rows of their features: there is nothing to add, only to compare."""
    missing = [token for token in (*tokens, *marks) if token not in tokenizer.get_vocab()]
    ids = [] if missing else _consecutive(tokenizer, tokens)
    config = text_model(model).config
    if missing or ids != list(range(config.vocab_size - config.num_locations, config.vocab_size)):
        raise ConfigError(
            f"our own decoder has {config.num_locations} location tokens, the last of its {config.vocab_size}, and "
            f"{len(tokens)} were asked for{f' ({missing[0]!r} is new)' if missing else ''}: set num_locations in its "
            "configuration, and train its tokenizer with them"
        )
    return AddedTokens(ids[0], tuple(ids), tuple(tokenizer.convert_tokens_to_ids(list(marks))), 0, 0, True)


def _tables_with_bias(model: PreTrainedModel) -> Iterator[tuple[nn.Parameter, nn.Parameter | None]]:
    """Each table, with the head's bias (V,) beside the table that the head uses."""
    found = tables(model)
    bias = getattr(model.get_output_embeddings(), "bias", None)
    for number, table in enumerate(found):
        yield table, bias if number == len(found) - 1 else None


@torch.no_grad()
def _write(table: Tensor, ids: Sequence[int], rows: Tensor, bias: Tensor | None, known: Tensor) -> None:
    table[torch.tensor(ids, device=table.device)] = rows.to(table)
    if bias is not None:
        bias[torch.tensor(ids, device=bias.device)] = bias[known.to(bias.device)].float().mean().to(bias)
