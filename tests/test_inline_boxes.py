"""Boxes among words in LLaVA's way: out of the words into pixels, and back as they were written."""

import pytest
from hypothesis import given, strategies as st

from grounding.codecs import get_codec
from grounding.data.lessons.inline_boxes import has_boxes, without_boxes
from grounding.errors import BoxError

LLAVA = get_codec("llava-1.5")
SIZE = (640, 480)


def rewritten(text, size=SIZE):
    words, regions = without_boxes(text, size)
    return LLAVA.encode("answer", regions=regions, text=words, canvas=LLAVA.canvas(*size))


@pytest.mark.parametrize(
    "text",
    [
        "[0.12, 0.34, 0.56, 0.78]",
        "A dog [0.12, 0.34, 0.56, 0.78] sits.",
        "Please provide a short description for this region: [0.12, 0.34, 0.56, 0.78].",
        "a cat [0.10, 0.20, 0.30, 0.40], and two dogs [0.50, 0.40, 0.60, 0.50], [0.70, 0.40, 0.80, 0.50] sleep",
        "first [0.10, 0.20, 0.30, 0.40] then the same [0.10, 0.20, 0.30, 0.40]",
    ],
)
def test_boxes_come_back_as_they_were_written(text):
    assert has_boxes(text)
    assert rewritten(text) == text


@given(
    st.tuples(*[st.integers(0, 100)] * 4),
    st.sampled_from([(640, 480), (480, 640), (333, 333), (1000, 70), (7, 900)]),
)
def test_every_box_within_its_picture_survives(numbers, size):
    x1, x2, y1, y2 = sorted(numbers[:2]) + sorted(numbers[2:])
    side, (width, height) = max(size), size
    left, top = (side - width) // 2 / side, (side - height) // 2 / side
    box = [round(left + x1 / 100 * width / side, 2), round(top + y1 / 100 * height / side, 2)]
    box += [round(left + x2 / 100 * width / side, 2), round(top + y2 / 100 * height / side, 2)]
    text = f"[{', '.join(f'{number:.2f}' for number in box)}]"
    ((x1, y1, x2, y2),) = (region.box for region in without_boxes(text, size)[1])
    assert 0 <= x1 <= x2 <= width
    assert 0 <= y1 <= y2 <= height
    written = [float(number) for number in rewritten(text, size)[1:-1].split(",")]
    assert written == pytest.approx(box, abs=0.0151), "an edge in the padding is cut at the picture"


def test_pixels_are_those_of_the_padded_square_or_of_the_picture():
    (padded,) = without_boxes("[0.25, 0.25, 0.50, 0.50]", SIZE)[1]
    assert padded.box == (160, 80, 320, 240)
    (plain,) = without_boxes("[0.25, 0.25, 0.50, 0.50]", SIZE, "picture")[1]
    assert plain.box == (160, 120, 320, 240)


def test_spans_cover_the_clause_in_front():
    words, regions = without_boxes("Look: a dog [0.10, 0.20, 0.30, 0.40], and two cats [0.50, 0.40, 0.60, 0.50].", SIZE)
    assert words == "Look: a dog, and two cats."
    assert [words[slice(*region.span)] for region in regions] == ["a dog", "two cats"]
    words, (region,) = without_boxes("Describe this region: [0.10, 0.20, 0.30, 0.40]", SIZE)
    assert (words, region.span) == ("Describe this region:", (21, 21))


@pytest.mark.parametrize(
    "text", ["[1]", "see [1, 2, 3, 4]", "[0, 1, 0, 1]", "[0.1, 0.2, 0.3]", "(0.1, 0.2, 0.3, 0.4)", "[0.1,0.2,0.3,1.7]"]
)
def test_other_brackets_are_words(text):
    assert not has_boxes(text)
    assert without_boxes(text, SIZE) == (text, ())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[0.50, 0.20, 0.30, 0.40]", "inverted"),
        ("[0.10, 0.00, 0.30, 0.05]", "outside its picture of 640 x 480"),
    ],
)
def test_a_box_that_cannot_be_is_refused(text, reason):
    with pytest.raises(BoxError, match=reason):
        without_boxes(text, SIZE)
