"""Owns predictions.jsonl: a header that says what was asked of which model, then one line for each question.

Every line holds the question, its truth and the answer, so that scoring needs this one file: no data set, no picture,
no model. `grounding.predict` writes it, `grounding.score` and `grounding.report` read it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TextIO, TypeAlias

from grounding.data.dataset import SCORINGS, DataProblem
from grounding.data.sample import Sample
from grounding.errors import GroundingError, InputError
from grounding.result import Grounding, Problem, Region

FORMAT = "grounding predictions"
VERSION = 1


@dataclass(frozen=True)
class Header:
    """The first line: what a figure made of the file has to state."""

    dataset: str
    """Such as "refcoco:testA"."""
    scoring: str
    """One of `grounding.data.dataset.SCORINGS`."""
    samples: int | None
    """How many questions were to be asked: how many lines a finished file has. None of a stream, until it is done."""
    model: str
    """The model's name."""
    expected: int | None = None
    """How many questions the published split has."""
    fingerprint: str | None = None
    """Of the data set: ids, questions, truths and picture keys."""
    source: str = ""
    """Format and files the data set was read from."""
    notes: tuple[str, ...] = ()
    """What has to be said beside any figure."""
    missing_pictures: int = 0
    """How many pictures of the data set could not be found when the asking began."""
    data_problems: Mapping[str, int] = field(default_factory=dict)
    """How many entries of the data set were wrong, by kind."""
    codec: str | None = None
    """The family of texts; None for a model that writes none."""
    rounding: str | None = None
    """The codec's rule for reading coordinates."""
    prompt: str | None = None
    """How the first question was put, as the model read it."""
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    """What the model was loaded with, and how many questions went into a chunk."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Of Python, this package, torch, transformers."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    """The data set's own, such as its categories."""
    opened: str | None = None
    """The name that the data set was opened by; None where it was made in another way."""
    reader_options: Mapping[str, Any] = field(default_factory=dict)
    """What its reader was told besides."""
    root: str | None = None
    """Where the data set was read from, so that a report can show its pictures; says nothing of the answers."""
    images: str | None = None
    """Where its pictures lay; says nothing of the answers."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"format": FORMAT, "version": VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, data: Any, where: str) -> Header:
        """The header that `to_json` wrote. Raises InputError that names `where`."""
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise InputError(
                f"{where} is no header of predictions: the first line of the file says what was asked; "
                "make the file with `grounding predict`"
            )
        if data.get("version") != VERSION:
            raise InputError(f"{where} has version {data.get('version')!r} of the format; this package reads {VERSION}")
        known = {entry.name for entry in fields(cls)}
        missing = {"dataset", "scoring", "samples", "model"} - set(data)
        if missing:
            raise InputError(f"{where} lacks {', '.join(sorted(missing))}")
        _check(data, _HEADER_SHAPES, f"{where}: ")
        if data["scoring"] not in SCORINGS:
            raise InputError(f"{where} is scored as {data['scoring']!r}; known: {', '.join(SCORINGS)}")
        values = {name: value for name, value in data.items() if name in known}
        return cls(**{**values, "notes": tuple(values.get("notes", ()))})

    def differences(self, other: Header) -> list[str]:
        """Names of the fields that two runs must share for their lines to stand in one file, and don't."""
        places = {"opened", "root", "images", "missing_pictures"}
        if None in (self.samples, other.samples):  # of a stream, both are known at its end only
            places |= {"samples", "data_problems"}
        mine, theirs = json.loads(json.dumps(self.to_json())), json.loads(json.dumps(other.to_json()))
        return [name for name in mine if name not in places and mine[name] != theirs[name]]


