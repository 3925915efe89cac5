"""Every family of transformers behind the verbs: real processors, tokenizers, detokenization and codecs, tiny weights.

Where a test needs to know what is written, only the logits are taken over: see tests/forced.py.
"""

import json
import re
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import LogitsProcessor

import grounding
from grounding import Grounding, Question, Region
from grounding.backends.scores import Recorder
from grounding.errors import BackendError, ImageError, PromptTooLongError
from tests import tiny_tools
from tests.family_cases import CASES, HIGH, WIDE, families
from tests.forced import Forced, cut_after, ids_of, picture, request_of, spelled

CASES_ON_DISK = Path(__file__).parent / "cases"
RECORDED = {
    "florence2": ("florence-2.jsonl", Question("locate", "red car")),
    "kosmos-2": ("kosmos-2.jsonl", Question("caption")),
    "qwen3_vl": ("qwen3-vl.jsonl", Question("locate", "figures")),
    "internvl": ("internvl.jsonl", Question("locate", "toys")),
    "deepseek_vl with boxes": ("deepseek-vl2.jsonl", Question("locate", "the giraffe at the back")),
    "molmo2": ("molmo.jsonl", Question("locate", "cup")),
}
each = families()


# ---- prompts


@each
def test_prompt_is_exactly_these_tokens(family, model_of):
    model = model_of(family)
    seen = spelled(model, Question("locate", "the red cup"))
    expected = CASES[family].prompt
    if family == "kosmos-2":
        ids = model.inputs([request_of(model, Question("locate", "the red cup"))])["input_ids"][0].tolist()
        first = model.processor.tokenizer.unk_token_id + 1
        assert ids[2 : 2 + 64] == list(range(first, first + 64))
        seen = re.sub("(?<=<image>).*(?=</image>)", "IMAGE", seen, flags=re.DOTALL)
    if family in ("smolvlm", "idefics3"):
        tile = "<fake_token_around_image><row_{}_col_{}><image>"
        tiles = [f"{tile.format(1, 1)}{tile.format(1, 2)}\n", "\n<fake_token_around_image><global-img><image>"]
        expected = expected.replace("PICTURE", "".join(tiles) + "<fake_token_around_image>")
        seen = re.sub("else: .*(?=<end_of)", "...", seen, flags=re.DOTALL)
    if family == "deepseek_vl":
        seen = re.sub("else: .*(?=\n\nAssistant)", "...", seen, flags=re.DOTALL)
    if family == "molmo2":
        low = "<low_res_im_start>" + "<im_patch>*2<im_col>" * 2 + "<im_end>"
        high = "<im_start>" + "<im_patch>*4<im_col>" * 2 + "<im_end>"
        expected = "<|im_end|>" + expected.replace("PICTURE", low + high)
    assert seen == expected


@families("llava", "deepseek_vl", "idefics3", "smolvlm", "paligemma", "molmo2")
def test_begin_token_stands_once(family, model_of):
    model = model_of(family)
    ids = model.inputs([request_of(model, Question("locate", "cup"))])["input_ids"][0]
    begin = model.processor.tokenizer.bos_token_id
    assert (ids == begin).sum() == (2 if family == "molmo2" else 1)  # molmo2's is the end token too


# ---- answers


@each
def test_written_text_becomes_boxes(family, forcing):
    case = CASES[family]
    answer = forcing(family, case.answer).ground(picture(), "the red cup")
    assert answer.text == case.answer
    assert answer.labels == case.labels
    for region, box in zip(answer.regions, case.boxes, strict=True):
        assert region.box == pytest.approx(box, abs=1e-6)
    assert [region.point for region in answer.regions if region.point] == [pytest.approx(p) for p in case.points]
    assert answer.problems == ()
    assert answer.model.endswith(family.replace(" ", "-"))


@families(*RECORDED)
def test_recorded_answers_keep_their_boxes_through_tokens(family, forcing):
    """Real outputs of the family's weights (tests/cases): tokens and back change nothing that its codec reads."""
    file, question = RECORDED[family]
    for line in (CASES_ON_DISK / file).read_text(encoding="utf-8").splitlines():
        raw = json.loads(line)["raw"]
        text = re.sub(r"^(</s>|<s>)+|(</s>|<pad>|<｜end▁of▁sentence｜>)+$", "", raw)
        model = forcing(family, text)
        request = request_of(model, question)
        expected = model.codec.decode(raw, request.canvas, task=question.task)
        answer = model.ask(picture(), question)
        assert answer.found
        assert answer.labels == tuple(region.label for region in expected.regions)
        assert answer.boxes == pytest.approx(np.array([region.box for region in expected.regions]))
        assert len(answer.problems) == len(expected.problems)
        if question.task == "caption":
            assert answer.text == expected.text


