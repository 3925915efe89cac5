"""CogVLM: three digits, several boxes in one pair of brackets, captions with boxes, CogAgent's points."""

import pytest

from grounding.codecs import get_codec
from grounding.images import Canvas
from grounding.result import Region
from tests.chatting import read

CODEC = get_codec("cogvlm")
CANVAS = Canvas.identity(1000, 1000)


def test_prompts_are_the_familys():
    assert CODEC.prompt("locate", "the dog") == "Where is the dog? answer in [[x0,y0,x1,y1]] format."
    assert CODEC.prompt("describe", box=(86, 540, 400, 760), canvas=CANVAS) == (
        "Tell me what you see within the designated area [[086,540,400,760]] in the picture."
    )
    assert CODEC.prompt("caption") == (
        "Can you provide a description of the image and include the coordinates [[x0,y0,x1,y1]] "
        "for each mentioned object?"
    )


def test_answers_are_written_as_the_family_writes():
    regions = [Region((86, 540, 400, 760), label="dog"), Region((1, 2, 3, 4), label="dog")]
    assert CODEC.encode("locate", regions=regions, canvas=CANVAS) == "[[086,540,400,760;001,002,003,004]]"
    assert CODEC.encode("detect", regions=regions, canvas=CANVAS) == "dog [[086,540,400,760;001,002,003,004]]"
    shown = [Region((86, 540, 400, 760), span=(0, 5))]
    assert CODEC.encode("caption", text="A dog sits.", regions=shown, canvas=CANVAS) == (
        "A dog [[086,540,400,760]] sits."
    )


def test_the_far_edge_is_written_as_the_last_number():
    assert CODEC.encode("locate", regions=[Region((0, 0, 1000, 1000))], canvas=CANVAS) == "[[000,000,999,999]]"


@pytest.mark.parametrize(
    ("text", "boxes", "problems"),
    [
        ("[[086,540,400,760]]", [((86, 540, 400, 760), None)], []),
        ("[[086,540,400,760;1,2,3,4]]", [((86, 540, 400, 760), None), ((1, 2, 3, 4), None)], []),
        ("[[086, 540, 400, 760]; [1,2,3,4]]", [((86, 540, 400, 760), None), ((1, 2, 3, 4), None)], []),
        ("[[086,540,400,760;1,2,3]]", [((86, 540, 400, 760), None)], [("malformed", "1,2,3]")]),
        ("[[086,540,400,760;", [((86, 540, 400, 760), None)], [("truncated", ";")]),
        ("The dog [[086,540,400,760]] is here.</s>", [((86, 540, 400, 760), None)], []),
    ],
)
def test_answers_are_read(text, boxes, problems):
    assert read("cogvlm", text) == (boxes, problems)


def test_a_caption_has_its_words_and_their_places():
    text = "A man [[086,540,400,760]] in a red shirt [[012,034,056,078;100,200,300,400]], with a dog."
    decoded = CODEC.decode(text, CANVAS, task="caption")
    assert decoded.text == "A man in a red shirt, with a dog."
    assert [region.label for region in decoded.regions] == ["A man", "in a red shirt", "in a red shirt"]
    assert not decoded.problems


def test_points_are_regions_without_extent():
    (region,) = CODEC.decode("CLICK at [[212,498]]", CANVAS).regions
    assert region.point == (212, 498)
