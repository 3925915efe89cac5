"""Detectors behind the verbs: their boxes in the picture's pixels, their names, scores and thresholds, and loading.

Checkpoints are tiny and random. Where a test needs a known box, the numbers that the model gives are replaced by
written ones, and everything before them (the processor's picture and tokens) and after them is real.
"""

import json
import math
import shutil
import sys
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import grounding
from grounding import Grounding, Question, Region
from grounding.backends import backends
from grounding.backends.detector_families import FAMILIES as KNOWN
from grounding.errors import (
    CheckpointError,
    ConfigError,
    ImageError,
    InputError,
    MissingExtraError,
    PromptError,
    PromptTooLongError,
    UnknownModelError,
)
from tests.tiny_detectors import FAMILIES, save

DINOS = ("grounding-dino", "mm-grounding-dino")
LEFT, RIGHT = (0.25, 0.5, 0.2, 0.4), (0.75, 0.5, 0.2, 0.4)
"""Boxes as the models give them: middle and sides, as fractions."""
ALL = {"threshold": 0.0, "batch_size": 3}
"""Options that give every box, however unsure."""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """The directory with a checkpoint of a family, made when it is first asked for."""
    made = {}

    def of(family):
        if family not in made:
            made[family] = save(family, tmp_path_factory.mktemp("checkpoints") / family)
        return made[family]

    return of


@pytest.fixture(scope="module")
def opened(checkpoint):
    """A loaded family, with the same options once only."""
    loaded = {}

    def of(family, **options):
        key = (family, *sorted(options.items()))
        if key not in loaded:
            loaded[key] = grounding.load(f"detector:{checkpoint(family)}", device="cpu", **options)
        return loaded[key]

    return of


@pytest.fixture
def copy(checkpoint, tmp_path):
    return shutil.copytree(checkpoint("owlv2"), tmp_path / "copy")


@pytest.fixture
def picture():
    return Image.new("RGB", (200, 100), "white")


@contextmanager
def writing(detector, *rows):
    """The detector gives the boxes of `rows` and no others: (middle and sides, {column of the scores: score})."""
    scores_key, boxes_key = detector.family.outputs

    def write(module, args, kwargs, outputs):
        scores_of = outputs[scores_key]
        scores_of.masked_fill_(scores_of.isfinite(), -20.0)  # columns beyond the text stay out of reach
        for place, (box, scores) in enumerate(rows):
            given = seen(kwargs) if box == "what it sees" else torch.tensor(box)
            outputs[boxes_key][:, place] = given.to(outputs[boxes_key].dtype)
            for column, score in scores.items():
                scores_of[:, place, column] = math.log(score / (1 - score))
        return outputs

    handle = detector.model.register_forward_hook(write, with_kwargs=True)
    try:
        yield detector
    finally:
        handle.remove()


