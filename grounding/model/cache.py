"""Owns RowCache: keys and values of rows that share pictures, in one buffer that is written in place; and the layers of
a cache that hold what cross-attention looks at, which never grows.

transformers' DynamicCache copies everything at every new token; at a batch of 64 that costs more than the model.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer


class PictureLayer(DynamicLayer):
    """Keys and values of pictures, behind those of the language model's own layers in a cache.

    Rows are chosen, repeated and put in another order as in any layer; text that is taken back takes nothing of it.
    """

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        """Both (B, H, S, D/H)."""
        super().__init__()
        self.lazy_initialization(keys, values)
        self.keys, self.values = keys, values

    def crop(self, *_: object) -> None:
        """Nothing."""


def picture_states(cache: Cache | RowCache) -> list[tuple[Tensor, Tensor]]:
    """Keys and values of the picture layers of a cache, in order; none where pictures are a part of the text."""
    if isinstance(cache, RowCache):
        return cache.pictures
    return [(layer.keys, layer.values) for layer in cache.layers if isinstance(layer, PictureLayer)]


class RowCache:
    """What `Cache` is to our decoder, for B rows; each starts with the keys and values of one of P pictures.

    `pictures`: the cache of P pictures; `which` (B,) the picture of each row; `room`: how many text tokens may follow.
    `table`: the decoder's embedding table, which is made of a part of its weights; making it at every step would take a
    fifth of the step.
    """

    def __init__(self, pictures: Cache, which: Tensor, room: int, table: Tensor | None = None) -> None:
        self.table = table
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []
        self.lengths: list[int] = []
        self.pictures = [(keys[which], values[which]) for keys, values in picture_states(pictures)]
        for layer in pictures.layers:
            if isinstance(layer, PictureLayer):
                continue
            self.keys.append(_with_room(layer.keys, which, room))
            self.values.append(_with_room(layer.values, which, room))
            self.lengths.append(int(layer.keys.shape[2]))

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Tokens in the cache, those of the picture included."""
        return self.lengths[layer_idx]

    def update(self, key_states: Tensor, value_states: Tensor, layer_idx: int, *_: object) -> tuple[Tensor, Tensor]:
        """Append (B, H, Q, D/H) keys and values to a layer; all of that layer's, as views."""
        start = self.lengths[layer_idx]
        end = start + key_states.shape[2]
        self.keys[layer_idx][:, :, start:end] = key_states
        self.values[layer_idx][:, :, start:end] = value_states
        self.lengths[layer_idx] = end
        return self.keys[layer_idx][:, :, :end], self.values[layer_idx][:, :, :end]

    def select(self, rows: Sequence[int]) -> None:
        """Keep these rows alone, in this order. Cheap where those that change their place come from behind the rest."""
        count = len(rows)
        moved = [(place, row) for place, row in enumerate(rows) if place != row]
        if moved or any(len(keys) > count for keys, _ in self.pictures):
            self.pictures = [(keys[list(rows)], values[list(rows)]) for keys, values in self.pictures]
        if any(row < count for _, row in moved):
            self.keys = [keys[list(rows)] for keys in self.keys]
            self.values = [values[list(rows)] for values in self.values]
            return
        for states in (self.keys, self.values):
            for number, length in enumerate(self.lengths):
                for place, row in moved:
                    states[number][place, :, :length] = states[number][row, :, :length]
                states[number] = states[number][:count]


def _with_room(states: Tensor, which: Tensor, room: int) -> Tensor:
    """(P, H, N, D) -> (B, H, N + room, D), the pictures' part filled in."""
    _, heads, count, width = states.shape
    grown = states.new_empty(len(which), heads, count + room, width)
    grown[:, :, :count] = states if states.shape[0] == 1 else states[which]
    return grown


def rows_of(pictures: Cache, which: Tensor) -> DynamicCache:
    """The same for a language model of transformers: a cache of its kind, the pictures' part copied for each row."""
    cache = DynamicCache()
    for number, layer in enumerate(pictures.layers):
        if isinstance(layer, PictureLayer):
            cache.layers.append(PictureLayer(layer.keys[which], layer.values[which]))
        else:
            cache.update(layer.keys[which], layer.values[which], number)
    return cache