@each
def test_stream_gives_a_box_before_the_end_is_written(family, forcing):
    case, gate = CASES[family], threading.Event()
    model = forcing(family, case.answer + ("" if family in ("fuyu", "paligemma") else "\n"), gate=gate)
    events = []
    for event in model.stream(picture(), "the red cup"):
        if isinstance(event, Region) and len(events) + 1 >= len(case.boxes) - (family == "paligemma"):
            gate.set()  # the last token waits for this
        events.append(event)
    *regions, last = events
    assert isinstance(last, Grounding)
    assert tuple(regions) == last.regions
    assert len(regions) == len(case.boxes)


@each
def test_every_verb_runs(family, model_of):
    model = model_of(family)
    verbs = {
        "locate": lambda: model.ground(picture(), "cat"),
        "detect": lambda: model.detect(picture(), ["cat", "dog"]),
        "describe": lambda: model.describe(picture(), box=(10, 20, 60, 80)),
        "caption": lambda: model.caption(picture()),
        "count": lambda: model.count(picture(), "cats"),
        "segment": lambda: model.segment(picture(), "cat"),
    }
    for task in model.tasks:
        answer = verbs[task]()
        assert (answer.task, answer.width, answer.height) == (task, WIDE, HIGH)
        *regions, streamed = model.stream(picture(), QUESTIONS[task])
        assert streamed.replace(seconds=None) == answer.replace(seconds=None)
        assert tuple(regions) == answer.regions


QUESTIONS = {
    "locate": Question("locate", "cat"),
    "detect": Question("detect", names=("cat", "dog")),
    "describe": Question("describe", box=(10, 20, 60, 80)),
    "caption": Question("caption"),
    "count": Question("count", "cats"),
    "segment": Question("segment", "cat"),
}


@each
def test_answers_together_are_those_alone(family, model_of, monkeypatch):
    """To the probabilities of every token: pictures of different shapes, phrases of different lengths."""
    model = model_of(family)
    pairs = [
        (picture(), "cat"),
        (picture(60, 140, seed=1), "the big red dog by the fire"),
        (picture(90, 90, seed=2), "a dog"),
        (picture(60, 140, seed=1), "car"),
    ]

    def asked(groups):
        found = []
        for group in groups:
            recorder = Recorder()
            monkeypatch.setattr(model, "logits_processors", [recorder])
            answers = model.ground_many(group)
            if model.family.padded:
                found += list(zip((answer.text for answer in answers), recorder.rows(), strict=True))
            else:
                found += [(answer.text, answer.scores) for answer in answers]
        return found

    together, alone = asked([pairs]), asked([[pair] for pair in pairs])
    for (text, logs), (text_alone, logs_alone) in zip(together, alone, strict=True):
        assert text == text_alone
        assert logs[: len(logs_alone)] == pytest.approx(logs_alone, abs=1e-4)


def test_many_questions_come_in_batches_and_in_order(model_of, monkeypatch):
    model = model_of("paligemma")
    sizes = []
    monkeypatch.setattr(model, "options", type(model.options)(batch_size=2))
    inner = model._answer
    monkeypatch.setattr(model, "_answer", lambda requests: sizes.append(len(requests)) or inner(requests))
    phrases = ["cat", "dog", "car", "fire", "cup"]
    assert [answer.phrase for answer in model.ground_many([(picture(), phrase) for phrase in phrases])] == phrases
    assert sizes == [2, 2, 1]


@each
def test_prose_is_one_problem_and_stays(family, forcing):
    text = "A big dog." if family == "fuyu" else "I am a helpful assistant."
    model = forcing(family, text)
    answer = model.ground(picture(), "cat")
    assert answer.regions == ()
    assert [problem.kind for problem in answer.problems] == ["prose"]
    assert answer.text.strip() == model._spelled(ids_of(model, text)).strip() != ""


@each
def test_answer_that_was_cut_says_so(family, model_of, forcing):
    model = forcing(family, CASES[family].answer)
    model._generation.max_new_tokens = 3
    answer = model.ground(picture(), "the red cup")
    assert answer.problems[-1].kind == "truncated"
    assert answer.problems[-1].message == "cut after 3 tokens"
    *_, streamed = model.stream(picture(), "the red cup")
    assert streamed.problems == answer.problems


# ---- what the model sees


@pytest.mark.parametrize("size", [(200, 100), (57, 391), (640, 480), (1, 1), (30, 2000)])
def test_boxes_of_qwen_count_along_what_its_processor_made(size, model_of):
    model = model_of("qwen2_5_vl")
    request = request_of(model, Question("locate", "cat"), picture(*size))
    _, rows, columns = model.inputs([request])["image_grid_thw"][0].tolist()
    assert (request.canvas.model_width, request.canvas.model_height) == (14 * columns, 14 * rows)
    assert (request.canvas.width, request.canvas.height) == size


def test_pixel_limits_reach_the_processor_and_the_boxes(directory_of):
    model = grounding.load(directory_of("qwen2_5_vl"), device="cpu", min_pixels=28 * 28, max_pixels=4 * 28 * 28)
    canvas = request_of(model, Question("locate", "cat")).canvas
    assert (canvas.model_width, canvas.model_height) == (56, 28)


