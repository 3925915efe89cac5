"""Who sees whom, in every family of language models: not what is to come, but the picture, and each its own window."""

import pytest
import torch
from transformers import GPT2Config

from grounding.errors import ConfigError
from grounding.model.cache import RowCache, rows_of
from grounding.model.decode import DecodeOptions, Decoder
from grounding.model.fusion import ANSWER, IMAGE, PAD, PROMPT
from grounding.model.masking import in_its_form, leading_images, masks_of_whole, window_of
from tests import foreign_decoders, tiny

FAMILIES = ("ours", "llama", "smollm", "qwen3", "gemma", "gemma3", "gpt2", "phi", "phi3", "mistral")
WINDOWED = {
    "gemma2": {"sliding_window": 8},
    "gemma3": {"sliding_window": 8},
    "mistral": {"sliding_window": 8},
    "phi3": {"sliding_window": 8},
    "qwen2": {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1},
}
"""Families with layers that see the last eight tokens."""
COUNT = tiny.TOKENS
ATTENTION = pytest.mark.parametrize("attention", ["prefix", "causal"])
FAMILY = pytest.mark.parametrize("name", FAMILIES)


def pixels(count=1, seed=0):
    return torch.randn(count, 3, tiny.SIZE, tiny.SIZE, generator=torch.Generator().manual_seed(seed))


def row(letters, start=100):
    """Ids and roles of a row: `i` a whole picture, `p` and `a` a word of the prompt and the answer, `.` padding."""
    ids, roles = [], []
    for number, letter in enumerate(letters):
        ids += [3] * COUNT if letter == "i" else [0 if letter == "." else start + number]
        roles += {"i": [IMAGE] * COUNT, "p": [PROMPT], "a": [ANSWER], ".": [PAD]}[letter]
    return torch.tensor([ids]), torch.tensor([roles])


def logits(model, ids, roles, shown=None, **more):
    pictures = int((ids == 3).sum()) // COUNT
    with torch.no_grad():
        return model(
            input_ids=ids,
            token_roles=roles,
            attention_mask=(roles != PAD).long(),
            pixel_values=pixels(pictures) if shown is None else shown,
            **more,
        ).logits


def moved(model, ids, roles, place, shown=None):
    """Which logits of a row change when the token at `place` does, or its pictures do."""
    before = logits(model, ids, roles)
    other = ids.clone()
    if place is not None:
        other[0, place] = 900
    return ((logits(model, other, roles, shown) - before)[0].abs().amax(1) > 1e-4).tolist()


# ---- every family


@FAMILY
@ATTENTION
def test_what_is_to_come_is_not_seen_and_the_picture_is(name, attention):
    model = foreign_decoders.model(name, attention=attention)
    ids, roles = row("ippaaa")
    at = COUNT + 3  # the second word of the answer
    assert moved(model, ids, roles, at) == [False] * at + [True] * 2
    assert all(moved(model, ids, roles, None, pixels(seed=7)))
    prompt = moved(model, ids, roles, COUNT + 1)
    assert prompt == [False] * COUNT + [attention == "prefix"] + [True] * 4


@FAMILY
@ATTENTION
def test_forward_generate_and_pictures_encoded_once_agree(name, attention):
    model, processor = foreign_decoders.model(name, attention=attention), tiny.processor()
    asks = tiny.asks(processor, 3, grammar=False)
    batch = processor([ask.image for ask in asks], [ask.prompt for ask in asks])
    with torch.no_grad():
        whole = model(**batch, logits_to_keep=1).logits[:, 0]
        prompts = processor.encode_prompts([ask.prompt for ask in asks])
        pictures = model.image_cache(processor.image_processor([ask.image for ask in asks])["pixel_values"])
        for number, prompt in enumerate(prompts):
            which = torch.tensor([number])
            cache = RowCache(pictures, which, 40) if model.own_language else rows_of(pictures, which)
            shared = model(
                input_ids=torch.tensor([prompt]),
                token_roles=torch.full((1, len(prompt)), PROMPT),
                past_key_values=cache,
                logits_to_keep=1,
            )
            assert torch.allclose(shared.logits[0], whole[number], atol=1e-4)
    ids = model.generate(**batch, max_new_tokens=4, do_sample=False, eos_token_id=None, pad_token_id=0)
    decoder = Decoder(model, processor, DecodeOptions(max_new_tokens=4, expectation=False))
    for answer, written in zip(decoder.answer_many(asks), ids[:, batch["input_ids"].shape[1] :].tolist(), strict=True):
        assert list(answer.ids) == written[: len(answer.ids)]


