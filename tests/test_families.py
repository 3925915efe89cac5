"""The table of families: every row names what there is, and a config.json finds its row."""

import re

import pytest
import transformers

from grounding import Region
from grounding.backends import MODEL_TYPES, backends
from grounding.backends.families import BY_TYPE, COORDINATES, ELSEWHERE, FAMILIES, family_of
from grounding.codecs import CODECS, get_codec
from grounding.errors import UnknownModelError
from grounding.images import Canvas

each = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


@each
def test_row_names_classes_and_codecs_that_exist(family):
    if not family.since:
        for name in (family.processor, *family.models.values()):
            assert hasattr(transformers, name)
    assert {family.codec, *family.marks.values()} <= set(CODECS)
    assert re.fullmatch(r"[\w.-]+/[\w.-]+", family.example)
    assert "locate" in get_codec(family.codec).tasks


def test_no_type_stands_twice_and_none_is_foreign():
    types = [kind for family in FAMILIES for kind in family.models]
    assert len(types) == len(set(types)) == len(BY_TYPE)
    assert not set(BY_TYPE) & set(ELSEWHERE)
    assert set(BY_TYPE) <= set(MODEL_TYPES)


def test_config_finds_its_family():
    assert family_of({"model_type": "kosmos-2"}, "here").name == "Kosmos-2"
    assert family_of({"model_type": "qwen3_vl_moe"}, "here") is family_of({"model_type": "qwen3_vl"}, "here")


@pytest.mark.parametrize("config", [{}, {"model_type": None}, {"model_type": ["llava"]}, {"model_type": "bert"}])
def test_config_without_a_known_type_lists_the_known_ones(config):
    with pytest.raises(UnknownModelError, match=r"^here holds a model of type .* known: grounding, pali"):
        family_of(config, "here")


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_type_with_code_of_its_own_names_a_checkpoint_without(kind):
    with pytest.raises(UnknownModelError, match=re.escape(ELSEWHERE[kind])):
        family_of({"model_type": kind}, "here")


@pytest.mark.parametrize("codec", COORDINATES)
def test_coordinates_are_those_that_the_codec_writes(codec):
    """A box that is written holds as many coordinate tokens as the table says."""
    canvas = Canvas.identity(640, 480)
    text = get_codec(codec).encode("locate", regions=[Region((10, 20, 300, 400), label="cup")], canvas=canvas)
    assert len(re.findall(COORDINATES[codec].pattern, text)) == COORDINATES[codec].per_box


def test_models_of_transformers_are_listed_once():
    listed = [backend for backend in backends() if backend.opener.endswith("open_huggingface")]
    assert len(listed) == 1
    assert all(family.name in listed[0].what for family in FAMILIES)
