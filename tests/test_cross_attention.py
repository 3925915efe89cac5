"""Gated cross-attention: nothing is said otherwise at first, each token looks at its picture, and every way agrees."""

import copy
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from transformers import AutoModelForImageTextToText

from grounding.errors import InputError
from grounding.model.cache import RowCache, rows_of
from grounding.model.cross_attention import by_picture
from grounding.model.decode import DecodeOptions, Decoder
from tests import foreign_decoders, tiny

MARK = 3
FAMILIES = ("ours", "llama", "gemma3", "gpt2")
PROMPTS = ("caption", "locate the small red star left of the house", "count the 🐕")


def crossed(name="ours", gates=0.7, look="last", every=1, **changes):
    """A model with cross-attention before every block; `gates`: how far open they stand."""
    options = {"every": every, "look": look}
    model = foreign_decoders.model(name, fusion="cross_attention", fusion_options=options, **changes)
    for layer in model.fusion.layers:
        for gate in (layer.attention_gate, layer.mlp_gate):
            torch.nn.init.constant_(gate, gates)
    return model


@pytest.fixture
def processor():
    return tiny.processor(fusion="cross_attention")


def logits(model, **batch):
    with torch.no_grad():
        return model(**batch).logits


def pixels(count=2, seed=0):
    return torch.randn(count, 3, tiny.SIZE, tiny.SIZE, generator=torch.Generator().manual_seed(seed))


TEXT = torch.tensor([[MARK, 1, 70, 71, 72, 73], [1, 80, MARK, 81, 82, 83]])


# ---- the beginning


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("every", [1, 2])
def test_with_closed_gates_the_language_model_says_exactly_what_it_said_alone(name, every):
    model = crossed(name, gates=0.0, every=every, attention="causal")
    with torch.no_grad():
        alone = model.language(TEXT).logits
    assert torch.equal(logits(model, input_ids=TEXT, pixel_values=pixels()), alone)
    assert len(model.fusion.layers) == 2 // every


def test_a_fresh_model_has_closed_gates_and_the_gates_are_the_first_to_learn():
    model = tiny.model(fusion="cross_attention", fusion_options={"every": 1}).train()
    assert not any(layer.attention_gate.any() or layer.mlp_gate.any() for layer in model.fusion.layers)
    model(input_ids=TEXT, pixel_values=pixels(), labels=TEXT).loss.backward()
    assert all(layer.attention_gate.grad.any() and layer.mlp_gate.grad.any() for layer in model.fusion.layers)


def test_with_open_gates_every_weight_learns():
    model = crossed().train()
    model(input_ids=TEXT, pixel_values=pixels(), labels=TEXT).loss.backward()
    assert [n for n, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()] == []


# ---- who looks at what


def looks(text, look="last", counts=None, each=1):
    """Rows of 1 and 0, for tokens of a row in which `i` is a picture of one feature each; and what comes after sees."""
    marks = torch.tensor([[letter == "i" for letter in text]])
    features = torch.randn(int(marks.sum()), each, 64) if counts is None else torch.randn(sum(counts), 64)
    shown = crossed(look=look).fusion.meet(features, counts, marks, keep=False)
    after = shown.after[0, 0, :, 0].int().tolist()
    return ["".join(map(str, row)) for row in [*shown.visible[0, 0].int().tolist(), after]]


def test_a_token_looks_at_the_last_picture_before_it():
    assert looks("pipip") == ["00", "10", "10", "01", "01", "01"]


def test_or_at_all_before_it():
    assert looks("pipip", "all") == ["00", "10", "10", "11", "11", "11"]


def test_pictures_side_by_side_count_as_one():
    assert looks("iipip") == ["100", "110", "110", "001", "001", "001"]


def test_pictures_may_have_different_numbers_of_features():
    assert looks("ipip", counts=[1, 3]) == ["100000", "100000", "000111", "000111", "000111"]


def test_features_of_several_views_are_one_picture():
    features = torch.arange(10.0).view(5, 2)
    padded, filled = by_picture(features, [2, 3])
    assert filled.tolist() == [[True, True, False], [True, True, True]]
    assert torch.equal(padded[filled], features)
    assert not padded[0, 2].any()
    views = torch.randn(3, 4, 2)
    assert torch.equal(by_picture(views, [8, 4])[0][0], views[:2].flatten(0, 1))


def test_a_row_looks_at_its_own_pictures_and_tokens_before_them_at_none():
    model, shown = crossed(attention="causal"), pixels()
    before = logits(model, input_ids=TEXT, pixel_values=shown)
    other = torch.stack([shown[0], pixels(seed=5)[0]])
    changed = (logits(model, input_ids=TEXT, pixel_values=other) - before).abs().amax(2) > 1e-4
    assert changed.tolist() == [[False] * 6, [False] * 2 + [True] * 4]


