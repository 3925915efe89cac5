"""What is read out of written tokens: finer boxes, scores, repeats left out and named, and cuts told."""

import pytest
from PIL import Image

from grounding.boxes import iou
from grounding.model.answers import (
    DUPLICATE_IOU,
    Ask,
    PlainReader,
    Reader,
    Row,
    geometric_mean,
    number_places,
    repeats,
)
from grounding.result import Region
from tests import tiny

FIRST = tiny.VOCAB - 1024


@pytest.fixture
def reader(tiny_processor):
    return Reader(tiny_processor, FIRST, 1024)


def read(reader, text, *, task="locate", end=True, shift=0.0, probabilities=None, presence=None):
    """The answer that says `text`, with coordinates `shift` of a bin beside their tokens."""
    ids = reader.processor.encode_answers([text])[0]
    row = Row(0, 99, presence=presence)
    for place, token in enumerate(ids if end else ids[:-1]):
        located = token >= FIRST
        probability = 0.5 if probabilities is None else probabilities[place]
        row.add(token, probability, (token - FIRST + shift) / 1023 if located else None)
    return reader.read(Ask(Image.new("RGB", (1023, 1023)), "", reader.processor.canvas(1023, 1023), task), row)


def loc(*bins):
    return "".join(f"<loc{bin_:04d}>" for bin_ in bins)


def test_a_box_takes_its_finer_coordinates(reader):
    answer = read(reader, loc(10, 20, 30, 40), shift=0.25)
    assert answer.regions[0].box == pytest.approx((20.25, 10.25, 40.25, 30.25))


def test_swapped_edges_are_put_in_order_and_keep_their_score(reader):
    answer = read(reader, loc(30, 20, 10, 40), shift=0.25)
    assert answer.regions[0].box == pytest.approx((20.25, 10.25, 40.25, 30.25))
    assert answer.regions[0].score == pytest.approx(0.5)
    assert [problem.kind for problem in answer.problems] == ["inverted"]


@pytest.mark.parametrize("text", [" ".join([loc(10), loc(20), loc(30), loc(40)]), loc(10, 20) + ", " + loc(30, 40)])
def test_blanks_and_commas_inside_a_box_do_not_lose_it(text, reader):
    answer = read(reader, text, shift=0.25)
    assert answer.regions[0].box == pytest.approx((20.25, 10.25, 40.25, 30.25))
    assert answer.regions[0].score == pytest.approx(0.5)


def test_a_score_is_the_geometric_mean_of_its_coordinates_times_presence(reader):
    text = f"{loc(10, 20, 30, 40)} ; {loc(50, 60, 70, 80)}"
    probabilities = [0.1, 0.2, 0.3, 0.4, 0.9, 1.0, 1.0, 1.0, 1.0, 0.9]
    answer = read(reader, text, probabilities=probabilities, presence=0.5)
    scores = [region.score for region in answer.regions]
    assert scores == pytest.approx([0.5 * (0.1 * 0.2 * 0.3 * 0.4) ** 0.25, 0.5])
    assert (answer.presence, answer.probabilities) == (0.5, tuple(probabilities))


def test_outlines_are_scored_one_by_one(reader):
    text = loc(10, 10, 10, 90, 90, 90) + " ; " + loc(500, 500, 500, 900, 900, 900, 950, 700)
    answer = read(reader, text, task="segment", probabilities=[0.25] * 6 + [1.0] + [0.64] * 8 + [1.0])
    assert [region.score for region in answer.regions] == pytest.approx([0.25, 0.64])
    assert all(region.mask is not None for region in answer.regions)


def test_a_box_said_twice_is_kept_once_and_named(reader):
    answer = read(reader, f"{loc(100, 100, 300, 300)} ; {loc(101, 100, 301, 299)} ; {loc(500, 500, 900, 900)}")
    assert len(answer.regions) == 2
    (problem,) = answer.problems
    assert problem.kind == "duplicate"
    assert answer.text[slice(*problem.span)] == loc(101, 100, 301, 299)
    boxes = [region.box for region in answer.regions]
    assert iou(boxes[:1], boxes[1:]).max() < DUPLICATE_IOU


def test_the_same_box_may_have_two_labels(reader):
    text = f"{loc(100, 100, 300, 300)} star ; {loc(101, 100, 301, 299)} red thing"
    assert [region.label for region in read(reader, text, task="detect").regions] == ["star", "red thing"]


def test_a_repeat_among_words_has_no_span_in_a_text_it_is_not_part_of(reader):
    text = f"a <p>star</p>{loc(100, 100, 300, 300)} and a <p>star</p>{loc(101, 100, 301, 299)}"
    answer = read(reader, text, task="caption")
    assert len(answer.regions) == 1
    assert [(problem.kind, problem.span) for problem in answer.problems] == [("duplicate", None)]


def test_nothing_there_is_no_problem(reader):
    answer = read(reader, "none")
    assert (answer.regions, answer.problems) == ((), ())