@FAMILY
@ATTENTION
def test_phrases_in_one_row_are_what_they_are_alone(name, attention):
    model = foreign_decoders.model(name, attention=attention)
    ids, roles = row("ippappaa")
    segments = torch.tensor([[0] * (COUNT + 3) + [1] * 4])
    starts = [*range(COUNT + 3), *range(COUNT, COUNT + 4)]
    packed = logits(model, ids, roles, segment_ids=segments, position_ids=torch.tensor([starts]))
    second = [*range(COUNT), *range(COUNT + 3, COUNT + 7)]
    assert torch.allclose(logits(model, ids[:, : COUNT + 3], roles[:, : COUNT + 3]), packed[:, : COUNT + 3], atol=1e-4)
    assert torch.allclose(logits(model, ids[:, second], roles[:, second])[:, COUNT:], packed[:, COUNT + 3 :], atol=1e-4)


@pytest.mark.parametrize("name", ["ours", "llama", "gemma3", "gpt2"])
@ATTENTION
def test_pictures_may_stand_in_the_middle_of_the_text(name, attention):
    model = foreign_decoders.model(name, attention=attention)
    ids, roles = row("pipipaa")
    before = COUNT + 1
    second = torch.stack([pixels(2)[0], pixels(seed=8)[0]])
    changed = moved(model, ids, roles, None, second)
    assert all(changed[before + 1 + COUNT :])
    assert all(changed) if attention == "prefix" else not any(changed[: before + 1])
    # written step by step behind the prompt
    whole = logits(model, ids, roles)
    with torch.no_grad():
        cut = len(ids[0]) - 2
        out = model(input_ids=ids[:, :cut], pixel_values=pixels(2), use_cache=True)
        steps = [out.logits[:, -1:]]
        for at in range(cut, cut + 2):
            out = model(input_ids=ids[:, at : at + 1], past_key_values=out.past_key_values)
            steps.append(out.logits)
    assert torch.allclose(torch.cat(steps, 1), whole[:, cut - 1 :], atol=1e-4)


@FAMILY
def test_a_causal_text_is_what_the_language_model_makes_of_it(name):
    model = foreign_decoders.model(name, attention="causal")
    ids, roles = row("ippaa")
    with torch.no_grad():
        embeddings = model.get_input_embeddings()(ids)
        embeddings = model.fusion(embeddings, model.image_features(pixels()), ids == 3)
        alone = model.language(inputs_embeds=embeddings).logits
    assert torch.allclose(logits(model, ids, roles), alone, atol=1e-5)


# ---- windows


@pytest.mark.parametrize("name", WINDOWED)
def test_in_a_causal_text_sliding_layers_keep_their_windows(name):
    """What is masked from outside, phrase by phrase, and what the model masks itself are the same."""
    model = foreign_decoders.model(name, text=WINDOWED[name], attention="causal")
    assert window_of(model.language.config) == 8
    ids, roles = row("ippaa")
    twice = torch.cat([ids, ids[:, COUNT:]], 1)
    segments = torch.tensor([[0] * len(ids[0]) + [1] * 4])
    positions = torch.tensor([[*range(COUNT + 4), *range(COUNT, COUNT + 4)]])
    given = logits(model, twice, torch.cat([roles, roles[:, COUNT:]], 1), segment_ids=segments, position_ids=positions)
    alone = logits(model, ids, roles)
    assert torch.allclose(given[:, : COUNT + 4], alone, atol=1e-5)
    assert torch.allclose(given[:, COUNT + 4 :], alone[:, COUNT:], atol=1e-5)
    wide = foreign_decoders.model(name, text={**WINDOWED[name], "sliding_window": 100}, attention="causal")
    assert not torch.allclose(logits(wide, ids, roles)[:, -1], alone[:, -1], atol=1e-3)


