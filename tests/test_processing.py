"""The processor: the layout of a prompt, texts back from ids, files that come back, and nothing loud on stderr."""

import copy

import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer, decoders, pre_tokenizers, trainers
from tokenizers.models import BPE
from transformers import AutoModelForImageTextToText, AutoProcessor, PreTrainedTokenizerFast
from transformers.utils import logging

from grounding.codecs.location import LocationCodec
from grounding.errors import ConfigError, ImageError, InputError, PromptTooLongError, UnknownCodecError
from grounding.model import GroundingImageProcessor, GroundingProcessor
from tests import tiny, tiny_kinds

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


@pytest.mark.parametrize("resize", ["pad", "llava_next", "native"])
def test_a_canvas_of_our_codec_counts_along_the_picture_and_of_one_that_pads_along_its_square(resize):
    pictures = GroundingImageProcessor(64, resize, grid=(4, 4))
    ours = GroundingProcessor(pictures, tiny.tokenizer()).canvas(300, 100)
    assert ours.to_model([(0, 0, 300, 100)])[0].tolist() == [0, 0, ours.model_width, ours.model_height]
    padded = GroundingProcessor(pictures, tiny.tokenizer(), codec="shikra").canvas(300, 100)
    assert (padded.model_width, padded.model_height, padded.top) == (300, 300, 100)


# ---- pictures among the words


def without(row, token):
    return [one for one in row if one != token]


def test_pictures_stand_at_their_marks(processor):
    batch = processor([RED, BLUE], "<image> is left of <image> is it")
    (row,) = batch["input_ids"].tolist()
    assert row[:17] == [1] + [3] * 16
    assert row.count(3) == 32
    words = processor.tokenizer(["", " is left of ", " is it"], add_special_tokens=False)["input_ids"]
    assert row == [1, *[3] * 16, *words[1], *[3] * 16, *words[2]]
    assert len(batch["pixel_values"]) == 2


def test_each_text_takes_as_many_pictures_as_it_has_marks(processor):
    texts = ["caption", "<image> and <image> and <image>", "locate the star in <image>"]
    batch = processor([RED, BLUE, RED, RED, BLUE], texts)
    assert (batch["input_ids"] == 3).sum(1).tolist() == [16, 48, 16]
    nested = processor([[RED], [BLUE, RED, RED], [BLUE]], texts)
    assert all(torch.equal(batch[key], nested[key]) for key in batch)


def test_several_pictures_of_a_text_without_marks_stand_in_front(processor):
    batch = processor([[RED, BLUE], []], ["caption", "caption"])
    assert batch["input_ids"][0, :32].tolist() == [3] * 32
    assert batch["attention_mask"].sum(1).tolist()[0] == batch["attention_mask"].sum(1).tolist()[1] + 32
    assert len(batch["pixel_values"]) == 2


@pytest.mark.parametrize("name", tiny_kinds.KINDS)
def test_what_is_written_depends_on_each_of_several_pictures(name):
    model, processor = tiny_kinds.kind(name)
    first, second, third = (tiny.image(number).resize((150, 70)) for number in range(3))
    texts = ["what is in <image> and not in <image> or else", "locate the star"]

    def logits(*pictures):
        return model(**processor([list(pictures), [third]], texts)).logits[:, -1]

    want = logits(first, second)
    assert torch.allclose(want, logits(first, second))
    assert not torch.allclose(want[0], logits(third, second)[0], atol=1e-5)
    assert not torch.allclose(want[0], logits(first, third)[0], atol=1e-5)
    assert not torch.allclose(want[0], logits(second, first)[0], atol=1e-5)
    assert torch.allclose(want[1], logits(second, first)[1], atol=1e-4)  # which is about another picture
    inputs = processor([[first, second], [third]], texts)
    written = model.generate(**inputs, max_new_tokens=4, min_new_tokens=4, do_sample=False, pad_token_id=0)
    assert written.shape == (2, inputs["input_ids"].shape[1] + 4)


def test_a_template_stands_around_every_prompt_and_its_mark_for_all_pictures():
    processor = tiny.processor(prompt_template="user : <image> {prompt} answer :")
    (row,) = processor(RED, "caption")["input_ids"].tolist()
    assert row.count(3) == 16
    assert processor.tokenizer.decode(without(row, 3)) == "<bos>user :  caption answer :"
    (two,) = processor([[RED, BLUE]], "caption")["input_ids"].tolist()
    assert two.count(3) == 32
    (marked,) = processor([RED, BLUE], "compare <image> with <image>")["input_ids"].tolist()
    assert processor.tokenizer.decode(without(marked, 3)) == "<bos>user :  compare  with  answer :"
    assert marked.count(3) == 32
    assert processor(text="caption")["input_ids"].tolist()[0].count(3) == 0
    assert processor.encode_prompts(["caption"] * 3, [0, 1, 2])[2].count(3) == 2


