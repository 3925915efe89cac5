"""The words before pictures: shared by all prompts where nothing behind them changes what they say."""

from grounding.model.building import processor_for
from grounding.model.decode import Ask, DecodeOptions, Decoder
from grounding.model.prefill import words_in_front
from tests import tiny, tiny_kinds


def front(name, *prompts):
    model, processor = tiny_kinds.kind(name)
    return words_in_front(model, processor, processor.encode_prompts(prompts))


def test_a_template_s_words_are_shared_where_a_model_reads_from_left_to_right():
    shared = front("a Llama that chats of native pictures", "star", "the red house")
    _, processor = tiny_kinds.kind("a Llama that chats of native pictures")
    assert processor.tokenizer.decode(shared) == "<bos>user: "


def test_words_that_see_what_comes_behind_are_read_with_it():
    assert front("a Llama that chats", "star") is None


def test_marks_at_different_places_share_nothing():
    name = "a Llama that chats of native pictures"
    assert front(name, "in <image> the star", "in this <image> too") is None


def test_pictures_in_front_of_everything_have_no_words_before_them():
    assert front("tiles", "star", "house") == ()
    assert front("pictures beside the text", "star", "house") == ()
    assert front("pictures beside the text", "star") == ()


def test_a_picture_may_end_a_prompt():
    """Nothing is left to be read behind it, and generate writes the same."""
    model, _ = tiny_kinds.kind("tiles and a thumbnail, left to right")
    processor = processor_for(model, tiny.tokenizer(), prompt_template="{prompt} <image>")
    image = tiny.image(0)
    ask = Ask(image, "locate the star", processor.canvas(*image.size))
    answer = Decoder(model, processor, DecodeOptions(max_new_tokens=5, expectation=False)).answer(ask)
    batch = processor(image, ask.prompt)
    ids = model.generate(**batch, max_new_tokens=5, do_sample=False, pad_token_id=0)[0, batch["input_ids"].shape[1] :]
    assert list(answer.ids) == ids.tolist()[: len(answer.ids)]
