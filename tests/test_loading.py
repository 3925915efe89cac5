"""Opening checkpoints of transformers: the family that is found, options, and what is refused, in one clear error."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
import transformers

import grounding
from grounding.backends import families
from grounding.backends.loading import check_packages, class_of
from grounding.errors import CheckpointError, ConfigError, MissingExtraError, UnknownModelError
from tests import tiny_families
from tests.family_cases import CASES, families as each_of
from tests.forced import picture

each = each_of()


def test_every_type_has_a_tiny_checkpoint():
    assert set(families.BY_TYPE) == {name.split()[0] for name in tiny_families.MAKERS}


@each
def test_family_is_found_by_the_config(family, model_of):
    model, case = model_of(family), CASES[family]
    assert model.family is families.BY_TYPE[family.split()[0]]
    assert type(model.model).__name__ == model.family.models[family.split()[0]]
    assert type(model.processor).__name__ == model.family.processor
    assert model.codec.name == case.codec
    assert model.tasks == tuple(case.tasks.split())


# ---- checkpoints that can't be used, and options


@pytest.fixture
def copy(directory_of, tmp_path):
    return shutil.copytree(directory_of("paligemma"), tmp_path / "copy")


def test_type_that_nobody_knows_is_answered_with_the_known_ones(copy):
    (copy / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(
        UnknownModelError, match=r"type 'bert', which is unknown here; known: grounding, paligemma, .*fuyu"
    ):
        grounding.load(copy)


def test_type_with_code_of_its_own_names_one_without(copy):
    (copy / "config.json").write_text('{"model_type": "internvl_chat", "auto_map": {"AutoModel": "evil.Model"}}')
    with pytest.raises(UnknownModelError, match=r"code of its own, and that is never run.*OpenGVLab/InternVL3-1B-hf"):
        grounding.load(copy)


def test_pickled_weights_are_refused_and_never_opened(copy):
    (copy / "model.safetensors").unlink()
    (copy / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
    with pytest.raises(CheckpointError, match=r"pickle \(pytorch_model.bin\).*save_pretrained"):
        grounding.load(copy)


def test_code_beside_a_checkpoint_is_never_run(copy):
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "evil.Model"}}))
    (copy / "evil.py").write_text("raise SystemExit('this must not run')")
    assert grounding.load(copy, device="cpu", max_new_tokens=2).caption(picture()).task == "caption"


def test_directory_without_weights_says_so(copy):
    (copy / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"holds no weights: there is no model.safetensors"):
        grounding.load(copy)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ("florence2", r"would be random; take a checkpoint .* such as google/pali"),
        ("llava", r"other shapes.*google/pali"),
    ],
)
def test_weights_of_another_model_are_refused(copy, directory_of, other, says):
    shutil.copy(directory_of(other) / "model.safetensors", copy / "model.safetensors")
    with pytest.raises(CheckpointError, match=says):
        grounding.load(copy, device="cpu")


@pytest.mark.parametrize("name", ["tokenizer.json", "processor_config.json", "model.safetensors"])
def test_damaged_file_is_one_clear_error(copy, name):
    (copy / name).write_bytes(b"{ damaged")
    with pytest.raises(CheckpointError, match="can't be loaded") as caught:
        grounding.load(copy, device="cpu")
    assert "\n" not in str(caught.value)


def test_missing_chat_template_is_named(directory_of, tmp_path):
    copy = shutil.copytree(directory_of("qwen2_vl"), tmp_path / "copy")
    (copy / "chat_template.jinja").unlink()
    with pytest.raises(CheckpointError, match=r"no chat template.*copy chat_template.jinja too"):
        grounding.load(copy, device="cpu")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"colour": 1}, "no option named 'colour'; known: device, dtype, codec, rounding, quantization"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"quantization": "3bit"}, "'3bit' is not one of: 4bit, 8bit"),
        ({"min_pixels": 9, "max_pixels": 3}, "give the smaller first"),
        ({"max_pixels": 300}, "PaliGemma knows no max_pixels"),
        ({"device": "mars"}, "device 'mars' can't be used here"),
        ({"dtype": "float99"}, "dtype 'float99' is not one of: float32"),
        ({"rounding": "up"}, "paligemma has no rounding 'up'"),
    ],
)
def test_option_that_can_not_work_is_refused(directory_of, options, says):
    with pytest.raises(ConfigError, match=says):
        grounding.load(directory_of("paligemma"), **{"device": "cpu", **options})


def test_unknown_attention_is_refused(directory_of):
    with pytest.raises(ConfigError, match=r"attention 'telepathy' can't be used"):
        grounding.load(directory_of("paligemma"), device="cpu", attention="telepathy")


def test_attention_is_the_one_asked_for(directory_of):
    model = grounding.load(directory_of("paligemma"), device="cpu", attention="eager")
    assert model.model.config._attn_implementation == "eager"


def test_half_precision_writes_as_well(directory_of):
    model = grounding.load(directory_of("paligemma"), device="cpu", dtype="bfloat16", max_new_tokens=3)
    assert model.model.dtype is torch.bfloat16
    assert model.ground(picture(), "cat").problems[-1].message == "cut after 3 tokens"


@pytest.mark.skipif(
    transformers.utils.is_bitsandbytes_available(), reason="bitsandbytes is installed, so nothing is missing"
)
@pytest.mark.parametrize("bits", ["4bit", "8bit"])
def test_quantization_without_its_package_says_what_to_install(directory_of, bits):
    with pytest.raises(MissingExtraError, match=f"weights in {bits} need bitsandbytes: pip install bitsandbytes$"):
        grounding.load(directory_of("paligemma"), device="cpu", quantization=bits)


@pytest.mark.skipif(
    not transformers.utils.is_bitsandbytes_available(), reason="needs bitsandbytes, which is not installed"
)
@pytest.mark.parametrize(("bits", "layer"), [("4bit", "Linear4bit"), ("8bit", "Linear8bitLt")])
def test_weights_are_quantized_by_transformers_itself(directory_of, bits, layer):
    model = grounding.load(directory_of("llava"), device="cpu", quantization=bits)
    assert layer in {type(module).__name__ for module in model.model.modules()}


def test_another_codec_can_be_asked_for(directory_of):
    model = grounding.load(directory_of("paligemma"), device="cpu", codec="json")
    assert model.codec.name == "json"
    assert model._scores is None


def test_chat_template_that_fails_is_named(directory_of, tmp_path):
    copy = shutil.copytree(directory_of("qwen2_vl"), tmp_path / "copy")
    (copy / "chat_template.jinja").write_text("{{ messages.no.such.thing }}")
    with pytest.raises(CheckpointError, match=r"the chat template of .* fails .*: copy chat_template.jinja anew"):
        grounding.load(copy, device="cpu").caption(picture())


def test_package_that_a_processor_imports_is_named():
    check_packages(families.BY_TYPE["paligemma"])
    with pytest.raises(MissingExtraError, match=r"^PaliGemma needs no_such_thing: pip install no_such_thing$"):
        check_packages(replace(families.BY_TYPE["paligemma"], needs=("torch", "no_such_thing")))


def test_family_younger_than_transformers_says_so():
    family = replace(families.BY_TYPE["molmo2"], models={"molmo2": "Molmo2OfTheFuture"})
    with pytest.raises(MissingExtraError, match=r"Molmo 2 needs transformers 5.20 or later; this is .*pip install"):
        class_of(family, family.models["molmo2"])
