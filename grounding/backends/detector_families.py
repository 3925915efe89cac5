"""The families of detectors that transformers carries: how each is asked for names, and what its numbers say.

Each family's own processor makes tensors of pictures and names, and boxes and scores of the model's numbers. What is
here is what those processors leave open: which name a box is of, which questions may share a batch without changing
each other's answers, and what is too long to be read whole.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from grounding.errors import PromptError, PromptTooLongError

if TYPE_CHECKING:
    from PIL.Image import Image

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Found:
    """One box that a detector gave.

    `box`: x1 y1 x2 y2 in pixels of the picture, perhaps beyond its edges. `name`: which of the names asked for it is.
    `words`: what the model calls it; None where it is sure of the box but of no word.
    """

    box: Box
    score: float
    name: str
    words: str | None


class Family(ABC):
    """One family with a loaded processor."""

    title: ClassVar[str]
    """What messages call it."""
    model: ClassVar[str]
    """The class of transformers that opens its weights."""
    processor: ClassVar[str]
    """The class of transformers that makes its inputs and reads its outputs."""
    thresholds: ClassVar[Mapping[str, float]]
    """The thresholds that its processor takes, with the processor's own defaults."""
    outputs: ClassVar[tuple[str, ...]]
    """The numbers of its answer that its processor reads."""
    package: ClassVar[str | None] = None
    """What its processor needs beside transformers."""

    def __init__(self, processor: Any, config: Any) -> None:
        self._processor = processor
        self._config = config

    @abstractmethod
    def prompt(self, names: Sequence[str]) -> str:
        """What the model is asked. Raises PromptError, and PromptTooLongError where it would not read all of it."""

    @abstractmethod
    def mates(self, image: Image, names: Sequence[str]) -> Hashable:
        """Questions of which this is equal may share a batch: padding changes none of their answers."""

    @abstractmethod
    def inputs(self, images: Sequence[Image], names: Sequence[Sequence[str]]) -> Any:
        """The model's arguments, a row for each picture with its names."""

    @abstractmethod
    def read(
        self,
        outputs: Any,
        inputs: Mapping[str, Any],
        names: Sequence[Sequence[str]],
        sizes: Sequence[tuple[int, int]],
        thresholds: Mapping[str, float],
    ) -> list[list[Found]]:
        """For each row its boxes over the threshold, in no order. `sizes`: height and width of each picture."""


