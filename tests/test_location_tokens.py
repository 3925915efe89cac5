"""Location tokens come into any checkpoint: ids that follow each other, rows that know where they are."""

import copy

import pytest
import torch
import transformers as hf

import grounding
from grounding.codecs.location import TOKENS
from grounding.errors import ConfigError
from grounding.model.automaton import GrammarCompiler
from grounding.model.location_tokens import add_tokens, as_ranges, location_parameters, new_token_ids
from tests import tiny
from tests.tiny_families import MAKERS
from tests.tiny_languages import KINDS, PADDED, causal, joined, tokenizer

LEFT_OUT = {"qwen3_vl_moe", "llava_next", "idefics3"}  # their like is there
LEFT_OUT |= set() if hasattr(hf, "Molmo2Processor") else {"molmo2"}
FAMILIES = [name for name in MAKERS if name not in LEFT_OUT]


def tables_of(model):
    head = model.get_output_embeddings()
    return [model.get_input_embeddings().weight] + ([head.weight] if head is not None else [])


def likeness(rows):
    """Distance of neighbours over the distance of places far from each other."""
    near = (rows[1:] - rows[:-1]).norm(dim=1).mean()
    half = len(rows) // 2
    return (near / (rows[half:] - rows[: len(rows) - half]).norm(dim=1).mean()).item()


# ---- any checkpoint


@pytest.mark.parametrize("kind", KINDS)
def test_a_language_model_gets_rows_that_know_where_they_are(kind):
    model, words = causal(kind)
    before = [table.detach().clone() for table in tables_of(model)]
    known = len(words)
    added = grounding.add_location_tokens(model, words)
    assert words.convert_tokens_to_ids(list(TOKENS)) == list(added.ids) == list(range(known, known + 1024))
    assert (added.first, added.new, added.started) == (known, 1024, 1024)
    assert added.tied == (kind.startswith("tied") or kind in ("gemma", "gemma3_text", "gpt2"))
    for table, old in zip(tables_of(model), before, strict=True):
        assert len(table) == model.config.vocab_size == known + 1024
        assert torch.equal(table[:known], old[:known])
        rows = table[added.first :].detach()
        assert likeness(rows) < 0.4
        norm = old[:known].norm(dim=1).mean().item()
        assert rows.norm(dim=1).mean().item() == pytest.approx(norm, rel=0.05)
    if not added.tied:
        table, head = (table[added.first :].detach() for table in tables_of(model))
        assert torch.nn.functional.cosine_similarity(table, head).abs().mean() < 0.5  # a start of its own


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_with_pictures_gets_them(family):
    torch.manual_seed(0)
    model, processor = MAKERS[family]()
    kind, tied = type(model.get_input_embeddings()), len({id(table) for table in tables_of(model)}) == 1
    scale = getattr(model.get_input_embeddings(), "embed_scale", None)
    added = grounding.add_location_tokens(model, processor, pad_to_multiple_of=64)
    assert processor.tokenizer.convert_tokens_to_ids(list(TOKENS)) == list(added.ids)
    assert type(model.get_input_embeddings()) is kind
    assert getattr(model.get_input_embeddings(), "embed_scale", None) == scale
    assert added.tied == tied == (len({id(table) for table in tables_of(model)}) == 1)
    assert added.new == (0 if family == "paligemma" else 1024)
    if added.started:
        assert {len(table) % 64 for table in tables_of(model)} == {0}
    assert {len(table) for table in tables_of(model)} == {model.config.get_text_config().vocab_size}
    if family == "florence2":
        ids = torch.tensor([[added.first, added.ids[-1]]])
        assert model(input_ids=ids, decoder_input_ids=ids).logits.shape[2] == model.config.get_text_config().vocab_size


def test_tokens_that_are_there_keep_what_they_learned():
    model, processor = MAKERS["paligemma"]()
    table = tables_of(model)[0]
    before = table.detach().clone()
    added = grounding.add_location_tokens(model, processor)
    assert (added.new, added.started) == (0, 0)
    assert torch.equal(tables_of(model)[0], before)
    assert new_token_ids(model) == []
    afresh = grounding.add_location_tokens(model, processor, restart=True)
    assert (afresh.new, afresh.started) == (0, 1024)
    assert likeness(tables_of(model)[0][afresh.first : afresh.first + 1024].detach()) < 0.4
    rest = torch.ones(len(before), dtype=torch.bool)
    rest[list(afresh.ids)] = False
    assert torch.equal(tables_of(model)[0][rest], before[rest])


