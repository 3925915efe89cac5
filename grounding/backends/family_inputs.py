"""Owns the way from questions to a family's tensors: what pictures are made of, what stands around a prompt.

No model is needed here, so that a training can prepare its questions in other processes, in the very form in which they
will be asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from inspect import signature
from typing import Any

from PIL import Image

from grounding.backends import fuyu_places
from grounding.backends.base import Request
from grounding.backends.families import Family
from grounding.backends.hub import reason_of
from grounding.codecs.base import Codec
from grounding.errors import BackendError, CheckpointError, ImageError, MissingExtraError
from grounding.images import Canvas

REFUSALS = (ValueError, TypeError, RuntimeError, LookupError, ZeroDivisionError, OverflowError, AttributeError)
"""What processors raise for pictures that they can't take."""


class FamilyInputs:
    """What a model of the family is given. `name`: what errors call it."""

    def __init__(self, name: str, family: Family, processor: Any, codec: Codec) -> None:
        self.name, self.family, self.processor, self.codec = name, family, processor, codec
        self.padding_side = str(processor.tokenizer.padding_side)
        """Of its tokenizer, as its files have it; who asks sets another."""
        self._measured = lru_cache(maxsize=1024)(self._measure)
        if processor.tokenizer.pad_token_id is None:
            processor.tokenizer.pad_token = processor.tokenizer.eos_token

    # -- pictures ------------------------------------------------------------------------------------------------------

    def canvas(self, width: int, height: int) -> Canvas:
        """What coordinates count along, for a picture of `width` x `height` px. Raises ImageError for odd shapes."""
        return self._measured(width, height)

    def _measure(self, width: int, height: int) -> Canvas:
        if self.family.sees not in ("grid", "scaled"):
            return self.codec.canvas(width, height)
        # Only the processor knows for sure how it resizes, so that it is shown a picture of the size.
        try:
            seen = self.processor.image_processor(images=[Image.new("RGB", (width, height))], return_tensors="pt")
        except REFUSALS as error:
            raise self._refused(width, height, error) from error
        if self.family.sees == "grid":
            _, rows, columns = (int(count) for count in seen["image_grid_thw"][0])
            patch = int(self.processor.image_processor.patch_size)
            size = (columns * patch, rows * patch)
        else:
            size = (int(seen["image_unpadded_widths"][0][0]), int(seen["image_unpadded_heights"][0][0]))
        return self.codec.canvas(width, height, input_size=size)

    def _refused(self, width: int, height: int, error: BaseException) -> ImageError:
        return ImageError(
            f"the processor of {self.family.name} refuses a picture of {width} x {height} px "
            f"({reason_of(error)}): resize, crop or pad it"
        )

    def shown(self, image: Image.Image) -> Image.Image:
        """The picture as the processor is given it."""
        if self.family.sees != "padded":
            return image
        mean = getattr(self.processor.image_processor, "image_mean", None) or (0.5, 0.5, 0.5)
        red, green, blue = (int(255 * share) for share in mean)
        width, height = image.size
        canvas = Canvas.pad(width, height, max(width, height))
        return canvas.apply(image, fill=(red, green, blue))

    # -- prompts -------------------------------------------------------------------------------------------------------

    def text(self, prompt: str) -> str:
        """The whole text of a question, with whatever stands for the picture, before the processor takes it."""
        if self.family.form == "plain":
            return prompt
        if self.family.form == "image first":
            return f"{self.processor.image_token}{prompt}"
        return self.chat([{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": prompt}]}])

    def chat(self, messages: Sequence[Mapping[str, Any]]) -> str:
        """The text of a conversation by the checkpoint's chat template, up to where the model is to go on."""
        try:
            text: str = self.processor.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)
        except ImportError as error:
            raise MissingExtraError(f"chat templates need jinja2: pip install jinja2 ({reason_of(error)})") from error
        except Exception as error:  # a template is a program of the checkpoint's, in jinja's own sandbox
            raise CheckpointError(
                f"the chat template of {self.name} fails ({reason_of(error)}): copy chat_template.jinja anew"
            ) from error
        return text

    # -- both ----------------------------------------------------------------------------------------------------------

    def tensors(self, requests: Sequence[Request]) -> Any:
        """What the model is given for these requests: the processor's tensors, padded where the tokenizer pads.

        Raises ImageError for a picture that the processor refuses.
        """
        prompts = [request.prompt for request in requests]
        numbers: list[list[str]] = []
        if self.family.numbered:
            held = [fuyu_places.hold_places(request.prompt, request.canvas) for request in requests]
            prompts, numbers = [prompt for prompt, _ in held], [numbers for _, numbers in held]
        made = self.processed([self.text(prompt) for prompt in prompts], [[request.image] for request in requests])
        for row, values in zip(made["input_ids"], numbers, strict=False):
            fuyu_places.put_numbers(self.processor.tokenizer, row, values)
        return made

    def processed(self, texts: Sequence[str], images: Sequence[Sequence[Image.Image]]) -> Any:
        """The processor's tensors of texts, each with the pictures that it has places for, in their order."""
        shown = [[self.shown(image) for image in row] for row in images]
        more: dict[str, Any] = {}
        if "return_legacy_image_output" in signature(type(self.processor).__call__).parameters:
            more["return_legacy_image_output"] = False  # Fuyu's old names for tensors; older releases know no others
        begin = self.processor.tokenizer.bos_token
        if self.family.form == "chat" and begin and texts[0].startswith(begin):
            more["add_special_tokens"] = False  # the template has written it; a second one is a question never trained
        flat = [image for row in shown for image in row]
        try:
            made = self.processor(
                images=(shown if self.family.nested else flat) if flat else None,
                text=list(texts),
                padding=True,
                return_tensors="pt",
                **more,
            )
        except REFUSALS as error:
            for row, originals in zip(shown, images, strict=True):
                for image, original in zip(row, originals, strict=True):
                    try:
                        self.processor.image_processor(images=[image], return_tensors="pt")
                    except REFUSALS as reason:
                        raise self._refused(original.width, original.height, reason) from reason
            raise BackendError(
                f"the processor of {self.family.name} failed on {texts[0][:60]!r} ({reason_of(error)}): "
                "its files may be of another release than transformers can read"
            ) from error
        made.pop("labels", None)  # PaliGemma's processor makes them for training
        return made
