"""What hypothesis draws for the codecs' tests: pictures' sizes, boxes, labels, answers, broken answers, and cuts."""

from __future__ import annotations

from hypothesis import strategies as st

from grounding.codecs.base import BLANK_OR_COMMA, Codec
from grounding.images import Canvas
from grounding.masks import Mask
from grounding.result import Region

LABELS = (
    "cat",
    "red star",
    "man's red hat",
    "dog, brown",
    "the small blue ring",
    "naïve café",
    "猫",
    "красная звезда",
    "x:y",
    "none",
    "7",
)
WORDS = ("a red star above a blue ring.", "two cats, asleep; one dog", "猫が二匹", "there is none", "it's 3 : 1")
JUNK = (
    "<loc0000>",
    "<loc1024>",
    "<loc99999>",
    "<loc12>",
    "<loc",
    "<loc02",
    "<LOC0100>",
    "<loc\uff10\uff11\uff12\uff13>",
    "<loc_52>",
    "<seg012>",
    "<seg999>",
    "<p>",
    "</p>",
    "<eos>",
    "<unk>",
    "<",
    ">",
    "none",
    " ; ",
    ";",
    ",",
    "\r\n",
    "\n",
    " ",
    "3 : ",
    ":",
    "cat",
    "<think>hm</think>",
    "[0.1, 0.2]",
    "\x00",
    "\ufeff",
    "\uff1b",
    "\U0001f600",
)

canvases = st.builds(Canvas.identity, st.integers(1, 8000), st.integers(1, 8000))
labels = st.sampled_from(LABELS) | st.text(
    st.characters(exclude_characters="<>;；\r\n,，", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12
).map(lambda text: text.strip(BLANK_OR_COMMA)).filter(bool)


def edges(side: float, thinnest: float = 0.0) -> st.SearchStrategy[tuple[float, float]]:
    """A low and a high edge from 0 to `side`, `thinnest` bins apart or more."""
    gap = thinnest / 1023 * side
    return st.tuples(st.floats(0, side - gap), st.floats(0, 1)).map(
        lambda pair: (pair[0], min(pair[0] + gap + pair[1] * (side - gap - pair[0]), side))
    )


def boxes(canvas: Canvas, thinnest: float = 0.0) -> st.SearchStrategy[tuple[float, float, float, float]]:
    """Any box of the picture; `thinnest`: its smallest width and height in bins."""
    return st.tuples(edges(canvas.width, thinnest), edges(canvas.height, thinnest)).map(
        lambda sides: (sides[0][0], sides[1][0], sides[0][1], sides[1][1])
    )


@st.composite
def regions(draw: st.DrawFn, canvas: Canvas, *, labelled: bool = True, thinnest: float = 1.5) -> list[Region]:
    """Up to five regions whose bins differ."""
    found: dict[tuple[int, ...], Region] = {}
    for _ in range(draw(st.integers(0, 5))):
        x1, y1, x2, y2 = draw(boxes(canvas, thinnest))
        key = tuple(
            round(value * 1023)
            for value in (x1 / canvas.width, y1 / canvas.height, x2 / canvas.width, y2 / canvas.height)
        )
        found.setdefault(key, Region((x1, y1, x2, y2), label=draw(labels) if labelled else None))
    return list(found.values())


@st.composite
def outlines(draw: st.DrawFn, canvas: Canvas) -> list[Region]:
    """Up to three regions with a polygon each."""
    found = []
    corner = st.tuples(st.floats(0, canvas.width), st.floats(0, canvas.height))
    for _ in range(draw(st.integers(0, 3))):
        mask = Mask.from_polygons([draw(st.lists(corner, min_size=3, max_size=8))], canvas.width, canvas.height)
        found.append(Region(mask.box, mask=mask))
    return found


@st.composite
def spanned(draw: st.DrawFn, canvas: Canvas) -> tuple[str, list[Region]]:
    """Words, and regions that show phrases of them which do not overlap."""
    text = draw(st.sampled_from(WORDS))
    cuts = sorted(draw(st.sets(st.integers(0, len(text)), min_size=0, max_size=6)))
    found = []
    for start, end in zip(cuts[::2], cuts[1::2], strict=False):
        while start < end and text[start] in BLANK_OR_COMMA:
            start += 1
        while start < end and text[end - 1] in BLANK_OR_COMMA:
            end -= 1
        if start < end:
            found.append(Region(draw(boxes(canvas, 1.5)), span=(start, end)))
    return text, found


@st.composite
def answers(draw: st.DrawFn, codec: Codec, task: str, canvas: Canvas) -> str:
    """An answer as the codec writes it."""
    if task in ("caption", "answer"):
        text, shown = draw(spanned(canvas))
        return codec.encode(task, text=text, regions=shown, canvas=canvas)
    if task == "describe":
        return codec.encode(task, text=draw(labels), regions=draw(regions(canvas))[:1], canvas=canvas)
    if task == "segment":
        if codec.name != "paligemma":
            return codec.encode(task, regions=draw(outlines(canvas)), canvas=canvas)
        codes = "".join(f"<seg{draw(st.integers(0, 127)):03d}>" for _ in range(16))
        return codec.encode("detect", regions=draw(regions(canvas)), canvas=canvas).replace("> ", f">{codes} ")
    return codec.encode(task, regions=draw(regions(canvas)), canvas=canvas)


@st.composite
def broken(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> str:
    """A text after a few accidents: cut, thinned, doubled, swapped, or with something thrown in."""
    text = draw(texts)
    for _ in range(draw(st.integers(0, 4))):
        first, second = sorted((draw(st.integers(0, len(text))), draw(st.integers(0, len(text)))))
        accident = draw(st.sampled_from(("cut", "lose", "double", "swap", "insert", "widen")))
        if accident == "cut":
            text = text[:second]
        elif accident == "lose":
            text = text[:first] + text[min(second, first + 12) :]
        elif accident == "double":
            text = text[:second] + text[first:second] + text[second:]
        elif accident == "swap" and first < second < len(text):
            text = text[:first] + text[second] + text[first + 1 : second] + text[first] + text[second + 1 :]
        elif accident == "insert":
            text = text[:first] + draw(st.sampled_from(JUNK)) + text[first:]
        elif accident == "widen":
            text = (
                text[:first]
                + text[first:second].translate({ord("0") + i: 0xFF10 + i for i in range(10)})
                + text[second:]
            )
    return text


@st.composite
def cut(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> list[str]:
    """A text in pieces, some of them empty."""
    text = draw(texts)
    if draw(st.booleans()):
        return list(text)
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8)))
    return [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]