class GroundingDino(Family):
    """Reads all names as one text, `red star. ring.`, and scores every box against every token of it."""

    title = "GroundingDINO"
    model = "GroundingDinoForObjectDetection"
    processor = "GroundingDinoProcessor"
    thresholds: ClassVar[Mapping[str, float]] = {"threshold": 0.25, "text_threshold": 0.25}
    outputs = ("logits", "pred_boxes")

    _ENDS = re.compile("[.?]+")  # where the model's own code cuts its text into names

    def prompt(self, names: Sequence[str]) -> str:
        text, places = self._join(names)
        for name, own in zip(names, self._tokens(text, places), strict=True):
            if not own:
                raise PromptError(f"the name {name!r:.60} has nothing in it that {self.title} reads: use words")
        limit = self._config.max_text_len
        if (count := len(self._processor.tokenizer(text, verbose=False)["input_ids"])) > limit:
            what = "a shorter phrase" if len(names) == 1 else "fewer names at once"
            raise PromptTooLongError(
                f"{text!r:.60} takes {count} tokens and {self.title} reads {limit}: ask for {what}"
            )
        return text

    def mates(self, image: Image, names: Sequence[str]) -> Hashable:
        # Pictures of other sizes would be padded, and the backbone sees padding.
        return image.size

    def inputs(self, images: Sequence[Image], names: Sequence[Sequence[str]]) -> Any:
        texts = [self._join(own)[0] for own in names]
        return self._processor(images=list(images), text=texts, padding=True, return_tensors="pt")

    def read(
        self,
        outputs: Any,
        inputs: Mapping[str, Any],
        names: Sequence[Sequence[str]],
        sizes: Sequence[tuple[int, int]],
        thresholds: Mapping[str, float],
    ) -> list[list[Found]]:
        results = self._processor.post_process_grounded_object_detection(
            outputs, input_ids=inputs["input_ids"], target_sizes=list(sizes), **thresholds
        )
        rows = []
        for logits, result, own in zip(outputs.logits, results, names, strict=True):
            chances = logits.sigmoid()
            kept = chances[chances.amax(-1) > thresholds["threshold"]]
            labels = result["text_labels"][: len(kept)]  # for no box at all it gives one label
            found = zip(
                result["boxes"].tolist(), result["scores"].tolist(), self._surest(kept, own), labels, strict=True
            )
            rows.append([Found(box, score, name, self._words(label, name)) for box, score, name, label in found])
        return rows

    def _join(self, names: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
        """The text of the names, and where in it each of them starts and ends."""
        text, places = "", []
        for name in names:
            words = " ".join(self._ENDS.sub(" ", name).lower().split())
            text += " " if text else ""
            places.append((len(text), len(text) + len(words)))
            text += words + "."
        return text, places

    def _tokens(self, text: str, places: Sequence[tuple[int, int]]) -> list[list[int]]:
        """The places of each name's tokens in the model's input."""
        spans = self._processor.tokenizer(text, return_offsets_mapping=True, verbose=False)["offset_mapping"]
        return [
            [place for place, (start, end) in enumerate(spans) if first <= start < end <= last]
            for first, last in places
        ]

    def _surest(self, chances: torch.Tensor, names: Sequence[str]) -> list[str]:
        """For each box the name with the surest token.

        The processor's own labels put together all tokens that are sure enough, whoever's they are: "star ring", or
        "cup" where a red cup and a blue cup were asked for.
        """
        tokens = self._tokens(*self._join(names))
        return [names[which] for which in torch.stack([chances[:, own].amax(-1) for own in tokens]).argmax(0).tolist()]

    def _words(self, label: str, name: str) -> str | None:
        """The processor's label without full stops and special tokens; spelled as the name where it is all of it."""
        special = self._processor.tokenizer.all_special_tokens
        words = " ".join(word for word in self._ENDS.sub(" ", label).split() if word not in special)
        return name if words and _letters(words) == _letters(name) else words or None


class MMGroundingDino(GroundingDino):
    """GroundingDINO as OpenMMLab trained it; other weights and heads, the same questions and answers."""

    title = "MM-GroundingDINO"
    model = "MMGroundingDinoForObjectDetection"


class NameByName(Family):
    """Families that read each name by itself and score every box against every name."""

    longest: ClassVar[int | None] = None
    """How many tokens the processor lets a name have, where that may be less than what the model reads."""

    def prompt(self, names: Sequence[str]) -> str:
        limit = self._config.text_config.max_position_embeddings
        limit = limit if self.longest is None else min(limit, self.longest)
        for name in names:
            count = len(self._processor.tokenizer(name, verbose=False)["input_ids"])
            if count > limit:
                raise PromptTooLongError(
                    f"{name!r:.60} takes {count} tokens and {self.title} reads {limit}: say it in fewer words"
                )
        return " ; ".join(names)

    def mates(self, image: Image, names: Sequence[str]) -> Hashable:
        # Fewer names would be padded with names of nothing, which win boxes all the same.
        return len(names)

    def inputs(self, images: Sequence[Image], names: Sequence[Sequence[str]]) -> Any:
        return self._processor(images=list(images), text=[list(own) for own in names], return_tensors="pt")

    def read(
        self,
        outputs: Any,
        inputs: Mapping[str, Any],
        names: Sequence[Sequence[str]],
        sizes: Sequence[tuple[int, int]],
        thresholds: Mapping[str, float],
    ) -> list[list[Found]]:
        results = self._processor.post_process_grounded_object_detection(
            outputs, target_sizes=list(sizes), text_labels=[list(own) for own in names], **thresholds
        )
        return [
            [
                Found(box, score, name, name)
                for box, score, name in zip(
                    result["boxes"].tolist(), result["scores"].tolist(), result["text_labels"], strict=True
                )
            ]
            for result in results
        ]


class Owlv2(NameByName):
    """Sees the picture padded to a square at the right or at the bottom; a box may lie in the padding."""

    title = "OWLv2"
    model = "Owlv2ForObjectDetection"
    processor = "Owlv2Processor"
    thresholds: ClassVar[Mapping[str, float]] = {"threshold": 0.1}
    outputs = ("logits", "pred_boxes")
    package = "torchvision"  # there is a stand-in without it, which resizes otherwise


class OmDetTurbo(NameByName):
    """Is also told its task, `Detect red star, ring.`, of which it reads the beginning where that is long."""

    title = "OmDet-Turbo"
    model = "OmDetTurboForObjectDetection"
    processor = "OmDetTurboProcessor"
    thresholds: ClassVar[Mapping[str, float]] = {"threshold": 0.3, "nms_threshold": 0.5}
    outputs = ("decoder_class_logits", "decoder_coord_logits")
    package = "torchvision"
    longest = 77  # its processor cuts there


FAMILIES: Mapping[str, type[Family]] = {
    "grounding-dino": GroundingDino,
    "mm-grounding-dino": MMGroundingDino,
    "owlv2": Owlv2,
    "omdet-turbo": OmDetTurbo,
}
"""The `model_type` of a config.json to its family."""


def _letters(text: str) -> str:
    """Letters and digits alone, in lower case: tokens come back with other blanks than they were written with."""
    return "".join(character for character in text.casefold() if character.isalnum())
