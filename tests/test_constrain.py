"""Constrained decoding: whatever the logits say, the answer keeps to its grammar, for every row of any batch."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, LogitsProcessorList

from grounding.codecs import get_codec
from grounding.errors import ConfigError
from grounding.images import Canvas
from grounding.model.automaton import GrammarCompiler
from grounding.model.constrain import GrammarLogitsProcessor
from grounding.model.tokenization import train_tokenizer

CODEC = get_codec("location")
CANVAS = Canvas.identity(640, 480)
NAMES = ("star", "star ring", "a blue ring", "猫")
QUESTIONS = {
    "locate": ("locate", {}),
    "detect": ("detect", {"names": NAMES}),
    "describe": ("describe", {}),
    "point": ("describe", {"point": True}),
    "caption": ("caption", {}),
    "count": ("count", {"most": 12}),
    "segment": ("segment", {}),
    "answer": ("answer", {}),
    "exactly": ("locate", {"count": 3}),
    "few": ("detect", {"names": ("ring",), "most": 2}),
}
GRAMMARS = {name: CODEC.grammar(task, **options) for name, (task, options) in QUESTIONS.items()}


@pytest.fixture(scope="module")
def tokenizer():
    texts = [
        "locate the red star ; detect a blue ring : none",
        "caption count 0 1 2 3 4 5 6 7 8 9",
        "a star ring, it's",
    ]
    return train_tokenizer(texts * 3, vocab_size=1500)


@pytest.fixture(scope="module")
def compiler(tokenizer):
    return GrammarCompiler(tokenizer)


def ids(tokenizer, text):
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def text_of(tokenizer, row):
    stops = (tokenizer.eos_token_id, tokenizer.pad_token_id)
    return tokenizer.decode([token for token in row if token not in stops], skip_special_tokens=False)


def generate(compiler, tokenizer, grammars, *, seed=0, steps=400, prompt=5, **options):
    """Answers to random logits, a row for each grammar; what brings an answer to its end is made likelier."""
    random = torch.Generator().manual_seed(seed)
    liked = [token for text in ("</p>", " ; ") for token in ids(tokenizer, text)]
    processor = GrammarLogitsProcessor(grammars, compiler, **options)
    rows = torch.randint(4, 300, (len(grammars), prompt), generator=random)
    for _ in range(steps):
        scores = torch.randn(len(grammars), len(tokenizer), generator=random) * 2
        scores[:, liked] += 2
        scores[:, tokenizer.eos_token_id] += 5
        kept = processor(rows, scores)
        assert kept.isfinite().any(dim=1).all()
        rows = torch.cat([rows, torch.multinomial(kept.softmax(dim=1), 1, generator=random)], dim=1)
        if all(processor.finished):
            break
    return rows[:, prompt:], processor


# ---- the grammar is kept


@pytest.mark.parametrize("name", GRAMMARS)
def test_random_logits_give_an_answer_without_problems(name, compiler, tokenizer):
    task, _ = QUESTIONS[name]
    answers, processor = generate(compiler, tokenizer, [GRAMMARS[name]] * 16, seed=1)
    assert all(processor.finished)
    for row in answers.tolist():
        text = text_of(tokenizer, row)
        decoded = CODEC.decode(text, CANVAS, task=task)
        assert GRAMMARS[name].accepts(text), text
        assert not decoded.problems, text


def test_rows_of_one_batch_keep_to_their_own_grammars(compiler, tokenizer):
    names = [*GRAMMARS, *GRAMMARS, *GRAMMARS]
    answers, processor = generate(compiler, tokenizer, [GRAMMARS[name] for name in names], seed=2)
    assert all(processor.finished)
    for name, row in zip(names, answers.tolist(), strict=True):
        assert GRAMMARS[name].accepts(text_of(tokenizer, row))


def test_a_row_is_masked_the_same_alone_and_in_a_batch(compiler, tokenizer):
    names = list(GRAMMARS)
    together = GrammarLogitsProcessor([GRAMMARS[name] for name in names], compiler)
    alone = [GrammarLogitsProcessor([GRAMMARS[name]], compiler) for name in names]
    random = torch.Generator().manual_seed(3)
    for _ in range(60):
        scores = torch.randn(len(names), len(tokenizer), generator=random)
        kept = together.apply(scores)
        for row, processor in enumerate(alone):
            assert torch.equal(processor.apply(scores[row : row + 1])[0], kept[row])
        tokens = torch.multinomial(kept.softmax(dim=1), 1, generator=random)[:, 0].tolist()
        together.advance(tokens)
        for token, processor in zip(tokens, alone, strict=True):
            processor.advance([token])


@pytest.mark.parametrize("name", GRAMMARS)
def test_every_answer_of_ours_can_be_generated(name, compiler, tokenizer):
    box = "<loc0010><loc0020><loc0030><loc0040>"
    texts = {
        "locate": ["none", f"{box} ; {box}"],
        "detect": [f"{box} star ring ; {box} star ; {box} 猫 ; {box} a blue ring", "none"],
        "describe": ["it's a star ; 猫"],
        "point": [f"{box} a star"],
        "caption": [f"a <p>star</p>{box}{box} on <p>a ring</p>{box}.", f"<p>star</p>{box}"],
        "count": ["0", f"2 : {box} ; {box}", " ; ".join([f"12 : {box}", *[box] * 11])],
        "segment": ["none", box + "<loc0001><loc0002>", f"{box}{box} ; {box}<loc0001><loc0002>"],
        "answer": [f"yes, a star{box} on 2 rings{box}{box}."],
        "exactly": [" ; ".join([box] * 3)],
        "few": ["none", f"{box} ring ; {box} ring"],
    }
    for text in texts[name]:
        processor = GrammarLogitsProcessor([GRAMMARS[name]], compiler, presence="token")
        for token in [*ids(tokenizer, text), tokenizer.eos_token_id]:
            assert processor.apply(torch.zeros(1, len(tokenizer)))[0, token] == 0, (text, token)
            processor.advance([token])
        assert processor.finished == [True]


def test_labels_come_from_the_list_and_nothing_else(compiler, tokenizer):
    processor = GrammarLogitsProcessor([GRAMMARS["detect"]], compiler)
    box = ids(tokenizer, "<loc0010><loc0020><loc0030><loc0040>")

    def may_follow():
        return {
            token for token in range(len(tokenizer)) if processor.apply(torch.zeros(1, len(tokenizer)))[0, token] == 0
        }

    for token in box:
        processor.advance([token])
    assert may_follow() == {ids(tokenizer, f" {name}")[0] for name in NAMES}
    for token in ids(tokenizer, " star"):
        processor.advance([token])
    # a name that begins another one may end here, or go on
    assert may_follow() == {tokenizer.eos_token_id, *ids(tokenizer, " ; "), ids(tokenizer, " star ring")[1]}


def test_a_high_edge_is_over_its_own_low_edge(compiler, tokenizer):
    processor = GrammarLogitsProcessor([GRAMMARS["locate"]], compiler, presence="token")
    first = compiler.first
    expected = [(0, 1022), (0, 1022), (301, 1023), (701, 1023)]
    for token, (lowest, highest) in zip((300, 700, 301, 1023), expected, strict=True):
        bins = processor.apply(torch.zeros(1, len(tokenizer)))[0, first : first + 1024].isfinite().nonzero()[:, 0]
        assert (bins[0].item(), bins[-1].item(), len(bins)) == (lowest, highest, highest - lowest + 1)
        processor.advance([first + token])


def test_a_finished_row_writes_only_its_end_or_padding(compiler, tokenizer):
    processor = GrammarLogitsProcessor([GRAMMARS["locate"]] * 2, compiler)
    for tokens in zip(ids(tokenizer, "none"), ids(tokenizer, "none"), strict=True):
        processor.advance(tokens)
    processor.advance([tokenizer.eos_token_id] * 2)
    for _ in range(3):
        allowed = processor.apply(torch.zeros(2, len(tokenizer)))[0].isfinite().nonzero()[:, 0].tolist()
        assert set(allowed) == {tokenizer.eos_token_id, tokenizer.pad_token_id}
        processor.advance([tokenizer.pad_token_id, tokenizer.eos_token_id])
    assert processor.finished == [True, True]


# ---- is it there at all


def spread(tokenizer, compiler, none, each):
    """Logits of an answer's first step: `none` at one value, every location at another."""
    scores = torch.full((1, len(tokenizer)), -20.0)
    scores[0, ids(tokenizer, "none")[0]] = none
    scores[0, compiler.first : compiler.first + 1024] = each
    return scores


