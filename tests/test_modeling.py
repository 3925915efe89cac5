"""The whole model: one picture serves many phrases, rows do not disturb each other, and any encoder and decoder fit."""

import pytest
import torch
from safetensors import safe_open
from transformers import (
    AutoModelForImageTextToText,
    CLIPVisionConfig,
    Dinov2Config,
    GemmaConfig,
    GPT2Config,
    LlamaConfig,
    LogitsProcessorList,
    Qwen3Config,
    SiglipVisionConfig,
)

from grounding.errors import ConfigError, InputError
from grounding.model import GroundingConfig, GroundingForConditionalGeneration
from grounding.model.automaton import GrammarCompiler
from grounding.model.cache import RowCache, rows_of
from grounding.model.constrain import GrammarLogitsProcessor
from grounding.model.decode import DecodeOptions, Decoder
from grounding.model.fusion import PAD, PROMPT
from tests import tiny

PROMPTS = ("caption", "locate the small red star left of the house", "count the 🐕")
CPU = pytest.param("cpu", id="cpu")
CUDA = pytest.param(
    "cuda", id="cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
)
DTYPES = {torch.float32: 2e-5, torch.bfloat16: 0.08}
"""How far logits may differ: they have a spread of about 1."""


@pytest.fixture
def processor(tiny_processor):
    return tiny_processor


