"""Owns the tables of a language model's tokens: where they are, whether new rows could learn, and how they grow.

Shapes: V rows of the table, one a token; D its width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from grounding.errors import ConfigError
from grounding.model.language import GroundingTextModel
from grounding.model.token_starts import sample_rows


def grow_vocabulary(model: PreTrainedModel, size: int, pad_to_multiple_of: int | None = None) -> None:
    """Gives table and head at least `size` rows, a multiple of `pad_to_multiple_of`; never fewer than there are.

    New rows are the mean of those that are there, so that they change no distribution by much and two calls on the same
    checkpoint give the same model. Biases likewise.
    """
    rows = len(tables(model)[0])
    step = pad_to_multiple_of or 1
    size = -(-size // step) * step
    if size <= rows:
        return
    known = torch.arange(rows)
    with torch.random.fork_rng(devices=[]):  # transformers draws rows, which are overwritten here
        text_model(model).resize_token_embeddings(size, mean_resizing=False)
    for table, bias in tables_with_bias(model):
        mean = sample_rows(table, known).mean(0, keepdim=True)
        write_rows(table, list(range(rows, size)), mean.expand(size - rows, -1), bias, known)


def text_model(model: PreTrainedModel) -> PreTrainedModel:
    """What has the table: of ours its language model, else the model itself."""
    return model.language if getattr(model.config, "model_type", "") == "grounding" else model


def tables(model: PreTrainedModel) -> list[nn.Parameter]:
    """The embedding table (V, D) and, where the head has one of its own, that (V, D); of our own decoder its words'."""
    language = text_model(model)
    if isinstance(language, GroundingTextModel):
        return [language.embedding.words]
    found = [model.get_input_embeddings().weight]
    head = model.get_output_embeddings()
    if head is not None and head.weight is not found[0]:
        found.append(head.weight)
    return found


def is_tied(model: PreTrainedModel) -> bool:
    """Whether the head is the embedding table."""
    if isinstance(text_model(model), GroundingTextModel):
        return True
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


def tables_with_bias(model: PreTrainedModel) -> Iterator[tuple[nn.Parameter, nn.Parameter | None]]:
    """Each table, with the head's bias (V,) beside the table that the head uses."""
    found = tables(model)
    head = None if isinstance(text_model(model), GroundingTextModel) else model.get_output_embeddings()
    bias = getattr(head, "bias", None)
    for number, table in enumerate(found):
        yield table, bias if number == len(found) - 1 else None


@torch.no_grad()
def write_rows(table: Tensor, ids: Sequence[int], rows: Tensor, bias: Tensor | None, known: Tensor) -> None:
    """Writes `rows` (N, D) at `ids`, and into a bias (V,) the mean of the biases of `known`."""
    table[torch.tensor(ids, device=table.device)] = rows.to(table)
    if bias is not None:
        bias[torch.tensor(ids, device=bias.device)] = bias[known.to(bias.device)].float().mean().to(bias)
