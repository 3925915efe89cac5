"""Answers: the same alone and in any batch, streamed and whole; coordinates, scores, repeats and cuts as promised."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from PIL import Image, ImageDraw

from grounding.errors import ConfigError, InputError, PromptTooLongError
from grounding.model.building import processor_for
from grounding.model.decode import Ask, DecodeOptions, Decoder, ModelAnswer, gaps_filled
from grounding.model.placing import WINDOW, around_mode
from grounding.result import Region
from tests import tiny, tiny_kinds

FIRST = tiny.VOCAB - 1024
SHORT = DecodeOptions(max_new_tokens=20)


@pytest.fixture
def processor(tiny_processor):
    return tiny_processor


@pytest.fixture
def decoder(tiny_model, processor):
    return Decoder(tiny_model, processor, SHORT)


def locate(processor, number=0, prompt="locate the star", **changes):
    image = tiny.image(number)
    return dataclasses.replace(Ask(image, prompt, processor.canvas(*image.size)), **changes)


def same(one: ModelAnswer, other: ModelAnswer):
    assert (one.ids, one.text, one.problems) == (other.ids, other.text, other.problems)
    assert one.probabilities == pytest.approx(other.probabilities, abs=1e-4)
    assert one.presence == pytest.approx(other.presence, abs=1e-4)
    for mine, theirs in zip(one.regions, other.regions, strict=True):
        assert (mine.label, mine.span) == (theirs.label, theirs.span)
        assert mine.box == pytest.approx(theirs.box, abs=0.02)
        assert mine.score == pytest.approx(theirs.score, abs=1e-4)


# ---- alone and together


@pytest.fixture(scope="module")
def alone(tiny_model, tiny_processor):
    """Sixty-four questions, every second one free of a grammar, each answered by itself."""
    limited, free = (tiny.asks(tiny_processor, 64, grammar=grammar) for grammar in (True, False))
    asks = [(limited if number % 3 else free)[number] for number in range(64)]
    decoder = Decoder(tiny_model, tiny_processor, SHORT)
    return asks, [decoder.answer(ask) for ask in asks]


@pytest.mark.parametrize("batch_size", [2, 7, 64])
def test_answers_do_not_depend_on_what_is_asked_beside_them(batch_size, alone, tiny_model, processor):
    asks, want = alone
    options = dataclasses.replace(SHORT, batch_size=batch_size, picture_batch=3)
    answers = Decoder(tiny_model, processor, options).answer_many(asks)
    assert len({answer.text for answer in answers}) > 20
    for answer, expected in zip(answers, want, strict=True):
        same(answer, expected)


def test_in_bfloat16_a_batch_gives_the_probabilities_that_each_gets_alone(processor):
    model = tiny.model().bfloat16()
    asks = tiny.asks(processor, 24)
    decoder = Decoder(model, processor, dataclasses.replace(SHORT, max_new_tokens=2))
    for ask, answer in zip(asks, decoder.answer_many(asks), strict=True):
        single = decoder.answer(ask)
        assert answer.presence == pytest.approx(single.presence, abs=0.02)
        assert answer.probabilities[0] == pytest.approx(single.probabilities[0], abs=0.03)
        if answer.ids[0] == single.ids[0]:  # what comes second follows from what came first
            assert answer.probabilities[1] == pytest.approx(single.probabilities[1], abs=0.06)


def test_an_answer_has_the_room_it_has_alone(tiny_processor):
    """A long prompt beside it leaves it as many tokens as it would have by itself."""
    text = {**tiny.config().text_config.to_dict(), "max_position_embeddings": 60}
    model = tiny.model(text_config=text)
    decoder = Decoder(model, tiny_processor, DecodeOptions())
    asks = [locate(tiny_processor), locate(tiny_processor, prompt="locate the " + "red " * 20 + "star")]
    together = decoder.answer_many(asks)
    assert [len(answer.ids) for answer in together] == [len(decoder.answer(ask).ids) for ask in asks]
    assert len(together[0].ids) > len(together[1].ids)
    with pytest.raises(PromptTooLongError, match="leaves none for an answer"):
        decoder.answer(locate(tiny_processor, prompt="locate the " + "red " * 60 + "star"))


SHAPES = [(160, 96), (96, 160), (300, 60), (64, 64), (500, 100), (1, 40)]
"""Sides of pictures that take different numbers of tokens."""


def shaped_asks(processor):
    """Two questions about each of several pictures of different shapes, in the words of the processor's codec."""
    images = [tiny.image(number).resize(shape) for number, shape in enumerate(SHAPES)]
    words = [processor.codec_object.prompt("locate", phrase) for phrase in ("star", "the small red house")]
    return [Ask(image, prompt, processor.canvas(*image.size)) for image in images for prompt in words]


