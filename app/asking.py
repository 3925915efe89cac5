"""Owns an answer in the making: a question checked, asked, streamed, stopped, timed."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from PIL import Image

from grounding import Grounding, GroundingError, Question, Region
from grounding.draw import colors_of
from grounding.draw.colors import PALETTE
from grounding.errors import BackendError, CheckpointError, MissingExtraError, PromptError

from .models import Models

log = logging.getLogger("app")
TASKS = ("locate", "detect", "describe", "caption", "count", "segment")
LONGEST_PHRASE = 400
"""Characters of a question; longer ones are refused before a model sees them."""
MOST_NAMES = 20
WENT_WRONG = "Something went wrong on the server. It is written down there; ask again, or ask something else."


class StoppedError(Exception):
    """An answer that nobody waits for any more, or that took too long."""


def question_of(data: Mapping[str, Any]) -> Question:
    """The question that a page or a client sent. Raises PromptError in words for what can't be one."""
    task = str(data.get("task", "locate"))
    if task not in TASKS:
        raise PromptError(f"no task named {task[:40]!r}; known: {', '.join(TASKS)}")
    phrase, names = data.get("phrase") or "", data.get("names") or []
    if isinstance(names, str):
        names = names.split(",")
    names = [str(name).strip() for name in names if str(name).strip()]
    if len(str(phrase)) > LONGEST_PHRASE or sum(map(len, names)) > LONGEST_PHRASE:
        raise PromptError(f"the question is longer than {LONGEST_PHRASE} characters: ask in fewer words")
    if len(names) > MOST_NAMES:
        raise PromptError(f"{len(names)} names are too many at once: give {MOST_NAMES} at most")
    return Question(task, phrase=str(phrase), names=names, box=data.get("box"), point=data.get("point"))


class Asking:
    """Asks models, and knows which answers are being written, so that they can be stopped."""

    def __init__(self, models: Models, time_limit_s: float) -> None:
        self.models, self.time_limit_s = models, time_limit_s
        self._stops: dict[str, threading.Event] = {}

    def stop(self, ask_id: str) -> bool:
        """Ends the answer of that name, if it is being written or waits; its worker is free at the next token."""
        event = self._stops.get(ask_id)
        if event is not None:
            event.set()
        return event is not None

    def events(self, image: Image.Image, data: Mapping[str, Any], model: str, ask_id: str = "") -> Iterator[Any]:
        """What happens while an answer is written, as JSON: regions one by one, then the answer or a sentence.

        {"kind": "region", "region", "color"} · {"kind": "answer", "answer", "colors", "tokens"} ·
        {"kind": "problem", "message"}
        """
        stopped = threading.Event()
        if ask_id:
            self._stops[ask_id] = stopped
        try:
            question = question_of(data)
            check = self._checker(stopped)
            with self.models.lent(model, check) as lent:
                yield from self._written(lent, image, question, check, model)
        except StoppedError:
            yield {"kind": "problem", "message": "Stopped.", "stopped": True}
        except GroundingError as error:
            yield {"kind": "problem", "message": sentence(error)}
        except GeneratorExit:
            stopped.set()
            raise
        except Exception:
            log.exception("an answer failed")
            yield {"kind": "problem", "message": WENT_WRONG}
        finally:
            self._stops.pop(ask_id, None)

    def answer(self, image: Image.Image, data: Mapping[str, Any], model: str) -> Grounding:
        """The whole answer at once. Raises GroundingError, at the time limit too."""
        question, check = question_of(data), self._checker(threading.Event())
        with self.models.lent(model, check) as lent:
            *_, last = self._stream(lent, image, question, check)
        assert isinstance(last, Grounding)  # a stream ends with it
        return last.replace(model=model)

    def _written(
        self, lent: Any, image: Image.Image, question: Question, check: Callable[[], None], name: str
    ) -> Iterator[dict[str, Any]]:
        before = getattr(lent, "tokens_written", None)
        shown: list[Region] = []
        for event in self._stream(lent, image, question, check):
            if isinstance(event, Region):
                shown.append(event)
                yield {"kind": "region", "region": event.to_json(), "color": _color(shown, question)}
                continue
            tokens = None if before is None else lent.tokens_written - before
            yield {
                "kind": "answer",
                "answer": event.replace(model=name).to_json(),
                "colors": colors_of(event),
                "tokens": tokens,
            }

    def _stream(
        self, lent: Any, image: Image.Image, question: Question, check: Callable[[], None]
    ) -> Iterator[Region | Grounding]:
        watched = hasattr(lent, "watch")
        if watched:
            lent.watch(check)
        try:
            check()
            for event in lent.stream(image, question):
                if isinstance(event, Region):
                    check()
                yield event
        finally:
            if watched:
                lent.watch(None)

    def _checker(self, stopped: threading.Event) -> Callable[[], None]:
        end = time.monotonic() + self.time_limit_s

        def check() -> None:
            if stopped.is_set():
                raise StoppedError
            if time.monotonic() > end:
                raise PromptError(
                    f"the answer took longer than {self.time_limit_s:g} seconds and was cut: ask for less at once"
                )

        return check


def sentence(error: Exception) -> str:
    """The error's message for a person: begins with a capital and ends with a full stop."""
    if isinstance(error, (BackendError, CheckpointError, MissingExtraError)):
        # the operator's business, and such messages name files and servers
        log.error("a model failed: %s", error)
        return "This model could not answer. What went wrong is written down on the server."
    if "decompression bomb" in str(error):
        return "This picture has many more million pixels than the server takes: shrink it."
    text = " ".join(str(error).split()).replace(", or pass limits=ImageLimits(max_bytes=...)", "")
    text = text.replace(", or pass limits=ImageLimits(max_pixels=...)", "").replace("the data ", "this file ")
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '!', '?')) else '.'}"


def _color(shown: list[Region], question: Question) -> str:
    """The colour of the newest region, which is the one it will have in the whole answer where names tell colours."""
    if question.task == "detect":
        order = list(dict.fromkeys(region.label for region in shown))
        return PALETTE[order.index(shown[-1].label) % len(PALETTE)]
    return PALETTE[(len(shown) - 1) % len(PALETTE)]
