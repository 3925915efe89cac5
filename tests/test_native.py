"""Our model behind the verbs: loading and refusing checkpoints, and well-formed answers even of untrained weights."""

import json
import shutil

import pytest
import torch
from PIL import Image

import grounding
from grounding import Grounding, Question, Region
from grounding.backends.native import NAMES_AT_ONCE
from grounding.cli import main
from grounding.errors import CheckpointError, ConfigError, InputError, PromptTooLongError
from grounding.model import (
    GroundingConfig,
    GroundingForConditionalGeneration,
    GroundingImageProcessor,
    GroundingProcessor,
)
from grounding.model.tokenization import train_tokenizer
from tests import tiny_kinds

SIDE, VOCABULARY = 48, 1400
WORDS = ["locate the red star", "detect star ; ring", "describe", "caption", "count stars", "segment the cup", "none"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A directory as training writes it, with random weights."""
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, "num_hidden_layers": 1}
    config = GroundingConfig(
        vision_config={"model_type": "grounding_vision", "image_size": SIDE, **shape},
        text_config={"model_type": "grounding_text", "vocab_size": VOCABULARY, **shape},
    )
    directory = tmp_path_factory.mktemp("runs") / "tiny"
    GroundingForConditionalGeneration(config).save_pretrained(directory)
    tokens = (SIDE // 16) ** 2
    tokenizer = train_tokenizer(WORDS, VOCABULARY)
    GroundingProcessor(GroundingImageProcessor(SIDE), tokenizer, image_tokens=tokens).save_pretrained(directory)
    return directory


@pytest.fixture(scope="module")
def model(checkpoint):
    return grounding.load(checkpoint, device="cpu", max_new_tokens=40)


@pytest.fixture
def copy(checkpoint, tmp_path):
    return shutil.copytree(checkpoint, tmp_path / "copy")


@pytest.fixture
def picture():
    return Image.new("RGB", (200, 100), "white")


# ---- answers


def test_a_long_list_of_names_is_asked_in_parts(model, picture):
    names = [f"star {number}" for number in range(20)]
    whole = model.detect(picture, names)
    parts = [model.detect(picture, names[at : at + NAMES_AT_ONCE]) for at in range(0, 20, NAMES_AT_ONCE)]
    apart = [region for part in parts for region in part.regions]
    assert [region.label for region in whole.regions] == [region.label for region in apart]
    for one, other in zip(whole.regions, apart, strict=True):
        assert one.box == pytest.approx(other.box, abs=1e-3)
        assert one.score == pytest.approx(other.score, abs=1e-5)
        assert whole.text[slice(*one.span)] == next(p.text[slice(*other.span)] for p in parts if other in p.regions)
    written = [part.text for part in parts if part.text != "none"]
    assert whole.text == (" ; ".join(written) or "none")
    *regions, last = model.stream(picture, Question("detect", names=names))
    assert [(region.label, region.span) for region in regions] == [(r.label, r.span) for r in whole.regions]
    assert last.text == whole.text
    with pytest.raises(PromptTooLongError, match="ask in fewer words"):
        model.detect(picture, ["star " * 200, *names])


def test_grammar_keeps_untrained_answers_well_formed(model, picture):
    for answer in (
        model.ground(picture, "the red star"),
        model.detect(picture, ["star", "ring"]),
        model.count(picture, "stars"),
    ):
        assert {problem.kind for problem in answer.problems} <= {"truncated", "duplicate"}
        for region in answer.regions:
            x1, y1, x2, y2 = region.box
            assert 0 <= x1 < x2 <= 200
            assert 0 <= y1 < y2 <= 100
            assert 0 <= region.score <= 1


def test_labels_come_from_the_names_asked_for(model, picture):
    answer = model.detect(picture, ["star", "ring"])
    cut = any(problem.kind == "truncated" for problem in answer.problems)  # then before the last label, perhaps
    assert set(answer.labels[: -1 if cut else None]) <= {"star", "ring"}


def test_every_verb_answers(model, picture):
    assert model.describe(picture, point=(30, 40)).task == "describe"
    assert model.describe(picture, box=(10, 10, 60, 60)).regions == ()
    assert model.caption(picture).raw is not None
    assert all(region.mask for region in model.segment(picture, "the red star").regions)


def test_many_at_once_answer_as_one_by_one(model, picture):
    other = Image.new("RGB", (90, 120), "black")
    pairs = [(picture, "the red star"), (other, "a"), (picture, "a much longer phrase than the others, with words")]
    together = model.ground_many(pairs)
    for (image, phrase), answer in zip(pairs, together, strict=True):
        alone = model.ground(image, phrase)
        assert alone.text == answer.text
        for one, other_one in zip(alone.regions, answer.regions, strict=True):
            assert one.box == pytest.approx(other_one.box, abs=1e-2)
            assert one.score == pytest.approx(other_one.score, abs=1e-4)


def test_stream_ends_with_the_whole_answer(model, picture):
    *regions, whole = model.stream(picture, Question("detect", names=("star",)))
    assert all(isinstance(region, Region) for region in regions)
    assert isinstance(whole, Grounding)
    assert tuple(regions) == whole.regions
    assert whole.text == model.detect(picture, ["star"]).text


def test_without_the_grammar_the_model_writes_freely(checkpoint, picture):
    free = grounding.load(checkpoint, device="cpu", constrained=False, max_new_tokens=24)
    assert free.ground(picture, "the red star").problems


# ---- other box languages and layouts


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A directory of a kind of tests/tiny_kinds.py."""

    def save(name):
        directory = tmp_path_factory.getbasetemp() / name.replace(" ", "-")
        for part in tiny_kinds.kind(name):
            part.save_pretrained(directory)
        return directory

    return save


@pytest.mark.parametrize("name", tiny_kinds.KINDS)
def test_a_checkpoint_of_any_kind_answers_all_verbs_that_its_codec_has(name, saved, picture):
    model = grounding.load(saved(name), device="cpu", max_new_tokens=8)
    verbs = {
        "locate": lambda: model.ground(picture, "the red star"),
        "detect": lambda: model.detect(picture, ["star", "ring"]),
        "describe": lambda: model.describe(picture, box=(10, 10, 60, 60)),
        "caption": lambda: model.caption(picture),
        "count": lambda: model.count(picture, "stars"),
        "segment": lambda: model.segment(picture, "the red star"),
    }
    assert "locate" in model.tasks
    for task, ask in verbs.items():
        if task not in model.tasks:
            with pytest.raises(InputError, match=f"knows no task '{task}'"):
                ask()
            continue
        answer = ask()
        assert answer.task == task
        assert (answer.width, answer.height) == picture.size
    *regions, whole = model.stream(picture, "the red star")
    assert tuple(regions) == whole.regions
    pairs = [(picture, "star"), (picture.resize((50, 90)), "a ring"), (picture.resize((90, 30)), "the red star")]
    for (image, phrase), answer in zip(pairs, model.ground_many(pairs), strict=True):
        assert answer.text == model.ground(image, phrase).text


def test_a_box_that_another_codec_writes_comes_back_in_pixels_with_its_score(saved, picture, monkeypatch):
    model = grounding.load(saved("a Llama that chats"), device="cpu", max_new_tokens=60)
    ids = iter(model.processor.encode_answers(["[0.25, 0.25, 0.50, 0.75]"])[0])
    monkeypatch.setattr(model.decoder, "_choose", lambda scores: ([next(ids)], [0.25], [None]))
    answer = model.ground(picture, "the red star")
    assert answer.boxes.tolist() == [
        pytest.approx([50, 0, 100, 100], abs=1)
    ]  # shares of a square of 200 px, as LLaVA's
    assert answer.regions[0].score == pytest.approx(0.25)


def test_where_it_looked_is_shown_for_one_square_alone(saved, picture):
    for name in ("tiles", "native in decimals", "a Llama that chats"):
        model = grounding.load(saved(name), device="cpu", max_new_tokens=4)
        with pytest.raises(ConfigError, match=r"location tokens alone|one square"):
            model.look(picture, Question(phrase="star"), model.ground(picture, "star"), 0)


def test_answers_carry_the_directory_as_name(model, checkpoint, picture):
    assert model.ground(picture, "a").model == str(checkpoint)


def test_phrase_longer_than_the_model_reads_is_refused(model, picture):
    with pytest.raises(PromptTooLongError, match="ask in fewer words"):
        model.ground(picture, "red " * 300)


# ---- loading


def test_loading_says_nothing(checkpoint, capfd):
    grounding.load(checkpoint, device="cpu")
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")


def test_loading_twice_gives_the_same_answer(checkpoint, model, picture):
    again = grounding.load(str(checkpoint), device="cpu", max_new_tokens=40)
    assert again.ground(picture, "the red star").boxes == pytest.approx(model.ground(picture, "the red star").boxes)


def test_dtype_is_what_was_asked_for(checkpoint, picture):
    model = grounding.load(checkpoint, device="cpu", dtype="bfloat16", max_new_tokens=8)
    assert model.model.dtype == torch.bfloat16
    model.ground(picture, "the red star")


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "processor_config.json"])
def test_missing_file_is_named(copy, name):
    (copy / name).unlink()
    with pytest.raises(CheckpointError, match=name):
        grounding.load(copy)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model.safetensors", b"not weights"),
        ("tokenizer.json", b"{"),
        ("tokenizer.json", b'{"version": "1.0"}'),
        ("processor_config.json", b"[]"),
        ("config.json", b'{"model_type": "grounding", "projector": "bridge"}'),
    ],
)
def test_damaged_file_is_one_sentence(copy, name, content):
    (copy / name).write_bytes(content)
    with pytest.raises(CheckpointError, match="copy the whole directory") as caught:
        grounding.load(copy)
    assert "\n" not in str(caught.value)