@pytest.mark.parametrize("name", tiny_kinds.KINDS)
def test_pictures_of_different_lengths_are_answered_together_as_alone_and_as_generate_does(name):
    model, processor = tiny_kinds.kind(name)
    options = DecodeOptions(max_new_tokens=10, expectation=False, picture_batch=4)
    asks = shaped_asks(processor)
    together = Decoder(model, processor, options).answer_many(asks)
    assert len({answer.probabilities for answer in together}) > 6  # the pictures matter
    counts = {processor.picture_tokens(*shape) for shape in SHAPES}
    assert len(counts) > 1 or processor.image_processor.resize == "pad"
    for ask, answer in zip(asks[::3], together[::3], strict=True):
        single = Decoder(model, processor, options).answer(ask)
        assert single.ids == answer.ids
        assert single.probabilities == pytest.approx(answer.probabilities, abs=1e-4)
        inputs = processor(ask.image, ask.prompt)
        written = model.generate(**inputs, max_new_tokens=10, do_sample=False, pad_token_id=0, eos_token_id=2)
        assert written[0, inputs["input_ids"].shape[1] :].tolist() == list(single.ids)


def test_the_words_before_a_picture_are_read_once_with_it():
    model, processor = tiny_kinds.kind("a Llama that chats of native pictures")
    decoder = Decoder(model, processor, SHORT)
    image = tiny.image(0)
    for phrase in ("star", "house"):
        prompt = processor.codec_object.prompt("locate", phrase)
        decoder.answer(Ask(image, prompt, processor.canvas(*image.size)))
    assert decoder.timing.pictures == 1


def test_a_picture_that_leaves_no_place_for_words_is_refused():
    text = {**tiny.config().text_config.to_dict(), "max_position_embeddings": 40}
    model = tiny.model(text_config=text, resize="llava_next")
    decoder = Decoder(model, processor_for(model, tiny.tokenizer()))
    image = tiny.image(0)
    with pytest.raises(PromptTooLongError, match=r"takes \d+ and the prompt .* of the model's 40 places"):
        decoder.answer(Ask(image, "locate the star", decoder.processor.canvas(*image.size)))


# ---- boxes in other words


def test_a_codec_without_our_locations_writes_no_coordinates_and_takes_no_grammar(processor):
    model, theirs = tiny_kinds.kind("native in decimals")
    decoder = Decoder(model, theirs, SHORT)
    (ask, *_) = shaped_asks(theirs)
    answer = decoder.answer(ask)
    assert answer.presence is None
    with pytest.raises(InputError, match="'shikra' follow no grammar"):
        decoder.answer(dataclasses.replace(ask, grammar=processor.codec_object.grammar("locate")))


def test_a_model_without_location_tokens_answers():
    text = {**tiny.config().text_config.to_dict(), "num_locations": 0}
    model = tiny.model(text_config=text, num_locations=0, codec="shikra")
    assert model.config.location_token_id is None
    decoder = Decoder(model, processor_for(model, tiny.tokenizer()), SHORT)
    image = tiny.image(0)
    ask = Ask(image, "Where is it?", decoder.processor.canvas(*image.size))
    answer = decoder.answer(ask)
    assert len(answer.ids) == 20
    *regions, streamed = decoder.stream(ask)
    same(answer, streamed)
    assert tuple(regions) == answer.regions


