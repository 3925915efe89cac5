"""Owns logits_at(): the logits of the places that have labels, and of no others.

A vocabulary is wide: of rows in which a third of the places have labels, logits of all places take three times the
memory and the time of the head.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


def logits_at(model: nn.Module, plain: Any, inputs: dict[str, Any], places: Tensor) -> Tensor:
    """(M, V) logits of the M true `places` (B, L), row by row.

    `model` is called, which may be `plain` itself or what spreads it over processes. Our decoder picks the places
    itself; of other families, those are picked that come to the head, whatever follows it.
    """
    head = plain.get_output_embeddings()
    if head is None:
        logits: Tensor = model(**inputs, logits_to_keep=places).logits
        return logits

    def pick(_: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        return (given[0][places][None], *given[1:])

    hook = head.register_forward_pre_hook(pick)
    try:
        picked: Tensor = model(**inputs).logits[0]
    finally:
        hook.remove()
    return picked
