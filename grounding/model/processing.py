"""Owns the tokenizer, the image processor and the codec of a model: the only place that turns pictures and words into
what forward takes, and ids back into text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from transformers import BatchFeature, ProcessorMixin

from grounding.codecs import get_codec
from grounding.codecs.base import Codec
from grounding.errors import ConfigError, InputError, PromptTooLongError
from grounding.images import Canvas, ImageSource
from grounding.model.image_processing import ONE_SQUARE, GroundingImageProcessor
from grounding.model.tiling import Layout
from grounding.model.tokenization import IMAGE

WORDS = "{prompt}"
"""Stands in a template where the prompt goes."""


class GroundingProcessor(ProcessorMixin):
    """Pictures and prompts to tensors, generated ids to text.

    A prompt is laid out as image tokens, <bos>, words; an answer follows and ends with <eos>. Where a prompt, or the
    template around it, holds `<image>` marks, its pictures stand there instead, one at each mark in order.
    """

    attributes: ClassVar[list[str]] = ["image_processor", "tokenizer"]

    def __init__(
        self,
        image_processor: GroundingImageProcessor | None = None,
        tokenizer: Any = None,
        codec: str = "location",
        image_tokens: int | None = None,
        max_prompt_tokens: int = 128,
        prompt_template: str = WORDS,
        image_token: str = IMAGE,
        fusion: str = "concatenation",
        **kwargs: Any,
    ) -> None:
        """`image_tokens`: how many features encoder and projector give for a square view; None: as many as the image
        processor's `grid` says. `max_prompt_tokens`: the longest prompt, the template counted and pictures not.

        `prompt_template`: what stands around every prompt, such as "USER: <image> {prompt} ASSISTANT:"; its mark
        stands for all pictures of a prompt that has no marks of its own. `image_token`: the tokenizer's token for
        an image token's place. `fusion`: with "cross_attention" a picture takes one token of the text.
        Any tokenizer will do that has that token and an end token; without a beginning none is written, and without
        padding the end stands for it. Raises ConfigError.
        """
        self.codec = codec
        self.max_prompt_tokens = max_prompt_tokens
        self.prompt_template, self.image_token, self.fusion = prompt_template, image_token, fusion
        self.image_tokens = _agreed_tokens(image_processor, image_tokens)
        super().__init__(image_processor, tokenizer, **kwargs)
        self.codec_object: Codec = get_codec(codec)
        if prompt_template.count(WORDS) != 1 or prompt_template.count(IMAGE) > 1:
            raise ConfigError(
                f"prompt_template {prompt_template!r} must hold {WORDS} once, and {IMAGE} at most once: "
                f'such as "USER: {IMAGE} {WORDS} ASSISTANT:"'
            )
        if tokenizer is not None:
            _check_tokenizer(tokenizer, image_token)

    def to_dict(self) -> dict[str, Any]:
        values: dict[str, Any] = super().to_dict()
        values.pop("codec_object", None)
        return values

    @property
    def ids(self) -> tuple[int, int | None, int, int]:
        """Ids of padding, beginning, end and image; the beginning is None where the tokenizer has none."""
        tokenizer = self.tokenizer
        end, pad = tokenizer.eos_token_id, tokenizer.pad_token_id
        image = tokenizer.convert_tokens_to_ids(self.image_token)
        return end if pad is None else pad, tokenizer.bos_token_id, end, image

    def canvas(self, width: int, height: int) -> Canvas:
        """What the codec's coordinates count along for a picture of this size: its own sides, however it is shown;
        but the padded square for codecs that pad (shikra, llava-1.5)."""
        inner = self.image_processor.canvas(width, height).inner_size
        return self.codec_object.canvas(width, height, input_size=inner)

    def layout(self, width: int, height: int) -> Layout:
        """How a picture of this size is shown, and what each of its image tokens stands for."""
        layout: Layout = self.image_processor.layout(width, height)
        return layout

    def picture_tokens(self, width: int, height: int) -> int:
        """How many image tokens a picture of this size has, as in `picture_tokens` of the image processor."""
        if self.image_processor.resize in ONE_SQUARE and not self.image_processor.line_ends:
            return self.image_tokens
        return len(self.layout(width, height).tokens)

    def text_tokens(self, width: int, height: int) -> int:
        """How many tokens of the text it takes: as many, or with cross-attention one."""
        return 1 if self.fusion == CROSS_ATTENTION else self.picture_tokens(width, height)

    # ---- texts

    def encode_prompts(self, prompts: Sequence[str], pictures: Sequence[int] | None = None) -> list[list[int]]:
        """Ids of each prompt in its template, <bos> first; of pictures only the marks, one image id each.

        `pictures`: how many each prompt is about, for the template's mark; None: one each. `with_pictures` puts the
        image tokens in. Raises PromptTooLongError.
        """
        _, bos, _, _ = self.ids
        counts = [1] * len(prompts) if pictures is None else pictures
        rows = self._tokens([self._worded(prompt, count) for prompt, count in zip(prompts, counts, strict=True)])
        if bos is not None:
            rows = [row if row[:1] == [bos] else [bos, *row] for row in rows]
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

    def with_pictures(self, row: Sequence[int], counts: Sequence[int]) -> list[int]:
        """A prompt's ids with the image tokens of its pictures: at its marks, or in front where it has none.

        `counts`: the image tokens of each picture (`picture_tokens` of the image processor). Raises InputError where
        there are other than so many marks.
        """
        image = self.ids[3]
        runs = [[image] * (1 if self.fusion == CROSS_ATTENTION else count) for count in counts]
        marks = sum(token == image for token in row)
        if not marks:
            return [*(token for run in runs for token in run), *row]
        if marks != len(runs):
            raise InputError(_unequal(marks, len(runs)))
        following = iter(runs)
        return [token for held in row for token in (next(following) if held == image else (held,))]

    def _worded(self, prompt: str, pictures: int) -> str:
        """The prompt in its template, with the tokenizer's image token for marks."""
        marks = 0 if IMAGE in prompt else pictures
        text = self.prompt_template.replace(IMAGE, IMAGE * marks).replace(WORDS, prompt)
        return text.replace(IMAGE, self.image_token)

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text; quietly, as those that are too long are refused, or cut, with a sentence of ours."""
        if not texts:
            return []
        rows: list[list[int]] = self.tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
        return rows

    # ---- pictures and texts

    def __call__(
        self,
        images: ImageSource | Sequence[Any] | None = None,
        text: str | Sequence[str] | None = None,
        return_tensors: str | None = "pt",
        **ignored: Any,
    ) -> BatchFeature:
        """`input_ids` and `attention_mask` (B, L); with pictures also `pixel_values` (V, 3, S, S) of all their views,
        and `image_index`, `spatial_shapes` and `picture_tokens` where forward needs them.

        One picture for each text; or as many as the text has `<image>` marks; or a list of lists, the pictures of each
        text. Padding stands before everything, as generate expects.
        """
        if not text:
            raise InputError('the processor needs text, a codec\'s prompt such as "locate the red star"')
        texts = [text] if isinstance(text, str) else list(text)
        values: dict[str, Any] = {}
        grouped = _share_out(images, [words.count(IMAGE) for words in texts])
        rows = self.encode_prompts(texts, [len(group) for group in grouped])
        counts: list[int] = []
        if any(grouped):
            crossed = self.fusion == CROSS_ATTENTION
            seen = self.image_processor([one for group in grouped for one in group], index=crossed)
            counts = seen.pop("picture_tokens")
            values.update(seen)
            if crossed:
                values["picture_tokens"] = torch.tensor(counts)
        following = iter(counts)
        rows = [
            self.with_pictures(row, [next(following) for _ in group]) for row, group in zip(rows, grouped, strict=True)
        ]
        pad = self.ids[0]
        longest = max(map(len, rows))
        values["input_ids"] = torch.tensor([[pad] * (longest - len(row)) + row for row in rows])
        values["attention_mask"] = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
        return BatchFeature(values)

    def text(self, ids: Sequence[int] | torch.Tensor) -> str:
        """The text of an answer's ids: location tokens and marks kept; end, padding, beginning and image left out."""
        values = ids.tolist() if isinstance(ids, torch.Tensor) else list(ids)
        drop = set(self.ids)
        words: str = self.tokenizer.decode(
            [i for i in values if i not in drop], skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        return words


CROSS_ATTENTION = "cross_attention"
"""The fusion in which a picture takes one token of the text, whatever the number of its features."""


def _agreed_tokens(pictures: GroundingImageProcessor | None, tokens: int | None) -> int:
    """How many features a square view gives; an image processor that does not know its grid is told."""
    if pictures is None:
        return 196 if tokens is None else tokens
    if pictures.grid is None:
        tokens = 196 if tokens is None else tokens
        side = math.isqrt(tokens)
        pictures.grid = [side, side] if side * side == tokens else [tokens, 0]
    rows, columns = pictures.grid
    known = rows * columns if columns else rows
    if tokens not in (None, known):
        raise ConfigError(
            f"image_tokens is {tokens} and the image processor's grid {rows} x {columns}: leave image_tokens out"
        )
    return known


def _check_tokenizer(tokenizer: Any, image_token: str) -> None:
    found = tokenizer.convert_tokens_to_ids(image_token)
    if found is None or tokenizer.convert_ids_to_tokens(found) != image_token:
        raise ConfigError(
            f"{image_token!r} is no token of the tokenizer: add it, and let the model have room for it "
            f"(tokenizer.add_special_tokens({{'extra_special_tokens': [{image_token!r}]}}))"
        )
    if tokenizer.eos_token_id is None:
        raise ConfigError("the tokenizer has no end token, so no answer could end: set eos_token")


def _share_out(images: Any, marks: Sequence[int]) -> list[list[Any]]:
    """The pictures of each text, of which `marks` says how many places each has. Raises InputError."""
    if images is None:
        if any(marks):
            raise InputError(_unequal(max(marks), 0))
        return [[] for _ in marks]
    several = list(images) if isinstance(images, (list, tuple)) else [images]
    if any(isinstance(one, (list, tuple)) for one in several):
        groups = [list(one) if isinstance(one, (list, tuple)) else [one] for one in several]
        if len(groups) != len(marks):
            raise InputError(f"pictures of {len(groups)} texts for {len(marks)} texts: give a list for each text")
    else:
        wanted = [count or 1 for count in marks]
        if sum(wanted) != len(several):
            if any(marks):
                raise InputError(_unequal(sum(wanted), len(several)))
            raise InputError(f"{len(several)} pictures for {len(marks)} texts: give one picture a text")
        following = iter(several)
        groups = [[next(following) for _ in range(count)] for count in wanted]
    for group, count in zip(groups, marks, strict=True):
        if count and count != len(group):
            raise InputError(_unequal(count, len(group)))
    return groups


def _unequal(marks: int, pictures: int) -> str:
    return f"{marks} places for pictures ({IMAGE}) and {pictures} pictures: give as many as there are places"
