"""Owns the reading of Flickr30k Entities: captions whose phrases are chained to boxes, one sample a phrase.

    val.txt, test.txt, train.txt        numbers of pictures, one a line
    Annotations/1000092795.xml          boxes of chains; a box may belong to several chains
    Sentences/1000092795.txt            captions: [/EN#1/people Two young guys] with [/EN#2/bodyparts shaggy hair] ...

Source of format and rules: BryanPlummer/flickr30k_entities (README.md, flickr30k_entities_utils.py); a phrase counts
where its chain has a box, as in ashkamath/mdetr, datasets/flickr_eval.py. Under that rule val has 14,433 phrases: the
recall 0.8228365551167464 that pull request 110 of facebookresearch/multimodal states is 11,876 of them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from grounding.data.dataset import DataProblem, Dataset
from grounding.data.folders import Folder
from grounding.data.plain import writable
from grounding.data.reading import Box, Findings
from grounding.data.sample import Sample
from grounding.errors import InputError
from grounding.result import Grounding, Region

EXPECTED = {"val": 14_433, "test": 14_481}
"""Phrases with a box. Nobody states train's under this rule."""
WITHOUT_BOX = ("notvisual", "scene", "no box", "no annotation")
"""Why a phrase is not asked for: it names nothing that could be seen (chain 0); the scene as a whole; something that
annotators did not box; a chain that the annotations do not have."""
_PHRASE = re.compile(r"\[/EN#(?P<chain>\d+)(?P<types>(?:/[^\s/\]]+)*)\s+(?P<words>[^\]]*)\]")
_LARGEST_BYTES = 5_000_000
_BELOW = ("", "flickr30k", "flickr30k_entities", "flickr30k/flickr30k_entities", "annotations", "flickr30k/annotations")
"""Where below `root` the two folders may lie."""


def open_flickr30k(
    kind: str,
    split: str,
    *,
    root: Path | None,
    images: Path | None,
    one_based: bool = False,
    stretched: bool = False,
) -> Dataset:
    """`flickr30k:val` and its like: every phrase of every caption whose chain has a box, in the order of the files.

    What is true are all boxes of the chain; `kind` is the phrase's first type, and `meta["types"]` has all of them.
    Coordinates are taken as they stand, as MDETR's evaluator takes them, so that figures can be compared; they count
    pixels from 1, so with `one_based` left and top edges move one pixel to where the box begins.
    """
    if split not in ("train", "val", "test"):
        raise InputError(f"Flickr30k Entities has no split {split!r}; known: train, val, test")
    folder, listed = _places(root, split)
    pictures = Folder(images or _pictures_near(folder), stretched=stretched)
    reader = _Reader(folder, pictures, 1 if one_based else 0)
    samples = [sample for number in _lines(listed) for sample in reader.samples(number.strip())]
    if not samples:
        first = f": {reader.problems[0].where}: {reader.problems[0].message}" if reader.problems else ""
        raise InputError(f"no phrase of {split} could be read from {folder}{first}")
    told = ", ".join(f"{reader.left_out[why]:,} {why}" for why in WITHOUT_BOX if reader.left_out[why])
    notes = [f"phrases without a box are not asked for: {told}"] if told else []
    if one_based:
        notes.append("left and top edges lie one pixel before what the files say, as these count pixels from 1")
    return Dataset(
        f"{kind}:{split}",
        samples,
        scoring="phrases",
        source=f"Flickr30k Entities, {split}.txt, Annotations and Sentences",
        expected=EXPECTED.get(split),
        problems=reader.problems,
        notes=notes,
        meta={"without_box": {why: reader.left_out[why] for why in WITHOUT_BOX}},
    )


# ---- one picture


@dataclass(frozen=True, slots=True)
class Phrase:
    """A phrase of a caption."""

    words: str
    chain: str
    """Which things it means; the same for phrases of all captions that mean them. "0": nothing that can be seen."""
    types: tuple[str, ...]
    """Such as ("people",)."""
    first_word: int
    """Where it begins in the caption, in words from 0."""


@dataclass(slots=True)
class _Chains:
    size: tuple[int, int]
    boxes: dict[str, list[Box]] = field(default_factory=dict)
    scene: set[str] = field(default_factory=set)
    unboxed: set[str] = field(default_factory=set)
    spoilt: set[str] = field(default_factory=set)
    """Chains with boxes none of which can be one; each is noted."""