def test_a_row_without_pictures_is_what_it_is_alone():
    model = crossed(attention="causal")
    text = torch.cat([TEXT, torch.tensor([[1, 60, 61, 62, 63, 64]])])
    together = logits(model, input_ids=text, pixel_values=pixels())
    assert torch.allclose(logits(model, input_ids=text[2:]), together[2:], atol=1e-5)


def test_image_index_chooses_what_a_picture_is_made_of():
    model, shown = crossed(), pixels(3)
    index = torch.tensor([[0, n] for n in range(16)] + [[1, n] for n in range(16)] + [[2, n] for n in range(8)])
    got = logits(model, input_ids=TEXT, pixel_values=shown, image_index=index, picture_tokens=torch.tensor([32, 8]))
    with torch.no_grad():
        features = model.image_features(shown)
    first = logits(model, input_ids=TEXT[:1], image_features=features[:2].flatten(0, 1)[None])
    second = logits(model, input_ids=TEXT[1:], image_features=features[2:, :8])
    assert torch.allclose(got, torch.cat([first, second]), atol=1e-5)


def test_pictures_that_do_not_match_the_text_are_refused():
    model = crossed()
    with pytest.raises(InputError, match="2 image tokens and there are 3 pictures"):
        model(input_ids=TEXT, pixel_values=pixels(3))
    with pytest.raises(InputError, match="neither pixel_values nor image_features"):
        model(input_ids=TEXT)
    with pytest.raises(InputError, match="40 features and nobody says which picture"):
        model(input_ids=TEXT, image_features=torch.randn(40, 64))
    with pytest.raises(InputError, match="add up to 30 and there are 40 features"):
        model(input_ids=TEXT, image_features=torch.randn(40, 64), picture_tokens=[10, 20])
    with torch.no_grad():
        cache = model(input_ids=TEXT, pixel_values=pixels(), use_cache=True).past_key_values
    with pytest.raises(InputError, match="all pictures come with the beginning of the text"):
        model(input_ids=TEXT, pixel_values=pixels(), past_key_values=cache)


# ---- every way to write


@pytest.mark.parametrize("attention", ["prefix", "causal"])
@pytest.mark.parametrize("name", FAMILIES)
def test_pictures_encoded_once_serve_every_phrase_and_all_ways_agree(name, attention, processor):
    model = crossed(name, attention=attention)
    asks = tiny.asks(processor, 7, grammar=False)
    batch = processor([ask.image for ask in asks], [ask.prompt for ask in asks])
    assert int((batch["input_ids"] == MARK).sum()) == len(asks)
    options = {"max_new_tokens": 6, "do_sample": False, "eos_token_id": 2, "pad_token_id": 0}
    ids = model.generate(**batch, **options)
    got = [row[: row.index(2) + 1] if 2 in row else row for row in ids[:, batch["input_ids"].shape[1] :].tolist()]
    decoder = Decoder(model, processor, DecodeOptions(max_new_tokens=6, expectation=False))
    assert got == [list(answer.ids) for answer in decoder.answer_many(asks)]
    alone = DecodeOptions(max_new_tokens=6, expectation=False, picture_batch=1, batch_size=1)
    assert got == [list(answer.ids) for answer in Decoder(model, processor, alone).answer_many(asks)]


@pytest.mark.parametrize("look", ["last", "all"])
@pytest.mark.parametrize("name", ["ours", "llama"])
def test_steps_with_a_cache_give_the_logits_of_the_whole(name, look):
    model = crossed(name, look=look, attention="causal")
    text = torch.tensor([[1, MARK, 70, MARK, 71, 72, 73, 74], [MARK, 1, 80, 81, 82, 83, 84, 85]])
    whole = logits(model, input_ids=text, pixel_values=pixels(3))
    with torch.no_grad():
        out = model(input_ids=text[:, :5], pixel_values=pixels(3), use_cache=True)
        steps = [out.logits]
        for at in range(5, 8):
            out = model(input_ids=text[:, at : at + 1], past_key_values=out.past_key_values)
            steps.append(out.logits)
    assert torch.allclose(torch.cat(steps, 1), whole, atol=2e-5)


