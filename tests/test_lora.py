"""Adapters carry the rows of new tokens: saved, loaded and merged they say the same; what stays still is refused."""

import copy
import json

import peft
import pytest
import torch
import transformers as hf

import grounding
from grounding.errors import CheckpointError, ConfigError
from grounding.model import GroundingForConditionalGeneration
from grounding.model.location_tokens import location_parameters, new_token_ids
from grounding.training.lora import ADAPTERS, check_tokens_learn, linear_layers, load, merge, save, with_lora
from tests import tiny
from tests.tiny_families import MAKERS
from tests.tiny_languages import KINDS, causal, joined

BINS = 64


def is_tied(model):
    return model.get_output_embeddings().weight is model.get_input_embeddings().weight


def move(model):
    """Everything that may move does, by a step as a training would take it, and no two the same way."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += 0.1 * torch.randn(parameter.shape, generator=generator)


def same(one, other):
    return (one - other).abs().max().item() < 1e-5 * max(1.0, one.abs().max().item())


@torch.no_grad()
def logits(model, inputs):
    return model(**inputs).logits


def hold(model, words, base, inputs, tmp_path, **options):
    """Adapters, loaded adapters, the merged model and the merged model saved and loaded give the same logits."""
    tied, untouched = is_tied(model), logits(model, inputs)
    tuned = with_lora(model, rank=4, **options).eval()
    assert same(logits(tuned, inputs), untouched)  # adapters begin with nothing
    move(tuned)
    learned = logits(tuned, inputs)
    assert (learned - untouched).abs().max() > 0.1
    save(tuned, tmp_path / "adapters", words)
    assert same(logits(load(base, tmp_path / "adapters").eval(), inputs), learned)
    merged = merge(tuned).eval()
    assert same(logits(merged, inputs), learned)
    assert is_tied(merged) == tied
    assert not any("lora" in name or "token_adapter" in name for name, _ in merged.named_modules())
    merged.save_pretrained(tmp_path / "whole")
    back = type(merged).from_pretrained(tmp_path / "whole").eval()
    assert same(logits(back, inputs), learned)
    assert is_tied(back) == tied
    files = {path.suffix for folder in ("adapters", "whole") for path in (tmp_path / folder).iterdir()}
    assert not files & {".bin", ".pt", ".pth", ".pkl"}


@pytest.mark.parametrize("kind", KINDS)
def test_language_models_say_the_same_saved_loaded_and_merged(kind, tmp_path):
    model, words = causal(kind)
    base = copy.deepcopy(model)
    added = grounding.add_location_tokens(model, words, bins=BINS, marks=("<p>",), pad_to_multiple_of=8)
    assert len(model.get_input_embeddings().weight) > added.ids[-1] + 1  # rows without a token agree as well
    inputs = {"input_ids": torch.tensor([[5, 6, added.first, added.ids[-1], 7, *added.marks]])}
    hold(model, words, base, inputs, tmp_path)


@pytest.mark.parametrize("family", ["qwen2_5_vl", "paligemma", "florence2", "llava"])
def test_families_with_pictures_say_the_same(family, tmp_path):
    torch.manual_seed(0)
    model, processor = MAKERS[family]()
    base = copy.deepcopy(model.eval())
    added = grounding.add_location_tokens(model, processor, bins=BINS, marks=("<p>",), restart=True)
    inputs = {"input_ids": torch.tensor([[5, 6, added.first, added.ids[-1], 7, *added.marks]])}
    if family == "florence2":
        inputs["decoder_input_ids"] = inputs["input_ids"]
    hold(model, processor.tokenizer, base, inputs, tmp_path)


@pytest.mark.parametrize("kind", ["llama", "tied llama", "tied qwen3", "gemma", "gpt2"])
def test_our_model_with_a_foreign_decoder_says_the_same(kind, tmp_path):
    model, processor = joined(kind)
    base = copy.deepcopy(model)
    grounding.add_location_tokens(model, processor, restart=True)
    inputs = processor([tiny.image(0), tiny.image(1)], ["locate <loc0003> cup", "locate a"])
    hold(model, processor.tokenizer, base, inputs, tmp_path, whole=("projector",))


def test_our_own_decoder_says_the_same(tmp_path):
    model, processor = tiny.model(), tiny.processor()
    base = copy.deepcopy(model)
    inputs = processor([tiny.image(0)], ["locate <loc0003> cup"])
    tuned = with_lora(model, rank=4, whole=("projector",)).eval()
    assert [name.rpartition("embedding.")[2] for name, _ in location_parameters(tuned)] == [
        "locations.modules_to_save.default.weight"
    ]
    move(tuned)
    learned = logits(tuned, inputs)
    save(tuned, tmp_path)
    assert same(logits(load(base, tmp_path).eval(), inputs), learned)
    assert same(logits(merge(tuned).eval(), inputs), learned)


def test_adapters_generate():
    model, processor = joined("tied llama")
    tuned = with_lora(model, rank=2).eval()
    inputs = processor([tiny.image(0)], ["locate a"])
    written = tuned.generate(**inputs, max_new_tokens=3, do_sample=False)
    assert torch.equal(merge(tuned).eval().generate(**inputs, max_new_tokens=3, do_sample=False), written)


# ---- what learns, and what is written


@pytest.mark.parametrize("kind", ["llama", "tied llama", "phi"])
def test_adapters_and_new_rows_learn_and_nothing_else_moves(kind):
    model, words = causal(kind)
    added = grounding.add_location_tokens(model, words, bins=BINS)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    tuned = with_lora(model, rank=4).train()
    assert [tuple(parameter.shape) for _, parameter in location_parameters(tuned)] == [(BINS, 16)] * (2 - added.tied)
    optimizer = torch.optim.AdamW([p for p in tuned.parameters() if p.requires_grad], 0.01, weight_decay=0.1)
    ids = torch.tensor([[5, *added.ids[:8]]])
    for _ in range(3):
        tuned(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    after = merge(tuned).state_dict()
    tables = {"model.embed_tokens.weight", "lm_head.weight"}
    for name in tables:
        assert torch.equal(after[name][: added.first], before[name][: added.first])
        assert not torch.isclose(after[name][list(added.ids)], before[name][list(added.ids)]).all(1).any()
    adapted = {f"{name}.weight" for name in linear_layers(causal(kind)[0])}
    for name in before.keys() - tables:
        assert torch.equal(after[name], before[name]) == (name not in adapted)


def test_new_rows_learn_in_float32_whatever_the_model_is_in():
    model, words = causal("llama", dtype=torch.bfloat16)
    model = model.to(torch.bfloat16)
    grounding.add_location_tokens(model, words, bins=BINS)
    tuned = with_lora(model, rank=4)
    assert {parameter.dtype for parameter in tuned.parameters() if parameter.requires_grad} == {torch.float32}
    assert tuned(input_ids=torch.tensor([[1, 2]])).logits.dtype == torch.bfloat16
    assert merge(tuned).get_input_embeddings().weight.dtype == torch.bfloat16


def test_adapters_hold_the_new_rows_and_no_others(tmp_path):
    from safetensors.torch import load_file

    model, words = causal("llama")
    added = grounding.add_location_tokens(model, words, bins=BINS)
    tuned = with_lora(model, rank=4)
    assert save(tuned, tmp_path, words) == tmp_path
    rows = [value for name, value in load_file(tmp_path / ADAPTERS).items() if "lora" not in name]
    assert [tuple(value.shape) for value in rows] == [(BINS, 16)] * 2
    note = json.loads((tmp_path / "vocabulary.json").read_text())
    assert note == {
        "rows": added.first + BINS,
        "location_token_id": added.first,
        "num_locations": BINS,
        "new_token_ranges": [[added.first, BINS]],
    }
    assert hf.AutoTokenizer.from_pretrained(tmp_path).convert_tokens_to_ids("<loc0000>") == added.first


def test_loaded_adapters_go_on_learning(tmp_path):
    model, words = causal("tied llama")
    base = copy.deepcopy(model)
    grounding.add_location_tokens(model, words, bins=BINS)
    save(with_lora(model, rank=4), tmp_path)
    still = load(copy.deepcopy(base), tmp_path)
    assert not any(parameter.requires_grad for parameter in still.parameters())
    moving = load(base, tmp_path, trainable=True)
    check_tokens_learn(moving)
    assert len(new_token_ids(moving)) == BINS


def test_a_merged_model_can_be_given_adapters_again():
    model, words = causal("tied llama")
    grounding.add_location_tokens(model, words, bins=BINS)
    merged = merge(with_lora(model, rank=2))
    assert all(parameter.requires_grad for parameter in merged.parameters())
    check_tokens_learn(with_lora(merged, rank=2))


def test_auto_adapts_the_language_model_alone():
    model, _ = joined("llama")
    names = linear_layers(model)
    assert all(name.startswith("language.model.layers.") for name in names)
    assert len(names) == 2 * 7
    assert len(linear_layers(MAKERS["qwen2_5_vl"]()[0])) == 7
    assert all("visual" not in name for name in linear_layers(MAKERS["qwen2_5_vl"]()[0]))
    assert {name.rpartition(".")[2] for name in linear_layers(causal("gpt2")[0])} == {"c_attn", "c_proj", "c_fc"}


def test_targets_can_be_named():
    model, _ = causal("llama")
    tuned = with_lora(model, rank=2, alpha=8, targets=("q_proj", "v_proj"), dropout=0.1)
    adapted = {name for name, module in tuned.named_modules() if hasattr(module, "lora_A")}
    assert {name.rpartition(".")[2] for name in adapted} == {"q_proj", "v_proj"}
    settings = tuned.peft_config["default"]
    assert (settings.r, settings.lora_alpha, settings.lora_dropout) == (2, 8, 0.1)


# ---- refusals


def test_new_tokens_that_would_not_learn_are_refused():
    model, words = causal("llama")
    added = grounding.add_location_tokens(model, words, bins=BINS)
    with pytest.raises(
        ConfigError, match=r"64 new tokens, 400 to 463, would stay as they started.*leave `locations` out"
    ):
        with_lora(model, locations=())
    with pytest.raises(ConfigError, match="63 new tokens"):
        with_lora(model, locations=added.ids[:1])


@pytest.mark.parametrize(
    ("kind", "indices", "match"),
    [
        ("llama", None, "rows in the embedding table are frozen and would never learn.*with_lora"),
        ("tied llama", None, "rows in the embedding table are frozen"),
        ("llama", ("embed_tokens",), "rows in the head are frozen and would never learn"),
        ("tied llama", "one", "63 new tokens, 401 first, are frozen in the embedding table"),
    ],
)
def test_adapters_made_elsewhere_are_seen_through(kind, indices, match):
    model, words = causal(kind)
    added = grounding.add_location_tokens(model, words, bins=BINS)
    rows = list(added.ids) if indices != "one" else [added.first]
    names = ("embed_tokens",) if indices == "one" else indices
    settings = peft.LoraConfig(
        target_modules=["q_proj"], trainable_token_indices=dict.fromkeys(names, rows) if names else None
    )
    tuned = peft.get_peft_model(model, settings)
    with pytest.raises(ConfigError, match=match):
        check_tokens_learn(tuned)
    check_tokens_learn(tuned, ids=())


def test_tables_trained_whole_learn_too():
    model, words = causal("llama")
    grounding.add_location_tokens(model, words, bins=BINS)
    check_tokens_learn(model)
    settings = peft.LoraConfig(target_modules=["q_proj"], modules_to_save=["embed_tokens", "lm_head"])
    check_tokens_learn(peft.get_peft_model(model, settings))


def test_names_and_ids_that_are_not_there_are_refused(tmp_path):
    model, _ = causal("llama")
    with pytest.raises(ConfigError, match="no module 'query'"):
        with_lora(model, targets=("query",))
    with pytest.raises(ConfigError, match="no module 'projector'"):
        with_lora(model, whole=("projector",))
    with pytest.raises(ConfigError, match="ids 9999 to 9999 are not all among the table's"):
        with_lora(model, locations=(9999,))
    with pytest.raises(ConfigError, match="no adapters to save"):
        save(model, tmp_path)
    with pytest.raises(CheckpointError, match=r"holds no adapter_model.safetensors"):
        load(model, tmp_path)
    tuned = with_lora(model, rank=2)
    with pytest.raises(ConfigError, match="adapters already: merge them first"):
        with_lora(tuned.get_base_model())


def test_adapters_that_are_not_finite_are_not_merged():
    model, words = causal("tied llama")
    grounding.add_location_tokens(model, words, bins=BINS)
    tuned = with_lora(model, rank=2)
    with torch.no_grad():
        location_parameters(tuned)[0][1].fill_(float("nan"))
    with pytest.raises(ConfigError, match=r"can't be merged.*go back to an earlier checkpoint"):
        merge(tuned)


def test_our_class_stays_ours():
    model, _ = joined("tied llama")
    assert isinstance(merge(with_lora(model, rank=2)), GroundingForConditionalGeneration)