def test_fuyu_counts_along_the_scaled_picture_without_its_padding(model_of):
    canvas = request_of(model_of("fuyu"), Question("locate", "cat"), picture(100, 200)).canvas
    assert (canvas.model_width, canvas.model_height) == (30, 60)
    small = request_of(model_of("fuyu"), Question("locate", "cat"), picture(50, 40)).canvas
    assert (small.model_width, small.model_height) == (50, 40)


def test_box_in_fuyus_prompt_is_tokens_of_its_own(model_of):
    model = model_of("fuyu")
    ids = model.inputs([request_of(model, Question("describe", box=(40, 20, 200, 100)))])["input_ids"][0]
    tokens = model.processor.tokenizer.convert_ids_to_tokens(ids.tolist())
    start = tokens.index("<0x00>")
    assert tokens[start : start + 6] == ["<0x00>", "6", "12", "30", "60", "<0x01>"]


def test_llava_sees_the_whole_picture_in_a_padded_square(model_of):
    """Its processor would cut the sides off."""
    model = model_of("llava")
    image = Image.new("RGB", (WIDE, HIGH), "red")
    shown = model.asking.shown(image)
    assert shown.size == (200, 200)
    grey = tuple(int(255 * share) for share in tiny_tools.CLIP[0])
    assert [shown.getpixel((100, y)) for y in (0, 49, 50, 149, 150)] == [grey, grey, *[(255, 0, 0)] * 2, grey]


@families("paligemma", "florence2", "kosmos-2")
def test_whole_picture_is_squashed_to_a_square(family, model_of):
    image = Image.new("RGB", (WIDE, HIGH), "black")
    image.paste("white", (0, 0, 20, HIGH))
    image.paste("white", (180, 0, WIDE, HIGH))
    model = model_of(family)
    row = model.inputs([request_of(model, Question("locate", "cat"), image)])["pixel_values"][0, 0, 14]
    assert row[0] > row[len(row) // 2] + 1 < row[-1]


def test_kosmos_sees_the_whole_picture_squashed(directory_of, tmp_path):
    """Also where a checkpoint's processor would cut the sides off."""
    copy = shutil.copytree(directory_of("kosmos-2"), tmp_path / "copy")
    path = copy / "processor_config.json"
    config = json.loads(path.read_text())
    config["image_processor"]["size"] = {"shortest_edge": 28}
    path.write_text(json.dumps(config))
    image = Image.new("RGB", (WIDE, HIGH), "black")
    image.paste("white", (0, 0, 20, HIGH))  # a tenth at the left, which a crop would lose
    model = grounding.load(copy, device="cpu")
    pixels = model.inputs([request_of(model, Question("locate", "cat"), image)])["pixel_values"]
    assert pixels[0, 0, 14, 0] > 1.5 > pixels[0, 0, 14, 14]


def test_picture_that_the_processor_refuses_is_named(model_of):
    for family in ("qwen2_5_vl", "qwen2_vl"):
        with pytest.raises(ImageError, match=r"Qwen2.*-VL refuses a picture of 2000 x 4 px .*resize, crop or pad it"):
            model_of(family).ground_many([(picture(), "cat"), (picture(2000, 4), "cat")])


def test_answer_ends_where_the_models_places_do(forcing):
    model = forcing("florence2", "<s>" + "<loc_1>" * 300)
    answer = model.ground(picture(), "cat")
    assert answer.problems[-1].message == "cut after 127 tokens"


def test_prompt_without_room_for_an_answer_is_refused(model_of):
    with pytest.raises(PromptTooLongError, match="of the 128 places"):
        model_of("florence2").ground(picture(), "cat " * 200)


# ---- streaming


def test_nobody_listening_ends_the_writing(model_of, monkeypatch):
    model = model_of("paligemma")
    monkeypatch.setattr(model, "_generation", cut_after(model, 10_000))
    text = "<loc0256><loc0000><loc0768><loc1023> cat ; " * 800
    monkeypatch.setattr(model, "logits_processors", [Forced(ids_of(model, text), min(model.ends))])
    events = model.stream(picture(), "cat")
    assert isinstance(next(events), Region)
    start = time.perf_counter()
    events.close()
    assert time.perf_counter() - start < 20
    assert not [thread for thread in threading.enumerate() if thread.name == "grounding-stream"]


def test_failure_while_streaming_reaches_the_caller(model_of, monkeypatch):
    class Failing(LogitsProcessor):
        def __call__(self, input_ids, scores):
            raise torch.OutOfMemoryError("no room")

    model = model_of("paligemma")
    monkeypatch.setattr(model, "logits_processors", [Failing()])
    with pytest.raises(BackendError, match=r"ran out of memory on cpu.*smaller batch_size"):
        list(model.stream(picture(), "cat"))
    with pytest.raises(BackendError, match="ran out of memory"):
        model.ground(picture(), "cat")
