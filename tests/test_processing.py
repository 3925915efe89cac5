"""The processor: the layout of a prompt, texts back from ids, files that come back, and nothing loud on stderr."""

import copy

import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor
from transformers.utils import logging

from grounding.codecs.location import LocationCodec
from grounding.errors import ImageError, InputError, PromptTooLongError, UnknownCodecError
from grounding.model import GroundingProcessor
from tests import tiny

RED = Image.new("RGB", (30, 20), "red")
BLUE = Image.new("RGB", (10, 40), "blue")


@pytest.fixture
def processor(tiny_processor):
    return tiny_processor


def test_a_prompt_is_image_tokens_then_bos_then_words(processor):
    batch = processor(RED, "locate the star")
    words = processor.tokenizer("locate the star", add_special_tokens=False)["input_ids"]
    assert batch["input_ids"].tolist() == [[3] * 16 + [1, *words]]
    assert batch["attention_mask"].tolist() == [[1] * (17 + len(words))]
    assert batch["pixel_values"].shape == (1, 3, 64, 64)


def test_padding_stands_before_the_picture(processor):
    texts = ["caption", "locate the small red star left of the house"]
    batch = processor([RED, BLUE], texts)
    rows = processor.encode_prompts(texts)
    short = len(rows[1]) - len(rows[0])
    assert batch["input_ids"][0].tolist() == [0] * short + [3] * 16 + rows[0]
    assert batch["attention_mask"].sum(1).tolist() == [16 + len(row) for row in rows]
    assert torch.equal(batch["pixel_values"][1], processor.image_processor(BLUE)["pixel_values"][0])


def test_without_pictures_the_text_stands_alone(processor):
    batch = processor(text="caption")
    assert "pixel_values" not in batch
    assert batch["input_ids"].tolist() == processor.encode_prompts(["caption"])


@pytest.mark.parametrize("answer", ["none", "<loc0001><loc0002><loc0003><loc1023> red star ; none", "3 : 🐕", ""])
def test_an_answer_comes_back_from_its_ids(processor, answer):
    (ids,) = processor.encode_answers([answer])
    assert ids[-1] == 2
    assert processor.text(ids) == answer
    assert processor.text(torch.tensor([0, 0, 1, *ids, 0, 0])) == answer


def test_the_codec_is_the_one_that_is_named(processor):
    assert isinstance(processor.codec_object, LocationCodec)
    with pytest.raises(UnknownCodecError, match="'smoke signals'"):
        tiny.processor(codec="smoke signals")


def test_a_canvas_leads_from_the_picture_to_the_model(processor):
    canvas = processor.canvas(*RED.size)
    assert (canvas.width, canvas.height, canvas.model_width) == (30, 20, 64)


# ---- what the caller did wrong


def test_a_prompt_over_the_limit_is_refused_with_its_length(processor):
    words = "star " * 200
    with pytest.raises(PromptTooLongError, match=r"has \d+ tokens, over the model's 128"):
        processor(RED, f"locate {words}")
    with pytest.raises(PromptTooLongError):
        processor.encode_prompts(["caption", f"locate {words}"])
    assert len(tiny.processor(max_prompt_tokens=500).encode_prompts([f"locate {words}"])[0]) > 128


def test_a_prompt_over_the_limit_is_refused_and_nothing_else_is_said(caplog):
    fresh = tiny.processor()
    fresh.tokenizer = copy.deepcopy(fresh.tokenizer)  # it warns once
    logger = logging.get_logger("transformers")
    logger.addHandler(caplog.handler)
    try:
        with pytest.raises(PromptTooLongError):
            fresh.encode_prompts(["locate " + "star " * 700])
    finally:
        logger.removeHandler(caplog.handler)
    assert caplog.messages == []


def test_pictures_and_texts_must_be_as_many(processor):
    with pytest.raises(InputError, match="2 pictures for 1 texts"):
        processor([RED, BLUE], "caption")


def test_text_must_be_given(processor):
    with pytest.raises(InputError, match="needs text"):
        processor(RED)
    with pytest.raises(InputError, match="needs text"):
        processor([], [])
    with pytest.raises(ImageError):
        processor(b"no picture", "caption")


# ---- files


def test_a_saved_processor_comes_back_equal(tmp_path):
    processor = tiny.processor(max_prompt_tokens=99)
    processor.save_pretrained(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} >= {"processor_config.json", "tokenizer.json"}
    again = AutoProcessor.from_pretrained(tmp_path)
    assert isinstance(again, GroundingProcessor)
    assert (again.image_tokens, again.max_prompt_tokens, again.codec) == (16, 99, "location")
    assert isinstance(again.codec_object, LocationCodec)
    texts = ["caption", "locate the 🐕 ; star <loc0007>"]
    ours, theirs = processor([RED, BLUE], texts), again([RED, BLUE], texts)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_loading_says_nothing_on_stderr(tmp_path, capfd, caplog):
    """Neither of a progress bar nor of a backend for pictures that we never had."""
    tiny.processor().save_pretrained(tmp_path)
    tiny.model().save_pretrained(tmp_path)
    logging.warning_once.cache_clear()
    logger = logging.get_logger("transformers")
    logger.addHandler(caplog.handler)
    capfd.readouterr()
    try:
        AutoProcessor.from_pretrained(tmp_path)
        AutoModelForImageTextToText.from_pretrained(tmp_path)
    finally:
        logger.removeHandler(caplog.handler)
    assert caplog.messages == []
    assert capfd.readouterr().err == ""
    assert logging.is_progress_bar_enabled()
