"""Owns keys and values of pictures, made once for all that is asked of them, whatever number of tokens each takes.

Shapes: P pictures, N image tokens of a picture, H heads, D width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image
from torch import Tensor
from torch.nn import functional as F
from transformers.cache_utils import Cache

from grounding.model.modeling import GroundingForConditionalGeneration
from grounding.model.processing import GroundingProcessor

Views = NDArray[np.uint8]


@dataclass(frozen=True)
class Pictures:
    """What a decoder knows of P pictures."""

    cache: Cache
    """Keys and values (P, H, longest, D / H) of each layer; those of shorter pictures stand at the end."""
    counts: tuple[int, ...]
    """How many of them are each picture's own."""

    @property
    def mask(self) -> Tensor | None:
        """(P, longest) 1 for what is a picture's own, else 0; None where all are equally long."""
        longest = max(self.counts)
        if min(self.counts) == longest:
            return None
        own = torch.tensor(self.counts, device=self.cache.layers[0].keys.device)[:, None]
        return (torch.arange(longest, device=own.device)[None] >= longest - own).long()


class PictureEncoder:
    """Encodes pictures with a model and its processor, at most `batch` views at a time, and remembers the last one."""

    def __init__(self, model: GroundingForConditionalGeneration, processor: GroundingProcessor, batch: int) -> None:
        self.model, self.processor, self.batch = model, processor, batch
        self._last: tuple[Tensor, tuple[int, int], tuple[int, ...], Pictures] | None = None

    def forget(self) -> None:
        """Let go of the last picture."""
        self._last = None

    def counts(self, images: Sequence[Image]) -> list[int]:
        """How many tokens of the text each picture takes."""
        return [self.processor.text_tokens(*image.size) for image in images]

    def encode(self, images: Sequence[Image], front: Sequence[int] = ()) -> tuple[Pictures, bool]:
        """Keys and values of pictures, and whether they had to be made anew.

        `front`: ids of words before every picture, whose keys and values come with it; only where nobody sees what
        comes later do they not depend on the words behind.
        """
        prepare, sizes = self.processor.image_processor, [image.size for image in images]
        views = [prepare.views(image) for image in images]
        known = torch.from_numpy(views[0].copy()), sizes[0], tuple(front)
        last = self._last  # once: another thread may ask of another picture meanwhile
        if len(images) == 1 and last is not None and self._knows(last, *known):
            return last[3], False
        places, caches = list[int](), list[Cache]()
        for chunk, features in self._features(views, sizes):
            if front:
                words = self.model.get_input_embeddings()(torch.tensor(front, device=features.device))
                features = torch.cat([words.to(features.dtype).expand(len(chunk), -1, -1), features], 1)
            caches.append(self.model.image_cache(image_features=features))
            places += chunk
        made = Pictures(_joined(caches, places), tuple(len(front) + count for count in self.counts(images)))
        if len(images) == 1:
            self._last = (*known, made)
        return made, True

    def shown(self, images: Sequence[Image], which: Sequence[int]) -> dict[str, Any]:
        """What forward takes of pictures among the words of rows, each about the picture `which` says. Each picture is
        encoded once. `picture_tokens` are those of the rows' pictures."""
        sizes = [image.size for image in images]
        views = [self.processor.image_processor.views(image) for image in images]
        found: dict[int, Tensor] = {}
        for chunk, features in self._features(views, sizes):
            found.update(zip(chunk, features, strict=True))
        chosen = [found[number] for number in which]
        counts = torch.tensor([len(features) for features in chosen], device=self.model.device)
        return {"image_features": torch.cat(chosen), "picture_tokens": counts}

    def _features(self, views: Sequence[Views], sizes: Sequence[tuple[int, int]]) -> Iterator[tuple[list[int], Tensor]]:
        """Pictures encoded together, and (P, N, D) the features of their image tokens."""
        model = self.model
        for chunk in self._chunks([self.processor.picture_tokens(*size) for size in sizes], [len(v) for v in views]):
            values: dict[str, Any] = self.processor.image_processor.tensors(
                [views[at] for at in chunk], [sizes[at] for at in chunk]
            )
            pixels = values["pixel_values"].to(model.device, model.dtype)
            more = (values.get(name) for name in ("image_index", "spatial_shapes"))
            index, shapes = (None if one is None else one.to(model.device) for one in more)
            features = model.image_features(pixels, index, shapes)
            yield chunk, features.reshape(len(chunk), -1, features.shape[-1])

    def _chunks(self, counts: Sequence[int], views: Sequence[int]) -> Iterator[list[int]]:
        """Places of pictures that are encoded together: equally long, at most `batch` views, in order."""
        for count in dict.fromkeys(counts):
            chunk: list[int] = []
            held = 0
            for place, length in enumerate(counts):
                if length != count:
                    continue
                if chunk and held + views[place] > self.batch:
                    yield chunk
                    chunk, held = [], 0
                chunk.append(place)
                held += views[place]
            yield chunk

    def _knows(
        self,
        last: tuple[Tensor, tuple[int, int], tuple[int, ...], Pictures],
        pixels: Tensor,
        size: tuple[int, int],
        front: tuple[int, ...],
    ) -> bool:
        """Whether these are the very pixels of the last picture, and its keys and values are still of use."""
        keys = last[3].cache.layers[0].keys
        same = (size, front) == last[1:3] and torch.equal(pixels, last[0])
        return same and (keys.device, keys.dtype) == (self.model.device, self.model.dtype)


def _joined(caches: Sequence[Cache], places: Sequence[int]) -> Cache:
    """One cache of several, whose pictures are those at `places`, put in order; shorter ones are filled in front."""
    whole = caches[0]
    if len(caches) == 1 and list(places) == sorted(places):
        return whole
    order = torch.tensor(places, device=whole.layers[0].keys.device).argsort()
    for number, layer in enumerate(whole.layers):
        for name in ("keys", "values"):
            parts = [getattr(cache.layers[number], name) for cache in caches]
            longest = max(part.shape[2] for part in parts)
            filled = [F.pad(part, (0, 0, longest - part.shape[2], 0)) for part in parts]
            setattr(layer, name, torch.cat(filled)[order])
    return whole
