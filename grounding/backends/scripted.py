"""Scripted: answers given beforehand, read through the real codec. For tests, and to show what a model's text means."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from grounding.backends.base import TASKS, Answer, Grounder, Question, Request
from grounding.codecs import get_codec
from grounding.errors import BackendError, ConfigError
from grounding.result import Region

PIECE = 7
"""Characters per piece of a streamed answer: few, so that pieces end in the middle of location tokens."""

Key = tuple[str, tuple[str, ...], tuple[float, ...]]
"""What is looked up: task, words, numbers of the box or point."""


class Scripted(Grounder):
    """A Grounder that answers from a table.

    `answers`: a phrase's answer text by phrase, the same for every task, or (Question, text) pairs. A pair whose
    question has no words and no place answers whatever else is asked of its task. Asked anything else: BackendError.
    """

    def __init__(
        self,
        answers: Mapping[str, str] | Iterable[tuple[Question, str]],
        *,
        codec: str = "location",
        name: str = "scripted",
    ) -> None:
        self.name = name
        self.codec = get_codec(codec)
        self._answers: dict[Key, str] = {}
        if isinstance(answers, Mapping):
            answers = [(Question(task, phrase, (phrase,)), text) for task in TASKS for phrase, text in answers.items()]
        for question, text in answers:
            key = _key(question)
            if self._answers.setdefault(key, text) != text:
                raise ConfigError(f"the script answers {_say(key)} twice and differently: keep one of the two answers")

    def _generate(self, requests: Sequence[Request]) -> list[Answer]:
        return [Answer(self._look_up(request.question)) for request in requests]

    def _stream(self, request: Request) -> Iterator[Region | Answer]:
        text = self._look_up(request.question)
        stream = self.codec.stream(request.canvas, task=request.question.task)
        for start in range(0, len(text), PIECE):
            yield from stream.feed(text[start : start + PIECE])
        yield from stream.close().regions[stream.yielded :]
        yield Answer(text)

    def _look_up(self, question: Question) -> str:
        key = _key(question)
        text = self._answers.get(key, self._answers.get((question.task, (), ())))
        if text is None:
            known = ", ".join(map(_say, list(self._answers)[:5])) or "nothing"
            raise BackendError(f"{self.name} has no answer to {_say(key)}; add one (it answers: {known})")
        return text


def open_script(path: str, *, codec: str = "location", device: str | None = None, dtype: Any = None) -> Scripted:
    """The script in a file with one JSON object a line: `answer`, and what is asked.

    That is `task` ("locate" where it is left out), `phrase`, `names`, `box`, `point`. Device and dtype say nothing to
    a script. Raises ConfigError.
    """
    try:
        lines = Path(path).expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(
            f"the script {path!r} can't be read ({reason}): give a file with one JSON object a line"
        ) from None
    answers = [_read(line, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]
    return Scripted(answers, codec=codec, name=f"scripted:{path}")


def _read(line: str, where: str) -> tuple[Question, str]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise ConfigError(f"{where} is not JSON ({error})") from None
    if not isinstance(row, dict) or not isinstance(row.get("answer"), str):
        raise ConfigError(f'{where} has no text under "answer"')
    task = row.get("task", "locate")
    if task not in TASKS:
        raise ConfigError(f"{where} has the task {task!r}; known: {', '.join(TASKS)}")
    question = Question(task, row.get("phrase") or "", tuple(row.get("names") or ()), row.get("box"), row.get("point"))
    return question, row["answer"]


def _key(question: Question) -> Key:
    words = tuple(question.names) if question.task == "detect" else (question.phrase,) if question.phrase else ()
    place = question.point if question.box is None else question.box
    return question.task, words, tuple(float(number) for number in place or ())


def _say(key: Key) -> str:
    task, words, place = key
    return " ".join(filter(None, (task, " ; ".join(words), str(place) if place else "")))
