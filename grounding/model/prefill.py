"""Owns the reading of prompts before their answers are written: behind the pictures that they are about, whose keys and
values are there already, or with the pictures among the words.

Shapes: B rows, L tokens of the longest prompt, K those of its pictures and words together, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache

from grounding.model.cache import RowCache, rows_of
from grounding.model.fusion import PAD, PROMPT
from grounding.model.modeling import GroundingForConditionalGeneration
from grounding.model.picture_cache import Pictures
from grounding.model.processing import CROSS_ATTENTION, GroundingProcessor

Started = tuple[Tensor, RowCache | DynamicCache, Tensor | None, Tensor]
"""Of rows whose prompts were read: logits (B, V), keys and values, mask (B, K) or None, the next position (B,)."""


def words_in_front(
    model: GroundingForConditionalGeneration, processor: GroundingProcessor, prompts: Sequence[Sequence[int]]
) -> Sequence[int] | None:
    """The words before the pictures of all prompts, where what comes behind changes nothing of them; or None.

    Words before a picture see what is behind it, unless everything sees only what is before. None also where a picture
    ends a prompt: nothing would be left to read behind it.
    """
    image = processor.ids[3]
    crossed, causal = processor.fusion == CROSS_ATTENTION, model.config.attention == "causal"
    marks = {list(prompt).index(image) if image in prompt else -1 for prompt in prompts}
    if marks == {-1}:
        return ()
    first = prompts[0][: max(marks)]
    shared = len(marks) == 1 and all(
        prompt[: len(first)] == first and len(prompt) > max(marks) + 1 for prompt in prompts
    )
    return first if shared and causal and not crossed else None


def read_behind(
    model: GroundingForConditionalGeneration,
    processor: GroundingProcessor,
    prompts: Sequence[Sequence[int]],
    pictures: Pictures,
    which: Sequence[int],
    room: int,
) -> Started:
    """Prompts behind the pictures they are about, `which` of them each; `room`: how many tokens may follow."""
    device = model.device
    chosen = torch.tensor(which, device=device)
    longest = max(map(len, prompts))
    pad = processor.ids[0]
    ids = torch.tensor([[pad] * (longest - len(p)) + list(p) for p in prompts], device=device)
    roles = torch.tensor([[PAD] * (longest - len(p)) + [PROMPT] * len(p) for p in prompts], device=device)
    seen, mask = pictures.mask, None
    if seen is not None or any(len(p) < longest for p in prompts):
        before = roles.new_ones(len(prompts), max(pictures.counts)) if seen is None else seen[chosen]
        mask = torch.cat([before, (roles != PAD).long()], 1)
    counts = torch.tensor([pictures.counts[number] for number in which], device=device)
    lengths = torch.tensor([len(p) for p in prompts], device=device)
    places = torch.arange(longest, device=device) - (longest - lengths[:, None])
    cache: RowCache | DynamicCache
    if model.own_language:
        cache = RowCache(pictures.cache, chosen, longest + room, model.language.embedding.weight)
    else:
        cache = rows_of(pictures.cache, chosen)
    logits = model(
        input_ids=ids,
        past_key_values=cache,
        attention_mask=mask,
        token_roles=roles,
        position_ids=places.clamp_min(0) + counts[:, None],
        use_cache=True,
        logits_to_keep=1,
    ).logits[:, -1]
    return logits.float(), cache, mask, lengths + counts


def read_whole(
    model: GroundingForConditionalGeneration,
    processor: GroundingProcessor,
    prompts: Sequence[Sequence[int]],
    shown: Mapping[str, Any],
) -> Started:
    """Prompts with a picture each among the words; `shown`: what forward takes of the pictures."""
    device, pad = model.device, processor.ids[0]
    counts = shown["picture_tokens"].tolist()
    rows = [processor.with_pictures(prompt, [count]) for prompt, count in zip(prompts, counts, strict=True)]
    longest = max(map(len, rows))
    ids = torch.tensor([[pad] * (longest - len(row)) + row for row in rows], device=device)
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows], device=device)
    cache = DynamicCache()
    logits = model(
        input_ids=ids, attention_mask=mask, past_key_values=cache, use_cache=True, logits_to_keep=1, **shown
    ).logits[:, -1]
    return logits.float(), cache, mask, mask.sum(1)