class _Reader:
    def __init__(self, folder: Path, pictures: Folder, before: int) -> None:
        self.problems: list[DataProblem] = []
        self.left_out: Counter[str] = Counter()
        self._folder, self._pictures, self._before = folder, pictures, before
        self._seen: set[str] = set()

    def samples(self, number: str) -> Iterator[Sample]:
        """The phrases of a picture; none after noting why it has none."""
        xml = Findings(self._folder / "Annotations" / f"{number}.xml")
        txt = Findings(self._folder / "Sentences" / f"{number}.txt")
        if number in self._seen:
            xml.add("duplicate id", f"the picture {number!r} stands twice in the split's list; the first is kept")
        elif not number.isdecimal():
            xml.add("unreadable line", f"{number!r:.40} in the split's list is no picture's number")
        else:
            self._seen.add(number)
            chains = self._chains(number, xml)
            if chains is not None:
                yield from self._phrases(number, chains, txt)
        self.problems += [*xml.problems, *txt.problems]

    def _phrases(self, number: str, chains: _Chains, findings: Findings) -> Iterator[Sample]:
        try:
            captions = _lines(self._folder / "Sentences" / f"{number}.txt")
        except InputError as error:
            findings.add("unreadable line", str(error))
            return
        picture = self._pictures.find(f"{number}.jpg", chains.size)
        for line, caption in enumerate(captions, 1):
            sentence, phrases = read_caption(caption)
            if caption.count("[/EN#") != len(phrases):
                findings.add("unreadable line", f"a phrase of it is not closed: {caption!r:.80}", line=line, kept=True)
            for place, phrase in enumerate(phrases):
                if phrase.chain not in chains.boxes:
                    self._leave_out(phrase, chains, line, findings)
                    continue
                regions = tuple(Region(box) for box in chains.boxes[phrase.chain])
                yield Sample(
                    picture,
                    phrase.words,
                    Grounding(phrase.words, regions, "", *chains.size),
                    f"{number}/{line - 1}/{place}",
                    kind=phrase.types[0] if phrase.types else None,
                    meta={
                        "image_id": number,
                        "sentence": sentence,
                        "first_word": phrase.first_word,
                        "chain": phrase.chain,
                        "types": list(phrase.types),
                    },
                )

    def _leave_out(self, phrase: Phrase, chains: _Chains, line: int, findings: Findings) -> None:
        if phrase.chain in chains.spoilt:
            findings.add("no box", f"none of the boxes of {phrase.words!r:.60} can be one", line=line)
        elif phrase.chain == "0":
            self.left_out["notvisual"] += 1
        elif phrase.chain in chains.scene:
            self.left_out["scene"] += 1
        else:
            self.left_out["no box" if phrase.chain in chains.unboxed else "no annotation"] += 1

    def _chains(self, number: str, findings: Findings) -> _Chains | None:
        """Boxes of each chain of a picture, or None after noting why they can't be told."""
        path = self._folder / "Annotations" / f"{number}.xml"
        try:
            root = read_plain_xml(path)
        except InputError as error:
            findings.add("unreadable line", str(error))
            return None
        width, height = (_whole(root.findtext(f"size/{side}")) for side in ("width", "height"))
        if not findings.size(width, height):
            return None
        assert width is not None
        assert height is not None
        chains = _Chains((width, height))
        for entry, thing in enumerate(root.iter("object"), 1):
            names = [(name.text or "").strip() for name in thing.findall("name")]
            outline = thing.find("bndbox")
            if outline is None:
                if (_whole(thing.findtext("scene")) or 0) > 0:
                    chains.scene.update(names)
                if (_whole(thing.findtext("nobndbox")) or 0) > 0:
                    chains.unboxed.update(names)
                continue
            edges = [_whole(outline.findtext(edge)) for edge in ("xmin", "ymin", "xmax", "ymax")]
            if edges[0] is not None and edges[1] is not None:
                edges[:2] = edges[0] - self._before, edges[1] - self._before
            box = findings.box(edges, "xyxy", chains.size, entry=f"object {entry}")
            for name in names:
                if box is None:
                    chains.spoilt.add(name)
                else:
                    chains.boxes.setdefault(name, []).append(box)
        return chains


def read_caption(line: str) -> tuple[str, list[Phrase]]:
    """The caption's plain words, and its phrases in order. What is not closed by a bracket is no phrase."""
    line = writable(line)
    words: list[str] = []
    phrases: list[Phrase] = []
    end = 0
    for match in _PHRASE.finditer(line):
        words += line[end : match.start()].split()
        said = match["words"].split()
        types = tuple(match["types"].strip("/").split("/")) if match["types"] else ()
        phrases.append(Phrase(" ".join(said), match["chain"], types, len(words)))
        words += said
        end = match.end()
    return " ".join([*words, *line[end:].split()]), phrases


# ---- files


def read_plain_xml(path: Path) -> ElementTree.Element:
    """The root of an XML file without a document type: those define entities, which can be blown up or read files.

    Raises InputError where it can't be read, is larger than any annotation, or declares a document type.
    """
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise InputError(f"{path.name} has {path.stat().st_size:,} bytes, which no annotation has")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path.name} can't be read: {error.strerror or error}") from None
    parser = ElementTree.XMLParser(target=_Builder())
    try:
        parser.feed(data)
        return parser.close()
    except _DocumentType:
        raise InputError(f"{path.name} declares a document type, which no annotation does: it is not read") from None
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise InputError(f"{path.name} is not XML ({error}): it is damaged or cut off") from None


class _DocumentType(Exception):
    pass


class _Builder(ElementTree.TreeBuilder):
    """Stops at a document type, before an entity of it is expanded."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise _DocumentType


def _places(root: Path | None, split: str) -> tuple[Path, Path]:
    """The folder of Annotations and Sentences, and the list of the split's pictures, there or one folder above."""
    if root is None:
        raise InputError(f"flickr30k:{split} needs root=, the folder that holds Annotations, Sentences and {split}.txt")
    for folder in (root / place for place in _BELOW):
        if not (folder / "Annotations").is_dir() or not (folder / "Sentences").is_dir():
            continue
        for listed in (folder / f"{split}.txt", folder.parent / f"{split}.txt"):
            if listed.is_file():
                return folder, listed
        raise InputError(f"there is no {split}.txt, the list of the split's pictures, in {folder} or above it")
    raise InputError(f"there are no folders Annotations and Sentences in {root}: give another root=")


def _pictures_near(folder: Path) -> Path:
    names = ("flickr30k-images", "flickr30k_images", "images")
    near = (above / name for above in (folder, folder.parent) for name in names)
    return next((place for place in near if place.is_dir()), folder)


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise InputError(f"{path.name} can't be read: {error.strerror or error}") from None
    return [line for line in text.split("\n") if line.strip()]


def _whole(text: str | None) -> int | None:
    """A whole number out of a tag; None where there is none."""
    try:
        return None if text is None else int(text)
    except ValueError:
        return None
