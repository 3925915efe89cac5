"""What every evaluation program does: flags, then ask, measure and report for each data set, then one table.

A run leaves OUT/<model>/<data set>/ with predictions.jsonl, scores and a page, and goes on from what it finds there:
stopped at any moment, the same command finishes it.
"""

from __future__ import annotations

import argparse
import re
import sys
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eval.exits import DONE, FAILED, WRONG_USE, ended, whole_message
from eval.published import Published
from eval.tables import NOTHING, Row, Table, percent, plain, print_table
from grounding.backends import load
from grounding.backends.base import Grounder
from grounding.cli.arguments import options_of
from grounding.data.opening import open_dataset
from grounding.data.predictions import read_predictions
from grounding.data.referring.splits import SPLITS
from grounding.errors import ConfigError, GroundingError, InputError, OutputError
from grounding.flags import add_flags, from_flags
from grounding.metrics.base import Figure, Scores
from grounding.metrics.names import NO_SHARES
from grounding.predict import predict
from grounding.predict.header import weights_fingerprint
from grounding.report import write_report
from grounding.score import score, write_scores
from grounding.score.completeness import WITHOUT_BOXES
from grounding.score.terminal import visible

NOTHING_CHOSEN = "these settings leave nothing to measure: give --data, other splits or sets, or some --scenes"


