"""What is known of an endpoint before it is asked: settings, addresses, whose key goes where, and families by name."""

from dataclasses import fields

import pytest

from grounding.backends.endpoint_options import (
    HOSTS,
    TAGGED,
    EndpointOptions,
    address,
    family_of,
    key_from,
    key_variable,
)
from grounding.codecs import CODECS
from grounding.errors import ConfigError
from grounding.flags import field_notes

KEY = "sk-proj-Geheimnis0123456789"


def test_every_setting_says_what_it_is():
    assert set(field_notes(EndpointOptions)) == {field.name for field in fields(EndpointOptions)}


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("max_side", 0),
        ("max_side", 1.5),
        ("jpeg_quality", 96),
        ("image_format", "webp"),
        ("min_pixels", 0),
        ("max_tokens", 0),
        ("temperature", -1),
        ("temperature", "hot"),
        ("timeout", 0),
        ("timeout", None),
        ("timeout", float("nan")),
        ("retries", -1),
        ("concurrency", True),
        ("concurrency", 0),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(option, value):
    with pytest.raises(ConfigError, match=f"{option} is "):
        EndpointOptions(**{option: value})


def test_limits_of_a_server_are_in_order():
    with pytest.raises(ConfigError, match="exchange them"):
        EndpointOptions(min_pixels=9, max_pixels=8)


# ---- addresses


def test_hosts_have_their_own_address():
    assert address("openai", None) == "https://api.openai.com/v1"
    assert address("gemini", None) == "https://generativelanguage.googleapis.com/v1beta/openai"
    assert address("claude", None) == "https://api.anthropic.com/v1"


def test_address_of_an_endpoint_is_given_or_in_the_environment(monkeypatch):
    assert address("endpoint", "http://localhost:8000/v1/") == "http://localhost:8000/v1"
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:9000/v1")
    assert address("endpoint", None) == "http://localhost:9000/v1"
    assert address("openai", None) == "https://api.openai.com/v1"
    monkeypatch.delenv("OPENAI_BASE_URL")
    with pytest.raises(ConfigError, match="give base_url=, such as"):
        address("endpoint", None)


@pytest.mark.parametrize(
    "url", ["localhost:8000/v1", "ftp://host/v1", "http://", "http://[::1", "http://host:x/v1", "file:///a"]
)
def test_address_that_is_none_is_refused(url):
    with pytest.raises(ConfigError, match="no http: or https: address"):
        address("endpoint", url)


@pytest.mark.parametrize("url", [f"http://me:{KEY}@host/v1", f"http://host/v1?key={KEY}", f"http://host/v1#{KEY}"])
def test_address_with_a_key_in_it_is_refused_and_not_repeated(url):
    with pytest.raises(ConfigError, match="holds no password, query or fragment") as caught:
        address("endpoint", url)
    assert KEY not in str(caught.value)


# ---- keys


def test_key_of_a_host_goes_to_its_own_address_only():
    for prefix, host in HOSTS.items():
        assert key_variable(prefix, EndpointOptions()) == host.api_key_env
        assert key_variable(prefix, EndpointOptions(base_url="http://localhost:8000/v1")) is None
        named = EndpointOptions(base_url="http://localhost:8000/v1", api_key_env="MY_KEY")
        assert key_variable(prefix, named) == "MY_KEY"
    assert key_variable("openai", EndpointOptions(base_url="https://api.openai.com/v1/")) == "OPENAI_API_KEY"


@pytest.mark.parametrize("given", [KEY, "AIzaSyGeheimnis", "my_key", "", "A-B"])
def test_key_given_in_place_of_its_variables_name_is_refused_and_not_repeated(given):
    with pytest.raises(ConfigError, match="NAME of an environment variable") as caught:
        key_variable("openai", EndpointOptions(api_key_env=given))
    assert "Geheimnis" not in str(caught.value)


def test_key_comes_from_its_variable(monkeypatch):
    monkeypatch.setenv("MY_KEY", f" {KEY}\n")
    assert key_from("MY_KEY") == KEY
    assert key_from(None) == ""


@pytest.mark.parametrize(("value", "says"), [("", "is not set"), (" \n", "is not set"), ("schlüssel", "no usable key")])
def test_variable_without_a_key_is_named(monkeypatch, value, says):
    monkeypatch.setenv("MY_KEY", value)
    with pytest.raises(ConfigError, match=f"environment variable MY_KEY .*{says}|MY_KEY {says}"):
        key_from("MY_KEY")


# ---- families


@pytest.mark.parametrize(
    ("model", "codec"),
    [
        ("Qwen/Qwen2.5-VL-7B-Instruct", "qwen2.5-vl"),
        ("qwen2.5vl:7b", "qwen2.5-vl"),
        ("qwen2_5_vl_3b", "qwen2.5-vl"),
        ("Qwen2-VL-2B-Instruct-AWQ", "qwen2-vl"),
        ("qwen3-vl:8b", "qwen3-vl"),
        ("Qwen/Qwen3-VL-235B-A22B-Instruct-FP8", "qwen3-vl"),
        ("Qwen3.5-9B", "qwen3-vl"),
        ("Qwen/Qwen3-32B", None),
        ("qwen-vl-chat", "qwen-vl"),
        ("qwen-vl-max", None),
        ("OpenGVLab/InternVL3_5-8B", "internvl"),
        ("zai-org/GLM-4.5V", "glm-4.5v"),
        ("zai-org/GLM-4.1V-9B-Thinking", "glm-4.5v"),
        ("glm-4.6", None),
        ("deepseek-ai/deepseek-vl2-small", "deepseek-vl2"),
        ("moonshotai/Kimi-VL-A3B-Instruct", "kimi-vl"),
        ("google/gemini-2.5-pro", "gemini"),
        ("allenai/Molmo-7B-D-0924", "molmo"),
        ("allenai/Molmo2-8B", "molmo2"),
        ("google/paligemma2-3b-mix-448", "paligemma"),
        ("microsoft/Florence-2-large", "florence-2"),
        ("microsoft/kosmos-2-patch14-224", "kosmos-2"),
        ("microsoft/kosmos-2.5", None),
        ("llava-hf/llava-1.5-7b-hf", "llava-1.5"),
        ("llava-v1.5-13b", "llava-1.5"),
        ("llava-onevision", None),
        ("gpt-4o", None),
        ("claude-sonnet-4-5", None),
        ("gemma3:4b", None),
    ],
)
def test_family_is_told_by_the_models_name(model, codec):
    assert family_of(model) == codec


def test_codecs_that_are_named_exist():
    assert set(CODECS) >= TAGGED
    assert {host.codec for host in HOSTS.values()} <= set(CODECS)
