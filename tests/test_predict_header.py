"""A header says what the answers depend on, and nothing that is secret."""

import pytest

import grounding
from grounding import get_codec
from grounding.backends.scripted import Scripted
from grounding.data.opening import open_dataset
from grounding.predict.header import facts_of, rounding_of, weights_fingerprint
from grounding.predict.options import PredictOptions
from tests.predicting import Moody, data, write_data


@pytest.fixture
def folder(tmp_path):
    write_data(tmp_path, pictures=2)
    return tmp_path


def test_facts_are_those_of_the_model_as_it_was_loaded(folder):
    model = grounding.load(device="cpu")
    facts = facts_of(model, data(folder)[0], weights_fingerprint(None), {"max_new_tokens": 64})
    assert (facts.name, facts.codec, facts.rounding) == ("grounding-photos", "location", "official")
    assert facts.prompt == "locate thing 0 of 0"
    assert len(facts.options["weights"]) == 12
    assert {name: facts.options[name] for name in ("device", "dtype", "max_new_tokens")} == {
        "device": "cpu",
        "dtype": "float32",
        "max_new_tokens": 64,
    }


def test_a_prompt_that_cannot_be_put_is_none_until_it_fails_when_it_is_asked(folder):
    model = Moody(folder)
    model.codec = get_codec("kosmos2")
    samples = open_dataset("scenes:count").take(1)
    assert facts_of(model, samples[0]).prompt is None


@pytest.mark.parametrize(("rounding", "named"), [(None, "official"), ("supervision", "supervision")])
def test_the_reader_of_numbers_is_named(rounding, named):
    assert rounding_of(get_codec("paligemma", rounding=rounding)) == named


def test_a_name_and_password_in_an_address_stay_out_of_the_file(folder):
    options = {"base_url": "https://me:secret@host/v1", "concurrency": 4}
    facts = facts_of(Scripted({}), None, options=options)
    assert facts.options == {"base_url": "https://host/v1", "concurrency": 4}


def test_weights_are_told_apart_wherever_they_differ(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(bytes(3_000_000))
    first = weights_fingerprint(tmp_path)
    assert first == weights_fingerprint(tmp_path)
    path.write_bytes(bytes(2_999_999) + b"\x01")
    assert weights_fingerprint(tmp_path) != first
    path.write_bytes(bytes(3_000_001))
    assert weights_fingerprint(tmp_path) != first
    assert weights_fingerprint("openai:gpt-4o") is None


def test_pictures_that_are_resized_copies_are_another_run(folder):
    from grounding.predict.header import header_of

    def options(stretched):
        dataset = open_dataset(folder / "data.jsonl", stretched=stretched)
        facts = facts_of(Moody(folder), dataset[0])
        return header_of(dataset, PredictOptions(batch=7), 6, 0, None, None, facts).options

    assert options(stretched=True) == {"batch": 7, "stretched": True}
    assert options(stretched=False) == {"batch": 7}