@dataclass(frozen=True)
class Settings:
    """What all programs can be told."""

    model: str | None = None
    """A model's directory or name, as `grounding models` lists them; the shipped one where it is left out."""
    model_option: tuple[str, ...] = ()
    """What else the model is loaded with, each NAME=VALUE, such as detections=boxes.jsonl of baseline:nouns."""
    data: Path | None = None
    """The folder the annotations lie in."""
    images: Path | None = None
    """The folder the pictures lie in, where that is another."""
    stretched: bool = False
    """The pictures are copies that were resized without keeping their shape."""
    out: Path = Path("runs/eval")
    """Where predictions, scores and reports go."""
    limit: int | None = None
    """Ask only the first questions of each data set; such figures compare with nothing published."""
    batch: int = 32
    """Questions in a chunk."""
    seed: int = 0
    """Of whatever is drawn by lot."""
    device: str | None = None
    """cpu, cuda, ...; a GPU where there is one."""
    dtype: str | None = None
    """float32 or bfloat16."""
    report: bool = True
    """Write a page for each data set."""

    def __post_init__(self) -> None:
        for name, least in (("limit", 1), ("batch", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ConfigError(f"--{name} is {value}; it must be {least} or more")

    @property
    def root(self) -> Path | None:
        """`data` where it is a folder; None where it is one file, which is opened by its own path."""
        return None if self.data is not None and self.data.is_file() else self.data

    @property
    def model_options(self) -> dict[str, Any]:
        """`model_option` by name. Raises InputError where one is not written NAME=VALUE."""
        return options_of(self.model_option, "--model-option", "detections=boxes.jsonl")

    def need_data(self, name: str) -> Path:
        """The folder of the annotations. Raises ConfigError where none was given."""
        if self.data is None:
            raise ConfigError(f"give --data, the folder of the annotations; `grounding data fetch {name}` makes one")
        return self.data


def chosen_splits(given: str, known: Sequence[str]) -> list[str]:
    """The names in `given`, between commas. Raises ConfigError where one is not among the `known` ones."""
    names = [name.strip() for name in given.split(",") if name.strip()]
    if strange := [name for name in names if name not in known]:
        raise ConfigError(f"there is no {strange[0]!r} here; known: {', '.join(known)}")
    return names


@dataclass(frozen=True)
class Part:
    """One data set of a program, and how its answers are measured."""

    dataset: str
    """Such as "refcoco:testA"."""
    heading: str
    """Over its column, such as "RefCOCO testA"."""
    protocol: str = "iou"
    scoring: str | None = None
    """None: as the data set says."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """For the data set's reader."""
    drawn: bool = False
    """Whether its pictures are drawn, so that it needs no files."""
    published: str | None = None
    """Under which data set its published figures stand, where that is not `dataset`."""

    @property
    def published_as(self) -> str:
        """The data set whose published figures stand beside this part's."""
        return self.published or self.dataset


@dataclass(frozen=True)
class Outcome:
    """What became of one part."""

    part: Part
    scores: Scores | None = None
    error: str | None = None
    failed: bool = False
    """Whether there was data, and the asking or the measuring failed."""
    page: Path | None = None


class Run:
    """One run of a program. The model is opened once, when the first data set has been found."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._model: Grounder | None = None

    @property
    def model(self) -> Grounder:
        """The model of the settings. Raises UnknownModelError, CheckpointError."""
        if self._model is None:
            settings = self.settings
            options = settings.model_options
            self._model = load(settings.model, device=settings.device, dtype=settings.dtype, **options)
        return self._model

    @property
    def folder(self) -> Path:
        """Where everything of this model goes: it is named after all that decides the model's answers.

        Weights under one name change with training, so theirs are in it by their fingerprint.
        """
        weights = weights_fingerprint(self.settings.model)
        told = "".join(f"-{key}-{_told(value)}" for key, value in sorted(self.settings.model_options.items()))
        told += f"-{weights}" if weights else ""
        return self.settings.out / _as_name(_as_name(self.model.name) + told)

    def outcomes(self, parts: Sequence[Part]) -> list[Outcome]:
        """One for each part; a part whose data is not there or which failed says why, and the others go on."""
        found = []
        for part in parts:
            try:
                found.append(self.measure(part))
            except GroundingError as error:
                print(f"{part.heading}: {whole_message(error)}", file=sys.stderr)
                found.append(Outcome(part, error=whole_message(error), failed=not isinstance(error, InputError)))
        return found

    def measure(self, part: Part) -> Outcome:
        """Asks what has not been asked yet, measures, and writes the files. Raises GroundingError."""
        settings = self.settings
        options: dict[str, Any] = dict(part.options)
        if not part.drawn:
            options |= {"root": settings.root, "images": settings.images}
            options |= {"stretched": True} if settings.stretched else {}
        dataset = open_dataset(part.dataset, **options)
        if settings.limit is not None:
            dataset = dataset.take(settings.limit)
        file = self.predictions(part)
        folder = file.parent
        make_folder(folder)
        print(f"{part.heading}: {len(dataset):,} questions", file=sys.stderr)
        predict(dataset, self.model, file, batch=settings.batch, seed=settings.seed, progress=True)
        predictions = read_predictions(file)
        scores = score(predictions, part.protocol, scoring=part.scoring)
        name = f"{scores.scoring}-{scores.protocol}"
        write_scores(scores, folder / f"scores-{name}.json")
        page = None
        if settings.report:
            page = folder / f"report-{name}.html"
            write_report(page, predictions, scores, scoring=part.scoring, root=settings.root, images=settings.images)
        return Outcome(part, scores, page=page)

    def predictions(self, part: Part) -> Path:
        """Where the answers to the part's questions lie, or will lie."""
        return self.folder / self._name(part) / "predictions.jsonl"

    def _name(self, part: Part) -> str:
        """Of the part's folder: everything that decides which questions are asked."""
        told = dict(part.options) | ({} if self.settings.limit is None else {"first": self.settings.limit})
        return _as_name(part.dataset + "".join(f"-{key}-{value}" for key, value in sorted(told.items())))


def make_folder(folder: Path) -> None:
    """Makes the folder, and those above it. Raises OutputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} can't be made ({error.strerror or error}): give another --out") from None


def run(
    describes: str | None,
    parts_of: Callable[[Any], Sequence[Part]],
    argv: Sequence[str] | None = None,
    *,
    title: str,
    published: Sequence[Published] = (),
    settings: type[Settings] = Settings,
    program: str,
) -> int:
    """Runs a program from its command line to its table; returns its exit code.

    `describes`: the program's docstring. `parts_of`: from the settings to what is measured, raising InputError where
    they make no sense. 0: everything was measured; 1: some of it was not, and standard error says why; 2: nothing
    could be, for the command makes no sense.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {program}", description=(describes or "").split("\n\n")[0])
    add_flags(parser, settings)
    args = parser.parse_args(argv)

    def work() -> int:
        chosen = from_flags(settings, args)
        parts = parts_of(chosen)
        if not parts:
            raise ConfigError(NOTHING_CHOSEN)
        return tell(Run(chosen).outcomes(parts), title, published)

    return ended(program, work)


def tell(outcomes: Sequence[Outcome], title: str, published: Sequence[Published] = ()) -> int:
    """Prints the tables of what was measured; returns the exit code."""
    for number, table in enumerate(tables_of(outcomes, title, published)):
        if number and not sys.stdout.isatty():
            print()
        print_table(table)
    for outcome in outcomes:
        if outcome.page is not None:
            print(f"{outcome.part.heading}: {outcome.page}", file=sys.stderr)
    measured = [outcome for outcome in outcomes if outcome.scores is not None]
    if not measured:
        return WRONG_USE
    return DONE if len(measured) == len(outcomes) else FAILED


def tables_of(outcomes: Sequence[Outcome], title: str, published: Sequence[Published] = ()) -> list[Table]:
    """One table for each way of scoring: this model's figures, a column a data set, above the published ones."""
    tables = []
    together: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.scores is not None:
            together.setdefault(outcome.scores.scoring, []).append(outcome)
    for scoring, members in together.items():
        heading = title if len(together) == 1 else f"{title}: {scoring}"
        tables.append(_table(heading, members, published))
    return tables


def _table(title: str, outcomes: Sequence[Outcome], published: Sequence[Published]) -> Table:
    scored = [outcome.scores for outcome in outcomes if outcome.scores is not None]
    headline = scored[0].headline
    names = dict.fromkeys([headline, *(name for scores in scored for name in scores.figures)])
    rows = [_row(name, [scores.figures.get(name) for scores in scored]) for name in names]
    rates = dict.fromkeys(name for scores in scored for name in scores.rates)
    seen = [name for name in rates if any(_value(scores.rates.get(name)) for scores in scored)]
    rows += [_row(f"answers {name}", [scores.rates.get(name) for scores in scored]) for name in seen]
    never = [name for name in rates if name not in seen]
    for paper in published:
        figures = [paper.figures.get(outcome.part.published_as) for outcome in outcomes]
        cells = ["" if figure is None else f"{figure:.2f}".removesuffix("0") for figure in figures]
        if any(cells):
            rows.append(Row(f"{paper.system}, {paper.source}", cells))
    notes = _notes(outcomes)
    if never:
        notes.insert(1, f"0 % of the answers are {', '.join(never)}")
    return Table(title, ["%", *(outcome.part.heading for outcome in outcomes)], rows, notes)


def _value(figure: Figure | None) -> float:
    return (figure.value or 0.0) if figure is not None else 0.0


def _row(name: str, figures: Sequence[Figure | None]) -> Row:
    write = plain if name in NO_SHARES else percent
    return Row(name, [NOTHING if figure is None else write(figure) for figure in figures], ours=True)


def _notes(outcomes: Sequence[Outcome]) -> list[str]:
    """What has to be said beside the figures, once where it is the same for all data sets."""
    notes: list[str] = []
    first = outcomes[0].scores
    if first is not None:
        about = first.about
        named = [name for name in ("model", "codec", "rounding", "seed") if about.get(name) is not None]
        facts = [f"{name} {about[name]}" for name in named]
        facts += [] if first.scoring in WITHOUT_BOXES else [f"protocol {first.protocol}"]
        facts += [f"prompt “{visible(about['prompt'])}”"] if about.get("prompt") else []
        notes.append(", ".join(facts) + "; with 95 % intervals over pictures")
    for outcome in outcomes:
        if outcome.scores is None:
            continue
        counts, heading = outcome.scores.counts, outcome.part.heading
        expected = counts.get("expected") or _published_size(outcome.part)
        told = f"{heading}: {counts['scored']:,} questions about {counts['pictures']:,} pictures"
        if expected and expected != counts["scored"]:
            told += f"; the published split has {expected:,}, so published figures are not of these questions"
        notes += [told, *(f"{heading}: {note}" for note in outcome.scores.notes)]
    return notes


def _published_size(part: Part) -> int | None:
    """How many questions the split has whose published figures stand beside this part's."""
    kind, _, split = part.published_as.partition(":")
    published = SPLITS.get(kind, {}).get(split)
    return published.expressions if published else None


def _told(value: Any) -> str:
    """An option's value for a folder's name; a file's name is followed by eight digits of what it holds."""
    path = Path(str(value)).expanduser()
    return f"{path.name}-{zlib.crc32(path.read_bytes()):08x}" if path.is_file() else path.name


def _as_name(text: str) -> str:
    """The text as the name of a folder."""
    return re.sub(r"[^\w.+-]+", "-", text.rsplit("/", 2)[-1] if text.count("/") > 1 else text).strip("-") or "model"