def test_no_questions_give_no_answers(decoder):
    assert decoder.answer_many([]) == []


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (700, 3)])
def test_pictures_of_any_size_are_answered_within_their_edges(size, decoder, processor):
    image = Image.new("RGB", size, "red")
    grammar = processor.codec_object.grammar("locate")
    answer = decoder.answer(Ask(image, "locate the red thing", processor.canvas(*size), "locate", grammar))
    assert answer.regions
    for region in answer.regions:
        x1, y1, x2, y2 = region.box
        assert 0 <= x1 <= x2 <= size[0]
        assert 0 <= y1 <= y2 <= size[1]


@pytest.mark.parametrize("words", ["zzyzx qwrtp", "🐕‍🦺 über 猫", "a" * 60, "star ; ring : 3"])
def test_words_it_never_saw_are_answered(words, decoder, processor):
    assert decoder.answer(locate(processor, prompt=f"locate {words}")).text


# ---- a picture is encoded once


def test_phrases_of_one_picture_share_its_encoding(decoder, processor):
    first, second = tiny.image(0), tiny.image(1)
    canvas = processor.canvas(*first.size)
    asks = [Ask(image, f"locate the {word}", canvas) for word in ("star", "ring", "cup") for image in (first, second)]
    decoder.answer_many(asks)
    assert decoder.timing.pictures == 2


def test_the_last_picture_is_known_again_by_its_pixels(decoder, processor):
    one = decoder.answer(locate(processor))
    again = decoder.answer(locate(processor))  # the same pixels, opened anew
    assert decoder.timing.pictures == 1
    same(one, again)
    ask = locate(processor)
    decoder.answer(ask)
    ImageDraw.Draw(ask.image).rectangle((10, 10, 60, 60), fill="red")
    changed = decoder.answer(ask)
    assert decoder.timing.pictures == 2
    assert changed.probabilities != one.probabilities


def test_another_thread_s_picture_does_not_take_the_place_of_the_one_that_is_known(decoder, processor, monkeypatch):
    image, other = tiny.image(0), tiny.image(1)
    mine = decoder.encode([image])
    known = torch.equal

    def meanwhile(*pixels):
        monkeypatch.setattr(torch, "equal", known)
        decoder.encode([other])
        return known(*pixels)

    monkeypatch.setattr(torch, "equal", meanwhile)
    assert decoder.encode([image]) is mine


def test_a_picture_is_encoded_anew_when_the_model_has_moved(processor):
    model = tiny.model()
    decoder = Decoder(model, processor, SHORT)
    decoder.answer(locate(processor))
    model.bfloat16()
    assert decoder.answer(locate(processor)).text
    assert decoder.timing.pictures == 2


def test_training_goes_on_after_answers(processor):
    model = tiny.model()
    batch = processor(tiny.image(0), "locate the star")
    Decoder(model, processor, SHORT).answer(locate(processor))
    model.train()(**batch, labels=batch["input_ids"]).loss.backward()
    with torch.no_grad():
        for weight in model.parameters():
            weight -= 0.1 * weight.grad
    model.eval()
    fresh = Decoder(model, processor, SHORT).answer(locate(processor))
    reference = tiny.model()
    reference.load_state_dict(model.state_dict())
    same(fresh, Decoder(reference, processor, SHORT).answer(locate(processor)))


def test_time_is_noted_for_each_part(decoder, processor):
    decoder.answer(locate(processor))
    timing = decoder.timing
    assert min(timing.vision, timing.prefill, timing.decode) > 0
    assert timing.tokens == 20


# ---- streaming


