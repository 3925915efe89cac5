"""Owns gated cross-attention: layers before a language model's blocks that look at pictures, which its text only marks.

Shapes: P pictures of a batch, N features of a picture (the most of any), B rows, L tokens, K pictures of a row (the
most of any), S = K * N features that a row may look at, H heads, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import initialization
from transformers.cache_utils import Cache
from transformers.modeling_layers import GradientCheckpointingLayer

from grounding.errors import ConfigError, InputError
from grounding.model.blocks import Norm, as_bias, attend
from grounding.model.cache import PictureLayer, RowCache, picture_states
from grounding.model.causal_models import decoder_blocks
from grounding.model.configuration import check_heads

LOOKS = ("last", "all")
"""Which pictures a text token looks at: the last before it, as in Flamingo, or all before it."""


class GatedCrossAttention(GradientCheckpointingLayer):
    """Looks at pictures, then passes two linear layers, each behind a gate around a skip (Flamingo, section 3.1.2).

    A gate is the tanh of a learned number that starts at zero: at first the layer changes nothing, and the language
    model says what it said without it. The middle is a squared ReLU, as in Flamingo's appendix A.1.
    """

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = Norm(width)
        self.feature_norm = Norm(width)
        self.queries = nn.Linear(width, width, bias=False)
        self.keys_values = nn.Linear(width, 2 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.attention_gate = nn.Parameter(torch.zeros(1))
        self.mlp_norm = Norm(width)
        self.mlp_in = nn.Linear(width, hidden, bias=False)
        self.mlp_out = nn.Linear(hidden, width, bias=False)
        self.mlp_gate = nn.Parameter(torch.zeros(1))

    def start_weights(self) -> None:
        """Close the gates."""
        initialization.zeros_(self.attention_gate)
        initialization.zeros_(self.mlp_gate)

    def forward(
        self,
        x: Tensor,
        bias: Tensor,
        sighted: Tensor,
        features: Tensor | None,
        which: Tensor | None,
        keys: Tensor | None = None,
        values: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(B, L, D), then the (B, H, S, D/H) keys and values that it looked at: those given, or of `features`.

        `bias` (B, 1, L or 1, S) is added to the scores; `sighted` (B, L or 1, 1) is 0 for tokens that see no picture;
        `features` (P, N, D) of pictures, `which` (B, K) those of each row.
        """
        if keys is None or values is None:
            if features is None or which is None:
                raise InputError("a layer of cross-attention got neither features nor keys and values to look at")
            made = self.keys_values(self.feature_norm(features)).unflatten(2, (2, self.heads, -1))
            rows = made[which].flatten(1, 2)  # (B, S, 2, H, D/H)
            keys, values = rows.permute(2, 0, 3, 1, 4)
        queries = self.queries(self.attention_norm(x)).unflatten(2, (self.heads, -1)).transpose(1, 2)
        mixed = self.out(attend(queries, keys, values, bias).transpose(1, 2).flatten(2)) * sighted
        x = x + (self.attention_gate.tanh() * mixed).to(x.dtype)
        passed = self.mlp_out(F.relu(self.mlp_in(self.mlp_norm(x))).square()) * sighted
        return x + (self.mlp_gate.tanh() * passed).to(x.dtype), keys, values