@dataclass(frozen=True)
class Prediction:
    """One line: a question, its truth, and the answer or why there is none."""

    id: str
    picture: str
    """The picture's key."""
    truth: Grounding
    answer: Grounding | None
    error: str | None = None
    """One sentence; None where there is an answer."""
    kind: str | None = None
    crowd: tuple[Region, ...] = ()
    names: tuple[str, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)
    chunk: int | None = None
    """Which chunk of the run it was asked in; lines of one chunk were asked together."""

    @property
    def phrase(self) -> str:
        """What was asked."""
        return self.truth.phrase

    @classmethod
    def of(
        cls, sample: Sample, answer: Grounding | None, *, error: str | None = None, chunk: int | None = None
    ) -> Prediction:
        """The line of a sample."""
        truth = sample.truth.replace(phrase=sample.phrase, task=sample.task)
        return cls(
            sample.id,
            sample.picture.key,
            truth,
            answer,
            error,
            sample.kind,
            sample.crowd,
            sample.names,
            sample.meta,
            chunk,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; what the question, the truth and the answer share is written once."""
        data: dict[str, Any] = {"id": self.id, "picture": self.picture, "task": self.truth.task, "phrase": self.phrase}
        if self.names:
            data["names"] = list(self.names)
        if self.kind is not None:
            data["kind"] = self.kind
        data |= {"width": self.truth.width, "height": self.truth.height}
        data["truth"] = [region.to_json() for region in self.truth.regions]
        if self.crowd:
            data["crowd"] = [region.to_json() for region in self.crowd]
        if self.answer is None:
            data |= {"answer": None, "error": self.error or "no reason is known"}
        else:
            answer: dict[str, Any] = {"regions": [region.to_json() for region in self.answer.regions]}
            answer["text"] = self.answer.text
            if self.answer.raw is not None:
                answer["raw"] = self.answer.raw
            if self.answer.problems:
                answer["problems"] = [problem.to_json() for problem in self.answer.problems]
            data |= {"answer": answer, "seconds": self.answer.seconds}
        if self.meta:
            data["meta"] = dict(self.meta)
        if self.chunk is not None:
            data["chunk"] = self.chunk
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any], model: str | None = None) -> Prediction:
        """The line that `to_json` wrote. Raises InputError, KeyError or TypeError where it is another shape."""
        _check(data, _ROW_SHAPES)

        def grounding(regions: Iterable[Any], **more: Any) -> Grounding:
            return Grounding(
                data.get("phrase", ""),
                tuple(Region.from_json(region) for region in regions),
                more.pop("text", ""),
                data["width"],
                data["height"],
                task=data.get("task", "locate"),
                **more,
            )

        answer = data["answer"]
        if answer is not None:
            answer = grounding(
                answer["regions"],
                text=answer.get("text", ""),
                raw=answer.get("raw"),
                problems=tuple(Problem.from_json(problem) for problem in answer.get("problems", ())),
                seconds=data.get("seconds"),
                model=model,
            )
        return cls(
            id=str(data["id"]),
            picture=str(data["picture"]),
            truth=grounding(data["truth"]),
            answer=answer,
            error=data.get("error"),
            kind=data.get("kind"),
            crowd=tuple(Region.from_json(region) for region in data.get("crowd", ())),
            names=tuple(data.get("names", ())),
            meta=data.get("meta", {}),
            chunk=data.get("chunk"),
        )


@dataclass(frozen=True)
class Predictions:
    """A whole file."""

    header: Header
    rows: tuple[Prediction, ...]
    problems: tuple[DataProblem, ...] = ()
    """Lines that could not be read, and ids that stand twice (the first is kept)."""
    file: str | None = None
    """The name of the file they were read from."""

    @property
    def finished(self) -> bool:
        """Whether every question has its line."""
        return len(self.rows) == self.header.samples


def read_predictions(path: str | Path) -> Predictions:
    """The file's header and lines, with what was wrong named by line.

    Raises InputError where there is no file or no header. An unreadable line is left out and named in `problems`.
    """
    path = Path(path).expanduser()
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            header = read_header(stream, path)
            rows: dict[str, Prediction] = {}
            problems: list[DataProblem] = []
            for number, line in enumerate(stream, 2):
                if not line.strip():
                    continue
                row = _read_row(line, header, path.name, number)
                if isinstance(row, DataProblem):
                    problems.append(row)
                elif row.id in rows:
                    message = f"the id {row.id!r} stands twice; the first line is kept"
                    problems.append(DataProblem("duplicate id", message, path.name, number))
                else:
                    rows[row.id] = row
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror or error})") from None
    return Predictions(header, tuple(rows.values()), tuple(problems), path.name)


def read_header(stream: TextIO, path: Path) -> Header:
    """The header in the first line of an open file. Raises InputError."""
    line = stream.readline()
    try:
        data = json.loads(line)
    except ValueError:
        data = None
    return Header.from_json(data, f"{path}, line 1")


def _read_row(line: str, header: Header, file: str, number: int) -> Prediction | DataProblem:
    try:
        data = json.loads(line, parse_constant=_refuse)
        if not isinstance(data, dict):
            raise InputError(f"it is no JSON object but {data!r:.40}")
        return Prediction.from_json(data, header.model)
    except (GroundingError, KeyError, TypeError, ValueError, AttributeError) as error:
        if not line.endswith("\n"):
            reason = "it ends in the middle: the run was stopped while it was written"
        elif isinstance(error, KeyError):
            reason = f"it has no {error}"
        else:
            reason = str(error)
        kind = "not a number" if "finite" in reason or "NaN" in reason else "unreadable line"
        return DataProblem(kind, f"no prediction can be read from it: {reason}", file, number)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(map(_is_text, value))


def _is_object(value: Any) -> bool:
    return isinstance(value, Mapping)


def _are_numbers(value: Any) -> bool:
    return _is_object(value) and all(map(_is_number, value.values()))


def _are_regions(value: Any) -> bool:
    if not isinstance(value, list | tuple):
        return False
    for region in value:
        if isinstance(region, Mapping):  # of anything else Region.from_json says what is wrong
            _check(region, {"label": (_is_text, "a text", True)})
    return True


def _is_answer(value: Any) -> bool:
    return _is_object(value) and ("regions" not in value or _are_regions(value["regions"]))


_Shape: TypeAlias = tuple[Callable[[Any], bool], str, bool]
"""Whether a value has it, its name, and whether null will do too."""
_HEADER_SHAPES: Mapping[str, _Shape] = {
    "dataset": (_is_text, "a text", False),
    "scoring": (_is_text, "a text", False),
    "samples": (_is_number, "a whole number", True),
    "model": (_is_text, "a text", False),
    "expected": (_is_number, "a whole number", True),
    "fingerprint": (_is_text, "a text", True),
    "source": (_is_text, "a text", False),
    "notes": (_are_texts, "a list of texts", False),
    "missing_pictures": (_is_number, "a whole number", False),
    "data_problems": (_are_numbers, "an object of numbers", False),
    "codec": (_is_text, "a text", True),
    "rounding": (_is_text, "a text", True),
    "prompt": (_is_text, "a text", True),
    "seed": (_is_number, "a whole number", True),
    "options": (_is_object, "an object", False),
    "versions": (_is_object, "an object", False),
    "meta": (_is_object, "an object", False),
    "root": (_is_text, "a text", True),
    "images": (_is_text, "a text", True),
}
_ROW_SHAPES: Mapping[str, _Shape] = {
    "phrase": (_is_text, "a text", False),
    "task": (_is_text, "a text", False),
    "names": (_are_texts, "a list of texts", False),
    "kind": (_is_text, "a text", True),
    "truth": (_are_regions, "a list of regions", False),
    "crowd": (_are_regions, "a list of regions", False),
    "answer": (_is_answer, "an object with regions", True),
    "error": (_is_text, "a text", True),
    "meta": (_is_object, "an object", False),
}


def _check(data: Mapping[str, Any], shapes: Mapping[str, _Shape], where: str = "") -> None:
    """Raises InputError naming the first field that has not its shape; those that are not there are passed over."""
    for name, (fits, what, or_none) in shapes.items():
        if name in data and not (fits(data[name]) or (or_none and data[name] is None)):
            raise InputError(f"{where}{name} is {data[name]!r:.60}, and should be {what}")


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def lines_of(rows: Iterable[Prediction]) -> Iterator[str]:
    """Each row as a line of the file, with its line end."""
    for row in rows:
        yield json.dumps(row.to_json(), ensure_ascii=False, allow_nan=False) + "\n"