@pytest.mark.parametrize("limited", [True, False])
def test_a_stream_gives_the_regions_of_the_whole(limited, tiny_model, processor):
    decoder = Decoder(tiny_model, processor, dataclasses.replace(SHORT, max_new_tokens=32))
    shown = 0
    tasks = set()
    for ask in tiny.asks(processor, 24, grammar=limited):
        *regions, answer = decoder.stream(ask)
        same(answer, decoder.answer(ask))
        assert tuple(regions) == answer.regions
        shown += len(regions)
        tasks.add(ask.task)
    assert shown > 40
    assert len(tasks) >= 5


def test_a_region_comes_before_the_next_is_written(decoder, processor):
    events = decoder.stream(locate(processor, grammar=processor.codec_object.grammar("locate", count=2)))
    assert isinstance(next(events), Region)
    assert decoder.timing.tokens == 4
    events.close()
    assert decoder.answer(locate(processor)).text


def test_labels_of_several_bytes_stream_whole(tiny_model, processor):
    names = ("猫", "🐕‍🦺")
    decoder = Decoder(tiny_model, processor, dataclasses.replace(SHORT, max_new_tokens=60))
    grammar = processor.codec_object.grammar("detect", names=names, most=3, count=None)
    seen = set()
    for number in range(6):
        prompt = processor.codec_object.prompt("detect", names=names)
        ask = locate(processor, number, prompt, task="detect", grammar=grammar)
        *regions, answer = decoder.stream(ask)
        assert tuple(regions) == answer.regions
        seen |= {region.label for region in regions}
    assert seen <= set(names)
    assert seen


# ---- coordinates


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 60), st.integers(0, 1023), st.integers(0, 1022))
def test_a_coordinate_stays_in_the_window_and_over_the_blocked_bins(seed, width, center, floor):
    random = torch.Generator().manual_seed(seed)
    places = torch.arange(1024)
    logits = -0.5 * ((places - center) / width) ** 2 + torch.randn(1024, generator=random)
    logits[: floor + 1] = float("-inf")
    spread = logits.softmax(0)[None]
    mean, inside = around_mode(spread)
    smooth = torch.nn.functional.avg_pool1d(spread[:, None], 9, 1, 4)[0, 0].masked_fill(spread[0] <= 0, -1)
    assert abs(mean.item() - smooth.argmax().item()) <= WINDOW
    assert mean.item() > floor
    assert 0 < inside.item() <= 1 + 1e-5
    assert spread[0, round(mean.item())] > 0


_MODEL = []


def tiny_model_once():
    if not _MODEL:
        _MODEL.append(tiny.model())
    return _MODEL[0]


def test_two_peaks_give_one_of_them_and_not_the_middle(decoder):
    spread = torch.zeros(1, 1024)
    spread[0, 100:105], spread[0, 800:805] = 0.08, 0.12
    mean, inside = around_mode(spread)
    assert mean.item() == pytest.approx(802)
    assert inside.item() == pytest.approx(0.6)


def test_locations_win_by_their_mass_with_expectation_and_by_their_best_token_without(tiny_model, processor):
    scores = torch.full((1, tiny.VOCAB), -30.0)
    scores[0, FIRST + 300 : FIRST + 310] = 0.0  # ten bins that share what is left beside one word
    scores[0, 50] = 1.0
    by_mass = Decoder(tiny_model, processor, SHORT)._choose(scores)
    assert by_mass[0] == [FIRST + 304]
    assert by_mass[2][0] == pytest.approx(304.5 / 1023, abs=1e-6)
    by_token = Decoder(tiny_model, processor, DecodeOptions(expectation=False))._choose(scores)
    assert by_token[0] == [50]
    assert by_token[2] == [None]


def test_boxes_are_finer_than_bins_and_ordered(decoder, processor):
    grammar = processor.codec_object.grammar("locate")
    between = 0
    for number in range(8):
        ask = locate(processor, number, grammar=grammar)
        width, _ = ask.image.size
        for region in decoder.answer(ask).regions:
            x1, y1, x2, y2 = region.box
            assert x1 <= x2
            assert y1 <= y2
            between += abs(x1 / width * 1023 - round(x1 / width * 1023)) > 0.01
    assert between > 5


