"""Every family of transformers behind the verbs: real processors, tokenizers, detokenization and codecs, tiny weights.

Where a test needs to know what is written, only the logits are taken over: see Forced.
"""

import json
import math
import re
import shutil
import threading
import time
from dataclasses import dataclass, field, replace

import pytest
import torch
import transformers
from PIL import Image
from transformers import LogitsProcessor

import grounding
from grounding import Grounding, Question, Region
from grounding.backends import families
from grounding.backends.huggingface import _class
from grounding.backends.scores import Recorder
from grounding.errors import (
    BackendError,
    CheckpointError,
    ConfigError,
    ImageError,
    MissingExtraError,
    PromptTooLongError,
    UnknownModelError,
)
from tests import tiny_families

WIDE, HIGH = 200, 100


@dataclass(frozen=True)
class Case:
    """What is known of a family: its locate prompt as tokens, and an answer with the boxes it means in 200 x 100 px."""

    prompt: str
    """Special tokens in angle brackets or bars as they are; `*3` behind one: three of them."""
    answer: str
    boxes: list[tuple[float, float, float, float]]
    labels: tuple[str | None, ...]
    codec: str
    tasks: str
    task: str = "locate"
    points: list[tuple[float, float]] = field(default_factory=list)


def whole(*numbers: float) -> tuple[float, ...]:
    """x1 y1 x2 y2 of a picture of 200 x 100 px, from fractions."""
    x1, y1, x2, y2 = numbers
    return (x1 * WIDE, y1 * HIGH, x2 * WIDE, y2 * HIGH)


