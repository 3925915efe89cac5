"""The kind of a phrase by its words alone."""

import pytest

from grounding.metrics.wording import KINDS, kind_by_words


@pytest.mark.parametrize(
    ("kind", "phrases"),
    [
        ("ordinal", ["third man from the left", "the second row", "2nd from right", "last zebra", "two from left"]),
        (
            "relation",
            [
                "dog next to the woman",
                "man behind the counter",
                "cup to the left of the plate",
                "girl holding an umbrella",
                "the boat closest to the shore",
                "bear on top of the rock",
            ],
        ),
        ("place", ["left", "man on the left", "top right corner", "middle zebra", "guy on far right", "in the back"]),
        ("place", ["cat at the bottom of the picture"]),
        (
            "attribute",
            ["red cup", "man wearing a hat", "the biggest bear", "striped shirt", "bald guy", "woman seated"],
        ),
        ("plain", ["dog", "the giraffe", "", "12", "собака"]),
    ],
)
def test_words_tell_the_kind(kind, phrases):
    assert kind in KINDS
    assert {phrase: kind_by_words(phrase) for phrase in phrases} == dict.fromkeys(phrases, kind)


def test_case_and_punctuation_do_not_matter():
    assert kind_by_words("The THIRD man, from left!") == "ordinal"
