"""What may follow what: answers we write are taken, what breaks a rule is not, and the rules make a schema."""

import random

import pytest
from hypothesis import given, strategies as st

from grounding.codecs import get_codec
from grounding.codecs.grammar import Coordinate, End, Label, Text, Words
from grounding.errors import InputError, PromptError
from grounding.images import Canvas
from grounding.result import Region
from tests.strategies import LABELS, answers, boxes, canvases, labels, regions

CODEC = get_codec("location")
CANVAS = Canvas.identity(1023, 1023)
A, B = "<loc0010><loc0020><loc0030><loc0040>", "<loc0100><loc0200><loc0300><loc0400>"
TRIPLE = "<loc0010><loc0020>" * 3
NAMES = ("star", "star ring", "blue ring")

GRAMMARS = {
    "locate": CODEC.grammar("locate"),
    "detect": CODEC.grammar("detect", names=NAMES),
    "describe": CODEC.grammar("describe"),
    "point": CODEC.grammar("describe", point=True),
    "caption": CODEC.grammar("caption"),
    "count": CODEC.grammar("count"),
    "segment": CODEC.grammar("segment"),
    "answer": CODEC.grammar("answer"),
}


@pytest.mark.parametrize(
    ("task", "text"),
    [
        ("locate", "none"),
        ("locate", f"{A} ; {B} ; {A}"),
        ("locate", "<loc0000><loc1022><loc0001><loc1023>"),
        ("detect", "none"),
        ("detect", f"{A} star ring ; {B} star ; {A} Star ; {B} blue ring"),
        ("describe", "a red star; big"),
        ("point", f"{A} a red star"),
        ("caption", "a red star"),
        ("caption", f"a <p>star</p>{A}{B} on <p>a ring</p>{A}."),
        ("caption", f"<p>star</p>{A}"),
        ("count", "0"),
        ("count", f"1 : {A}"),
        ("count", f"3 : {A} ; {B} ; {A}"),
        ("segment", "none"),
        ("segment", f"{TRIPLE} ; {TRIPLE}{TRIPLE[:18]}"),
        ("answer", "yes: it is."),
        ("answer", f"the star{A}{B} and the ring{A}"),
    ],
)
def test_a_right_answer_is_taken(task, text):
    assert GRAMMARS[task].accepts(text)


@pytest.mark.parametrize(
    ("task", "text"),
    [
        *((task, text) for task in GRAMMARS for text in ("", " ", A[:27], f"{A} ;{B}", "<loc0001", "<eos>")),
        *((task, text) for task in ("locate", "detect", "segment", "count") for text in (f"none ; {A}", f"{A} ; ")),
        ("locate", f"{A} star"),
        ("locate", "None"),
        ("locate", f"{A}{B}"),
        ("locate", "<loc0010><loc0020><loc0010><loc0040>"),
        ("locate", "<loc0010><loc0020><loc0030><loc0020>"),
        ("locate", "<loc1023><loc0020><loc1023><loc0040>"),
        ("locate", "<loc10><loc20><loc30><loc40>"),
        ("detect", A),
        ("detect", f"{A} cup"),
        ("detect", f"{A}star"),
        ("detect", f"{A} sta"),
        ("describe", f"{A} star"),
        ("point", "star"),
        ("point", f"{A}star"),
        ("caption", "<p>star</p>"),
        ("caption", f"a star{A}"),
        ("caption", f"<p></p>{A}"),
        ("count", f"2 : {A}"),
        ("count", f"1 : {A} ; {B}"),
        ("count", "3"),
        ("count", "0 : "),
        ("count", f"03 : {A}"),
        ("segment", A),
        ("segment", f"{TRIPLE}<loc0001>"),
        ("answer", f"{A} star"),
        ("answer", f"star{A[:18]}"),
    ],
)
def test_a_wrong_answer_is_not(task, text):
    assert not GRAMMARS[task].accepts(text)


def test_the_number_of_boxes_can_be_given():
    exactly, up_to = CODEC.grammar("locate", count=2), CODEC.grammar("detect", names=["star"], most=2)
    assert [exactly.accepts(text) for text in ("none", A, f"{A} ; {B}", f"{A} ; {B} ; {A}")] == [
        False,
        False,
        True,
        False,
    ]
    star = f"{A} star"
    assert [up_to.accepts(text) for text in ("none", star, f"{star} ; {star}", " ; ".join([star] * 3))] == [
        True,
        True,
        True,
        False,
    ]
    assert CODEC.grammar("locate", count=0).accepts("none")
    assert not CODEC.grammar("locate", count=0).accepts(A)
    counts = CODEC.grammar("count", count=2)
    assert [counts.accepts(text) for text in ("0", f"1 : {A}", f"2 : {A} ; {B}")] == [False, False, True]
    shapes = CODEC.grammar("segment", most=2)
    assert [shapes.accepts(" ; ".join([TRIPLE] * n) or "none") for n in range(4)] == [True, True, True, False]
    assert not CODEC.grammar("segment", count=2).accepts(TRIPLE)