CHAT = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
SENTENCE = "Please provide the bounding box coordinate of the region this sentence describes: {}"
JSON_PROMPT = (
    "Find in the picture everything that matches this description: the red cup. Answer with a JSON list and nothing "
)
QWEN_JSON = (
    'Locate every object that matches the description "the red cup" in the image. '
    "Report bbox coordinates in JSON format."
)
JSON_TASKS = "locate detect describe caption count"
CASES = {
    "paligemma": Case(
        "<image>*4<bos>detect the red cup\n",
        "<loc0256><loc0000><loc0768><loc1023> cat ; <loc0110><loc0000><loc1022><loc0512> dog",
        [whole(0, 256 / 1023, 1, 768 / 1023), whole(0, 110 / 1023, 512 / 1023, 1022 / 1023)],
        ("cat", "dog"),
        "paligemma",
        "locate detect describe caption segment",
    ),
    "florence2": Case(
        "<image>*5<s>Locate the red cup in the image.</s>",
        "<s>red car<loc_53><loc_334><loc_932><loc_774><loc_711><loc_203><loc_906><loc_546>"
        "sky<loc_0><loc_0><loc_999><loc_300>",
        [
            whole(0.0535, 0.3345, 0.9325, 0.7745),
            whole(0.7115, 0.2035, 0.9065, 0.5465),
            whole(0.0005, 0.0005, 0.9995, 0.3005),
        ],
        ("red car", "red car", "sky"),
        "florence-2",
        "locate detect describe caption segment",
    ),
    "kosmos-2": Case(
        "<s><image>IMAGE</image><grounding><phrase> the red cup</phrase>",
        "<object><patch_index_0044><patch_index_0863></object>",
        [whole(12.5 / 32, 1.5 / 32, 31.5 / 32, 26.5 / 32)],
        (None,),
        "kosmos-2",
        "locate describe caption",
    ),
    "qwen2_vl": Case(
        CHAT.format(
            "<|vision_start|><|image_pad|>*28<|vision_end|>Output the bounding box of the red cup in the image."
        ),
        "<|object_ref_start|>dog<|object_ref_end|><|box_start|>(221,423),(569,886)<|box_end|>",
        [whole(0.221, 0.423, 0.569, 0.886)],
        ("dog",),
        "qwen2-vl",
        "locate detect caption",
    ),
    "qwen2_5_vl": Case(
        # 200 x 100 becomes 196 x 112: 7 x 4 cells of 28 px
        CHAT.format(f"<|vision_start|><|image_pad|>*28<|vision_end|>{QWEN_JSON}"),
        '```json\n[\n\t{"bbox_2d": [49, 28, 98, 84], "label": "man in orange"}\n]\n```',
        [(50, 25, 100, 75)],
        ("man in orange",),
        "qwen2.5-vl",
        "locate detect caption",
    ),
    "qwen3_vl": Case(
        # 192 x 96: 6 x 3 cells of 32 px
        CHAT.format(f"<|vision_start|><|image_pad|>*18<|vision_end|>{QWEN_JSON}"),
        '```json\n[\n\t{"bbox_2d": [197, 347, 520, 999], "label": "時透無一郎"}\n]\n```',
        [whole(0.197, 0.347, 0.52, 0.999)],
        ("時透無一郎",),
        "qwen3-vl",
        "locate detect caption",
    ),
    "internvl": Case(
        CHAT.format(f"<img><IMG_CONTEXT>*3</img>\n{SENTENCE.format('<ref>the red cup</ref>')}"),
        "<ref>the dog</ref><box>[[226, 320, 576, 892], [32, 231, 977, 662]]</box>",
        [whole(0.226, 0.32, 0.576, 0.892), whole(0.032, 0.231, 0.977, 0.662)],
        ("the dog", "the dog"),
        "internvl",
        "locate detect caption",
    ),
    "llava": Case(
        f"<s> USER: <image>*4\n{SENTENCE.format('the red cup')} ASSISTANT:",
        "[0.25, 0.30, 0.75, 0.70]",
        [(50, 10, 150, 90)],  # shares of a square of 200 px, in which the picture begins at 50
        (None,),
        "llava-1.5",
        "locate detect describe caption",
    ),
    "llava_next": Case(
        f"<s> [INST] <image>*14\n{SENTENCE.format('the red cup')} [/INST]",
        "[0.25, 0.30, 0.75, 0.70]",
        [(50, 10, 150, 90)],
        (None,),
        "llava-1.5",
        "locate detect describe caption",
    ),
    "llava_onevision": Case(
        CHAT.format(f"<image>*14\n{SENTENCE.format('the red cup')}"),
        "[0.25, 0.30, 0.75, 0.70]",
        [(50, 10, 150, 90)],
        (None,),
        "llava-1.5",
        "locate detect describe caption",
    ),
    "deepseek_vl": Case(
        f"<s> User: <image_placeholder>*4{JSON_PROMPT}...\n\nAssistant:",
        '[{"label": "a red cup", "box": [120, 88, 240, 311]}]',
        [whole(0.12, 0.088, 0.24, 0.311)],
        ("a red cup",),
        "json",
        JSON_TASKS,
    ),
    "deepseek_vl with boxes": Case(
        "<s> User: <image_placeholder>*4<|ref|>the red cup<|/ref|>.\n\nAssistant:",
        "<|ref|>The giraffe at the back.<|/ref|><|det|>[[580, 270, 999, 900]]<|/det|>",
        [whole(580 / 999, 270 / 999, 1, 900 / 999)],
        ("The giraffe at the back.",),
        "deepseek-vl2",
        "locate detect caption",
    ),
    "molmo2": Case(
        CHAT.format("PICTUREPoint to the red cup\nPlease say 'There are none.' if it is not in the image."),
        '<points coords="1 1 308 305 2 752 377">curb ramp</points>',
        [whole(0.308, 0.305, 0.308, 0.305), whole(0.752, 0.377, 0.752, 0.377)],
        ("curb ramp", "curb ramp"),
        "molmo2",
        "locate detect caption count",
        points=[(61.6, 30.5), (150.4, 37.7)],
    ),
    "fuyu": Case(
        # 200 x 100 becomes 120 x 60: 4 x 2 patches of 30 px
        "|SPEAKER|*4|NEWLINE||SPEAKER|*4|NEWLINE|<s> When presented with a box, perform OCR to extract text contained "
        "within it. If provided with text, generate the corresponding bounding box.\\n the red cup<0x04>",
        "<box>6, 12, 30, 60</box>",  # y x y x, halved: 12 of 60 is 20 of 100
        [(40, 20, 200, 100)],
        (None,),
        "fuyu",
        "locate detect describe caption",
    ),
    "smolvlm": Case(
        f"<|im_start|>User:PICTURE{JSON_PROMPT}...<end_of_utterance>\nAssistant:",
        '[{"label": "a red cup", "box": [120, 88, 240, 311]}]',
        [whole(0.12, 0.088, 0.24, 0.311)],
        ("a red cup",),
        "json",
        JSON_TASKS,
    ),
}
CASES["qwen3_vl_moe"] = CASES["qwen3_vl"]
CASES["idefics3"] = CASES["smolvlm"]
FAMILIES = [name for name in tiny_families.MAKERS if hasattr(transformers, "Molmo2Config") or name != "molmo2"]
SCORED = ("paligemma", "florence2", "kosmos-2")
each = pytest.mark.parametrize("family", FAMILIES)


