"""Scores: the geometric mean of a box's own coordinate tokens, and none where they can't be told."""

import math
import re

import pytest

from tests.family_cases import CASES, families, whole
from tests.forced import ids_of, picture

SCORED = ("paligemma", "florence2", "kosmos-2", "qwen2_5_vl with bins")


@families(*SCORED)
def test_score_is_the_geometric_mean_of_the_coordinates(family, forcing, model_of):
    model = model_of(family)
    tokens = model.processor.tokenizer.convert_ids_to_tokens(ids_of(model, CASES[family].answer))
    places = [place for place, token in enumerate(tokens) if re.match(r"<(loc|patch|\d)", token)]
    chances = {place: 0.2 + 0.05 * number for number, place in enumerate(places)}
    model = forcing(family, CASES[family].answer, chances)
    per_box = 2 if family == "kosmos-2" else 4
    expected = []
    for first in range(0, len(places), per_box):
        product = math.prod(chances[place] for place in places[first : first + per_box])
        expected.append(pytest.approx(product ** (1 / per_box), rel=1e-3))
    answer = model.ground(picture(), "the red cup")
    assert list(answer.scores) == expected
    model.logits_processors[0].start = None
    *regions, streamed = model.stream(picture(), "the red cup")
    assert [region.score for region in regions] == expected
    assert streamed.regions == answer.regions


def test_boxes_in_a_caption_are_scored_by_their_own_tokens(forcing, model_of):
    # recorded: the model card of kosmos-2-patch14-224
    text = (
        "<phrase> a snowman</phrase><object><patch_index_0044><patch_index_0863></object> warming himself by"
        "<phrase> a fire</phrase><object><patch_index_0005><patch_index_0911></object>."
    )
    tokens = model_of("kosmos-2").processor.tokenizer.tokenize(text)
    places = [place for place, token in enumerate(tokens) if token.startswith("<patch")]
    model = forcing("kosmos-2", text, dict(zip(places, (0.9, 0.4, 0.5, 0.2), strict=True)))
    answer = model.caption(picture())
    assert answer.text == "a snowman warming himself by a fire."
    assert [answer.text[slice(*region.span)] for region in answer.regions] == ["a snowman", "a fire"]
    assert answer.scores == (pytest.approx(0.6, rel=1e-3), pytest.approx(0.1**0.5, rel=1e-3))
    assert answer.regions[0].box == pytest.approx(whole(12.5 / 32, 1.5 / 32, 31.5 / 32, 26.5 / 32))


@families(but=SCORED)
def test_coordinates_in_digits_have_no_score(family, forcing):
    assert set(forcing(family, CASES[family].answer).ground(picture(), "the red cup").scores) == {None}
