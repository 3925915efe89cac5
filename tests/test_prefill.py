"""The words before pictures: shared by all prompts where nothing behind them changes what they say."""

from grounding.model.prefill import words_in_front
from tests import tiny_kinds


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
