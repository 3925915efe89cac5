"""open_source(): the one door to what is taught. A name becomes a source of lessons, its module imported only then."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from grounding.data.addresses import is_address
from grounding.data.folders import Folder
from grounding.data.lessons.json_rows import JsonRows
from grounding.data.lessons.row_pictures import Finder
from grounding.data.lessons.rows import FileLessons, RowReader
from grounding.data.lessons.sources import ListedSource, PictureLessons, SceneSource, Source
from grounding.data.scenes.generate import SKILLS
from grounding.errors import InputError


@dataclass(frozen=True, slots=True)
class Form:
    """How one kind of name is written, which function opens it, and what it is."""

    form: str
    opener: str
    what: str


FORMS: dict[str, Form] = {
    "scenes": Form(
        "scenes | scenes:SKILL,SKILL", "grounding.data.lessons.opening:open_drawn", "drawn scenes without end"
    ),
    "llava": Form("llava:FILE", "grounding.data.lessons.opening:open_rows", "conversations in LLaVA's json"),
    "swift": Form("swift:FILE", "grounding.data.lessons.opening:open_rows", "ms-swift's jsonl, with its objects"),
    "shards": Form("shards:PATTERN", "grounding.data.lessons.shards:open_shards", "tar shards as webdataset has them"),
    "hub": Form("hub:ORG/NAME:SPLIT", "grounding.data.lessons.hub:open_hub_lessons", "a data set on the hub"),
}
DATASET = Form(
    "what open_dataset opens", "grounding.data.lessons.opening:open_data", "COCO, RefCOCO, Flickr30k, our jsonl ..."
)
_CONVERSATION = re.compile(rb'"(conversations|messages)"\s*:\s*\[')
_HEAD = 1 << 16


def open_source(
    name: str | Path,
    *,
    root: str | Path | None = None,
    images: str | Path | None = None,
    seed: int = 0,
    augment: Sequence[str] = (),
    **options: Any,
) -> Source:
    """The lessons called `name`, a form of FORMS or whatever `open_dataset` opens.

    `root`: the folder its files lie in; `images`: the folder its pictures lie in, or an address (default: looked for
    below `root`, else beside the file). `seed`: of order, questions and augmentation. `augment`: names of
    `grounding.data.augment.AUGMENTATIONS`, done in their order. `options` go to the form's opener.

    What is wrong in the files stands in `Source.problems`. Raises InputError where there is no such name or file, or
    its opener has no such option.
    """
    opener, kind, rest = _opener(name, root)
    parameters = inspect.signature(opener).parameters
    free = any(entry.kind is entry.VAR_KEYWORD for entry in parameters.values())
    known = [key for key, entry in parameters.items() if entry.kind is entry.KEYWORD_ONLY]
    if not free and (strange := sorted(set(options) - set(known))):
        offered = ", ".join(key for key in known if key not in ("root", "images", "seed"))
        raise InputError(f"{name} has no option {strange[0]!r}; its options are {offered}")
    source = opener(kind, rest, root=_home(root), images=_home(images), seed=seed, **options)
    if augment:
        from grounding.data.augment import AugmentedSource

        return AugmentedSource(source, augment, seed)
    return source


def takes_option(name: str | Path, option: str, root: str | Path | None = None) -> bool:
    """Whether the opener of these lessons has an option of its own with that name."""
    entry = inspect.signature(_opener(name, root)[0]).parameters.get(option)
    return entry is not None and entry.kind is entry.KEYWORD_ONLY


def _opener(name: str | Path, root: str | Path | None) -> tuple[Callable[..., Source], str, str]:
    """The function that opens these lessons, and the two parts of their name."""
    kind, colon, rest = str(name).partition(":")
    kind = kind.lower()
    form = FORMS[kind] if kind in FORMS and (colon or kind == "scenes") else DATASET
    if form is DATASET:
        rest, kind = str(name), _speech_of(name, root)
        form = FORMS.get(kind, DATASET)
    module, _, function = form.opener.partition(":")
    opener: Callable[..., Source] = getattr(import_module(module), function)
    return opener, kind, rest


def open_drawn(
    kind: str, named: str, /, *, root: str | None, images: str | None, seed: int, phrases: int = 8, **options: Any
) -> Source:
    """`scenes`, or `scenes:SKILL,SKILL` for questions of some skills only; the options are SceneSource's."""
    known = list(inspect.signature(SceneSource).parameters)[3:]
    if strange := sorted(set(options) - set(known)):
        raise InputError(f"scenes have no option {strange[0]!r}; their options are phrases, {', '.join(known)}")
    if named:
        if "skills" in options:
            raise InputError(f"scenes:{named} names its skills already: leave out skills=")
        wanted = [skill.strip() for skill in named.split(",")]
        if unknown := [skill for skill in wanted if skill not in SKILLS]:
            raise InputError(f"there is no skill {unknown[0]!r}; known: {', '.join(SKILLS)}")
        options["skills"] = dict.fromkeys(wanted, 1.0)
    return SceneSource("scenes", seed, phrases, **options)


