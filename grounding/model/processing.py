"""Owns the tokenizer, the image processor and the codec of a model: the only place that turns pictures and words into
what forward takes, and ids back into text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from transformers import BatchFeature, ProcessorMixin

from grounding.codecs import get_codec
from grounding.codecs.base import Codec
from grounding.errors import InputError, PromptTooLongError
from grounding.images import Canvas, ImageSource
from grounding.model.image_processing import GroundingImageProcessor
from grounding.model.tokenization import BOS, EOS, IMAGE, PAD


class GroundingProcessor(ProcessorMixin):
    """Pictures and prompts to tensors, generated ids to text.

    A prompt is laid out as image tokens, <bos>, words; an answer follows and ends with <eos>.
    """

    attributes: ClassVar[list[str]] = ["image_processor", "tokenizer"]

    def __init__(
        self,
        image_processor: GroundingImageProcessor | None = None,
        tokenizer: Any = None,
        codec: str = "location",
        image_tokens: int = 196,
        max_prompt_tokens: int = 128,
        **kwargs: Any,
    ) -> None:
        """`image_tokens`: how many the vision encoder gives for a picture."""
        self.codec = codec
        self.image_tokens = image_tokens
        self.max_prompt_tokens = max_prompt_tokens
        super().__init__(image_processor, tokenizer, **kwargs)
        self.codec_object: Codec = get_codec(codec)

    def to_dict(self) -> dict[str, Any]:
        values: dict[str, Any] = super().to_dict()
        values.pop("codec_object", None)
        return values

    @property
    def ids(self) -> tuple[int, int, int, int]:
        """Ids of padding, beginning, end and image."""
        pad, bos, eos, image = self.tokenizer.convert_tokens_to_ids([PAD, BOS, EOS, IMAGE])
        return pad, bos, eos, image

    def canvas(self, width: int, height: int) -> Canvas:
        """How a picture of this size lies in what the model sees."""
        return self.image_processor.canvas(width, height)

    def encode_prompts(self, prompts: Sequence[str]) -> list[list[int]]:
        """Ids of each prompt, <bos> first, without image tokens. Raises PromptTooLongError."""
        _, bos, _, _ = self.ids
        rows = [[bos, *ids] for ids in self._tokens(prompts)]
        for prompt, row in zip(prompts, rows, strict=True):
            if len(row) > self.max_prompt_tokens:
                raise PromptTooLongError(
                    f"the prompt {prompt[:40]!r}... has {len(row)} tokens, over the model's {self.max_prompt_tokens}: "
                    "ask in fewer words"
                )
        return rows

    def encode_answers(self, answers: Sequence[str]) -> list[list[int]]:
        """Ids of each answer, <eos> last."""
        _, _, eos, _ = self.ids
        return [[*ids, eos] for ids in self._tokens(answers)]

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text; quietly, as those that are too long are refused, or cut, with a sentence of ours."""
        rows: list[list[int]] = self.tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
        return rows

    def __call__(
        self,
        images: ImageSource | Sequence[ImageSource] | None = None,
        text: str | Sequence[str] | None = None,
        return_tensors: str | None = "pt",
        **ignored: Any,
    ) -> BatchFeature:
        """`input_ids` and `attention_mask` (B, N + T), and `pixel_values` (B, 3, S, S) where there are pictures.

        One picture for each text. Padding stands before the picture, as generate expects.
        """
        if not text:
            raise InputError('the processor needs text, a codec\'s prompt such as "locate the red star"')
        texts = [text] if isinstance(text, str) else list(text)
        pad, _, _, image = self.ids
        rows = self.encode_prompts(texts)
        values: dict[str, Any] = {}
        if images is not None:
            pixels = self.image_processor(images)["pixel_values"]
            if len(pixels) != len(rows):
                raise InputError(f"{len(pixels)} pictures for {len(rows)} texts: give one picture a text")
            values["pixel_values"] = pixels
            rows = [[image] * self.image_tokens + row for row in rows]
        longest = max(map(len, rows))
        values["input_ids"] = torch.tensor([[pad] * (longest - len(row)) + row for row in rows])
        values["attention_mask"] = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
        return BatchFeature(values)

    def text(self, ids: Sequence[int] | torch.Tensor) -> str:
        """The text of an answer's ids: location tokens and marks kept, <eos>, <pad> and <bos> left out."""
        values = ids.tolist() if isinstance(ids, torch.Tensor) else list(ids)
        drop = set(self.ids)
        words: str = self.tokenizer.decode([i for i in values if i not in drop], skip_special_tokens=False)
        return words
