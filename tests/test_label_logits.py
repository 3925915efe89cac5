"""Logits of the places with labels are those that all places would have, for our decoder and for others."""

import pytest
import torch

from grounding.training.label_logits import logits_at
from grounding.training.lesson_rows import IGNORE, LessonCollator
from tests import tiny
from tests.tiny_training import LLAMA, SIGLIP, Boxes

GEMMA = {
    **LLAMA, "model_type": "gemma2", "head_dim": 32, "final_logit_softcapping": 2.0, "tie_word_embeddings": True,
    "query_pre_attn_scalar": 32, "sliding_window": 8,
}  # fmt: skip


@pytest.mark.parametrize(
    "options", [{}, {"text_config": LLAMA}, {"text_config": GEMMA}], ids=["ours", "llama", "gemma2"]
)
def test_logits_of_places_are_those_of_the_whole_row(options):
    model = tiny.model(vision_config=SIGLIP, **options)
    batch = LessonCollator(tiny.processor(), 200)([Boxes().lesson(number) for number in range(3)])
    places = batch.pop("labels") != IGNORE
    whole = model(**batch).logits[places]
    assert torch.allclose(logits_at(model, model, batch, places), whole, atol=1e-5)
    again = model(**batch).logits
    assert again.shape[:2] == places.shape  # nothing is left behind
    none = logits_at(model, model, batch, torch.zeros_like(places))
    assert none.shape == (0, whole.shape[1])
    none.sum().backward()