def test_without_expectation_boxes_lie_on_bins(tiny_model, processor):
    decoder = Decoder(tiny_model, processor, dataclasses.replace(SHORT, expectation=False))
    ask = locate(processor, grammar=processor.codec_object.grammar("locate"))
    answer = decoder.answer(ask)
    width, height = ask.image.size
    for region in answer.regions:
        bins = np.array(region.box) / [width, height, width, height] * 1023
        assert np.abs(bins - bins.round()).max() < 1e-3
        assert 0 < region.score <= 1


# ---- scores


def test_every_located_region_has_a_score_between_0_and_1(alone):
    scores = [region.score for answer in alone[1] for region in answer.regions]
    assert len(scores) > 50
    assert None not in scores
    assert 0 <= min(scores) <= max(scores) <= 1


def test_presence_is_asked_only_where_there_may_be_nothing(alone):
    asks, answers = alone
    for ask, answer in zip(asks, answers, strict=True):
        asked = ask.grammar is not None and ask.task in ("locate", "detect", "segment")
        assert (answer.presence is not None) == asked


def test_the_presence_threshold_decides_between_boxes_and_none(tiny_model, processor):
    grammar = processor.codec_object.grammar("locate")
    for threshold, written in ((0.0, True), (1.0, False)):
        decoder = Decoder(tiny_model, processor, dataclasses.replace(SHORT, presence_threshold=threshold))
        answer = decoder.answer(locate(processor, grammar=grammar))
        assert bool(answer.regions) == written
        assert (answer.text == "none") != written
        assert 0 < answer.presence < 1


# ---- what goes wrong in an answer


def test_an_answer_cut_short_says_so(tiny_model, processor):
    decoder = Decoder(tiny_model, processor, DecodeOptions(max_new_tokens=3))
    answer = decoder.answer(locate(processor, grammar=processor.codec_object.grammar("locate", count=2)))
    assert len(answer.ids) == 3
    assert answer.regions == ()
    assert answer.problems[-1].kind == "truncated"
    assert answer.problems[-1].message == "cut after 3 tokens"


# ---- what belongs together


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"location_token_id": 500}, "location_token_id is 500 for the model and 576"),
        ({"image_token_id": 7}, "image_token_id is 7 for the model and 3"),
        ({"resize": "pad"}, "resize is 'pad' for the model and 'squash'"),
        ({"codec": "paligemma"}, "codec is 'paligemma' for the model and 'location'"),
    ],
)
def test_a_processor_of_another_model_is_refused(changes, said, processor):
    with pytest.raises(ConfigError, match=said):
        Decoder(tiny.model(**changes), processor)


# ---- options


@pytest.mark.parametrize(
    "wrong", [{"max_new_tokens": 0}, {"batch_size": 0}, {"picture_batch": -1}, {"presence_threshold": 1.5}]
)
def test_options_that_can_not_work_are_refused(wrong):
    (name,) = wrong
    with pytest.raises(ConfigError, match=name):
        DecodeOptions(**wrong)


@given(st.sets(st.integers(0, 20), min_size=1))
def test_gaps_are_filled_from_behind(rows):
    filled = gaps_filled(sorted(rows))
    assert sorted(filled) == sorted(rows)
    assert all(row == place or (place not in rows and row >= len(rows)) for place, row in enumerate(filled))


# ---- on a GPU


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_gpu_answers_as_the_cpu_does(dtype, processor, alone):
    asks, want = alone
    model = tiny.model().to("cuda", dtype)
    answers = Decoder(model, processor, SHORT).answer_many(asks)
    for answer, expected in zip(answers, want, strict=True):
        assert answer.probabilities[0] == pytest.approx(expected.probabilities[0], abs=0.05)
        assert all(region.score is not None for region in answer.regions)