def open_rows(
    kind: str,
    file: str,
    /,
    *,
    root: str | None,
    images: str | None,
    seed: int,
    boxes: str = "padded",
    shuffle: bool = True,
) -> Source:
    """`llava:FILE` and `swift:FILE`, a JSON list or jsonl; pictures are found in `images`, else beside the file.

    `boxes`: how `[0.12, 0.34, 0.56, 0.78]` among LLaVA's words is taken: shares of the square that the picture is
    "padded" to, of the "picture", or "text" like any other. A lesson is made, and its picture looked for, when it is
    asked for.
    """
    path = _file(file, root)
    rows = JsonRows(path)
    folder = Folder(images or root or path.absolute().parent)
    reader = RowReader(f"{kind}:{path.name}", boxes)
    if not rows:
        raise InputError(f"{path.name} holds no row that can be read")
    lessons = FileLessons(rows, reader.lesson, Finder(folder, absolute=kind == "swift" and images is None))
    source = ListedSource(reader.source, lessons, seed, shuffle)
    source.problems = rows.problems
    return source


def open_data(
    kind: str,
    name: str,
    /,
    *,
    root: str | None,
    images: str | None,
    seed: int,
    most: int = 8,
    shuffle: bool = True,
    captions: bool = True,
    phrases: int | None = None,
    negatives: float | None = None,
    counts: float | None = None,
    **options: Any,
) -> Source:
    """Whatever `open_dataset` opens; `options` are its reader's.

    A detection set becomes questions with negatives, by `phrases`, `negatives` and `counts` of DetectionSource.
    Flickr30k becomes captions with boxes, or, without `captions`, phrases. Of all others, samples of one picture that
    stand beside each other are one lesson of `most` turns.
    """
    from grounding.data.dataset import Dataset
    from grounding.data.lessons.questions import CaptionLessons, DetectionSource
    from grounding.data.opening import READERS, open_dataset

    try:
        name = str(_file(name, root))  # below `root` too
    except InputError:
        if not os.path.exists(os.path.expanduser(name)) and name.partition(":")[0].lower() not in READERS:
            forms = ", ".join(form.form for form in FORMS.values())
            where = f" here or in {root}" if root else ""
            raise InputError(
                f"no lessons are called {name!r}, and there is no file of that name{where}; known: {forms}, "
                "and what `grounding data show` lists"
            ) from None
    dataset = open_dataset(name, root=root, images=images, **options)
    if not isinstance(dataset, Dataset) or not len(dataset):
        raise InputError(f"{name} holds no samples to make lessons of")
    asked = {"phrases": phrases, "negatives": negatives, "counts": counts}
    asked = {key: value for key, value in asked.items() if value is not None}
    if dataset.scoring == "detection" and dataset[0].task == "detect" and "categories" in dataset.meta:
        return DetectionSource(dataset.name, dataset, seed, shuffle=shuffle, **asked)  # type: ignore[arg-type]
    if asked:
        raise InputError(f"{name} asks its own questions: leave out {', '.join(asked)}")
    lessons: Sequence[Any] = PictureLessons(dataset, most)
    if captions and dataset.scoring == "phrases" and "sentence" in dataset[0].meta:
        lessons = CaptionLessons(dataset, dataset.name)
    source = ListedSource(dataset.name, lessons, seed, shuffle)
    source.problems = dataset.problems
    return source


def _speech_of(name: str | Path, root: str | Path | None) -> str:
    """ "llava" or "swift" where a file that was named without a form holds conversations; "" for all else."""
    try:
        path = _file(str(name), _home(root))
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
    except (InputError, OSError):
        return ""
    found = _CONVERSATION.search(head)
    if found is None or path.suffix not in (".json", ".jsonl"):
        return ""
    return "llava" if found[1] == b"conversations" else "swift"


def _file(name: str, root: str | None) -> Path:
    """A file by its own path, or below `root`. Raises InputError."""
    for place in (Path(os.path.expanduser(name)), Path(root or ".") / name):
        if os.path.isfile(place):
            return place
    raise InputError(f"there is no file {name!r}{f' in {root}' if root else ''}: give its path, or root=, its folder")


def _home(place: str | Path | None) -> str | None:
    """A folder with ~ spelt out; an address as it is."""
    if place is None:
        return None
    return os.fspath(place) if is_address(place) else os.path.expanduser(place)