def seen(kwargs):
    """Middle and sides of what is bright, as fractions of the model's picture where its mask is set."""
    boxes = []
    for number, pixels in enumerate(kwargs["pixel_values"]):
        bright = pixels.mean(0) > 0.25  # halfway from black to white as these processors normalize them
        height, width = bright.shape
        if "pixel_mask" in kwargs:
            mask = kwargs["pixel_mask"][number]
            height, width = int(mask[:, 0].sum()), int(mask[0].sum())
        rows, columns = bright.any(1).nonzero(), bright.any(0).nonzero()
        x1, x2, y1, y2 = columns.min(), columns.max() + 1, rows.min(), rows.max() + 1
        boxes.append([(x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height])
    return torch.tensor(boxes)


def column(family, token, name):
    """Where a score stands: at a token of the whole text, or at a name."""
    return token if family in DINOS else name


def bright_box(width, height):
    """A black picture with a white box in its lower right quarter, and the box."""
    pixels = np.zeros((height, width, 3), np.uint8)
    box = (round(0.6 * width), round(0.55 * height), round(0.9 * width), round(0.85 * height))
    pixels[box[1] : box[3], box[0] : box[2]] = 255
    return Image.fromarray(pixels), box


# ---- boxes


@pytest.mark.parametrize("size", [(320, 160), (160, 320), (200, 200)], ids=["wide", "tall", "square"])
@pytest.mark.parametrize("family", FAMILIES)
def test_box_is_where_the_thing_is(opened, family, size):
    image, box = bright_box(*size)
    with writing(opened(family), ("what it sees", {1 if family in DINOS else 0: 0.9})) as model:
        answer = model.ground(image, "star")
    assert answer.best.box == pytest.approx(box, abs=max(size) / 64 * 1.2)  # a pixel of what the model sees
    assert answer.best.score == pytest.approx(0.9, abs=1e-5)


def test_box_is_in_pixels_of_the_upright_picture(opened, tmp_path):
    upright, box = bright_box(160, 320)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise to stand upright
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    with writing(opened("owlv2"), ("what it sees", {0: 0.9})) as model:
        answer = model.ground(tmp_path / "turned.png", "star")
    assert (answer.width, answer.height) == (160, 320)
    assert answer.best.box == pytest.approx(box, abs=6)


def test_pictures_of_many_sizes_at_once_keep_their_boxes(opened):
    sizes = [(320, 160), (160, 320), (200, 200), (320, 160)]
    for family in FAMILIES:
        shown = [bright_box(*size) for size in sizes]
        with writing(opened(family), ("what it sees", {1 if family in DINOS else 0: 0.9})) as model:
            answers = model.ground_many((image, "star") for image, _ in shown)
        for answer, (_, box) in zip(answers, shown, strict=True):
            assert answer.best.box == pytest.approx(box, abs=6)


def test_box_that_overhangs_ends_at_the_edge(opened, picture):
    with writing(opened("grounding-dino"), ((0.0, 0.9, 0.5, 0.5), {1: 0.9})) as model:
        assert model.ground(picture, "star").best.box == pytest.approx((0, 65, 50, 100), abs=1e-3)


def test_box_in_the_padding_is_left_out_and_told_of(opened, picture):
    with writing(opened("owlv2"), ((0.5, 0.8, 0.2, 0.2), {0: 0.9}), ((0.5, 0.2, 0.2, 0.2), {0: 0.8})) as model:
        answer = model.ground(picture, "star")
    assert [region.box for region in answer.regions] == [pytest.approx((80, 20, 120, 60), abs=1e-3)]
    (problem,) = answer.problems
    assert problem.kind == "out_of_range"
    assert problem.message.startswith("1 of 2 boxes lie outside the picture")


# ---- names and words


@pytest.mark.parametrize("family", FAMILIES)
def test_detect_gives_names_as_they_were_asked_and_the_surest_first(opened, picture, family):
    ring, star = column(family, 4, 1), column(family, 2, 0)  # [CLS] red star . ring . [SEP]
    with writing(opened(family), (LEFT, {ring: 0.6}), (RIGHT, {star: 0.8})) as model:
        answer = model.detect(Image.new("RGB", (200, 200)), ["Red Star", "ring"])
    assert answer.labels == ("Red Star", "ring")
    assert answer.scores == pytest.approx((0.8, 0.6), abs=1e-5)
    assert answer.boxes[0] == pytest.approx((130, 60, 170, 140), abs=1e-3)
    assert answer.problems == ()
    words = ["star", "ring"] if family in DINOS else ["Red Star", "ring"]
    assert answer.text == f"{words[0]} 0.800 ; {words[1]} 0.600"
    assert [answer.text[slice(*region.span)] for region in answer.regions] == words
    assert answer.model == model.name


@pytest.mark.parametrize("family", FAMILIES)
def test_ground_calls_a_box_what_the_model_calls_it(opened, picture, family):
    scores = {1: 0.9, 2: 0.8, 3: 0.7} if family in DINOS else {0: 0.9}
    with writing(opened(family), (LEFT, scores)) as model:
        assert model.ground(picture, "The Red Star").labels == ("The Red Star",)


@pytest.mark.parametrize("family", DINOS)
def test_ground_of_a_sentence_tells_which_of_its_words_a_box_is_of(opened, picture, family):
    rows = (LEFT, {2: 0.9, 3: 0.9}), (RIGHT, {7: 0.7}), (RIGHT, {0: 0.6})  # the red star left of a mushroom
    with writing(opened(family), *rows) as model:
        answer = model.ground(picture, "The red star left of a mushroom")
    assert answer.labels == ("red star", "mushroom", None)
    assert answer.text == "red star 0.900 ; mushroom 0.700 ; 0.600"
    assert answer.regions[2].span is None


@pytest.mark.parametrize("family", DINOS)
def test_box_has_the_name_with_the_surest_word_and_no_mixture(opened, picture, family):
    cups = (LEFT, {2: 0.5, 4: 0.4, 5: 0.7, 6: 0.5, 7: 0.5})  # [CLS] red cup . blue cup . [SEP]
    with writing(opened(family), cups) as model:
        answer = model.detect(picture, ["red cup", "Blue cup"])
    assert answer.labels == ("Blue cup",)
    assert answer.text == "cup blue cup 0.700"


@pytest.mark.parametrize("family", DINOS)
def test_full_stop_in_a_name_does_not_cut_it(opened, picture, family):
    with writing(opened(family), (LEFT, {2: 0.9}), (RIGHT, {4: 0.8})) as model:
        assert model.family.prompt(["Red. Star?", "ring"]) == "red star. ring."
        assert model.detect(picture, ["Red. Star?", "ring"]).labels == ("Red. Star?", "ring")


@pytest.mark.parametrize("family", DINOS)
def test_name_with_a_hyphen_comes_back_whole(opened, picture, family):
    with writing(opened(family), (LEFT, {1: 0.9, 2: 0.9, 3: 0.9})) as model:
        assert model.ground(picture, "Star-Ring").labels == ("Star-Ring",)


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_found_is_an_answer(opened, picture, family):
    with writing(opened(family)) as model:
        for answer in (model.ground(picture, "star"), model.detect(picture, ["star"]), model.count(picture, "star")):
            assert not answer.found
            assert answer.count == 0
            assert answer.text == "none"
            assert answer.problems == ()


@pytest.mark.parametrize("family", FAMILIES)
def test_count_is_the_number_of_boxes(opened, picture, family):
    where = column(family, 1, 0)
    with writing(opened(family), (LEFT, {where: 0.6}), (RIGHT, {where: 0.8})) as model:
        answer = model.count(picture, "star")
    assert (answer.count, answer.task, answer.phrase) == (2, "count", "star")


def test_stream_gives_the_boxes_and_then_the_answer(opened, picture):
    with writing(opened("owlv2"), (LEFT, {0: 0.6}), (RIGHT, {0: 0.8})) as model:
        *regions, whole = model.stream(picture, "star")
    assert [type(region) for region in regions] == [Region, Region]
    assert isinstance(whole, Grounding)
    assert tuple(regions) == whole.regions


# ---- thresholds


@pytest.mark.parametrize("family", FAMILIES)
def test_threshold_is_the_familys_own_or_what_was_given(opened, picture, family):
    own, where = KNOWN[family].thresholds["threshold"], column(family, 1, 0)
    rows = [(LEFT, {where: own + 0.02}), (RIGHT, {where: own - 0.02})]
    with writing(opened(family), *rows) as model:
        assert model.ground(picture, "star").scores == pytest.approx((own + 0.02,), abs=1e-5)
    with writing(opened(family, **ALL), *rows) as model:
        scores = model.ground(picture, "star").scores
        assert scores[:2] == pytest.approx((own + 0.02, own - 0.02), abs=1e-5)
        assert len(scores) > 2


def test_words_are_those_over_the_text_threshold(opened, picture):
    rows = [(LEFT, {1: 0.3, 2: 0.8})]
    for options, words in (({}, "red star"), ({"text_threshold": 0.5}, "star")):
        with writing(opened("grounding-dino", **options), *rows) as model:
            assert model.ground(picture, "red star").labels == (words,)
            assert model.detect(picture, ["red star"]).labels == ("red star",)


def test_lower_threshold_lowers_that_of_words_too(opened):
    assert opened("grounding-dino", **ALL).thresholds == {"threshold": 0.0, "text_threshold": 0.0}
    assert opened("grounding-dino", text_threshold=0.5).thresholds == {"threshold": 0.25, "text_threshold": 0.5}


def test_of_boxes_that_overlap_the_surest_is_given(opened, picture):
    near = (0.26, 0.5, 0.2, 0.4)
    rows = [(LEFT, {0: 0.6}), (near, {0: 0.8}), (near, {1: 0.7})]
    with writing(opened("omdet-turbo"), *rows) as model:
        answer = model.detect(picture, ["star", "ring"])
        assert answer.labels == ("star", "ring")
        assert answer.scores == pytest.approx((0.8, 0.7), abs=1e-5)
    with writing(opened("omdet-turbo", nms_threshold=1.0), *rows) as model:
        assert model.detect(picture, ["star", "ring"]).count == 3


@pytest.mark.parametrize(
    ("family", "options", "says"),
    [
        ("owlv2", {"text_threshold": 0.2}, "OWLv2 has no text_threshold; it has: threshold"),
        ("grounding-dino", {"nms_threshold": 0.2}, "GroundingDINO has no nms_threshold; it has: threshold, text"),
        ("omdet-turbo", {"threshold": 1.5}, "threshold is 1.5; it is a number from 0 to 1"),
        ("omdet-turbo", {"threshold": "high"}, "threshold is 'high'"),
        ("owlv2", {"batch_size": 0}, "batch_size is 0"),
        ("owlv2", {"beams": 3}, "no option named 'beams'; known: device, dtype, threshold"),
        ("owlv2", {"dtype": "float8"}, "float32"),
        ("owlv2", {"device": "toaster"}, "toaster"),
    ],
)
def test_option_that_cannot_be_is_refused(checkpoint, family, options, says):
    with pytest.raises(ConfigError, match=says):
        grounding.load(f"detector:{checkpoint(family)}", **options)


# ---- many at once


@pytest.mark.parametrize("family", FAMILIES)
def test_many_at_once_answer_as_one_by_one(opened, family):
    model = opened(family, **ALL)
    noise = np.random.default_rng(0)
    wide, tall = (
        Image.fromarray(noise.integers(0, 255, (height, width, 3), np.uint8)) for width, height in ((90, 60), (60, 90))
    )
    pairs = [
        (wide, Question("detect", names=("star", "red ring", "a blue cup"))),
        (tall, Question("locate", "the red star")),
        (wide, Question("locate", "star")),
        (wide, Question("count", "ring")),
        (tall, Question("detect", names=("mushroom", "star"))),
        (wide, Question("detect", names=("ring", "cup", "star"))),
    ]
    calls = []
    handle = model.model.register_forward_hook(lambda *_: calls.append(1))
    together = model.ask_many(pairs)
    handle.remove()
    assert len(calls) < len(pairs)
    for (image, question), answer in zip(pairs, together, strict=True):
        alone = model.ask(image, question)
        assert (answer.phrase, answer.task, answer.width) == (alone.phrase, alone.task, alone.width)
        assert answer.scores == pytest.approx(alone.scores, abs=1e-5)
        assert answer.boxes == pytest.approx(alone.boxes, abs=1e-3)
        assert answer.labels == alone.labels


# ---- questions


def test_phrase_longer_than_the_model_reads_is_refused(opened, picture):
    for family, phrase, says in (
        ("grounding-dino", "star " * 300, "reads 256: ask for a shorter phrase"),
        ("owlv2", "r e d s t a r s a n d r i n g s", "OWLv2 reads 16: say it in fewer words"),
        ("omdet-turbo", "a " * 80, "OmDet-Turbo reads 77"),
    ):
        with pytest.raises(PromptTooLongError, match=says):
            opened(family).ground(picture, phrase)
    with pytest.raises(PromptTooLongError, match="fewer names at once"):
        opened("grounding-dino").detect(picture, [f"star {number}" for number in range(100)])


def test_many_names_fit_where_each_is_read_by_itself(opened, picture):
    names = [f"star {number}" for number in range(60)]
    for family in ("owlv2", "omdet-turbo"):
        with writing(opened(family), (LEFT, {59: 0.9})) as model:
            assert model.detect(picture, names).labels == ("star 59",)


@pytest.mark.parametrize("name", ["...", "?", "\u200b"])
def test_name_without_a_word_is_refused(opened, picture, name):
    with pytest.raises(PromptError, match="nothing in it that GroundingDINO reads"):
        opened("grounding-dino").detect(picture, ["star", name])


@pytest.mark.parametrize("family", DINOS)
def test_picture_too_narrow_for_the_processor_is_refused(opened, family):
    with pytest.raises(ImageError, match="DINO can't take a picture of 400 x 1 px"):
        opened(family).ground(Image.new("RGB", (400, 1)), "star")


def test_what_a_detector_cannot_do_is_refused_with_what_it_can(opened, picture):
    model = opened("owlv2")
    assert model.tasks == ("locate", "detect", "count")
    for ask in (lambda: model.caption(picture), lambda: model.describe(picture, point=(1, 2))):
        with pytest.raises(InputError, match="it knows: locate, detect, count"):
            ask()


# ---- loading


@pytest.mark.parametrize("family", FAMILIES)
def test_family_is_found_from_the_config(opened, checkpoint, family):
    model = opened(family)
    assert isinstance(model.family, KNOWN[family])
    assert type(model.model).__name__ == KNOWN[family].model
    assert model.name == f"detector:{checkpoint(family)}"
    assert model.model.dtype == torch.float32
    assert not model.model.training


def test_directory_needs_no_prefix(checkpoint):
    assert isinstance(grounding.load(checkpoint("owlv2"), device="cpu").family, KNOWN["owlv2"])


def test_detectors_are_listed_once():
    listed = backends()
    assert [backend.form for backend in listed].count("detector:DIRECTORY or ORG/NAME") == 1
    assert len(set(listed)) == len(listed)


def test_loading_says_nothing(checkpoint, capfd):
    for family in FAMILIES:
        grounding.load(f"detector:{checkpoint(family)}", device="cpu")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("family", FAMILIES)
def test_shorter_numbers_answer_too(opened, picture, family):
    model = opened(family, dtype="bfloat16", threshold=0.0)
    assert model.model.dtype == torch.bfloat16
    assert model.detect(picture, ["star", "ring"]).found


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "'' is no directory, and no model's name on the hub"),
        ("no/such/directory", "is no directory, and no model's name on the hub, which is ORG/NAME"),
    ],
)
def test_name_that_cannot_be_is_refused(name, says):
    with pytest.raises(UnknownModelError, match=says):
        grounding.load(f"detector:{name}")