@pytest.fixture(params=[torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def typed(request):
    """A model of each precision, and how far its logits may be off."""
    return tiny.model().to(request.param), DTYPES[request.param]


def batch_of(processor, model, numbers=(0, 1, 2)):
    batch = processor([tiny.image(number) for number in numbers], [PROMPTS[number] for number in numbers])
    return {
        name: value.to(model.device, model.dtype if value.is_floating_point() else None)
        for name, value in batch.items()
    }


def forward(model, batch, **options):
    with torch.no_grad():
        return model(**batch, **options).logits.float()


# ---- who sees whom


def test_image_tokens_never_see_text(tiny_model, processor):
    keys = []
    for prompt in PROMPTS:
        batch = processor(tiny.image(0), prompt)
        with torch.no_grad():
            cache = tiny_model(**batch, use_cache=True).past_key_values
        keys.append(
            [layer.keys[:, :, :16] for layer in cache.layers] + [layer.values[:, :, :16] for layer in cache.layers]
        )
    for other in keys[1:]:
        for seen, want in zip(other, keys[0], strict=True):
            assert torch.allclose(seen, want, atol=1e-6)


def test_a_prompt_sees_itself_in_both_directions_and_an_answer_is_causal(tiny_model, processor):
    batch = processor(tiny.image(0), "locate the red star")
    length = batch["input_ids"].shape[1]
    answer = torch.tensor([processor.encode_answers(["<loc0001><loc0002><loc0003><loc0004>"])[0]])
    roles = torch.tensor([[1] * 16 + [PROMPT] * (length - 16) + [3] * answer.shape[1]])
    ids = torch.cat([batch["input_ids"], answer], 1)

    def logits(changed=None):
        text = ids.clone()
        if changed is not None:
            text[0, changed] = 300
        with torch.no_grad():
            return tiny_model(input_ids=text, pixel_values=batch["pixel_values"], token_roles=roles).logits[0]

    before = logits()
    last_of_prompt = (logits(length - 1) - before).abs().amax(1)
    assert (last_of_prompt[16:] > 1e-3).all()  # the first word of the prompt sees its last
    assert last_of_prompt[:16].max() < 1e-5
    second_of_answer = (logits(length + 1) - before).abs().amax(1)
    assert second_of_answer[: length + 1].max() < 1e-5
    assert (second_of_answer[length + 1 :] > 1e-3).all()


def test_the_picture_matters(tiny_model, processor):
    one, other = (forward(tiny_model, processor(tiny.image(number), "caption")) for number in (0, 1))
    assert (one - other)[0, -1].abs().max() > 0.01


# ---- rows and padding


def test_padding_changes_nothing(typed, processor):
    model, far = typed
    together = forward(model, batch_of(processor, model), logits_to_keep=1)
    for number in range(3):
        alone = forward(model, batch_of(processor, model, [number]), logits_to_keep=1)
        assert torch.allclose(alone[0], together[number], atol=far)


def test_padding_on_either_side_changes_nothing(tiny_model, processor):
    batch = processor(tiny.image(0), PROMPTS[1])
    want = forward(tiny_model, batch)
    zeros = torch.zeros(1, 5, dtype=torch.long)
    for pieces in ((zeros, None), (None, zeros)):
        ids, mask = (
            torch.cat([piece for piece in (pieces[0], batch[name], pieces[1]) if piece is not None], 1)
            for name in ("input_ids", "attention_mask")
        )
        got = forward(tiny_model, {**batch, "input_ids": ids, "attention_mask": mask})
        assert got.isfinite().all()
        assert torch.allclose(got[:, 5:] if pieces[0] is not None else got[:, :-5], want, atol=2e-5)


def test_phrases_packed_in_one_row_get_the_logits_they_get_alone(tiny_model, processor):
    """What makes training cheap: a picture once, and all its phrases behind it."""
    prompts = processor.encode_prompts(list(PROMPTS))
    answers = processor.encode_answers(["none", "<loc0001><loc0002><loc0003><loc0004>", "3 : <loc0009>"])
    ids, roles, segments, positions = [3] * 16, [1] * 16, [0] * 16, list(range(16))
    places = []
    for segment, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        places.append((len(ids), len(ids) + len(prompt) + len(answer)))
        ids += prompt + answer
        roles += [PROMPT] * len(prompt) + [3] * len(answer)
        segments += [segment] * (len(prompt) + len(answer))
        positions += range(16, 16 + len(prompt) + len(answer))
    pixels = processor.image_processor(tiny.image(0))["pixel_values"]
    names = ("input_ids", "token_roles", "segment_ids", "position_ids")
    packed = {name: torch.tensor([row]) for name, row in zip(names, (ids, roles, segments, positions), strict=True)}
    whole = forward(tiny_model, {**packed, "pixel_values": pixels})[0]
    for (start, end), prompt, answer in zip(places, prompts, answers, strict=True):
        alone = {
            "input_ids": torch.tensor([[3] * 16 + prompt + answer]),
            "token_roles": torch.tensor([[1] * 16 + [PROMPT] * len(prompt) + [3] * len(answer)]),
            "pixel_values": pixels,
        }
        assert torch.allclose(whole[start:end], forward(tiny_model, alone)[0, 16:], atol=2e-5)


# ---- one picture, many phrases


def shared(model, pixels, prompts, which):
    """Logits behind each prompt, with pictures that were encoded once, as decode does it."""
    longest = max(map(len, prompts))
    ids = torch.tensor([[0] * (longest - len(prompt)) + prompt for prompt in prompts])
    roles = torch.tensor([[PAD] * (longest - len(prompt)) + [PROMPT] * len(prompt) for prompt in prompts])
    with torch.no_grad():
        pictures = model.image_cache(pixels)
        count = pictures.get_seq_length()
        mask = torch.cat([torch.ones(len(prompts), count, dtype=torch.long), (roles != PAD).long()], 1)
        rows = (
            RowCache(pictures, which, longest, model.language.embedding.weight)
            if model.own_language
            else rows_of(pictures, which)
        )
        return model(
            input_ids=ids,
            past_key_values=rows,
            attention_mask=mask,
            token_roles=roles,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, 0]


def test_a_picture_encoded_once_gives_equal_logits_to_every_phrase(typed, processor):
    model, far = typed
    pixels = processor.image_processor([tiny.image(0), tiny.image(1)])["pixel_values"].to(model.dtype)
    which = torch.tensor([0, 0, 1, 0, 1, 1])
    prompts = processor.encode_prompts([*PROMPTS, *PROMPTS])
    together = shared(model, pixels, prompts, which).float()
    for number, prompt in enumerate(prompts):
        ids = torch.tensor([[3] * 16 + prompt])
        alone = forward(model, {"input_ids": ids, "pixel_values": pixels[which[number]][None]}, logits_to_keep=1)
        assert torch.allclose(together[number], alone[0, 0], atol=far)


@pytest.mark.parametrize("device", [CPU, CUDA])
def test_steps_with_a_cache_give_the_logits_of_the_whole(device, processor):
    model = tiny.model().to(device)
    batch = {
        name: value.to(device) for name, value in processor([tiny.image(0), tiny.image(1)], list(PROMPTS[:2])).items()
    }
    answer = torch.tensor([[1500, 700, 40, 1599, 3, 0], [50, 60, 70, 80, 90, 100]], device=device)  # <image>, <pad> too
    with torch.no_grad():
        out = model(**batch, use_cache=True, logits_to_keep=1)
        mask, cache, steps = batch["attention_mask"], out.past_key_values, [out.logits]
        for at in range(answer.shape[1]):
            mask = torch.cat([mask, mask.new_ones(2, 1)], 1)
            out = model(input_ids=answer[:, at : at + 1], attention_mask=mask, past_key_values=cache)
            steps.append(out.logits)
    length = batch["input_ids"].shape[1]
    roles = torch.where(batch["attention_mask"] == 0, PAD, torch.where(batch["input_ids"] == 3, 1, PROMPT))
    roles = torch.cat([roles, torch.full_like(answer, 3)], 1)
    positions = (mask.cumsum(1) - 1).clamp_min(0)
    with torch.no_grad():
        features = model.image_features(batch["pixel_values"])
        answer = answer.clone()
        ids = torch.cat([batch["input_ids"], torch.where(answer == 3, 0, answer)], 1)
        whole = model(input_ids=ids, image_features=features, token_roles=roles, position_ids=positions).logits
    assert torch.allclose(torch.cat(steps[:5], 1), whole[:, length - 1 : length + 4], atol=5e-5)


def test_a_step_needs_no_mask_and_no_positions_where_nothing_is_padded(tiny_model, processor):
    batch = processor(tiny.image(0), PROMPTS[0])
    token = torch.tensor([[77]])
    with torch.no_grad():
        first = tiny_model(**batch, use_cache=True)
        plain = tiny_model(input_ids=token, past_key_values=first.past_key_values).logits
        first = tiny_model(**batch, use_cache=True)
        mask = torch.ones(1, batch["input_ids"].shape[1] + 1, dtype=torch.long)
        masked = tiny_model(input_ids=token, past_key_values=first.past_key_values, attention_mask=mask).logits
    assert torch.allclose(plain, masked, atol=1e-6)


# ---- what comes back


def test_labels_give_a_loss_and_ignored_places_none(tiny_model, processor):
    batch = processor(tiny.image(0), PROMPTS[1])
    labels = torch.full_like(batch["input_ids"], -100)
    labels[0, -1] = 42
    out = tiny_model(**batch, labels=labels)
    assert out.loss.item() == pytest.approx(-out.logits[0, -1].log_softmax(0)[42].item(), rel=1e-5)


def test_the_loss_reaches_every_part(processor):
    model = tiny.model().train()
    batch = processor([tiny.image(0), tiny.image(1)], list(PROMPTS[:2]))
    model(**batch, labels=batch["input_ids"]).loss.backward()
    silent = [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert silent == []


def test_what_does_not_fit_together_is_refused_with_numbers(tiny_model, processor):
    batch = processor(tiny.image(0), PROMPTS[0])
    with pytest.raises(InputError, match="neither pixel_values nor image_features"):
        tiny_model(input_ids=batch["input_ids"])
    with pytest.raises(InputError, match=r"15 image tokens and the pictures 16 features \(1 x 16\).*image_tokens=16"):
        tiny_model(input_ids=batch["input_ids"][:, 1:], pixel_values=batch["pixel_values"])
    with pytest.raises(InputError, match="needs input_ids"):
        tiny_model(pixel_values=batch["pixel_values"])


@pytest.mark.parametrize("name", ["segment_ids", "document_ids"])
def test_who_shares_a_row_is_not_said_behind_a_cache(name, tiny_model):
    """What stands there already belongs to nobody, and would be seen by all."""
    cache = tiny_model.image_cache(torch.randn(1, 3, tiny.SIZE, tiny.SIZE))
    ids = torch.tensor([[1, 70, 71]])
    with pytest.raises(InputError, match="say nothing of what a cache holds: give all of the text anew"):
        tiny_model(input_ids=ids, past_key_values=cache, **{name: torch.zeros_like(ids)})


# ---- generate


def test_generate_writes_what_decode_writes(tiny_model, processor):
    """Unconstrained and without expectation both are plain greedy search, padded rows and all."""
    asks = tiny.asks(processor, 6, grammar=False)
    decoder = Decoder(tiny_model, processor, DecodeOptions(max_new_tokens=12, expectation=False))
    want = [list(answer.ids) for answer in decoder.answer_many(asks)]
    batch = processor([ask.image for ask in asks], [ask.prompt for ask in asks])
    ids = tiny_model.generate(**batch, max_new_tokens=12, do_sample=False, eos_token_id=2, pad_token_id=0)
    got = [row[: row.index(2) + 1] if 2 in row else row for row in ids[:, batch["input_ids"].shape[1] :].tolist()]
    assert got == want
    assert len({tuple(row) for row in want}) > 1


def test_generate_keeps_to_a_grammar(tiny_model, processor):
    asks = tiny.asks(processor, 8)
    limits = GrammarLogitsProcessor([ask.grammar for ask in asks], GrammarCompiler(processor.tokenizer))
    batch = processor([ask.image for ask in asks], [ask.prompt for ask in asks])
    options = {"max_new_tokens": 24, "do_sample": False, "eos_token_id": 2, "pad_token_id": 0}
    ids = tiny_model.generate(**batch, logits_processor=LogitsProcessorList([limits]), **options)
    for ask, row in zip(asks, ids[:, batch["input_ids"].shape[1] :].tolist(), strict=True):
        text = processor.text(row)
        assert ask.grammar.accepts_start(text) or len(row) == 24, text
        problems = processor.codec_object.decode(text, ask.canvas, task=ask.task).problems
        assert {problem.kind for problem in problems} <= {"duplicate", *([] if 2 in row else ["truncated"])}, text


@pytest.mark.parametrize("options", [{"num_beams": 3}, {"do_sample": True, "num_return_sequences": 2}])
def test_beams_and_samples_have_their_pictures_too(options, tiny_model, processor):
    batch = processor([tiny.image(0), tiny.image(1)], list(PROMPTS[:2]))
    length = batch["input_ids"].shape[1]
    ids = tiny_model.generate(**batch, **options, max_new_tokens=5, eos_token_id=None, pad_token_id=0)
    assert ids.shape == (2 * options.get("num_return_sequences", 1), length + 5)


def test_generate_without_its_cache_is_refused(tiny_model, processor):
    with pytest.raises(InputError, match="needs its cache"):
        tiny_model.generate(**processor(tiny.image(0), "caption"), max_new_tokens=2, use_cache=False)


# ---- files


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_a_saved_model_comes_back_with_equal_logits(dtype, processor, tmp_path):
    model = tiny.model().to(dtype)
    model.save_pretrained(tmp_path)
    again = AutoModelForImageTextToText.from_pretrained(tmp_path)
    assert isinstance(again, GroundingForConditionalGeneration)
    assert again.dtype == dtype
    assert torch.equal(forward(again, batch_of(processor, again)), forward(model, batch_of(processor, model)))
    other = torch.bfloat16 if dtype == torch.float32 else torch.float32
    assert AutoModelForImageTextToText.from_pretrained(tmp_path, dtype=other).dtype == other


def test_weights_are_saved_as_safetensors_only(tmp_path):
    model = tiny.model()
    model.save_pretrained(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".json") == ["model.safetensors"]
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert set(file.keys()) == set(model.state_dict())


def test_a_folder_without_weights_is_refused(tmp_path):
    tiny.model().save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(OSError, match=r"model\.safetensors"):
        AutoModelForImageTextToText.from_pretrained(tmp_path)


def test_weights_of_another_shape_are_refused(tmp_path):
    tiny.model().save_pretrained(tmp_path)
    tiny.config(projector="mlp").save_pretrained(tmp_path)
    _, report = AutoModelForImageTextToText.from_pretrained(tmp_path, output_loading_info=True)
    assert sorted(report["missing_keys"])[0].startswith("projector.0")
    assert sorted(report["unexpected_keys"]) == ["projector.bias", "projector.weight"]


# ---- any encoder, any decoder

VISION = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
PATCHES = {"image_size": 64, "patch_size": 16}
ENCODERS = {
    "siglip": lambda: SiglipVisionConfig(**VISION, **PATCHES),
    "clip": lambda: CLIPVisionConfig(**VISION, **PATCHES),
    "dinov2": lambda: Dinov2Config(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, mlp_ratio=2, image_size=64, patch_size=16
    ),
    "resnet10t": lambda: timm("resnet10t", output_stride=16),
    "vit_tiny": lambda: timm("vit_tiny_patch16_224", img_size=64, depth=2),
}
TEXT = {
    "vocab_size": tiny.VOCAB, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
    "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 200, "initializer_range": 0.3,
    "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
}  # fmt: skip
DECODERS = {
    "llama": lambda: LlamaConfig(**TEXT),
    "qwen3": lambda: Qwen3Config(**TEXT, head_dim=16),
    "gemma": lambda: GemmaConfig(**TEXT, head_dim=16),
    "gpt2": lambda: GPT2Config(
        vocab_size=tiny.VOCAB, n_embd=32, n_layer=2, n_head=2, n_positions=200, initializer_range=0.3, bos_token_id=1,
        eos_token_id=2, pad_token_id=0,
    ),
}  # fmt: skip


def timm(architecture, **options):
    pytest.importorskip("timm", reason="timm is not installed")
    from transformers import TimmWrapperConfig

    return TimmWrapperConfig(architecture=architecture, model_args=options, image_size=64)


def foreign(encoder=None, decoder=None):
    parts = {}
    if encoder:
        parts["vision_config"] = ENCODERS[encoder]()
    if decoder:
        parts["text_config"] = DECODERS[decoder]()
    return tiny.model(**parts)


COMBINATIONS = [*((name, None) for name in ENCODERS), *((None, name) for name in DECODERS), ("dinov2", "qwen3")]


@pytest.mark.parametrize(("encoder", "decoder"), COMBINATIONS)
def test_any_parts_share_pictures_pad_write_and_come_back(encoder, decoder, processor, tmp_path):
    model = foreign(encoder, decoder)
    # one by one and together
    together = forward(model, batch_of(processor, model), logits_to_keep=1)
    alone = torch.cat([forward(model, batch_of(processor, model, [number]), logits_to_keep=1) for number in range(3)])
    assert torch.allclose(together, alone, atol=5e-5)
    # with a picture encoded once
    pixels = processor.image_processor([tiny.image(number) for number in range(3)])["pixel_values"]
    rows = shared(model, pixels, processor.encode_prompts(list(PROMPTS)), torch.arange(3))
    assert torch.allclose(rows, together[:, 0], atol=5e-5)
    # what generate writes, decode writes
    asks = tiny.asks(processor, 5, grammar=False)
    options = DecodeOptions(max_new_tokens=6, expectation=False)
    batch = processor([ask.image for ask in asks], [ask.prompt for ask in asks])
    ids = model.generate(**batch, max_new_tokens=6, do_sample=False, eos_token_id=2, pad_token_id=0)
    got = [row[: row.index(2) + 1] if 2 in row else row for row in ids[:, batch["input_ids"].shape[1] :].tolist()]
    assert got == [list(answer.ids) for answer in Decoder(model, processor, options).answer_many(asks)]
    # constrained answers have nothing wrong
    asks = [ask for ask in tiny.asks(processor, 9) if ask.task == "locate"]
    for answer in Decoder(model, processor, DecodeOptions(max_new_tokens=10)).answer_many(asks):
        assert all(problem.kind in ("truncated", "duplicate") for problem in answer.problems)
        assert all(region.score is not None for region in answer.regions)
    # and files
    model.save_pretrained(tmp_path)
    again = AutoModelForImageTextToText.from_pretrained(tmp_path)
    assert torch.equal(forward(again, batch_of(processor, again), logits_to_keep=1), together)


@pytest.mark.parametrize(("encoder", "decoder"), [("siglip", "llama"), ("clip", "gemma"), ("resnet10t", "gpt2")])
def test_gradients_reach_foreign_parts(encoder, decoder, processor):
    model = foreign(encoder, decoder).train()
    batch = processor([tiny.image(0), tiny.image(1)], list(PROMPTS[:2]))
    model(**batch, labels=batch["input_ids"]).loss.backward()
    for part in (model.vision, model.projector, model.language):
        assert sum(weight.grad is not None and bool(weight.grad.any()) for weight in part.parameters()) > 1


def test_features_of_an_earlier_layer_can_be_taken(processor):
    config = tiny.config(vision_config=ENCODERS["clip"](), vision_feature_layer=-2)
    torch.manual_seed(0)
    model = GroundingForConditionalGeneration(config).eval()
    last = forward(model, batch_of(processor, model))
    model.config.vision_feature_layer = -1
    assert not torch.allclose(forward(model, batch_of(processor, model)), last, atol=1e-3)
    with pytest.raises(ConfigError, match="vision_feature_layer is -2"):
        tiny.model(vision_feature_layer=-2)


# ---- precision


def half_and_half():
    """Parts whose own checkpoints were saved in other precisions than the whole is made in."""
    vision, text = ENCODERS["clip"](), DECODERS["llama"]()
    vision.dtype, text.dtype = torch.float16, torch.bfloat16
    return tiny.model(vision_config=vision, text_config=text)


def precisions(model):
    return {weight.dtype for weight in model.parameters()}


def test_fresh_parts_are_made_in_one_precision_whatever_their_own_checkpoints_had():
    model = half_and_half()
    assert precisions(model) == {torch.float32}
    assert (model.vision.config.dtype, model.language.config.dtype) == (torch.float32, torch.float32)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_model_of_parts_loads_in_the_precision_that_is_asked_for(dtype, processor, tmp_path):
    half_and_half().save_pretrained(tmp_path)
    again = AutoModelForImageTextToText.from_pretrained(tmp_path, dtype=dtype)
    assert precisions(again) == {dtype}
    assert Decoder(again, processor, DecodeOptions(max_new_tokens=2)).answer(tiny.asks(processor, 1)[0]).ids


def test_parts_load_with_the_attention_that_is_asked_for(tmp_path):
    half_and_half().save_pretrained(tmp_path)
    again = AutoModelForImageTextToText.from_pretrained(tmp_path, attn_implementation="eager")
    parts = again, again.vision, again.language
    assert [part.config._attn_implementation for part in parts] == ["eager"] * 3


def test_a_model_of_default_parts_is_small_enough_to_ship():
    with torch.device("meta"):
        model = GroundingForConditionalGeneration(GroundingConfig())
    assert sum(weight.numel() for weight in model.parameters()) * 2 < 24e6
