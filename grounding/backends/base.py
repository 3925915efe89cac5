"""Grounder: what all models share. It opens the picture, checks the question, asks, decodes, wraps and times."""

from __future__ import annotations

import math
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from grounding.codecs.base import Codec, Decoded, clean_names, clean_words
from grounding.errors import BackendError, BoxError, InputError, PromptError
from grounding.images import Canvas, open_image
from grounding.result import Grounding, Problem, Region

if TYPE_CHECKING:
    from PIL.Image import Image

TASKS = ("locate", "detect", "describe", "caption", "count", "segment")
OVERHANG_PX = 0.5
"""How far a box or point may lie outside the picture and still count as rounding: it is moved to the edge."""


@dataclass(frozen=True, slots=True)
class Question:
    """One thing to ask of one picture: a task and what that task needs."""

    task: str = "locate"
    phrase: str = ""
    names: Sequence[str] = ()
    box: Sequence[float] | None = None
    point: Sequence[float] | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A checked question, ready for a model: upright RGB picture, the prompt's text, and how pixels map."""

    image: Image
    question: Question
    prompt: str
    canvas: Canvas


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model wrote. `regions`: given only where the model knows more than its text says (scores, finer boxes)."""

    text: str
    regions: tuple[Region, ...] | None = None
    problems: tuple[Problem, ...] = ()


class Grounder(ABC):
    """A model one can ask *where*.

    A subclass sets `name` and `codec` and implements `_generate`; everything a caller sees is here. A model that writes
    no text has no codec and implements `tasks`, `_prompt` and `_decode` instead. A picture is anything
    `grounding.open_image` takes. Boxes and points are in pixels of the original, upright picture, x before y.
    Questions that make no sense raise `InputError`; what the model wrote badly stands in `Grounding.problems`.
    """

    name: str
    codec: Codec

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks this model was made for."""
        return tuple(task for task in TASKS if task in self.codec.tasks)

    # -- the verbs -----------------------------------------------------------------------------------------------------

    def ground(self, image: Any, phrase: str) -> Grounding:
        """The regions that `phrase` names; `found` is False where nothing does."""
        return self.ask(image, Question("locate", phrase=phrase))

    def detect(self, image: Any, names: Sequence[str]) -> Grounding:
        """Every instance of every name, labelled with its name."""
        return self.ask(image, Question("detect", names=names))

    def describe(
        self, image: Any, *, point: Sequence[float] | None = None, box: Sequence[float] | None = None
    ) -> Grounding:
        """What is at `point` (its text and its box) or inside `box` (its text). Give one of the two."""
        return self.ask(image, Question("describe", point=point, box=box))

    def caption(self, image: Any) -> Grounding:
        """A sentence about the picture; each region's `span` says which of its characters name it."""
        return self.ask(image, Question("caption"))

    def count(self, image: Any, phrase: str) -> Grounding:
        """How many things `phrase` names, in `count`, and a region for each."""
        return self.ask(image, Question("count", phrase=phrase))

    def segment(self, image: Any, phrase: str) -> Grounding:
        """The regions that `phrase` names, each with its `mask`."""
        return self.ask(image, Question("segment", phrase=phrase))

    def ground_many(self, pairs: Iterable[tuple[Any, str]]) -> list[Grounding]:
        """`ground` for many (picture, phrase) pairs at once, in their order."""
        return self.ask_many((image, Question("locate", phrase=phrase)) for image, phrase in pairs)

    # -- what the verbs stand on ---------------------------------------------------------------------------------------

    def ask(self, image: Any, question: Question) -> Grounding:
        """The answer to one question of any task."""
        return self.ask_many([(image, question)])[0]

    def ask_many(self, pairs: Iterable[tuple[Any, Question]]) -> list[Grounding]:
        """The answers to many questions of any tasks, in their order.

        A picture that several pairs name (the same object or the same path) is opened once and encoded once.
        `seconds` of each is the whole call's time divided by the number of questions.
        """
        return cast("list[Grounding]", self._asked(pairs, self._generate))  # which gives no errors but raises them

    def ask_each(self, pairs: Iterable[tuple[Any, Question]]) -> list[Grounding | Exception]:
        """As `ask_many`; where a model knows which questions fail, those give their error and the others an answer.

        That is a model on a server, which gets each question on its own. With any other a failure is one of all the
        questions together, and raises as in `ask_many`; so does a question that makes no sense.
        """
        return self._asked(pairs, self._generate_each)

    def stream(self, image: Any, question: str | Question) -> Iterator[Region | Grounding]:
        """Each region as soon as its last coordinate is written; at the end the whole Grounding.

        A string is a phrase to locate. A question that makes no sense raises here, before the first event.
        """
        start = time.perf_counter()
        (request,) = self._requests([(image, Question(phrase=question) if isinstance(question, str) else question)])
        return self._stream_events(request, start)

    def prompt_of(self, question: Question, width: int, height: int) -> str:
        """How the question is put to this model about a picture of that size, px. Raises what asking it would raise."""
        return self._prompt(self._checked(question, width, height), self._canvas(width, height))

    # -- what a model implements ---------------------------------------------------------------------------------------

    @abstractmethod
    def _generate(self, requests: Sequence[Request]) -> Sequence[Answer]:
        """An answer for each request, in order. Requests with the very same `image` object share a picture."""

    def _generate_each(self, requests: Sequence[Request]) -> Sequence[Answer | Exception]:
        """As `_generate`; an error in place of an answer, where the requests don't fail all together."""
        return self._generate(requests)

    def _stream(self, request: Request) -> Iterator[Region | Answer]:
        """Regions while they are written, then one Answer. Without an own implementation: all at the end."""
        (answer,) = self._generate([request])
        yield from self._wrap(request, answer).regions
        yield answer

    def _canvas(self, width: int, height: int) -> Canvas:
        """How coordinates in this model's text map to pixels; a model that normalizes to the whole picture keeps it."""
        return Canvas.identity(width, height)

    def _parts(self, question: Question) -> tuple[Question, ...]:
        """The questions that the model is asked in place of one, whose answers are put together; mostly itself."""
        return (question,)

    def _prompt(self, question: Question, canvas: Canvas) -> str:
        """How the question is put to the model: in its codec's words."""
        return self.codec.prompt(
            question.task,
            question.phrase,
            names=question.names,
            box=question.box,
            point=question.point,
            canvas=canvas,
        )

    def _decode(self, request: Request, answer: Answer) -> Decoded:
        """What the answer's text says, as its codec reads it."""
        return self.codec.decode(answer.text, request.canvas, task=request.question.task)

    def _check_prompt(self, prompt: str) -> None:  # noqa: B027
        """Raises PromptTooLongError where the model can't read so much; models with a limit implement it."""

    # -- inside --------------------------------------------------------------------------------------------------------

    def _asked(
        self,
        pairs: Iterable[tuple[Any, Question]],
        generate: Callable[[Sequence[Request]], Sequence[Answer | Exception]],
    ) -> list[Grounding | Exception]:
        start = time.perf_counter()
        requests = self._requests(pairs)
        if not requests:
            return []
        answers = generate(requests)
        if len(answers) != len(requests):
            raise BackendError(f"{self.name} gave {len(answers)} answers to {len(requests)} questions")
        results = [
            answer if isinstance(answer, Exception) else self._wrap(request, answer)
            for request, answer in zip(requests, answers, strict=True)
        ]
        seconds = (time.perf_counter() - start) / len(results)
        return [result if isinstance(result, Exception) else replace(result, seconds=seconds) for result in results]

    def _requests(self, pairs: Iterable[tuple[Any, Question]]) -> list[Request]:
        opened: dict[Any, Image] = {}
        kept = []  # keeps every source alive, so that an id is never given to a second one
        requests = []
        for source, question in pairs:
            key = os.fspath(source) if isinstance(source, str | os.PathLike) else id(source)
            if key not in opened:
                opened[key] = open_image(source)
                kept.append(source)
            image = opened[key]
            question = self._checked(question, image.width, image.height)
            canvas = self._canvas(image.width, image.height)
            prompt = self._prompt(question, canvas)
            for part in self._parts(question):
                self._check_prompt(prompt if part is question else self._prompt(part, canvas))
            requests.append(Request(image, question, prompt, canvas))
        return requests

    def _checked(self, question: Question, width: int, height: int) -> Question:
        """The question with tidy words and numbers, or the InputError that says what is wrong with it."""
        if question.task not in self.tasks:
            raise InputError(f"{self.name} knows no task {question.task!r}; it knows: {', '.join(self.tasks)}")
        if question.task == "detect":
            return Question("detect", names=clean_names(question.names))
        if question.task == "describe":
            if (question.point is None) == (question.box is None):
                raise PromptError("describe takes one of point=(x, y) and box=(x1, y1, x2, y2)")
            box = None if question.box is None else _box_inside(question.box, width, height)
            point = None if question.point is None else _point_inside(question.point, width, height)
            return Question("describe", box=box, point=point)
        if question.task == "caption":
            return Question("caption")
        return Question(question.task, phrase=clean_words(question.phrase, "phrase"))

    def _wrap(self, request: Request, answer: Answer) -> Grounding:
        question = request.question
        decoded = self._decode(request, answer)
        regions = decoded.regions if answer.regions is None else answer.regions
        problems = dict.fromkeys((*decoded.problems, *answer.problems))
        return Grounding(
            phrase=question.phrase or " ; ".join(question.names),
            regions=tuple(_as_asked(region, question) for region in regions),
            text=answer.text if decoded.text is None else decoded.text,
            raw=None if decoded.text is None else answer.text,
            width=request.image.width,
            height=request.image.height,
            problems=tuple(problems),
            task=question.task,
            model=self.name,
            image=request.image,
        )

    def _stream_events(self, request: Request, start: float) -> Iterator[Region | Grounding]:
        for event in self._stream(request):
            if isinstance(event, Answer):
                yield replace(self._wrap(request, event), seconds=time.perf_counter() - start)
            else:
                yield _as_asked(event, request.question)


