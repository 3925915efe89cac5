"""Photographs: how well models find what people mean in them, several models beside each other.

    python -m eval.photos --model M --data DIR --labelled DIR

`--data` holds expressions.jsonl, whose lines name their splits of RefCOCO, RefCOCO+ and RefCOCOg, and images/; a
detector's boxes in detections.jsonl are what `baseline:nouns` chooses among. `--labelled` holds boxes.jsonl with every
object of its photographs, and images/: there names that a photograph does not show are asked for, and COCO's AP is
measured. Each model is asked everything once; what was asked stays in OUT/<model>/, and is gone on with.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from eval import photo_tables
from eval.exits import DONE, FAILED, ended, whole_message
from eval.photo_tables import Answered, tables
from eval.program import Part, Run, Settings
from eval.tables import markdown, print_table
from grounding.data.predictions import read_predictions
from grounding.data.whole_files import whole_file
from grounding.errors import ConfigError, GroundingError, InputError
from grounding.flags import add_flags, from_flags
from grounding.metrics.base import Scores
from grounding.score.dispatch import measured_cases

EXPRESSIONS, LABELLED, DETECTIONS = "expressions.jsonl", "boxes.jsonl", "detections.jsonl"
NOUNS = "baseline:nouns"
ALWAYS = ("presence_threshold=0",)
"""Options with which a model of ours gives a box in any case."""
FIXED = ("baseline:whole", "baseline:center")
"""They say where something is without a look: boxes of theirs are no detections."""


@dataclass(frozen=True)
class PhotoSettings(Settings):
    """Settings of this program."""

    beside: tuple[str, ...] = (NOUNS, *FIXED)
    """The models that stand beside it, and that it is compared with question by question; `none` for none."""
    labelled: Path | None = None
    """The folder of photographs with all their objects' boxes; without it only expressions are asked."""
    detections: Path | None = None
    """The detector's boxes of `--data`, where they are not in its detections.jsonl."""
    labelled_detections: Path | None = None
    """The detector's boxes of `--labelled`, where they are not in its detections.jsonl."""
    per_picture: int = 3
    """Absent names asked of each labelled photograph."""
    always: bool = False
    """Ask the model of the expressions a second time, for a box in any case, as others give one (its option
    presence_threshold at 0)."""
    protocol: str = "iou"
    """How boxes are judged: iou, iou-strict, refer-plus-one, mdetr-giou or oracle-best."""


class Missed:
    """What could not be measured."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, what: str, why: str) -> None:
        """Notes it, and says it on standard error."""
        self.lines.append(f"- {what}: {why}")
        print(f"{what}: {why}", file=sys.stderr)

    @property
    def text(self) -> str:
        """Markdown; "" where all was measured."""
        return "\n".join(["## Not measured", "", *self.lines, ""]) if self.lines else ""


class OneModel:
    """One of the models, asked about both folders."""

    def __init__(self, name: str | None, settings: PhotoSettings, *, always: bool = False) -> None:
        """`always`: it is asked for a box in any case, and of expressions only."""
        self.name = name
        self.settings = settings
        self.always = always
        self.run = Run(replace(settings, model=name, model_option=self._options(settings.data, settings.detections)))

    def _options(self, folder: Path | None, detections: Path | None = None) -> tuple[str, ...]:
        """What it is loaded with for the photographs of this folder."""
        own = self.settings.model_option if self.name == self.settings.model else ()
        if self.name != NOUNS:
            return (*own, *(ALWAYS if self.always else ()))
        folder = folder or Path()
        file = detections or (folder.parent if folder.is_file() else folder) / DETECTIONS
        return (f"detections={file}", *own)  # the last one holds

    def answered(self, missed: Missed) -> Answered:
        """Its figures; what could not be measured goes to `missed`. Raises GroundingError where nothing is answered."""
        settings = self.settings
        if settings.data is None:
            raise ConfigError(f"--data is not set: give the folder of {EXPRESSIONS} and its images/")
        file = _file(settings.data, EXPRESSIONS)
        self.run.settings = replace(self.run.settings, data=file.parent, images=settings.images)
        part = Part(str(file), "expressions", settings.protocol)
        outcome = self.run.measure(part)
        scored = measured_cases(read_predictions(self.run.predictions(part)), settings.protocol)
        if outcome.page is not None:
            print(f"{self.run.model.name}: {outcome.page}", file=sys.stderr)
        found = Answered(self.run.model.name + (photo_tables.ALWAYS if self.always else ""), scored)
        if settings.labelled is None or self.always:
            return found
        boxes = _file(settings.labelled, LABELLED)
        if self.name == NOUNS:
            options = self._options(boxes.parent, settings.labelled_detections)
            self.run = Run(replace(self.run.settings, model_option=options))
            try:
                self.run.model  # noqa: B018  # opened here, so that boxes which are not there stop nothing else
            except InputError as error:
                missed.add(f"{NOUNS}, labelled photographs", whole_message(error))
                return found
        told = {"seed": settings.seed, "per_picture": settings.per_picture}
        absent = self._scores(Part(f"coco-absent:{boxes}", "absent names", options=told), boxes, missed)
        objects = None
        if self.name not in FIXED and "detect" in self.run.model.tasks:
            objects = self._scores(Part(str(boxes), "objects"), boxes, missed)
        return replace(found, absent=absent, objects=objects)

    def _scores(self, part: Part, boxes: Path, missed: Missed) -> Scores | None:
        self.run.settings = replace(self.run.settings, data=boxes.parent, images=None)
        (outcome,) = self.run.outcomes([part])
        if outcome.error:
            missed.add(f"{self.run.model.name}, {part.heading}", outcome.error)
        return outcome.scores


def _file(given: Path, name: str) -> Path:
    """The file itself, or the one of that name in the folder. Raises ConfigError where it is not there."""
    file = given if given.is_file() else given / name
    if not file.is_file():
        raise ConfigError(f"there is no {name} in {given}: give its folder, or the file")
    return file


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program; 0 where all was measured, 1 where something of it was not, 2 where nothing could be."""
    parser = argparse.ArgumentParser(prog="python -m eval.photos", description=(__doc__ or "").split("\n\n")[0])
    add_flags(parser, PhotoSettings)
    args = parser.parse_args(argv)

    def work() -> int:
        settings = from_flags(PhotoSettings, args)
        missed = Missed()
        found: list[Answered] = []
        names = dict.fromkeys([settings.model, *(name for name in settings.beside if name != "none")])
        models = [OneModel(name, settings) for name in names]
        if settings.always:
            models.insert(1, OneModel(settings.model, settings, always=True))
        for model in models:
            name = model.name
            try:
                found.append(model.answered(missed))
            except GroundingError as error:
                if name == settings.model and not model.always:
                    raise
                missed.add(str(name), whole_message(error))
        made = tables(found)
        for table in made:
            print_table(table)
        print(missed.text, end="")
        summary = settings.out / "photos.md"
        with whole_file(summary) as stream:
            stream.write("\n".join(map(markdown, made)) + "\n" + missed.text)
        print(f"all tables lie in {summary}", file=sys.stderr)
        return FAILED if missed.lines else DONE

    return ended("eval.photos", work)


if __name__ == "__main__":
    sys.exit(main())