def test_a_picture_beside_the_text_takes_one_token_and_all_its_features_are_listed():
    model, processor = tiny_kinds.kind("pictures beside the text")
    wide = RED.resize((200, 50))
    batch = processor([wide, BLUE], ["caption", "locate the star"])
    assert (batch["input_ids"] == 3).sum(1).tolist() == [1, 1]
    counts = [len(processor.layout(*image.size).tokens) for image in (wide, BLUE)]
    assert batch["picture_tokens"].tolist() == counts
    assert len(batch["image_index"]) == sum(counts)
    assert processor.text_tokens(200, 50) == 1
    assert model(**batch).logits.shape[:2] == batch["input_ids"].shape


# ---- tokenizers of others


@pytest.fixture(scope="module")
def foreign():
    """As of GPT-2 and Qwen: no beginning, no padding, other names for the end and for pictures."""
    trained = Tokenizer(BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trained.train_from_iterator(["locate the star"], trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet))
    return PreTrainedTokenizerFast(
        tokenizer_object=trained, eos_token="<|end|>", extra_special_tokens=["<|image_pad|>"], padding_side="right"
    )


def test_a_tokenizer_without_beginning_and_padding_will_do(foreign, tmp_path):
    pictures = GroundingImageProcessor(64, grid=(2, 2))
    processor = GroundingProcessor(pictures, foreign, codec="shikra", image_token="<|image_pad|>")
    end, image = foreign.convert_tokens_to_ids(["<|end|>", "<|image_pad|>"])
    assert processor.ids == (end, None, end, image)
    batch = processor([RED, BLUE], ["locate the star", "in <image> locate the star"])
    short, long = batch["input_ids"].tolist()
    assert short[0] == end
    assert batch["attention_mask"][0, 0] == 0
    assert without(short, end)[:4] == [image] * 4
    assert long.count(image) == 4
    assert long[0] != image
    (ids,) = processor.encode_answers(["[0.100,0.200,0.300,0.400] , Ja!"])
    assert processor.text(ids) == "[0.100,0.200,0.300,0.400] , Ja!"
    processor.save_pretrained(tmp_path)
    again = GroundingProcessor.from_pretrained(tmp_path)
    assert (again.ids, again.codec, again.image_tokens) == (processor.ids, "shikra", 4)
    assert torch.equal(again(RED, "locate")["input_ids"], processor(RED, "locate")["input_ids"])


def test_a_beginning_that_the_template_writes_is_not_written_twice():
    processor = tiny.processor(prompt_template="<bos>user : {prompt}")
    assert processor.encode_prompts(["caption"])[0].count(1) == 1


def test_a_tokenizer_without_end_or_image_token_is_refused(foreign):
    with pytest.raises(ConfigError, match=r"'<image>' is no token of the tokenizer: add it"):
        GroundingProcessor(GroundingImageProcessor(64), foreign)
    endless = copy.deepcopy(foreign)
    endless.eos_token = None
    with pytest.raises(ConfigError, match="no end token"):
        GroundingProcessor(GroundingImageProcessor(64), endless, image_token="<|image_pad|>")


# ---- what the caller did wrong


@pytest.mark.parametrize(
    ("pictures", "texts", "said"),
    [
        ([RED], ["<image> and <image>"], r"2 places for pictures \(<image>\) and 1 pictures"),
        ([RED, BLUE, RED], ["<image> and <image>"], "2 places .* and 3 pictures"),
        ([[RED, BLUE]], ["<image> alone"], "1 places .* and 2 pictures"),
        (None, ["<image> alone"], "1 places .* and 0 pictures"),
        ([[RED], [BLUE]], ["caption"], "pictures of 2 texts for 1 texts"),
    ],
)
def test_pictures_must_be_as_many_as_their_marks(processor, pictures, texts, said):
    with pytest.raises(InputError, match=said):
        processor(pictures, texts)


def test_templates_and_grids_that_can_not_work_are_refused():
    with pytest.raises(ConfigError, match=r"prompt_template 'USER:' must hold \{prompt\} once"):
        tiny.processor(prompt_template="USER:")
    with pytest.raises(ConfigError, match="<image> at most once"):
        tiny.processor(prompt_template="<image> {prompt} <image>")
    with pytest.raises(ConfigError, match=r"image_tokens is 9 and the image processor's grid 2 x 2"):
        GroundingProcessor(GroundingImageProcessor(64, grid=(2, 2)), tiny.tokenizer(), image_tokens=9)


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
    assert again.image_processor.grid == [4, 4]
    ours, theirs = processor([RED, BLUE], texts), again([RED, BLUE], texts)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


@pytest.mark.parametrize("name", tiny_kinds.KINDS)
def test_a_saved_processor_of_any_kind_makes_the_same_tensors(name, tmp_path):
    _, processor = tiny_kinds.kind(name)
    processor.save_pretrained(tmp_path)
    again = AutoProcessor.from_pretrained(tmp_path)
    pictures, texts = [RED.resize((200, 90)), BLUE, RED], ["caption", "<image> with <image>"]
    ours, theirs = processor(pictures, texts), again(pictures, texts)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert again.canvas(300, 200) == processor.canvas(300, 200)


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