@dataclass
class Shown:
    """What the layers look at in one pass through the language model."""

    visible: Tensor
    """(B, 1, L or 1, S) bool: which features each token may look at."""
    after: Tensor
    """(B, 1, S, 1) 1 for the features that tokens behind these may look at, else 0."""
    features: Tensor | None = None
    """(P, N, D)."""
    which: Tensor | None = None
    """(B, K) the pictures of each row; any number where it has fewer."""
    states: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)
    """Keys and values (B, H, S, D/H) of each layer, where they are known or kept."""
    keep: bool = False
    """Whether layers leave their keys and values in `states`."""
    biases: dict[torch.dtype, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def bias(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """`visible` as numbers to add to scores; and (B, L or 1, 1) 1 for tokens that see anything, else 0."""
        if dtype not in self.biases:
            self.biases[dtype] = as_bias(self.visible, dtype), self.visible.any(3).transpose(1, 2).to(dtype)
        return self.biases[dtype]


_SHOWN: ContextVar[Shown | None] = ContextVar("shown", default=None)
"""What the pass that runs in this thread looks at: threads share one model, and each asks of its own picture."""


@contextmanager
def showing(shown: Shown | None) -> Iterator[None]:
    """Within, the layers of cross-attention look at this."""
    token = _SHOWN.set(shown)
    try:
        yield
    finally:
        _SHOWN.reset(token)


class CrossAttention(nn.Module):
    """Pictures beside the text: before every `every`-th block of the language model a layer looks at them.

    As in Flamingo (Alayrac et al., 2022) and Idefics. The text holds one image token a picture, where it stands; a
    token looks at the last picture before it, or, with `look` "all", at all before it. Pictures that stand side by
    side count as one there. Tokens before the first picture see none, and pass the layers unchanged.
    """

    marks: ClassVar[bool] = True
    """Whether the text holds one image token a picture, whatever the number of its features."""

    def __init__(
        self,
        language: nn.Module,
        width: int,
        every: int = 4,
        heads: int | None = None,
        hidden: int | None = None,
        look: str = "last",
    ) -> None:
        """`heads`: those of the language model; `hidden`: width between the two linear layers, 4 * `width`."""
        super().__init__()
        blocks = decoder_blocks(language)
        if not 1 <= every <= len(blocks):
            raise ConfigError(
                f"fusion_options has every={every}; the language model has {len(blocks)} blocks, so take 1 to that"
            )
        if look not in LOOKS:
            raise ConfigError(f"fusion_options has look={look!r}; known: {', '.join(LOOKS)}")
        heads = heads or int(language.config.num_attention_heads)  # type: ignore[union-attr, arg-type]
        check_heads(width, heads)
        self.look = look
        places = range(0, len(blocks), every)
        self.layers = nn.ModuleList(GatedCrossAttention(width, heads, hidden or 4 * width) for _ in places)
        for number, place in enumerate(places):
            blocks[place].register_forward_pre_hook(Before(self, number), with_kwargs=True)

    def meet(
        self,
        features: Tensor,
        counts: Tensor | Sequence[int] | None,
        marks: Tensor,
        keep: bool,
        documents: Tensor | None = None,
    ) -> Shown | None:
        """What a batch looks at: `marks` (B, L) bool where its pictures stand; None where there are none.

        `features` (P, N, D), or (M, D) those of all pictures in turn, with how many each has in `counts` (P,).
        `documents` (B, L): of several texts that share a row, each looks at its own pictures alone. Raises InputError
        where there are not as many pictures as marks.
        """
        features, filled = by_picture(features, counts)
        pictures, each = filled.shape
        found = marks.sum(1)
        if int(found.sum()) != pictures:
            raise InputError(
                f"the text has {int(found.sum())} image tokens and there are {pictures} pictures; with cross-attention "
                "the text holds one for each picture: let the processor of processor_for write it"
            )
        if not pictures:
            return None
        most = int(found.max())
        number = torch.arange(most, device=marks.device)[None]
        which = (found.cumsum(0) - found)[:, None] + number
        there = number < found[:, None]
        which = torch.where(there, which, 0)
        shown = (filled[which] & there[..., None]).flatten(1)  # (B, S)
        order = marks.cumsum(1)  # (B, L) how many pictures there are up to each token
        ours = torch.arange(1, most + 1, device=marks.device).repeat_interleave(each)
        seen = ours <= order[..., None]
        if documents is not None:
            owner = documents.new_full((len(marks), most + 1), -2)
            owner = owner.scatter(1, torch.where(marks, order, 0), torch.where(marks, documents, -2))[:, 1:]
            seen = seen & (owner.repeat_interleave(each, 1)[:, None] == documents[..., None])
        after = shown
        if self.look == "last":
            first = marks & ~F.pad(marks, (1, 0))[:, :-1]
            groups = first.cumsum(1)  # (B, L)
            group = torch.zeros(len(marks), most + 1, dtype=groups.dtype, device=marks.device)
            group = group.scatter(1, order, groups)[:, 1:]  # of pictures: that of the last token which sees so many
            group = group.repeat_interleave(each, 1)
            seen = seen & (group[:, None] == groups[..., None])
            after = shown & (group == groups[:, -1:])
        return Shown(
            visible=(seen & shown[:, None])[:, None],
            after=after[:, None, :, None],
            features=features,
            which=which,
            keep=keep,
        )

    def recall(self, cache: Cache | RowCache | None) -> Shown | None:
        """What tokens behind a cache look at; None where it knows no pictures."""
        states = picture_states(cache) if cache is not None else []
        if not states:
            return None
        *layers, (after, _) = states
        return Shown(after.bool().transpose(2, 3), after, states=dict(enumerate(layers)))

    def remember(self, shown: Shown, cache: Cache) -> None:
        """Put the keys and values of pictures into a cache, for `recall`."""
        kept = [shown.states[number] for number in range(len(self.layers))]
        after = shown.after.to(kept[0][0].dtype)
        cache.layers += [PictureLayer(*states) for states in (*kept, (after, after))]

    def look_at(self, number: int, x: Tensor, shown: Shown) -> Tensor:
        """(B, L, D) hidden states after they have looked, through the layer of that number."""
        autocast = torch.is_autocast_enabled(x.device.type)
        bias, sighted = shown.bias(torch.get_autocast_dtype(x.device.type) if autocast else x.dtype)
        known = shown.states[number] if shown.features is None else ()
        looked, keys, values = self.layers[number](x, bias, sighted, shown.features, shown.which, *known)
        if shown.keep:
            shown.states[number] = keys, values
        out: Tensor = looked
        return out


@dataclass
class Before:
    """A hook before a block of the language model; an object, so that a copied model finds the copy's layers."""

    fusion: CrossAttention
    number: int

    def __call__(
        self, block: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        shown = _SHOWN.get()
        if shown is None:
            return None
        if args:
            return (self.fusion.look_at(self.number, args[0], shown), *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": self.fusion.look_at(self.number, kwargs["hidden_states"], shown)}


@dataclass
class Remembering:
    """A way to checkpoint in which a block that runs again in the backward pass looks at what it looked at first.

    It is for transformers before 5.19 or so, where a block's hooks run again with it; a pass of another thread or
    batch may have come between.
    """

    checkpoint: Callable[..., Any]

    def __call__(self, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        return self.checkpoint(partial(within, _SHOWN.get(), function), *args, **options)


def within(shown: Shown | None, function: Callable[..., Any], *args: Any) -> Any:
    """What a function gives while the layers look at this."""
    with showing(shown):
        return function(*args)


def checkpoint_with_pictures(language: nn.Module) -> None:
    """Make the blocks' checkpointing a remembering one."""
    for module in language.modules():
        checkpoint = getattr(module, "_gradient_checkpointing_func", None)
        if checkpoint is not None and not isinstance(checkpoint, Remembering):
            module._gradient_checkpointing_func = Remembering(checkpoint)  # type: ignore[assignment]


def by_picture(features: Tensor, counts: Tensor | Sequence[int] | None) -> tuple[Tensor, Tensor]:
    """(P, N, D) features of each picture and (P, N) bool which of them are its own, the rest being zeros.

    As CrossAttention.meet takes them. Raises InputError where `counts` is missing or doesn't add up.
    """
    if counts is None:
        if features.ndim == 3:
            return features, features.new_ones(features.shape[:2], dtype=torch.bool)
        raise InputError(
            f"there are {len(features)} features and nobody says which picture has how many: give picture_tokens, as "
            "GroundingImageProcessor does"
        )
    flat = features.flatten(0, -2)
    numbers = torch.as_tensor(counts, device=features.device).long()
    if int(numbers.sum()) != len(flat):
        raise InputError(f"picture_tokens add up to {int(numbers.sum())} and there are {len(flat)} features")
    most = int(numbers.max()) if len(numbers) else 0
    filled = torch.arange(most, device=features.device) < numbers[:, None]
    padded = flat.new_zeros(len(numbers), most, flat.shape[1])
    return padded.masked_scatter(filled[..., None].expand_as(padded), flat), filled
