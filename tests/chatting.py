"""What the tests of families that write boxes in brackets share: their names, odd texts, and looking at an answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import assume, strategies as st

from grounding.codecs import get_codec
from grounding.codecs.base import Codec
from grounding.errors import InputError
from grounding.images import Canvas
from tests.strategies import JUNK, answers, broken

FAMILIES = (
    "qwen-vl",
    "qwen2-vl",
    "internvl",
    "deepseek-vl2",
    "cogvlm",
    "shikra",
    "llava-1.5",
    "ferret",
    "glm-4.5v",
    "fuyu",
)
CASES = [(name, task) for name in FAMILIES for task in get_codec(name).tasks]
PIECES = (
    *JUNK,
    *("[", "]", "[[", "]]", "(", ")", "(1,2)", "(1,2),(30,40)", "[1, 2, 3, 4]", "[[12,34,56,78]]", "[0.1,0.2,0.3,0.4]"),
    *(
        "[[470,]]",
        "[1]",
        "(2)",
        "[see below]",
        "[1,2,3,4;5,6,7,8]",
        "<1, 2, 3, 4>",
        "99999",
        "-",
        "-5",
        "1.5",
        ".",
        "<3",
    ),
    *("<ref>", "</ref>", "<box>", "</box>", "<quad>", "</quad>", "<|ref|>", "<|/ref|>", "<|det|>", "<|/det|>", "<|de"),
    *(
        "<|object_ref_start|>",
        "<|object_ref_end|>",
        "<|box_start|>",
        "<|box_end|>",
        "<|quad_start|>",
        "<|begin_of_box|>",
    ),
    *(
        "<|end_of_box|>",
        "</think>",
        "<think>",
        "<\uff5cend\u2581of\u2581sentence\uff5c>",
        "\x00",
        "\x01",
        "|ENDOFTEXT|",
    ),
    *(
        "|",
        "dog: ",
        "- cat ",
        "\uff3b\uff11\uff0c\uff12\uff0c\uff13\uff0c\uff14\uff3d",
        "a dog, brown ",
        "\u3000",
        "1,2,3,4",
    ),
)


def loose_texts() -> st.SearchStrategy[str]:
    """Anything, mostly made of what the families write."""
    return st.lists(st.sampled_from(PIECES), max_size=14).map("".join) | st.text(max_size=40)


def canvas_for(codec: Codec, width: int, height: int) -> Canvas:
    """The family's own canvas; a model that gets its own size sees the picture as it is."""
    return codec.canvas(width, height, input_size=(width, height) if codec.name == "fuyu" else None)


@st.composite
def questions(draw: st.DrawFn) -> tuple[Codec, str, Canvas, str]:
    """A codec, a task, a picture, and an answer that may be broken."""
    name, task = draw(st.sampled_from(CASES))
    codec = get_codec(name)
    canvas = canvas_for(codec, draw(st.integers(1, 8000)), draw(st.integers(1, 8000)))
    if draw(st.booleans()):
        return codec, task, canvas, draw(loose_texts())
    try:
        return codec, task, canvas, draw(broken(answers(codec, task, canvas)))
    except InputError:  # a label that the family has no way to write
        assume(False)
        raise


def read(
    name: str, text: str, task: str = "locate", size: tuple[int, int] = (1000, 1000)
) -> tuple[list[Any], list[Any]]:
    """Boxes with labels, and problems with what they point at, of an answer about a picture of `size`."""
    codec = get_codec(name)
    decoded = codec.decode(text, canvas_for(codec, *size), task=task)
    boxes = [(tuple(round(value, 3) for value in region.box), region.label) for region in decoded.regions]
    return boxes, [(problem.kind, text[slice(*problem.span)]) for problem in decoded.problems]


def recorded(name: str) -> list[dict[str, Any]]:
    """Recorded answers of a family, with their source and licence."""
    lines = (Path(__file__).parent / "cases" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line]
