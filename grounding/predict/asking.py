"""Owns the asking of a chunk: one call for all of it, and where that fails only the guilty questions fail."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from PIL.Image import Image

from grounding.backends.base import Grounder
from grounding.data.predictions import Prediction
from grounding.errors import BackendError, CheckpointError, InputError, MissingExtraError, OutputError
from grounding.predict.header import question_of
from grounding.predict.plan import Chunk
from grounding.result import Grounding

POINTLESS = (CheckpointError, MissingExtraError, OutputError, MemoryError)
"""After these no other question would fare better."""
_LOST_DEVICE = ("cuda error", "cublas_status", "cudnn_status", "device-side assert", "hip error", "device is lost")
"""How a GPU says that it takes no more work from this process."""

Opened = Image | Exception
"""A picture, or why there is none."""


class GaveUpError(BackendError):
    """So many questions failed in a row that the rest would fail too."""


@dataclass
class Asker:
    """Asks a model chunk by chunk, and keeps count of failures in a row."""

    model: Grounder
    seed: int = 0
    give_up_after: int = 16
    """Failures in a row, of which neither picture nor phrase is the cause; 0: never."""
    answered: bool = False
    """Whether anything has been answered yet. As long as nothing has, phrases and pictures count as causes too, as
    when the pictures are of another size than the data set says."""
    in_a_row: int = field(default=0, init=False)

    def ask(self, chunk: Chunk, pictures: Sequence[Opened]) -> list[Prediction]:
        """A prediction for each of the chunk's questions, in their order; those that failed hold the reason.

        `pictures`: one for each question, the very same object for the same picture. Raises GaveUpError, and what
        makes all further questions pointless: POINTLESS, and BackendError where the GPU is lost.
        """
        seed_everything(self.seed, chunk.number)
        samples = chunk.samples
        got: dict[int, Grounding | Exception] = {}
        askable = [place for place, picture in enumerate(pictures) if not isinstance(picture, Exception)]
        if askable:
            got |= self._answers(chunk, pictures, askable)
        for place, picture in enumerate(pictures):
            if isinstance(picture, Exception):
                got[place] = self._failed(picture, known=samples[place].picture.missing())
        return [
            Prediction.of(sample, None, error=sentence(found), chunk=chunk.number)
            if isinstance(found, Exception)
            else Prediction.of(sample, found, chunk=chunk.number)
            for sample, found in zip(samples, (got[place] for place in range(len(samples))), strict=True)
        ]

    @property
    def doubtful(self) -> bool:
        """Whether the last failures may be nobody's but the model's."""
        return bool(self.give_up_after and self.in_a_row)

    # -- inside

    def _answers(
        self, chunk: Chunk, pictures: Sequence[Opened], places: Sequence[int]
    ) -> dict[int, Grounding | Exception]:
        """The answers at these places of the chunk: all at once, else picture by picture, else one by one."""
        try:
            answers = self.model.ask_each((pictures[place], question_of(chunk.samples[place])) for place in places)
        except POINTLESS:
            raise
        except Exception as error:
            if lost := lost_device(error):
                raise lost from error
            if len(places) == 1:
                return {places[0]: self._failed(error)}
        else:
            return {place: self._seen(answer) for place, answer in zip(places, answers, strict=True)}
        free_memory()
        by_picture: dict[int, list[int]] = {}
        for place in places:
            by_picture.setdefault(id(pictures[place]), []).append(place)
        smaller = list(by_picture.values()) if len(by_picture) > 1 else [[place] for place in places]
        got: dict[int, Grounding | Exception] = {}
        for part in smaller:
            seed_everything(self.seed, chunk.number)
            got |= self._answers(chunk, pictures, part)
        return got

    def _seen(self, answer: Grounding | Exception) -> Grounding | Exception:
        """The answer itself, counted."""
        if isinstance(answer, Exception):
            return self._failed(answer)
        self.in_a_row, self.answered = 0, True
        return answer

    def _failed(self, error: Exception, *, known: bool = False) -> Exception:
        """The error itself, counted. `known`: a picture that was known to be missing says nothing of the others."""
        if not known and (not isinstance(error, InputError) or not self.answered):
            self.in_a_row += 1
        if self.give_up_after and self.in_a_row >= self.give_up_after:
            whose = "" if self.answered else ", and none was answered so far"
            raise GaveUpError(
                f"{self.in_a_row} questions in a row failed{whose}; the last: {sentence(error).rstrip('.')}"
            )
        return error


def sentence(error: Exception) -> str:
    """What a line says of it; nothing in it steers a terminal."""
    text = "".join(sign if sign.isprintable() else "\ufffd" for sign in " ".join(str(error).split()))
    if isinstance(error, InputError | BackendError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def lost_device(error: Exception) -> BackendError | None:
    """The BackendError to stop with, if the error says that the GPU can't be used any more; else None."""
    text = str(error).lower()
    if "out of memory" in text or not any(sign in text for sign in _LOST_DEVICE):
        return None
    return BackendError(f"the GPU can't be used any more ({str(error).splitlines()[0][:160]}): start the run again")


def seed_everything(seed: int, chunk: int) -> None:
    """Begins all chance anew, so that a chunk's answers depend on nothing that was asked before it."""
    number = (seed * 1_000_003 + chunk) % 2**32
    random.seed(number)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(number)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(number)


def free_memory() -> None:
    """Gives back what a failed call left on the GPU."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