def test_weights_of_another_model_are_refused(copy):
    config = json.loads((copy / "config.json").read_text())
    config["text_config"]["num_hidden_layers"] = 2
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="of another model"):
        grounding.load(copy)
    config["text_config"]["num_hidden_layers"] = 1
    config["vision_config"]["num_hidden_layers"] = 0
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="of another model"):
        grounding.load(copy)
    config["vision_config"].update(num_hidden_layers=1, hidden_size=64)
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError):
        grounding.load(copy)


@pytest.mark.parametrize("device", ["cuda:99", "toaster"])
def test_device_that_is_not_there_is_refused(checkpoint, device):
    with pytest.raises(ConfigError, match=device):
        grounding.load(checkpoint, device=device)


def test_unknown_dtype_and_option_are_refused(checkpoint):
    with pytest.raises(ConfigError, match="float32, bfloat16"):
        grounding.load(checkpoint, dtype="float8")
    with pytest.raises(ConfigError, match="no option named 'beams'; known: constrained"):
        grounding.load(checkpoint, beams=4)


def test_command_line_tells_of_a_bad_checkpoint_in_one_sentence(copy, tmp_path, capsys, picture):
    (copy / "tokenizer.json").unlink()
    picture.save(tmp_path / "scene.png")
    assert main(["ground", str(tmp_path / "scene.png"), "a", "--model", str(copy)]) == 1
    err = capsys.readouterr().err
    assert err.startswith("grounding: ")
    assert "tokenizer.json" in err
    assert err.count("\n") == 1


def test_command_line_answers_with_a_checkpoint(checkpoint, tmp_path, capfd, picture):
    picture.save(tmp_path / "scene.png")
    line = ["detect", str(tmp_path / "scene.png"), "star", "--model", str(checkpoint), "--device", "cpu", "--json"]
    assert main(line) == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["model"] == str(checkpoint)
    assert err == ""
