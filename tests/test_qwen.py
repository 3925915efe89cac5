"""Qwen-VL 1 and Qwen2-VL: pairs of numbers in tags, points, quadrilaterals, and answers whose tags were lost."""

import pytest

from grounding.codecs import get_codec
from grounding.images import Canvas
from grounding.masks import Mask
from grounding.result import Region
from tests.chatting import read, recorded

ONE, TWO = get_codec("qwen-vl"), get_codec("qwen2-vl")
C999, C1000 = Canvas.identity(999, 999), Canvas.identity(1000, 1000)  # a step is a pixel
DOG = "<|object_ref_start|>dog<|object_ref_end|><|box_start|>(221,423),(569,886)<|box_end|>"


@pytest.mark.parametrize("case", recorded("qwen-vl"), ids=lambda case: case["source"])
@pytest.mark.parametrize("task", ["locate", "detect", "caption"])
def test_recorded_answers_are_read(case, task):
    decoded = ONE.decode(case["raw"], C999, task=task)
    assert not decoded.problems
    assert [(region.label, list(region.box)) for region in decoded.regions] == [
        (expected["label"], [pytest.approx(value, abs=1e-6) for value in expected["box_1000"]])
        for expected in case["expected"]
    ]


def test_a_grounded_caption_has_its_words_and_their_places():
    decoded = ONE.decode(recorded("qwen-vl")[0]["raw"], C999, task="caption")
    assert decoded.text == "Woman and her dog playing on the beach"
    assert [decoded.text[slice(*region.span)] for region in decoded.regions] == ["Woman", "her dog"]


def test_prompts_are_the_familys():
    assert ONE.prompt("locate", "the dog") == "<ref>the dog</ref><box>"
    assert ONE.prompt("caption") == "Generate the caption in English with grounding:"
    assert ONE.prompt("ocr") == "OCR with grounding:"
    assert ONE.prompt("answer", "what is it?") == "what is it? Answer:"
    assert ONE.prompt("describe", box=(360, 542, 476, 705), canvas=C999) == (
        "<ref>This</ref><box>(360,542),(476,705)</box> is"
    )
    assert TWO.prompt("locate", "the dog") == "Output the bounding box of the dog in the image."
    assert TWO.prompt("point", "the dog") == "Output the point of the dog in the image."


def test_answers_are_written_as_the_family_writes():
    dog, cat = Region((221, 423, 569, 886), label="dog"), Region((1, 2, 3, 4), label="cat")
    assert TWO.encode("detect", regions=[dog, cat], canvas=C1000) == (
        f"{DOG}\n<|object_ref_start|>cat<|object_ref_end|><|box_start|>(1,2),(3,4)<|box_end|>"
    )
    assert ONE.encode("locate", regions=[Region(dog.box), Region(cat.box)], text="pet", canvas=C999) == (
        "<ref>pet</ref><box>(221,423),(569,886)</box><box>(1,2),(3,4)</box>"
    )
    assert TWO.encode("point", regions=[Region((1, 2, 3, 4), point=(2, 3))], canvas=C1000) == (
        "<|box_start|>(2,3)<|box_end|>"
    )
    assert ONE.encode("caption", text="a dog sits", regions=[Region(dog.box, span=(2, 5))], canvas=C999) == (
        "a <ref>dog</ref><box>(221,423),(569,886)</box> sits"
    )


@pytest.mark.parametrize(
    ("text", "boxes"),
    [
        (DOG, [((221, 423, 569, 886), "dog")]),
        (f"Sure: {DOG}<|im_end|>", [((221, 423, 569, 886), "dog")]),
        ("(221,423),(569,886)<|box_end|>", [((221, 423, 569, 886), None)]),
        ("(221,423),(569,886)", [((221, 423, 569, 886), None)]),
        ("(221, 423) , (569, 886)", [((221, 423, 569, 886), None)]),
        ("<|box_start|>[221, 423, 569, 886]<|box_end|>", [((221, 423, 569, 886), None)]),
        ("<|box_start|>221,423,569,886<|box_end|>", [((221, 423, 569, 886), None)]),
        ("<|box_start|>(1,2),(3,4),(5,6),(7,8)<|box_end|>", [((1, 2, 3, 4), None), ((5, 6, 7, 8), None)]),
        ("<|box_start|>(1,2),(3,1000)<|box_end|>", [((1, 2, 3, 1000), None)]),
        ("\uff08\uff11\uff0c\uff12\uff09\uff0c\uff08\uff13\uff0c\uff14\uff09", [((1, 2, 3, 4), None)]),
    ],
)
def test_odd_spellings_are_read(text, boxes):
    assert read("qwen2-vl", text) == (boxes, [])