def test_an_answer_without_its_end_was_cut(reader):
    assert read(reader, loc(1, 2, 3, 4)).problems == ()
    (problem,) = read(reader, loc(1, 2, 3, 4), end=False).problems
    assert (problem.kind, problem.message) == ("truncated", "cut after 4 tokens")


def test_a_whole_point_and_the_edges_of_the_picture_can_be_boxes(reader):
    answer = read(reader, f"{loc(0, 0, 1023, 1023)} ; {loc(7, 9, 7, 9)}")
    assert [region.box for region in answer.regions] == [(0, 0, 1023, 1023), (9, 7, 9, 7)]
    assert all(region.score == pytest.approx(0.5) for region in answer.regions)


def test_words_keep_the_boxes_they_are_tied_to(reader):
    answer = read(reader, f"a <p>red star</p>{loc(10, 20, 30, 40)} on top", task="caption", shift=0.25)
    (region,) = answer.regions
    assert region.label == "red star"
    assert region.box == pytest.approx((20.25, 10.25, 40.25, 30.25))
    assert region.score == pytest.approx(0.5)


def test_only_boxes_of_one_label_repeat_each_other():
    box, near, away = (0, 0, 100, 100), (1, 0, 100, 101), (50, 50, 150, 150)
    assert repeats(Region(near, "star"), [Region(box, "star")])
    assert not repeats(Region(near, "star"), [Region(box, "ring")])
    assert not repeats(Region(away, "star"), [Region(box, "star")])
    assert not repeats(Region(box), [])


# ---- boxes in other words


@pytest.fixture
def plainly():
    """Reads what a codec writes; every token of a number has 0.5, every other 0.9."""

    def read(codec, text, *, task="locate", end=True, size=(1000, 1000)):
        processor = tiny.processor(codec=codec)
        ids = processor.encode_answers([text])[0]
        row = Row(0, 999)
        for token in ids if end else ids[:-1]:
            numeric = any(char.isdigit() for char in processor.text([token]))
            row.add(token, 0.5 if numeric else 0.9, None)
        ask = Ask(Image.new("RGB", size), "", processor.canvas(*size), task)
        return PlainReader(processor).read(ask, row)

    return read


def test_decimals_are_scored_by_the_tokens_that_spell_them(plainly):
    answer = plainly("shikra", "Answer: [0.100,0.200,0.300,0.400] .")
    (region,) = answer.regions
    assert region.box == pytest.approx((100, 200, 300, 400), abs=1)
    assert 0.5 <= region.score < 0.9  # a dot may be a token of its own
    assert answer.presence is None


def test_boxes_of_one_bracket_are_scored_each_by_its_own_numbers(plainly):
    text = "two stars [0.100,0.200,0.300,0.400;0.500,0.600,0.700,0.800] ."
    places = number_places(text, 4)
    assert [text[box[0][0] : box[-1][1]] for box in places] == ["0.100,0.200,0.300,0.400", "0.500,0.600,0.700,0.800"]
    scores = [region.score for region in plainly("shikra", text, task="caption").regions]
    assert len(scores) == 2
    assert all(0.5 <= score < 0.9 for score in scores)


def test_patches_are_scored_in_pairs(plainly):
    text = "<phrase> star</phrase><object><patch_index_0044><patch_index_0863></object>"
    assert [len(box) for box in number_places(text, 2)] == [2]
    (region,) = plainly("kosmos-2", text).regions
    assert region.label == "star"
    assert 0.5 <= region.score < 0.9


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("[0.1, 0.2, 0.3]", 0),
        ("[0.1, 0.2, 0.3, 0.4, 0.5]", 0),
        ("in 2024 there were 3 [1,2,3,4]", 1),
        ("<loc_1><loc_2><loc_3><loc_4><loc_5><loc_6><loc_7><loc_8>", 2),
        ("(1,2),(3,4)", 1),
        ('{"bbox_2d": [1, 2, 3, 4], "label": "7 cats"}', 1),
        ("", 0),
    ],
)
def test_numbers_make_boxes_only_four_by_four(text, count):
    assert len(number_places(text, 4)) == count


def test_a_box_whose_numbers_can_not_be_told_has_no_score(plainly):
    answer = plainly("json", '[{"box": ["100", "200", "300", "400"], "label": "star"}]')
    assert [region.score for region in answer.regions] == [None]


def test_a_label_behind_a_box_does_not_count(plainly):
    answer = plainly("json", '[{"box": [100, 200, 300, 400], "label": "5 6 7 cats"}]')
    assert [region.label for region in answer.regions] == ["5 6 7 cats"]
    assert answer.regions[0].score < 0.9


def test_a_cut_answer_of_words_says_so(plainly):
    answer = plainly("shikra", "[0.100,0.200,0.3", end=False)
    assert answer.regions == ()
    assert answer.problems[-1].kind == "truncated"


def test_the_mean_of_no_probabilities_is_one():
    assert geometric_mean([]) == 1.0
    assert geometric_mean([0.25, 1.0]) == pytest.approx(0.5)
