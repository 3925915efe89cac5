"""generate with pictures: repeated rows keep theirs, whatever their views, and caches keep what windows don't see."""

import pytest
import torch
from transformers.cache_utils import DynamicCache

from grounding.errors import InputError
from grounding.model.building import processor_for
from grounding.model.fusion import ANSWER, IMAGE, PROMPT
from grounding.model.generating import repeat_pictures, repeat_runs
from tests import foreign_decoders, tiny

SIZES = ((100, 160), (200, 60), (64, 64))
OPTIONS = {"do_sample": False, "max_new_tokens": 4, "eos_token_id": None, "pad_token_id": 0}
FUSIONS = {"concatenation": {}, "cross_attention": {"fusion": "cross_attention", "fusion_options": {"every": 1}}}


def built(name="ours", fusion="concatenation", **changes):
    model = foreign_decoders.model(name, **FUSIONS[fusion], **changes)
    for layer in getattr(model.fusion, "layers", ()):
        torch.nn.init.constant_(layer.attention_gate, 0.7)
    return model


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("name", ["ours", "llama"])
@pytest.mark.parametrize("resize", ["squash", "llava_next"])
def test_beams_of_pictures_of_several_views_are_those_of_each_row_alone(name, fusion, resize):
    model = built(name, fusion, resize=resize, line_ends=resize == "llava_next")
    processor = processor_for(model, tiny.tokenizer())
    images = [tiny.image(number).resize(size) for number, size in enumerate(SIZES)]
    texts = ["caption", "count the star", "locate the small red star"]
    together = model.generate(**processor(images, texts), num_beams=2, **OPTIONS)[:, -4:].tolist()
    for image, text, ids in zip(images, texts, together, strict=True):
        assert model.generate(**processor(image, text), num_beams=2, **OPTIONS)[0, -4:].tolist() == ids


def test_rows_with_several_pictures_keep_them_all():
    model = built(fusion="cross_attention")
    processor = processor_for(model, tiny.tokenizer())
    images = [tiny.image(0), tiny.image(1), tiny.image(2)]
    batch = processor([images[:2], images[2:]], ["from <image> to <image>", "caption"])
    beams = model.generate(**batch, num_beams=2, **OPTIONS)
    first = processor([images[:2]], ["from <image> to <image>"])
    assert model.generate(**first, num_beams=2, **OPTIONS)[0, -4:].tolist() == beams[0, -4:].tolist()


def test_runs_are_repeated_one_after_another():
    assert repeat_runs(torch.arange(5), torch.tensor([2, 0, 3]), 2).tolist() == [0, 1, 0, 1, 2, 3, 4, 2, 3, 4]
    features = torch.arange(10.0).view(5, 2)
    kept = repeat_pictures(features, torch.tensor([1, 2, 2]), torch.tensor([2, 1]), 2, marks=True)
    assert kept["picture_tokens"].tolist() == [1, 2, 1, 2, 2, 2]
    assert kept["image_features"][:, 0].tolist() == [0, 2, 4, 0, 2, 4, 6, 8, 6, 8]


@pytest.mark.parametrize("name", ["ours", "mistral"])
def test_roles_of_a_conversation_are_handed_on(name):
    """An earlier answer in the prompt was written left to right; told so, the model reads it so."""
    model = built(name)
    ids = torch.tensor([[3] * tiny.TOKENS + [1, 70, 71, 72, 73]])
    roles = torch.tensor([[IMAGE] * tiny.TOKENS + [PROMPT, ANSWER, ANSWER, ANSWER, ANSWER]])
    pixels = torch.randn(1, 3, tiny.SIZE, tiny.SIZE)
    with torch.no_grad():
        want = model(input_ids=ids, token_roles=roles, pixel_values=pixels).logits[0, -1]
    given = {"pixel_values": pixels, "return_dict_in_generate": True, "output_logits": True, **OPTIONS}
    assert torch.allclose(model.generate(ids, token_roles=roles, **given).logits[0][0], want, atol=1e-5)
    assert not torch.allclose(model.generate(ids, **given).logits[0][0], want, atol=1e-3)


def test_a_cache_of_windows_gives_way_to_one_that_keeps_all():
    model = built("mistral", text={"sliding_window": 8})
    ids = torch.tensor([[3] * tiny.TOKENS + [1, 70]])
    windows = DynamicCache(config=model.language.config)
    assert any(windows.is_sliding)
    given = model.prepare_inputs_for_generation(ids, past_key_values=windows, pixel_values="these", token_roles="those")
    assert not any(given["past_key_values"].is_sliding)
    assert (given["pixel_values"], given["token_roles"]) == ("these", "those")
    full = DynamicCache()
    full.update(torch.zeros(1, 1, 17, 4), torch.zeros(1, 1, 17, 4), 0)
    after = model.prepare_inputs_for_generation(ids, past_key_values=full, pixel_values="these")
    assert after["past_key_values"] is full
    assert after["input_ids"].tolist() == [[70]]
    assert "pixel_values" not in after


@pytest.mark.parametrize(
    ("options", "message"),
    [({"use_cache": False}, "needs its cache here"), ({"cache_implementation": "static"}, "a cache that grows")],
)
def test_caches_that_cannot_hold_pictures_are_refused(options, message):
    model = built("llama")
    ids, pixels = torch.tensor([[3] * tiny.TOKENS + [1, 70]]), torch.randn(1, 3, tiny.SIZE, tiny.SIZE)
    with pytest.raises(InputError, match=message):
        model.generate(ids, pixel_values=pixels, **options, **OPTIONS)