@pytest.mark.parametrize("name", ["ours", "llama"])
def test_rows_of_a_cache_look_at_their_own_picture_when_others_go(name):
    model, which = crossed(name, attention="causal"), torch.tensor([1, 0, 1])
    text = torch.tensor([[1, 70, 71], [1, 80, 81], [1, 90, 91]])
    with torch.no_grad():
        pictures = model.image_cache(pixels())
        rows = RowCache(pictures, which, 4) if name == "ours" else rows_of(pictures, which)
        model(input_ids=text[:, :2], past_key_values=rows)
        kept = [2, 1]
        rows.select(kept) if name == "ours" else rows.batch_select_indices(torch.tensor(kept))
        got = model(input_ids=text[kept, 2:], past_key_values=rows).logits[:, -1]
    marked = torch.cat([torch.full((3, 1), MARK), text], 1)
    want = logits(model, input_ids=marked, pixel_values=pixels()[which])[kept, -1]
    assert torch.allclose(got, want, atol=2e-5)


@pytest.mark.parametrize("options", [{"num_beams": 3}, {"do_sample": True, "num_return_sequences": 2}])
def test_beams_and_samples_have_their_pictures_too(options, processor):
    model = crossed()
    batch = processor([tiny.image(0), tiny.image(1)], list(PROMPTS[:2]))
    length = batch["input_ids"].shape[1]
    ids = model.generate(**batch, **options, max_new_tokens=5, eos_token_id=None, pad_token_id=0)
    assert ids.shape == (2 * options.get("num_return_sequences", 1), length + 5)
    if "num_beams" in options:  # the best of beams alone is the best of beams together
        one = processor(tiny.image(0), PROMPTS[0])
        again = model.generate(**one, **options, max_new_tokens=5, eos_token_id=None, pad_token_id=0)
        assert again[0, -5:].tolist() == ids[0, -5:].tolist()


def test_threads_that_share_a_model_look_at_their_own_pictures(processor):
    model = crossed()
    batches = [processor(tiny.image(number), PROMPTS[0]) for number in range(4)]
    want = [logits(model, **batch) for batch in batches]
    with ThreadPoolExecutor(4) as threads:
        for _ in range(3):
            for got, expected in zip(threads.map(lambda batch: logits(model, **batch), batches), want, strict=True):
                assert torch.allclose(got, expected, atol=1e-5)
    assert not torch.allclose(want[0][:, -1], want[1][:, -1], atol=1e-3)


# ---- training and files


@pytest.mark.parametrize("name", FAMILIES)
def test_checkpointing_gives_the_same_gradients_whatever_comes_between(name):
    model = crossed(name).train()

    def gradients():
        model.zero_grad()
        first = model(input_ids=TEXT, pixel_values=pixels(), labels=TEXT).loss
        with torch.no_grad():
            model(input_ids=TEXT, pixel_values=pixels(seed=9))  # another batch before the first has gone back
        first.backward()
        return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}

    plain = gradients()
    tiny.checkpointing(model)
    assert all(torch.allclose(value, plain[key], atol=1e-6) for key, value in gradients().items())


@pytest.mark.parametrize("name", ["ours", "gpt2"])
def test_a_saved_model_comes_back_with_equal_logits(name, tmp_path):
    model = crossed(name)
    model.save_pretrained(tmp_path)
    again = AutoModelForImageTextToText.from_pretrained(tmp_path)
    batch = {"input_ids": TEXT, "pixel_values": pixels()}
    assert torch.equal(logits(again, **batch), logits(model, **batch))


def test_a_copy_looks_with_its_own_layers():
    model, batch = crossed(), {"input_ids": TEXT, "pixel_values": pixels()}
    before = logits(model, **batch)
    other = copy.deepcopy(model)
    torch.nn.init.zeros_(other.fusion.layers[0].attention_gate)
    assert torch.equal(logits(model, **batch), before)
    assert not torch.allclose(logits(other, **batch), before, atol=1e-3)


def test_autocast_works(processor):
    model = crossed("llama").train()
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(input_ids=TEXT, pixel_values=pixels(), labels=TEXT).loss
    loss.backward()
    assert loss.isfinite()
    assert model.fusion.layers[0].attention_gate.grad.any()


@pytest.mark.parametrize("attention", ["prefix", "causal"])
@pytest.mark.parametrize("name", ["ours", "llama"])
def test_a_mark_knows_its_picture_and_nothing_of_the_words_behind(name, attention):
    model = crossed(name, attention=attention)
    text = torch.tensor([[MARK, 1, 70, 71], [MARK, 1, 80, 81]])
    with torch.no_grad():
        whole = model(input_ids=text, pixel_values=pixels(1).expand(2, -1, -1, -1), use_cache=True).past_key_values
        alone = model.image_cache(pixels(1))
    for layer, mark in zip(whole.layers[:2], alone.layers[:2], strict=True):
        assert torch.allclose(layer.keys[:, :, :1], mark.keys.expand(2, -1, -1, -1), atol=1e-5)
        assert torch.allclose(layer.values[:, :, :1], mark.values.expand(2, -1, -1, -1), atol=1e-5)