class Forced(LogitsProcessor):
    """Makes a model write these tokens, each with the probability given, and then end.

    `gate`: an event that must be set before the last token is written.
    """

    def __init__(self, ids, end, chances=None, gate=None):
        self.ids, self.chances, self.gate = [*ids, end], chances or {}, gate
        self.start = None

    def __call__(self, input_ids, scores):
        if self.start is None:
            self.start = input_ids.shape[1]
        place = min(input_ids.shape[1] - self.start, len(self.ids) - 1)
        if self.gate is not None and place == len(self.ids) - 1:
            assert self.gate.wait(30)
        chance = self.chances.get(place, 1 - 1e-6)
        forced = torch.full_like(scores, math.log((1 - chance) / (scores.shape[1] - 1)))
        forced[:, self.ids[place]] = math.log(chance)
        return forced


@pytest.fixture(scope="session")
def directory_of(tmp_path_factory):
    """A family's checkpoint on disk, made when it is first asked for."""
    made = {}

    def directory(family):
        if family not in made:
            made[family] = tiny_families.save(family, tmp_path_factory.mktemp("families") / family.replace(" ", "-"))
        return made[family]

    return directory


@pytest.fixture(scope="session")
def model_of(directory_of):
    """A family's model, loaded through the door that users take; the same one for all tests."""
    made = {}

    def model(family):
        if family not in made:
            made[family] = grounding.load(directory_of(family), device="cpu", max_new_tokens=12)
        return made[family]

    return model


@pytest.fixture
def forcing(model_of, monkeypatch):
    """A family's model that writes a given text."""

    def force(family, text, chances=None, gate=None):
        model = model_of(family)
        ids = ids_of(model, text)
        monkeypatch.setattr(model, "_generation", replaced(model._generation, len(ids) + 1))
        monkeypatch.setattr(model, "logits_processors", [Forced(ids, min(model._ends), chances, gate)])
        return model

    return force


def replaced(generation, tokens):
    changed = transformers.GenerationConfig.from_dict(generation.to_dict())
    changed.max_new_tokens = tokens
    return changed


def ids_of(model, text):
    """The tokens that the family's model would write for this text."""
    tokenizer = model.processor.tokenizer
    if model.family.name == "Fuyu":
        pieces = re.findall(r"</?box>|\d+|[A-Za-z]+|\.", text)
        tags = {"<box>": "<0x00>", "</box>": "<0x01>"}
        known = tokenizer.get_vocab()
        ids = [known.get(tags.get(piece, piece), known.get(f"▁{piece}")) for piece in pieces]
        assert None not in ids
        return ids
    ids = tokenizer(text, add_special_tokens=False).input_ids
    if model.family.name != "Kosmos-2":
        return ids
    # Its tokenizer puts a blank in front of whatever follows a tag; the model writes it without.
    tokens = tokenizer.convert_ids_to_tokens(ids)
    return [
        id_ for id_, token, after in zip(ids, tokens, [*tokens[1:], ""], strict=True) if (token, after) != ("▁", ".")
    ]


def picture(width=WIDE, height=HIGH, seed=0):
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (height, width, 3), generator=generator, dtype=torch.uint8)
    return Image.fromarray(pixels.numpy())


def request_of(model, question, image=None):
    (request,) = model._requests([(image or picture(), question)])
    return request


def spelled(model, question, image=None):
    """The tokens of a question as text, with counts behind those that repeat."""
    (ids,) = model.inputs([request_of(model, question, image)])["input_ids"].tolist()
    tokenizer = model.processor.tokenizer
    marks = set(tokenizer.get_added_vocab()) | {"|SPEAKER|", "|NEWLINE|", "<0x04>"}
    known = {tokenizer.convert_tokens_to_ids(mark): mark for mark in marks}
    runs = []
    for id_ in ids:
        mark = known.get(id_)
        if runs and mark is not None and runs[-1][0] == mark:
            runs[-1][1] += 1
        elif mark is not None:
            runs.append([mark, 1])
        elif runs and isinstance(runs[-1][1], list):
            runs[-1][1].append(id_)
        else:
            runs.append([None, [id_]])
    return "".join(
        words(tokenizer, count) if mark is None else f"{mark}*{count}" if count > 1 else mark for mark, count in runs
    )


def words(tokenizer, ids):
    """The text of tokens, with the blank in front that SentencePiece's decoders leave out."""
    text = tokenizer.decode(ids)
    tokens = "".join(tokenizer.convert_ids_to_tokens(ids))
    return tokens.replace("▁", " ") if tokens.replace("▁", " ").lstrip() == text.lstrip() else text


# ---- loading


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