@pytest.mark.parametrize("kind", ["llama", "tied llama"])
def test_our_model_gets_them_in_a_foreign_decoder(kind):
    model, processor = joined(kind)
    added = grounding.add_location_tokens(model, processor, restart=True)
    assert (added.new, added.started, added.tied) == (0, 1024, kind == "tied llama")
    assert model.config.location_token_id == added.first == tiny.VOCAB - 1024
    more = [f"<patch_index_{number:04d}>" for number in range(64)]
    patches = add_tokens(model, processor, more, [(n // 8 / 7, n % 8 / 7) for n in range(64)])
    assert patches.first == tiny.VOCAB
    assert model.config.text_config.vocab_size == model.language.config.vocab_size == tiny.VOCAB + 64
    assert len(tables_of(model)[0]) == len(tables_of(model)[1]) == tiny.VOCAB + 64


def test_our_own_decoder_has_them():
    model, processor = tiny.model(), tiny.processor()
    before = copy.deepcopy(model.state_dict())
    added = grounding.add_location_tokens(model, processor, restart=True)
    assert (added.first, added.new, added.started, added.tied) == (tiny.VOCAB - 1024, 0, 0, True)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    with pytest.raises(ConfigError, match="1024 location tokens from id 576, and 10 were asked for from 576"):
        grounding.add_location_tokens(model, processor, bins=10)
    with pytest.raises(ConfigError, match=r"keeps the 1600 tokens.*1 of those asked for are new, '<box>' first"):
        grounding.add_location_tokens(model, processor, marks=("<box>",))
    grid = list(processor.tokenizer.convert_ids_to_tokens([302, 300, 301]))
    with pytest.raises(ConfigError, match="do not follow each other"):
        add_tokens(model, processor, grid, [0.0, 0.5, 1.0])


def test_other_tokens_of_our_own_decoder_are_words():
    model, processor = tiny.model(), tiny.processor()
    vocabulary = {id_: token for token, id_ in processor.tokenizer.get_vocab().items()}
    grid = [vocabulary[id_] for id_ in range(300, 316)]
    added = add_tokens(model, processor, grid, [(n // 4 / 3, n % 4 / 3) for n in range(16)], restart=True)
    rows = model.language.embedding.words[300:316].detach()
    assert (added.ids, added.started) == (tuple(range(300, 316)), 16)
    assert (rows[0] - rows[1]).norm() < (rows[0] - rows[15]).norm()


# ---- what is where


def test_rows_beyond_the_tokenizer_are_used_first_and_the_table_never_shrinks():
    model, words = causal("llama")
    rows, known = len(tables_of(model)[0]), len(words)
    added = grounding.add_location_tokens(model, words, bins=PADDED - 4)
    assert added.first == known == rows - PADDED
    assert {len(table) for table in tables_of(model)} == {rows}


@pytest.mark.parametrize("kind", ["llama", "tied qwen3", "gpt2", "phi"])
def test_a_second_call_changes_nothing(kind):
    model, words = causal(kind)
    first = grounding.add_location_tokens(model, words, marks=("<p>",), pad_to_multiple_of=8)
    before, size = copy.deepcopy(model.state_dict()), len(words)
    config = model.config.to_dict()
    again = grounding.add_location_tokens(model, words, marks=("<p>",), pad_to_multiple_of=128)
    assert (again.first, again.ids, again.marks, again.tied) == (first.first, first.ids, first.marks, first.tied)
    assert (again.new, again.started) == (0, 0)
    assert len(words) == size
    assert model.config.to_dict() == config
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("kind", ["llama", "tied llama"])
def test_a_saved_tokenizer_and_a_fresh_model_come_together(kind, tmp_path):
    model, words = causal(kind)
    fresh = copy.deepcopy(model)
    added = grounding.add_location_tokens(model, words, marks=("<p>",))
    words.save_pretrained(tmp_path)
    model.save_pretrained(tmp_path)
    read = hf.AutoTokenizer.from_pretrained(tmp_path)
    again = grounding.add_location_tokens(fresh, read, marks=("<p>",))
    assert (again.ids, again.marks, again.new, again.started) == (added.ids, added.marks, 0, 1025)
    for table, same in zip(tables_of(fresh), tables_of(model), strict=True):
        assert likeness(table[added.first :].detach()) < 0.4
        assert torch.allclose(table[added.first :].mean(0), same[added.first :].mean(0), atol=0.01)
    back = hf.AutoModelForCausalLM.from_pretrained(tmp_path)
    assert back.config.new_token_ranges == [[added.first - 1, 1025]]
    assert grounding.add_location_tokens(back, read).started == 0


def test_rows_without_a_token_are_the_mean_row():
    model, words = causal("phi")
    known, rows = len(words), len(tables_of(model)[0])
    means = [table.detach().mean(0) for table in tables_of(model)]
    bias = model.get_output_embeddings().bias.detach().clone()
    added = grounding.add_location_tokens(model, words, bins=100, pad_to_multiple_of=64)
    for table, mean in zip(tables_of(model), means, strict=True):
        assert len(table) > added.ids[-1] + 1 > rows
        assert torch.allclose(table[known + 100 :], mean, atol=1e-6)
    after = model.get_output_embeddings().bias
    assert torch.allclose(after[known : known + 100], bias[:known].mean(), atol=1e-6)
    assert torch.allclose(after[known + 100 :], bias.mean(), atol=1e-6)


def test_marks_start_from_the_words_they_were_spelled_with():
    model, words = causal("llama")
    pieces = words("<p>")["input_ids"]
    added = grounding.add_location_tokens(model, words, marks=("<p>", "</p>"))
    assert words.convert_tokens_to_ids(["<p>", "</p>"]) == list(added.marks)
    assert added.new == added.started == 1026
    for table in tables_of(model):
        assert torch.allclose(table[added.marks[0]], table[pieces].mean(0), atol=1e-6)
    assert new_token_ids(model) == sorted([*added.marks, *added.ids])


def test_patches_of_a_grid_are_like_their_neighbours_in_both_directions():
    model, words = causal("llama")
    patches = [f"<patch_index_{number:04d}>" for number in range(1024)]
    added = add_tokens(model, words, patches, [(n // 32 / 31, n % 32 / 31) for n in range(1024)])
    for table in tables_of(model):
        grid = table[added.first :].detach().view(32, 32, -1)
        far = (grid[:16, :16] - grid[16:, 16:]).norm(dim=2).mean()
        assert (grid[1:] - grid[:-1]).norm(dim=2).mean() < 0.6 * far
        assert (grid[:, 1:] - grid[:, :-1]).norm(dim=2).mean() < 0.6 * far


@pytest.mark.parametrize("start", ["mean", "random"])
def test_other_starts_are_there_to_compare(start):
    model, words = causal("llama")
    known = len(words)
    added = grounding.add_location_tokens(model, words, start=start)
    rows, old = (table.detach() for table in tables_of(model)[0].split([known, 1024])[::-1])
    assert added.started == 1024
    if start == "mean":
        assert torch.allclose(rows, old.mean(0), atol=1e-6)
    else:
        assert rows.std().item() == pytest.approx(old.std().item(), rel=0.05)
        assert likeness(rows) == pytest.approx(1.0, abs=0.05)


def test_the_seed_decides_and_no_other_draw_is_changed():
    states = []
    for number in (0, 0, 1):
        model, words = causal("llama")
        torch.manual_seed(5)
        grounding.add_location_tokens(model, words, seed=number)
        states.append((model.state_dict(), torch.rand(1).item()))
    torch.manual_seed(5)
    assert {drawn for _, drawn in states} == {torch.rand(1).item()}
    first, same, other = (state["model.embed_tokens.weight"] for state, _ in states)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


# ---- what the tokenizer makes of them


def test_answers_are_written_and_read_in_them():
    model, words = causal("llama")
    added = grounding.add_location_tokens(model, words)
    text = "<loc0012><loc0345><loc0678><loc1023> cat"
    ids = words(text)["input_ids"]
    assert ids[:4] == [added.first + bin_ for bin_ in (12, 345, 678, 1023)]
    assert words.decode(ids, skip_special_tokens=True) == text  # what the model says is not dropped as markup
    assert GrammarCompiler(words, size=model.config.vocab_size).first == added.first


def test_fewer_bins_have_fewer_tokens():
    model, words = causal("llama")
    added = grounding.add_location_tokens(model, words, bins=100)
    assert (len(added.ids), model.config.num_locations, model.config.location_token_id) == (100, 100, added.first)
    assert GrammarCompiler(words, top=99).first == added.first


# ---- refusals, before anything is changed


def refused(model, words, match, **options):
    size, rows = len(words), len(model.get_input_embeddings().weight)
    with pytest.raises(ConfigError, match=match):
        grounding.add_location_tokens(model, words, **options)
    assert (len(words), len(model.get_input_embeddings().weight)) == (size, rows)


def test_settings_that_cannot_be_are_refused():
    model, words = causal("llama")
    refused(model, words, "bins is 1: give 2 to 10000", bins=1)
    refused(model, words, "bins is 10001", bins=10001)
    refused(model, words, "start 'sinus' is not known: fourier, mean, random", start="sinus")
    with pytest.raises(ConfigError, match=r"coordinates of shape \(2, 1\) for 3 tokens"):
        add_tokens(model, words, ["<a>", "<b>", "<c>"], [0.0, 1.0])
    with pytest.raises(ConfigError, match="coordinates run from 0 to 31: give shares"):
        add_tokens(model, words, ["<a>", "<b>"], [0, 31])


def test_tokens_in_another_order_are_refused():
    model, words = causal("llama")
    words.add_tokens(["<loc0001>"])
    refused(model, words, "1 of the 1024 tokens are in the tokenizer already, '<loc0001>' among them")
    words = tokenizer()
    words.add_tokens(list(reversed(TOKENS)))
    refused(model, words, "'<loc0000>' to '<loc1023>' do not follow each other")


def test_frozen_tables_are_refused():
    model, words = causal("llama")
    model.get_input_embeddings().requires_grad_(False)
    refused(model, words, "frozen, so new rows would never learn: add the tokens before freezing")


def test_quantised_tables_are_refused():
    model, words = causal("llama")
    table = model.get_input_embeddings()
    table.weight = torch.nn.Parameter(table.weight.to(torch.float8_e4m3fn), requires_grad=False)
    refused(model, words, r"quantised \(torch.float8_e4m3fn\).*add the tokens to the checkpoint in bfloat16")


def test_models_that_are_not_here_whole_are_refused():
    with torch.device("meta"):
        model = hf.LlamaForCausalLM(causal("llama")[0].config)
    refused(model, tokenizer(), "on meta cannot be resized: load the model whole")


def test_models_with_adapters_are_refused():
    from grounding.training.lora import with_lora

    model, words = causal("llama")
    refused(with_lora(model, rank=2), words, "has adapters already: add the tokens first")


def test_a_foreign_tokenizer_is_refused():
    model, words = causal("llama")
    strange = hf.PreTrainedTokenizerFast(tokenizer_object=words.backend_tokenizer, eos_token="<|endoftext|>")
    strange.get_vocab = lambda: {"a": 100_000}
    refused(model, strange, "none of the table's .* rows belongs to a word")


# ---- what learns


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda: causal("llama")[0], ["model.embed_tokens.weight", "lm_head.weight"]),
        (lambda: causal("tied llama")[0], ["model.embed_tokens.weight"]),
        (lambda: causal("phi")[0], ["model.embed_tokens.weight", "lm_head.weight", "lm_head.bias"]),
        (lambda: joined("tied llama")[0], ["language.model.embed_tokens.weight"]),
        (tiny.model, ["language.embedding.locations.weight"]),
    ],
)
def test_parameters_through_which_locations_learn(make, names):
    assert [name for name, _ in location_parameters(make())] == names


def test_ids_become_ranges():
    assert as_ranges([7, 3, 4, 5, 9, 8]) == [(3, 3), (7, 3)]
    assert as_ranges([]) == []