def test_presence_is_decided_by_the_mass_of_all_locations(compiler, tokenizer):
    scores = spread(tokenizer, compiler, none=0.0, each=-5.0)  # e^-5 each, but 1,024 of them: 6.9 to 1
    none = ids(tokenizer, "none")[0]
    by_mass = GrammarLogitsProcessor([GRAMMARS["locate"]], compiler)
    by_token = GrammarLogitsProcessor([GRAMMARS["locate"]], compiler, presence="token")
    assert by_mass.apply(scores).argmax() != none
    assert by_token.apply(scores).argmax() == none
    for processor in (by_mass, by_token):
        assert processor.present.item() == pytest.approx(6.9 / 7.9, abs=1e-3)
    absent = GrammarLogitsProcessor([GRAMMARS["locate"]], compiler)
    assert absent.apply(spread(tokenizer, compiler, none=0.0, each=-8.0)).isfinite().sum() == 1


@pytest.mark.parametrize(
    ("threshold", "written"), [(0.0, True), (0.5, True), (0.87, True), (0.88, False), (1.0, False)]
)
def test_the_threshold_says_how_sure_presence_must_be(threshold, written, compiler, tokenizer):
    processor = GrammarLogitsProcessor([GRAMMARS["detect"]], compiler, presence_threshold=threshold)
    kept = processor.apply(spread(tokenizer, compiler, none=0.0, each=-5.0))
    none = ids(tokenizer, "none")[0]
    assert kept[0, none].isfinite().item() is not written
    assert kept[0, compiler.first].isfinite().item() is written


