"""Every evaluation that there is data for, one after another, and one summary.

    python -m eval.all --model M --data DIR

`--data` is the folder that `grounding data fetch` fills; what is not in it is named and passed over. Drawn scenes and
probes need no data. OUT/<model>/summary.md holds all tables.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from eval import absent, coco_model, counting, flickr30k, grefcoco, pointing, probes, refcoco, segmentation
from eval.exits import DONE, FAILED, WRONG_USE, ended, whole_message
from eval.program import NOTHING_CHOSEN, Outcome, Part, Run, Settings, make_folder, tables_of
from eval.published import REFCOCO
from eval.tables import Table, markdown, print_table
from grounding.data.whole_files import whole_file
from grounding.errors import ConfigError
from grounding.flags import add_flags, from_flags

PROGRAMS: dict[str, tuple[Any, type[Settings], str, str]] = {
    "refcoco": (refcoco.parts, refcoco.RefCocoSettings, "Referring expressions", ""),
    "grefcoco": (grefcoco.parts, grefcoco.GRefCocoSettings, "None, one or several", ""),
    "coco": (coco_model.parts, coco_model.CocoSettings, "Detection", "coco"),
    "flickr30k": (flickr30k.parts, flickr30k.Flickr30kSettings, "Phrases of captions", "flickr30k"),
    "segmentation": (segmentation.parts, segmentation.SegmentationSettings, "Masks", ""),
    "pointing": (pointing.parts, pointing.PointingSettings, "Pointing", ""),
    "counting": (counting.parts, counting.CountingSettings, "Counting", "coco"),
    "absent": (absent.parts, absent.AbsentSettings, "Absent objects", "coco"),
    "probes": (probes.parts, probes.ProbeSettings, "Probes", ""),
}
"""Program to its parts, its settings, the title of its tables, and the folder below `--data` that it reads."""


@dataclass(frozen=True)
class AllSettings(Settings):
    """Settings of this program."""

    only: str = ",".join(PROGRAMS)
    """Which programs."""
    scenes: int = 1000
    """Questions of each kind about drawn scenes and of each probe."""


def chosen(settings: AllSettings) -> list[str]:
    """The programs to run. Raises ConfigError where one is unknown, or none is named."""
    names = [name.strip() for name in settings.only.split(",") if name.strip()]
    if strange := [name for name in names if name not in PROGRAMS]:
        raise ConfigError(f"there is no program {strange[0]!r}; known: {', '.join(PROGRAMS)}")
    if not names:
        raise ConfigError(f"--only names no program; known: {', '.join(PROGRAMS)}")
    return names


def parts_of(name: str, settings: AllSettings) -> list[Part]:
    """What a program measures with these settings, its data in its own folder where there is one."""
    parts, kind, _, folder = PROGRAMS[name]
    shared = {field.name: getattr(settings, field.name) for field in fields(Settings)}
    own = {field.name for field in fields(kind)}
    shared |= {"scenes": settings.scenes} if "scenes" in own else {}
    shared |= {"n": settings.scenes} if "n" in own else {}
    found: list[Part] = parts(replace(kind(**shared), data=_folder(settings.data, folder)))
    return found


def _folder(data: Path | None, name: str) -> Path | None:
    return data / name if data is not None and name and (data / name).is_dir() else data


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the programs; 0 where something was measured though data is missing for the rest, 1 where a part failed."""
    parser = argparse.ArgumentParser(prog="python -m eval.all", description=(__doc__ or "").split("\n\n")[0])
    add_flags(parser, AllSettings)
    args = parser.parse_args(argv)

    def work() -> int:
        settings = from_flags(AllSettings, args)
        names, run = chosen(settings), Run(settings)
        tables: list[Table] = []
        missed: list[str] = []
        failed = False
        for name in names:
            outcomes = _outcomes(name, settings, run, missed)
            failed |= any(outcome.failed for outcome in outcomes)
            tables += _printed(name, outcomes)
        summary = run.folder / "summary.md"
        make_folder(summary.parent)
        with whole_file(summary) as stream:
            stream.write("\n".join([*map(markdown, tables), *_missed(missed)]) + "\n")
        print("\n".join(_missed(missed)))
        print(f"all tables lie in {summary}", file=sys.stderr)
        return FAILED if failed else DONE if tables else WRONG_USE

    return ended("eval.all", work)


def _outcomes(name: str, settings: AllSettings, run: Run, missed: list[str]) -> list[Outcome]:
    """What became of one program's parts; what could not be measured goes to `missed`, with the program's title."""
    _, _, title, folder = PROGRAMS[name]
    try:
        parts = parts_of(name, settings)
    except ConfigError as error:
        missed.append(f"{title}: {whole_message(error)}")
        return []
    if not parts:
        missed.append(f"{title}: {NOTHING_CHOSEN}")
    run.settings = replace(settings, data=_folder(settings.data, folder))
    outcomes: list[Outcome] = run.outcomes(parts)
    missed += [f"{title}, {outcome.part.heading}: {outcome.error}" for outcome in outcomes if outcome.error]
    return outcomes


def _printed(name: str, outcomes: Sequence[Outcome]) -> list[Table]:
    """The tables of one program, printed."""
    tables = tables_of(outcomes, PROGRAMS[name][2], REFCOCO if name == "refcoco" else ())
    for table in tables:
        print_table(table)
    return tables


def _missed(missed: Sequence[str]) -> list[str]:
    return ["## Not measured", "", *(f"- {reason}" for reason in missed)] if missed else []


if __name__ == "__main__":
    sys.exit(main())