def test_model_of_another_kind_is_refused_with_the_kinds_that_are_known(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(
        UnknownModelError,
        match="'bert', which is no detector known here; known: grounding-dino, mm-grounding-dino, owl",
    ):
        grounding.load(f"detector:{tmp_path}")


def test_directory_without_a_part_is_refused(copy):
    weights = load_file(copy / "model.safetensors")
    save_file(
        {key: value for key, value in weights.items() if "box_head.dense2" not in key}, copy / "model.safetensors"
    )
    with pytest.raises(CheckpointError, match=r"box_head\.dense2\.bias and 1 more would be random"):
        grounding.load(f"detector:{copy}")
    (copy / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError):
        grounding.load(f"detector:{copy}")
    (copy / "model.safetensors").unlink()
    torch.save(weights, copy / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="pickle"):
        grounding.load(f"detector:{copy}")
    (copy / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"no config\.json"):
        grounding.load(f"detector:{copy}")


@pytest.mark.parametrize("family", ["owlv2", "omdet-turbo"])
def test_missing_package_is_named_with_its_remedy(checkpoint, monkeypatch, family):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(MissingExtraError, match="needs torchvision: pip install torchvision"):
        grounding.load(f"detector:{checkpoint(family)}")


def test_code_in_a_checkpoint_does_not_run(copy, picture):
    marker = copy / "ran"
    (copy / "own.py").write_text(f"open({str(marker)!r}, 'w')\nclass Own: pass\n")
    names = {"AutoConfig": "own.Own", "AutoModel": "own.Own", "AutoProcessor": "own.Own", "AutoTokenizer": "own.Own"}
    for file in ("config.json", "processor_config.json", "tokenizer_config.json"):
        path = copy / file
        path.write_text(json.dumps({**json.loads(path.read_text()), "auto_map": names}))
    grounding.load(f"detector:{copy}", device="cpu").ground(picture, "star")
    assert not marker.exists()