def test_rows_decide_presence_each_for_itself(compiler, tokenizer):
    names = ("locate", "caption", "segment", "exactly")
    processor = GrammarLogitsProcessor([GRAMMARS[name] for name in names], compiler)
    likely, unlikely = (spread(tokenizer, compiler, none=0.0, each=each) for each in (-5.0, -9.0))
    kept = processor.apply(torch.cat([likely, likely, unlikely, unlikely]))
    none = ids(tokenizer, "none")[0]
    assert kept[:, none].isfinite().tolist() == [False, True, True, False]
    assert kept[:, compiler.first].isfinite().tolist() == [True, False, False, True]
    assert processor.present.isnan().tolist() == [False, True, False, True]


def test_for_paligemma_nothing_there_is_the_end(compiler, tokenizer):
    grammar = get_codec("paligemma").grammar("detect", names=["star"])
    scores = spread(tokenizer, compiler, none=-20.0, each=-8.0)
    scores[0, tokenizer.eos_token_id] = 0.0
    assert GrammarLogitsProcessor([grammar], compiler).apply(scores).argmax() == tokenizer.eos_token_id


# ---- how it is driven


@pytest.fixture(scope="module")
def model(tokenizer):
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer) + 20,  # tables are often padded beyond the tokenizer
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return LlamaForCausalLM(config).eval()


def test_generate_takes_it_with_prompts_padded_on_the_left(compiler, tokenizer, model):
    names = ["exactly", "detect", "count", "few"]
    prompts = ["locate the star", "detect star", "count rings on the red star", "detect ring"]
    batch = tokenizer(prompts, padding=True, return_tensors="pt", return_token_type_ids=False)
    processor = GrammarLogitsProcessor([GRAMMARS[name] for name in names], compiler)
    torch.manual_seed(0)
    for _ in range(2):  # a second generation begins anew
        rows = model.generate(
            **batch, max_new_tokens=100, do_sample=True, logits_processor=LogitsProcessorList([processor])
        )
        for name, row in zip(names, rows[:, batch["input_ids"].shape[1] :].tolist(), strict=True):
            ended = tokenizer.eos_token_id in row
            assert GRAMMARS[name].accepts(text_of(tokenizer, row)) is ended
            assert ended or name in ("detect", "count")


def test_several_answers_to_one_question_share_its_grammar(compiler, tokenizer, model):
    batch = tokenizer(["locate a", "detect b"], padding=True, return_tensors="pt", return_token_type_ids=False)
    processor = GrammarLogitsProcessor([GRAMMARS["exactly"], GRAMMARS["few"]], compiler)
    torch.manual_seed(0)
    rows = model.generate(
        **batch, max_new_tokens=40, do_sample=True, num_return_sequences=3, logits_processor=[processor]
    )
    texts = [text_of(tokenizer, row.tolist()) for row in rows[:, batch["input_ids"].shape[1] :]]
    assert all(GRAMMARS["exactly"].accepts(text) for text in texts[:3])
    assert all(GRAMMARS["few"].accepts(text) for text in texts[3:])


