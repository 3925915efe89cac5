"""The tokenizer: exactly so many tokens, locations last and in order, one token a mark, and any text spelled."""

import pytest
from hypothesis import given, strategies as st
from transformers import AutoTokenizer

from grounding.codecs.location import TOKENS
from grounding.errors import ConfigError
from grounding.model.tokenization import train_tokenizer
from tests import tiny

SCENE = "locate the red star left of the blue ring"


@pytest.fixture(scope="module")
def tokenizer():
    return tiny.tokenizer()


def ids(tokenizer, text):
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def test_there_are_exactly_as_many_tokens_as_asked_for(tokenizer):
    assert len(tokenizer) == tiny.VOCAB
    few = train_tokenizer([SCENE], vocab_size=2000)  # a text too short to learn so many words from
    assert len(few) == 2000
    assert few.convert_tokens_to_ids("<loc1023>") == 1999


def test_a_vocabulary_without_room_for_bytes_is_refused():
    with pytest.raises(
        ConfigError, match="vocab_size 1200 leaves 172 tokens beside 1024 places and 4 marks: give 1288"
    ):
        train_tokenizer([SCENE], vocab_size=1200)
    assert len(train_tokenizer([SCENE], vocab_size=1288)) == 1288


def test_special_tokens_come_first_and_locations_last_in_order(tokenizer):
    assert tokenizer.convert_tokens_to_ids(["<pad>", "<bos>", "<eos>", "<image>"]) == [0, 1, 2, 3]
    assert (tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id) == (0, 1, 2)
    first = tiny.VOCAB - 1024
    assert tokenizer.convert_tokens_to_ids(list(TOKENS)) == list(range(first, tiny.VOCAB))


@pytest.mark.parametrize("mark", ["<p>", "</p>", " ; ", " : ", "<loc0000>", "<loc1023>", "<image>", "<eos>"])
def test_each_mark_is_one_token_wherever_it_stands(tokenizer, mark):
    (token,) = ids(tokenizer, mark)
    for text in (f"star{mark}ring", f"{mark}star", f"a star{mark}", f"{mark}{mark}", f"<loc0512>{mark}<loc0512>"):
        assert token in ids(tokenizer, text)
        assert tokenizer.decode(ids(tokenizer, text), skip_special_tokens=False) == text


def test_words_of_scenes_are_few_tokens(tokenizer):
    assert len(ids(tokenizer, SCENE)) <= 14


def test_answers_come_back_as_they_were(tokenizer):
    answers = [sample.answer for picture in tiny.pictures() for sample in picture.samples]
    assert len(answers) > 20
    for answer in answers:
        assert tokenizer.decode(ids(tokenizer, answer), skip_special_tokens=False) == answer.lower()


@pytest.mark.parametrize(
    "text", ["a 🐕‍🦺 next to a 🏳️‍🌈", "猫と犬", "zzyzx qwrtpsdf", "naïve café", "ß Ǆ İ", "\ta\nb\x00", "…"]
)
def test_unknown_words_and_emoji_are_spelled_in_bytes_and_come_back(tokenizer, text):
    assert tokenizer.decode(ids(tokenizer, text), skip_special_tokens=False) == tidied(text)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_any_text_comes_back_in_lower_case(text):
    tokenizer = tiny.tokenizer()
    assert tokenizer.decode(ids(tokenizer, text), skip_special_tokens=False) == tidied(text)


def tidied(text):
    """As the tokenizer's own normalizer writes it: composed, in lower case."""
    return tiny.tokenizer().backend_tokenizer.normalizer.normalize_str(text)


def test_capitals_do_not_matter(tokenizer):
    assert ids(tokenizer, SCENE.upper()) == ids(tokenizer, SCENE)


def test_a_saved_tokenizer_comes_back_equal(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    text = f"{SCENE} ; <loc0001><p>a</p> : 🐕"
    assert ids(again, text) == ids(tokenizer, text)
    assert len(again) == len(tokenizer)
    assert again.padding_side == "left"


def test_the_same_texts_give_the_same_tokenizer():
    texts = [
        text for picture in tiny.pictures() for sample in picture.samples for text in (sample.prompt, sample.answer)
    ]
    assert train_tokenizer(texts, 1500).get_vocab() == train_tokenizer(texts, 1500).get_vocab()


def test_other_box_languages_bring_their_own_tags_and_spell_digits_one_by_one():
    tags = [f"<patch_index_{number:04d}>" for number in range(4)]
    made = train_tokenizer([SCENE, "at 0.123"], 400, marks=["<object>", "</object>"], places=tags, single_digits=True)
    assert len(made) == 400
    assert made.convert_tokens_to_ids(tags) == [396, 397, 398, 399]
    assert "<loc0000>" not in made.get_vocab()
    text = "<object><patch_index_0003></object> at 0.12"
    assert made.decode(ids(made, text), skip_special_tokens=False) == text
    assert len(ids(made, "1234567")) == 7