@pytest.mark.parametrize("family", ["llava", "deepseek_vl", "idefics3", "smolvlm", "paligemma", "molmo2"])
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


# ---- scores


@pytest.mark.parametrize("family", SCORED)
def test_score_is_the_geometric_mean_of_the_coordinates(family, forcing, model_of):
    model = model_of(family)
    tokens = model.processor.tokenizer.convert_ids_to_tokens(ids_of(model, CASES[family].answer))
    places = [place for place, token in enumerate(tokens) if re.match(r"<(loc|patch)", token)]
    chances = {place: 0.2 + 0.05 * number for number, place in enumerate(places)}
    model = forcing(family, CASES[family].answer, chances)
    per_box = 2 if family == "kosmos-2" else 4
    expected = []
    for first in range(0, len(places), per_box):
        product = math.prod(chances[place] for place in places[first : first + per_box])
        expected.append(pytest.approx(product ** (1 / per_box), rel=1e-3))
    answer = model.ground(picture(), "the red cup")
    assert list(answer.scores) == expected
    model.logits_processors[0].start = None
    *regions, streamed = model.stream(picture(), "the red cup")
    assert [region.score for region in regions] == expected
    assert streamed.regions == answer.regions


def test_boxes_in_a_caption_are_scored_by_their_own_tokens(forcing, model_of):
    # recorded: the model card of kosmos-2-patch14-224
    text = (
        "<phrase> a snowman</phrase><object><patch_index_0044><patch_index_0863></object> warming himself by"
        "<phrase> a fire</phrase><object><patch_index_0005><patch_index_0911></object>."
    )
    tokens = model_of("kosmos-2").processor.tokenizer.tokenize(text)
    places = [place for place, token in enumerate(tokens) if token.startswith("<patch")]
    model = forcing("kosmos-2", text, dict(zip(places, (0.9, 0.4, 0.5, 0.2), strict=True)))
    answer = model.caption(picture())
    assert answer.text == "a snowman warming himself by a fire."
    assert [answer.text[slice(*region.span)] for region in answer.regions] == ["a snowman", "a fire"]
    assert answer.scores == (pytest.approx(0.6, rel=1e-3), pytest.approx(0.1**0.5, rel=1e-3))
    assert answer.regions[0].box == pytest.approx(whole(12.5 / 32, 1.5 / 32, 31.5 / 32, 26.5 / 32))


@pytest.mark.parametrize("family", [name for name in FAMILIES if name not in SCORED])
def test_coordinates_in_digits_have_no_score(family, forcing):
    assert set(forcing(family, CASES[family].answer).ground(picture(), "the red cup").scores) == {None}


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
    shown = model._shown(request_of(model, Question("locate", "cat"), image))
    assert shown.size == (200, 200)
    grey = tuple(int(255 * share) for share in tiny_families.CLIP[0])
    assert [shown.getpixel((100, y)) for y in (0, 49, 50, 149, 150)] == [grey, grey, *[(255, 0, 0)] * 2, grey]


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


def test_prompt_without_room_for_an_answer_is_refused(model_of):
    with pytest.raises(PromptTooLongError, match="of the 128 places"):
        model_of("florence2").ground(picture(), "cat " * 200)


# ---- streaming


def test_nobody_listening_ends_the_writing(model_of, monkeypatch):
    model = model_of("paligemma")
    monkeypatch.setattr(model, "_generation", replaced(model._generation, 10_000))
    text = "<loc0256><loc0000><loc0768><loc1023> cat ; " * 800
    monkeypatch.setattr(model, "logits_processors", [Forced(ids_of(model, text), min(model._ends))])
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
    with pytest.raises(UnknownModelError, match=r"code of its own, and that is never run.*OpenGVLab/InternVL3-2B-hf"):
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
        ({"colour": 1}, "no option named 'colour'; known: codec, rounding, quantization, attention, max_new_tokens"),
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
    with pytest.raises(MissingExtraError, match=f"weights in {bits} need bitsandbytes: pip install bitsandbytes"):
        grounding.load(directory_of("paligemma"), device="cpu", quantization=bits)


def test_another_codec_can_be_asked_for(directory_of):
    model = grounding.load(directory_of("paligemma"), device="cpu", codec="json")
    assert model.codec.name == "json"
    assert model._scores is None


def test_family_younger_than_transformers_says_so():
    family = replace(families.BY_TYPE["molmo2"], models={"molmo2": "Molmo2OfTheFuture"})
    with pytest.raises(MissingExtraError, match=r"Molmo 2 needs transformers 5.20 or later; this is .*pip install"):
        _class(family, family.models["molmo2"])