@pytest.mark.parametrize("name", WINDOWED)
@ATTENTION
def test_windows_hold_in_every_way_to_write(name, attention):
    model, processor = foreign_decoders.model(name, text=WINDOWED[name], attention=attention), tiny.processor()
    asks = tiny.asks(processor, 3, grammar=False)
    batch = processor([ask.image for ask in asks], [ask.prompt for ask in asks])
    ids = model.generate(**batch, max_new_tokens=6, do_sample=False, eos_token_id=None, pad_token_id=0)
    decoder = Decoder(model, processor, DecodeOptions(max_new_tokens=6, expectation=False))
    together = decoder.answer_many(asks)
    for ask, answer, written in zip(asks, together, ids[:, batch["input_ids"].shape[1] :].tolist(), strict=True):
        assert list(answer.ids) == written[: len(answer.ids)]
        assert decoder.answer(ask).ids == answer.ids


def test_a_window_ends_where_it_ends_and_pictures_are_seen_whole_from_within():
    model = foreign_decoders.model("mistral", text={"sliding_window": 8, "num_hidden_layers": 1})
    ids, roles = row("i" + "p" * 10 + "a")
    assert moved(model, ids, roles, COUNT) == [False] * COUNT + [True] * 8 + [False] * 3
    whole = masks_of_whole(model.language.config, roles, None, torch.arange(COUNT + 11)[None], False, torch.float32)
    seen = whole["attention_mask"][0, 0] == 0
    assert seen[:COUNT, :COUNT].all()
    assert seen[COUNT, :COUNT].tolist() == [False] * (COUNT - 7) + [True] * 7


def test_layers_of_two_kinds_get_a_mask_each_and_only_where_the_window_is_short():
    config = foreign_decoders.family("gemma3", sliding_window=8)
    roles = torch.full((1, 12), PROMPT)
    given = masks_of_whole(config, roles, None, torch.arange(12)[None], False, torch.float32)["attention_mask"]
    assert sorted(given) == ["full_attention", "sliding_attention"]
    assert (given["full_attention"] == 0).all()
    assert (given["sliding_attention"] == 0).sum() == sum(abs(a - b) < 8 for a in range(12) for b in range(12))
    short = masks_of_whole(config, roles[:, :8], None, torch.arange(8)[None], False, torch.float32)["attention_mask"]
    assert isinstance(short, torch.Tensor)


def test_attention_that_takes_no_masks_is_refused_with_a_remedy():
    config = GPT2Config()
    config._attn_implementation = "flash_attention_2"
    places = torch.arange(3)[None]
    with pytest.raises(ConfigError, match="'flash_attention_2', which takes no masks"):
        in_its_form(config, torch.ones(1, 1, 3, 3, dtype=torch.bool), torch.float32, places, places)
    roles = torch.full((1, 3), PROMPT)  # but a causal text of one phrase needs none
    assert masks_of_whole(config, roles, None, places, True, torch.float32)["attention_mask"].tolist() == [[1, 1, 1]]


# ---- ours


def test_leading_images_are_counted_only_where_all_rows_agree():
    def count(*rows):
        return leading_images(torch.tensor([[letter == "i" for letter in row] for row in rows]))

    assert count("iipp", "iipa") == 2
    assert count("ippp", "iipa") == 0
    assert count(".iip", "iip.") == 0
    assert count("pppp") == 0