def test_names_survive_the_loss_of_their_tags():
    assert read("qwen2-vl", "dog(221,423),(569,886), cat(1,2),(3,4)", "detect") == (
        [((221, 423, 569, 886), "dog"), ((1, 2, 3, 4), "cat")],
        [],
    )


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("<|box_start|>(221,423),(569,8", [("truncated", "(221,423),(569,8")]),
        ("<|box_start|>(221,423),", [("truncated", "(221,423)")]),
        ("<|box_start|>(221,423)", [("truncated", "(221,423)")]),
        ("<|box_sta", [("truncated", "<|box_sta")]),
        ("<|box_start|>(221,423),(569)<|box_end|>", [("malformed", "(221,423),(569)")]),
        ("<|box_start|>the left<|box_end|>", [("malformed", "<|box_start|>"), ("prose", "the left")]),
        ("<|quad_start|>(1,2),(3,4)<|quad_end|>", [("malformed", "(1,2),(3,4)")]),
    ],
)
def test_broken_boxes_are_reported(text, problems):
    assert read("qwen2-vl", text) == ([], problems)


def test_points_of_qwen2_are_regions_without_extent():
    for task, text in (("point", "<|box_start|>(221,423)<|box_end|>"), ("locate", "(221,423)"), ("point", "(221,423)")):
        (region,) = TWO.decode(text, C1000, task=task).regions
        assert region.point == (221, 423)
        assert region.box == (221, 423, 221, 423)
    assert read("qwen-vl", "<box>(221,423)</box>")[1] == [("malformed", "(221,423)")]


def test_pairs_of_numbers_among_words_are_words():
    decoded = TWO.decode("From (1999, 2003) on (2) it stood", C1000, task="answer")
    assert decoded.text == "From (1999, 2003) on (2) it stood"
    assert not decoded.regions
    assert not decoded.problems


def test_text_in_the_picture_stands_in_quadrilaterals():
    text = "<ref>It is managed</ref> <quad> (568,121), (625,131), (624,182), (567,172)</quad>"  # the paper's example
    decoded = ONE.decode(text, C999, task="ocr")
    (region,) = decoded.regions
    assert not decoded.problems
    assert region.label == "It is managed"
    assert region.box == pytest.approx((567, 121, 625, 182))
    (outline,) = region.mask.polygons
    assert outline.tolist() == [pytest.approx(corner) for corner in ([568, 121], [625, 131], [624, 182], [567, 172])]
    assert ONE.encode("ocr", regions=[region], canvas=C999) == (
        "<ref>It is managed</ref><quad>(568,121),(625,131),(624,182),(567,172)</quad>"
    )
    written = ONE.encode("ocr", regions=[Region((1, 2, 3, 4), label="A")], canvas=C999)
    assert written == "<ref>A</ref><quad>(1,2),(3,2),(3,4),(1,4)</quad>"
    whole = Mask.from_polygons([[(1, 1), (5, 1), (5, 5)]], 999, 999)
    assert "(1,1),(5,1),(5,5),(1,5)" in ONE.encode("ocr", regions=[Region((1, 1, 5, 5), mask=whole)], canvas=C999)


def test_a_repeated_quadrilateral_is_kept_once():
    quad = "<quad>(1,2),(3,4),(5,6),(7,8)</quad>"
    decoded = ONE.decode(quad * 3, C999, task="ocr")
    assert len(decoded.regions) == 1
    assert [problem.kind for problem in decoded.problems] == ["duplicate"] * 2


def test_readers_that_disagree_are_chosen_by_name():
    text = "<box>(0,0),(999,999)</box>"
    canvas = Canvas.identity(1000, 2000)
    assert ONE.decode(text, canvas).regions[0].box == (0, 0, 1000, 2000)
    assert get_codec("qwen-vl", "thousand").decode(text, canvas).regions[0].box == (0, 0, 999, 1998)
