"""Words and changes of the picture: sides swapped as written, lessons in doubt left alone."""

import pytest
from hypothesis import given, strategies as st

from grounding.data.augment.words import may_crop, may_flip, may_recolour, swap_sides

SWAPPED = [
    ("the cup on the left", "the cup on the right"),
    ("Left zebra", "Right zebra"),
    ("LEFTMOST man", "RIGHTMOST man"),
    ("bottom-left corner", "bottom-right corner"),
    ("topright one", "topleft one"),
    ("her left hand, not her right-hand side", "her right hand, not her left-hand side"),
    ("third from left to right", "third from right to left"),
    ("moving leftwards", "moving rightwards"),
    ("a bright leftover", "a bright leftover"),
    ("copyright", "copyright"),
]


@pytest.mark.parametrize(("text", "wanted"), SWAPPED)
def test_sides_change_places_as_they_are_written(text, wanted):
    assert swap_sides(text)[0] == wanted
    assert swap_sides(wanted)[0] == text


@given(st.lists(st.sampled_from(["left", "Right", "the dog", "LEFT", ",", "rightmost", "über", "x"]), max_size=8))
def test_places_follow_their_words(words):
    text = " ".join(words)
    swapped, moved = swap_sides(text)
    assert swap_sides(swapped)[0] == text
    at = 0
    for word in words:
        start, end = at, at + len(word)
        assert swapped[moved(start) : moved(end)] == swap_sides(word)[0]
        at = end + 1
    assert moved(len(text)) == len(swapped)


@pytest.mark.parametrize(
    "phrase",
    [
        "left guy",
        "man right",
        "the right zebra",
        "guy on the right in red",
        "second from the left",
        "cup left of the plate",
        "person at far right",
        "the dog in the middle",
        "the elephant's right ear",
        "star",
    ],
)
def test_phrases_with_clear_sides_may_be_flipped(phrase):
    assert may_flip(phrase, short=True)


@pytest.mark.parametrize(
    "phrase",
    [
        "man right next to the car",
        "cup right behind her",
        "the pizza that is left",
        "player number 23",
        "shirt 7",
        "letter a",
        "guy on l",
        "lft cow",
        "rt",
        "left-handed batter",
        "the clock",
        "cup at three o'clock",
        "4:10",
        "second guy",
        "2nd elephant",
        "last one",
        "the STOP sign",
        "shirt that says 'love'",
        'the word "right"',
        "mirror on wall",
        "who has the right of way",
        "all right sign",
    ],
)
def test_phrases_in_doubt_may_not(phrase):
    assert not may_flip(phrase, short=True)


@pytest.mark.parametrize(
    "text",
    [
        "A man stands on the left side of the bench.",
        "On the right, a dog is sleeping next to two cats.",
        "The cup is to the left of the plate, in the bottom right corner.",
        "There are two birds in the sky.",
        "He raises his left arm.",
        "A red star on the left and a ring on the right.",
    ],
)
def test_sentences_with_clear_sides_may_be_flipped(text):
    assert may_flip(text, short=False)


@pytest.mark.parametrize(
    "text",
    [
        "You are right about the cup.",
        "She left the room.",
        "He left his bag on the bench.",
        "There is not much left of it.",
        "Only two slices are left.",
        "This is the right answer.",
        "They are on the right track.",
        "It is all right.",
        "Everyone has the right to vote.",
        "It was built in 1920.",
        "The clock shows ten.",
        "The text reads hello.",
        "The dog is at [10, 20, 30, 40].",
        "Here: <loc0012><loc0100>.",
        "The sign says EXIT.",
        "What time is it?",
        "Turn right now.",
    ],
)
def test_sentences_in_doubt_may_not(text):
    assert not may_flip(text, short=False)


@pytest.mark.parametrize("text", ["star", "the red cup", "woman with an umbrella", "a dog wearing a hat"])
def test_what_is_true_of_a_part_may_be_cropped(text):
    assert may_crop([text])


@pytest.mark.parametrize(
    "text",
    [
        "left cup",
        "the largest dog",
        "second car",
        "the one in the back",
        "cup next to the plate",
        "two dogs",
        "3 dogs",
        "the only cat",
        "dog at the edge of the picture",
        "farthest tree",
        "1st",
    ],
)
def test_places_orders_and_comparisons_forbid_a_crop(text):
    assert not may_crop(["star", text])


def test_colours_forbid_other_colours():
    assert may_recolour(["cup", "a man with a hat"])
    for text in ("Red cup", "the darker one", "a blonde woman", "in the shadow", "greenish thing", "what color is it?"):
        assert not may_recolour(["cup", text])