def test_what_a_grammar_can_not_be_made_of_is_refused():
    with pytest.raises(PromptError):
        CODEC.grammar("detect")
    with pytest.raises(InputError, match="-1 boxes"):
        CODEC.grammar("locate", count=-1)
    with pytest.raises(InputError, match="number of boxes"):
        CODEC.grammar("caption", most=3)


@given(st.data(), canvases, st.sampled_from(sorted(GRAMMARS)))
def test_whatever_encode_writes_is_taken(data, canvas, name):
    task = "describe" if name == "point" else name
    if name == "detect":
        shown = data.draw(regions(canvas))
        text = CODEC.encode(task, regions=shown, canvas=canvas)
        grammar = CODEC.grammar("detect", names=[region.label for region in shown] or ["cat"])
    elif name in ("describe", "point"):
        shown = [Region(data.draw(boxes(canvas, 1.5)))] if name == "point" else []
        text = CODEC.encode(task, regions=shown, text=data.draw(labels), canvas=canvas)
        grammar = GRAMMARS[name]
    else:
        text, grammar = data.draw(answers(CODEC, task, canvas)), GRAMMARS[name]
    assert grammar.accepts(text)


def walk(grammar, random):
    """A random answer that the grammar takes, built symbol by symbol."""
    state, text, low = 0, "", {}
    while True:
        symbol, state = random.choice(grammar.states[state])
        match symbol:
            case End():
                return text
            case Text(literal):
                text += literal
            case Label(texts):
                text += random.choice(texts)
            case Words(spaced):
                text += " " * spaced + random.choice(LABELS)
            case Coordinate(axis, role):
                bin_ = random.randint(low[axis] + 1 if role == "high" else 0, 1023 - (role == "low"))
                low[axis] = bin_
                text += f"<loc{bin_:04d}>"


@pytest.mark.parametrize("name", GRAMMARS)
def test_any_path_through_a_grammar_is_an_answer_without_problems(name):
    dice = random.Random(0)
    for _ in range(150):
        text = walk(GRAMMARS[name], dice)
        assert GRAMMARS[name].accepts(text)
        decoded = CODEC.decode(text, CANVAS, task="describe" if name == "point" else name)
        assert not decoded.problems, text


@given(st.data(), canvases)
def test_an_answer_cut_between_symbols_is_a_start(data, canvas):
    text = CODEC.encode("locate", regions=data.draw(regions(canvas)), canvas=canvas)
    symbols = [text] if text == "none" else text.replace(">", ">|").replace(" ; ", " ; |").strip("|").split("|")
    for end in range(len(symbols) + 1):
        assert GRAMMARS["locate"].accepts_start("".join(symbols[:end]))
    assert not GRAMMARS["locate"].accepts_start("star")


def test_a_grammar_is_made_once_for_the_same_question():
    assert CODEC.grammar("detect", names=["star"]) is CODEC.grammar("detect", names=["star"])
    assert CODEC.grammar("detect", names=["star"]) != CODEC.grammar("detect", names=["ring"])


def test_a_schema_holds_what_a_schema_can():
    schema = CODEC.grammar("detect", names=["star", "ring"], most=3).to_json_schema()
    item = schema["properties"]["regions"]
    assert item["maxItems"] == 3
    assert item["items"]["required"] == ["box", "label"]
    assert item["items"]["properties"]["label"]["enum"] == ["star", "ring"]
    assert item["items"]["properties"]["box"] == {
        "type": "array",
        "items": {"type": "integer", "minimum": 0, "maximum": 1000},
        "minItems": 4,
        "maxItems": 4,
    }
    for name, grammar in GRAMMARS.items():
        schema = grammar.to_json_schema(top=999)
        assert schema["additionalProperties"] is False, name
        assert schema["required"] == list(schema["properties"]), name
    assert list(GRAMMARS["count"].to_json_schema()["properties"]) == ["count", "regions"]
    assert "polygon" in GRAMMARS["segment"].to_json_schema()["properties"]["regions"]["items"]["properties"]