def _as_asked(region: Region, question: Question) -> Region:
    """The region with its label spelled as the name that was asked for: a model may write in lower case."""
    if question.task == "detect" and region.label is not None and region.label not in question.names:
        for name in question.names:
            if name.casefold() == region.label.casefold():
                return replace(region, label=name)
    return region


def _numbers(values: Sequence[float], count: int, form: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(value) for value in values)
    except (TypeError, ValueError):
        numbers = ()
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise BoxError(f"expected {form} in pixels, {count} finite numbers; got {values!r:.80}")
    return numbers


def _box_inside(values: Sequence[float], width: int, height: int) -> tuple[float, float, float, float]:
    """The box as floats, moved to the edge where it overhangs by rounding; BoxError where it is not in this picture."""
    x1, y1, x2, y2 = _numbers(values, 4, "box=(x1, y1, x2, y2)")
    if x1 >= x2 or y1 >= y2:
        raise BoxError(
            f"box {_show(x1, y1, x2, y2)} has no area: give its left, top, right and bottom edge (x1 < x2, y1 < y2)"
        )
    left, top, right, bottom = max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height))
    if max(left - x1, top - y1, x2 - right, y2 - bottom) > OVERHANG_PX:
        remedy = f"clip it to {_show(left, top, right, bottom)}" if left < right and top < bottom else "give one inside"
        raise BoxError(f"box {_show(x1, y1, x2, y2)} leaves the picture of {width} x {height} px: {remedy}")
    return left, top, right, bottom


def _point_inside(values: Sequence[float], width: int, height: int) -> tuple[float, float]:
    """The point as floats, moved to the edge where it overhangs by rounding; BoxError where it misses the picture."""
    x, y = _numbers(values, 2, "point=(x, y)")
    inside_x, inside_y = min(max(x, 0.0), float(width)), min(max(y, 0.0), float(height))
    if max(abs(x - inside_x), abs(y - inside_y)) > OVERHANG_PX:
        raise BoxError(
            f"point {_show(x, y)} is outside the picture of {width} x {height} px: "
            f"give x from 0 to {width} and y from 0 to {height}"
        )
    return inside_x, inside_y


def _show(*numbers: float) -> str:
    return f"({', '.join(f'{number:g}' for number in numbers)})"
