"""Building by a recipe: parts keep their weights, box languages get their tokens, and errors name the setting."""

import json

import pytest
import torch
from transformers import AutoModelForCausalLM

from grounding.data.lessons.mixture import Mixture
from grounding.errors import CheckpointError, ConfigError
from grounding.training import building
from grounding.training.box_tokens import BOX_TOKENS, box_tokens
from grounding.training.building import build
from grounding.training.recipe_files import recipe_of
from tests import tiny_parts
from tests.tiny_training import Boxes

EYES = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, "num_hidden_layers": 1}
OURS = {"vision_config": {**EYES, "stem_channels": [8, 16]}, "language_config": EYES, "image_size": 64}


@pytest.fixture(autouse=True)
def few_texts(monkeypatch):
    """Tokenizers are learned from the texts of a hundred lessons: the words are few here."""
    monkeypatch.setattr(building, "TOKENIZER_LESSONS", 100)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Folders: clip, other (a second encoder), words (a language model), tied (one whose head is its table)."""
    root = tmp_path_factory.mktemp("parts")
    tiny_parts.save_clip(root / "clip")
    tiny_parts.save_clip(root / "other", seed=1)
    tiny_parts.save_language(root / "words")
    tiny_parts.save_language(root / "tied", tie_word_embeddings=True)
    return root


def built(seed=0, most_tokens=400, **model):
    recipe = recipe_of({"model": {"vocab_size": 1500, **model}, "seed": seed, "most_tokens": most_tokens})
    return build(recipe, Mixture([(1.0, Boxes())]))


def same_weights(a, b):
    ours, theirs = a.state_dict(), b.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


# ---- fresh parts


@pytest.mark.parametrize("codec", ["location", "paligemma", "florence-2", "kosmos-2", "shikra", "llava-1.5"])
@pytest.mark.parametrize("decoder", ["ours", "llama"])
def test_each_box_language_has_its_tokens_and_no_others(codec, decoder):
    values = {**EYES, "model_type": "llama", "num_key_value_heads": 1} if decoder == "llama" else EYES
    model, processor = built(**{**OURS, "language_config": values}, codec=codec)
    tokens = box_tokens(codec)
    vocabulary = processor.tokenizer.get_vocab()
    assert len(processor.tokenizer) == model.config.text_config.vocab_size == 1500
    ids = [vocabulary[place] for place in tokens.places]
    assert ids == list(range(1500 - len(ids), 1500))
    assert model.config.num_locations == tokens.bins
    assert (model.config.location_token_id == ids[0]) if tokens.bins else (model.config.location_token_id is None)
    foreign = {place for name, other in BOX_TOKENS.items() for place in other.places if other.places != tokens.places}
    assert not foreign & vocabulary.keys()
    digits = processor.encode_answers(["0123"])[0]
    assert tokens.places or len(digits) == 5  # where boxes are digits, each is a token


def test_patches_of_a_fresh_table_start_from_where_they_stand():
    values = {**EYES, "model_type": "llama", "num_key_value_heads": 1}
    model, processor = built(**{**OURS, "language_config": values}, codec="kosmos-2")
    first = processor.tokenizer.convert_tokens_to_ids("<patch_index_0000>")
    rows = model.get_input_embeddings().weight[first : first + 1024].detach().view(32, 32, -1)
    beside = torch.cosine_similarity(rows[:, 10], rows[:, 11], dim=1).mean()
    across = torch.cosine_similarity(rows[:, 0], rows[:, 31], dim=1).mean()
    assert beside > across + 0.1
    assert model.config.new_token_ranges == [[first, 1024]]


def test_the_seed_decides_every_weight():
    first, again, other = (built(seed, **OURS)[0] for seed in (3, 3, 4))
    assert same_weights(first, again)
    assert not torch.equal(first.projector[0].weight, other.projector[0].weight)


def test_a_given_tokenizer_gets_what_it_lacks_at_its_end(parts):
    model, processor = built(**OURS, tokenizer=str(parts / "words"), codec="location")
    vocabulary = processor.tokenizer.get_vocab()
    assert vocabulary["<loc1023>"] == len(processor.tokenizer) - 1 == model.config.text_config.vocab_size - 1
    assert {"<image>", "<p>", " ; "} <= vocabulary.keys()


# ---- pretrained parts


def test_pretrained_parts_keep_their_weights_and_what_they_were_told_of_pixels(parts):
    model, processor = built(
        vision=str(parts / "clip"), language=str(parts / "words"), vision_feature_layer=-2, codec="llava-1.5"
    )
    encoder, language = model.vision, AutoModelForCausalLM.from_pretrained(parts / "words")
    from grounding.model.pretrained import load_vision

    assert same_weights(encoder, load_vision(parts / "clip").model)
    for name, weight in language.state_dict().items():
        assert torch.equal(model.language.state_dict()[name][: len(weight)], weight), name
    assert processor.image_processor.mean == [0.4, 0.5, 0.6]
    assert processor.image_processor.std == [0.1, 0.2, 0.3]
    assert (model.config.image_size, processor.image_tokens) == (56, 16)
    assert model.config.num_locations == 0
    assert len(processor.tokenizer) == tiny_parts.WORDS  # <image> was there
    pad, begin, end, image = processor.ids
    generation = model.generation_config
    assert (generation.pad_token_id, generation.bos_token_id, generation.eos_token_id) == (pad, begin, end)
    assert model.config.image_token_id == image


@pytest.mark.parametrize("language", ["words", "tied"])
@pytest.mark.parametrize(("codec", "count"), [("location", 1026), ("kosmos-2", 1030)])
def test_a_pretrained_language_model_gets_rows_for_boxes_behind_its_own(parts, language, codec, count):
    model, processor = built(vision=str(parts / "clip"), language=str(parts / language), codec=codec)
    before = AutoModelForCausalLM.from_pretrained(parts / language).get_input_embeddings().weight
    table, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    assert len(table) == len(head) == len(processor.tokenizer) == tiny_parts.WORDS + count
    assert torch.equal(table[: len(before)], before)
    assert (head is table) == (language == "tied")
    assert sum(number for _, number in model.config.new_token_ranges) == count
    assert len(processor.encode_answers([box_tokens(codec).places[5]])[0]) == 2  # the token and the end


def test_two_encoders_stand_side_by_side(parts):
    names = [str(parts / "clip"), str(parts / "other")]
    model, processor = built(**{**OURS, "vision": names, "vision_config": {"first_layer": -2}, "image_size": None})
    assert model.config.vision_config.first_layer == -2
    assert model.projector[0].in_features == 64
    assert processor.image_processor.mean == [0.5, 0.5, 0.5]


def test_joined_parts_are_saved_and_loaded_with_equal_logits(parts, tmp_path):
    from grounding.backends.native import open_native

    model, processor = built(vision=str(parts / "clip"), language=str(parts / "words"), codec="location")
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    loaded = open_native(tmp_path, device="cpu", dtype="float32").model
    inputs = processor(images=Boxes().lesson(0).pictures[0].open(), text="locate the red square")
    with torch.no_grad():
        assert torch.equal(model.eval()(**inputs).logits, loaded(**inputs).logits)


# ---- a finished model


def test_a_checkpoint_of_ours_is_gone_on_with(tmp_path):
    model, processor = built(**OURS, prompt_template="ASK: {prompt}")
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    again, its = built(checkpoint=str(tmp_path))
    assert same_weights(model, again)
    assert again.training
    assert again.dtype == torch.float32
    assert its.prompt_template == "ASK: {prompt}"
    built(checkpoint=str(tmp_path), image_size=64, codec="location")
    with pytest.raises(ConfigError, match=r"model.codec is 'shikra', and 'location' in the checkpoint .* leave it out"):
        built(checkpoint=str(tmp_path), codec="shikra")
    with pytest.raises(ConfigError, match=r"model.prompt_template is 'Q: \{prompt\}', and 'ASK: \{prompt\}'"):
        built(checkpoint=str(tmp_path), prompt_template="Q: {prompt}")


@pytest.mark.parametrize("name", ["nowhere", "folder"])
def test_a_checkpoint_that_is_none_is_said_so(tmp_path, name):
    (tmp_path / "folder").mkdir()
    with pytest.raises((CheckpointError, ConfigError), match=name):
        built(checkpoint=str(tmp_path / name))


# ---- what is refused

LLAMA = {**EYES, "model_type": "llama", "num_key_value_heads": 1}


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ({"vision_config": {"hiden_size": 32}}, "model.vision_config has no setting 'hiden_size' for grounding_vision"),
        ({"vision_config": {"model_type": "clip_vison_model"}}, "did you mean 'clip_vision_model'?"),
        ({"vision_config": {**EYES, "num_attention_heads": 5}}, "model.vision_config: hidden_size 32 does not divide"),
        ({"vision_config": {"model_type": "clip_vision_model", "hidden_size": "a"}}, "can't be a clip_vision_model"),
        (
            {"vision_config": {"model_type": "grounding_pair", "first": {"hidden": 3}}},
            "model.vision_config.first has no setting 'hidden' for grounding_vision; did you mean 'hidden_size'?",
        ),
        ({"image_size": 60}, "model.vision_config: image_size 60, patch_size 16"),
        ({"language_config": {"layers": 3}}, "model.language_config has no setting 'layers' for grounding_text"),
        ({"language_config": {**LLAMA, "hidden_size": 33}}, "model.language_config can't be a llama"),
        ({"language_config": {"model_type": "t5"}}, "'t5'"),
        ({"vocab_size": 1100}, "model.vocab_size is 1100; the codec location needs 1328 tokens or more, 1024 of them"),
        ({"tokenizer": "nowhere"}, "model.tokenizer: nowhere holds no tokenizer"),
        ({"resize_options": {"max_tils": 3}, "resize": "internvl"}, "did you mean 'max_tiles'?"),
        ({"projector_options": {"latents": 3}, "projector": "mlp"}, "change projector_options"),
        ({"resize": "native"}, "resize is 'native'"),
        ({"prompt_template": "<image><image>{prompt}"}, "prompt_template"),
        ({"most_tokens": 60}, "most_tokens is 60, and a square picture takes 16: raise it to 272 or more"),
    ],
)
def test_what_cannot_be_built_is_told_by_its_setting(model, says):
    with pytest.raises((ConfigError, CheckpointError)) as error:
        built(**{**OURS, **model})
    assert says in str(error.value)


def test_what_pretrained_parts_cannot_be_is_told_by_its_setting(parts):
    clip, words = str(parts / "clip"), str(parts / "words")
    for model, says in (
        ({"vision": clip, "image_size": 64}, "model.image_size is 64, and .* sees 56 px alone"),
        ({"vision": [clip, clip, clip]}, "model.vision names 3 encoders"),
        ({"vision": clip, "vision_config": {"img_size": 3}}, "img_size"),
        ({"vision": words}, "sees no pictures"),
        ({"language": words, "language_config": {"gguf": "a"}}, "model.language_config: .* is not loaded with these"),
        ({"language": clip}, "can't be loaded"),
    ):
        with pytest.raises((ConfigError, CheckpointError), match=says):
            built(**{**OURS, "vision_config": {}, "language_config": {}, "image_size": None, **model})


def test_a_fresh_encoder_of_a_kind_that_nobody_trained_sees_pixels_from_minus_one_to_one():
    small = {"model_type": "beit", **EYES, "image_size": 64, "patch_size": 16}
    pictures = built(**{**OURS, "vision_config": small})[1].image_processor
    assert (pictures.mean, pictures.std) == ([0.5, 0.5, 0.5], [0.5, 0.5, 0.5])


def test_pixels_are_normalized_as_the_recipe_says_where_it_does(parts):
    said = {"pixel_mean": [0.1, 0.2, 0.3], "pixel_std": [1, 2, 3]}
    for model in (OURS, {**OURS, "vision": str(parts / "clip"), "vision_config": {}, "image_size": None}):
        pictures = built(**model, **said)[1].image_processor
        assert (pictures.mean, pictures.std) == ([0.1, 0.2, 0.3], [1.0, 2.0, 3.0])


def test_the_recipe_is_unchanged_by_building(parts):
    values = {"model": {**OURS, "vocab_size": 1500, "tokenizer": str(parts / "words")}, "most_tokens": 400}
    before = json.dumps(values)
    build(recipe_of(values), Mixture([(1.0, Boxes())]))
    assert json.dumps(values) == before