def test_an_answer_already_begun_is_followed(compiler, tokenizer):
    begun = ids(tokenizer, "<loc0010><loc0020>")
    rows = torch.tensor([[1, 5, 6, *begun]])
    processor = GrammarLogitsProcessor([GRAMMARS["locate"]], compiler, prompt_length=3)
    kept = processor(rows, torch.zeros(1, len(tokenizer)))
    assert kept[0, compiler.first : compiler.first + 1024].isfinite().nonzero()[0] == 11


def test_a_row_without_a_grammar_is_free(compiler, tokenizer):
    processor = GrammarLogitsProcessor([None, GRAMMARS["locate"]], compiler)
    scores = torch.randn(2, len(tokenizer))
    for _ in range(4):
        kept = processor.apply(scores)
        assert torch.equal(kept[0], scores[0])
        assert kept[1].isinf().any()
        processor.advance([7, int(kept[1].argmax())])
    processor.advance([tokenizer.eos_token_id, tokenizer.eos_token_id])
    assert processor.finished[0]


def test_rows_can_be_let_go(compiler, tokenizer):
    processor = GrammarLogitsProcessor([GRAMMARS["locate"], GRAMMARS["count"], GRAMMARS["caption"]], compiler)
    whole = processor.apply(torch.zeros(3, len(tokenizer)))
    processor.select([2, 1])
    assert torch.equal(processor.apply(torch.zeros(2, len(tokenizer))), whole[[2, 1]])


def test_a_token_that_may_not_come_ends_the_row(compiler, tokenizer):
    processor = GrammarLogitsProcessor([GRAMMARS["locate"]], compiler)
    processor.advance(ids(tokenizer, "x"))
    assert processor.finished == [True]


def test_scores_are_copied_and_keep_their_kind(compiler, tokenizer):
    for kind in (torch.float32, torch.bfloat16):
        scores = torch.zeros(2, len(tokenizer), dtype=kind)
        kept = GrammarLogitsProcessor([GRAMMARS["locate"], GRAMMARS["count"]], compiler).apply(scores)
        assert kept.dtype == kind
        assert not scores.any()


def test_logits_beyond_the_tokenizer_are_blocked(compiler, tokenizer):
    processor = GrammarLogitsProcessor([GRAMMARS["answer"]], compiler)
    kept = processor.apply(torch.zeros(1, len(tokenizer) + 9))
    assert not kept[0, len(tokenizer) :].isfinite().any()
    assert kept[0, : len(tokenizer)].isfinite().any()


def test_a_compiler_starts_afresh_before_its_masks_take_too_much(tokenizer, monkeypatch):
    monkeypatch.setattr("grounding.model.automaton.MOST_MASK_BYTES", 100_000)
    compiler = GrammarCompiler(tokenizer)
    for number in range(60):
        grammar = CODEC.grammar("detect", names=[f"thing {number}"])
        answers, _ = generate(compiler, tokenizer, [grammar], seed=number, steps=30)
        assert grammar.accepts_start(text_of(tokenizer, answers[0].tolist())) or len(answers[0]) == 30
        assert compiler._masks.count < 40


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"presence": "argmax"}, "presence"),
        ({"presence_threshold": 2.0}, "0 to 1"),
        ({"grammars": []}, "none was given"),
    ],
)
def test_settings_that_can_not_work_are_refused(options, message, compiler):
    with pytest.raises(ConfigError, match=message):
        GrammarLogitsProcessor(**{"grammars": [GRAMMARS["locate"]], "compiler": compiler} | options)


def test_a_batch_that_does_not_fit_is_refused(compiler, tokenizer):
    processor = GrammarLogitsProcessor([GRAMMARS["locate"]] * 2, compiler)
    with pytest.raises(ConfigError, match="2 grammars can't be given to 3 rows"):
        processor(torch.zeros(3, 4, dtype=torch.long), torch.zeros(3, len(tokenizer)))


def test_a_tokenizer_without_locations_is_refused(tokenizer):
    with pytest.raises(ConfigError, match="consecutive ids"):
        GrammarCompiler(tokenizer, surface="<bin{:04d}>")


def test_a_copy_of_the_masks_on_another_device_keeps_up(compiler, tokenizer):
    masks = GrammarCompiler(tokenizer)._masks
    elsewhere = torch.device("meta")
    for number in range(100):
        row = masks.row(number, [torch.tensor([number])])
        assert masks.on(elsewhere).shape[0] > row
        assert masks.rows[row].isfinite().nonzero().tolist() == [[number]]
