"""compare(): two models on the same questions, joined by id, their differences paired."""

import json

import pytest

from grounding.data.predictions import Predictions
from grounding.errors import InputError
from grounding.masks import Mask
from grounding.result import Region
from grounding.score import compare
from tests.questions import BOX, FAR, HALF, HEIGHT, LOOSE, NONE, WIDTH, grounding, header, row


def predictions(answers, **more):
    """The same questions with these answers, two about each picture."""
    rows = tuple(row(BOX, answer, str(number), f"{number // 2}.png") for number, answer in enumerate(answers))
    return Predictions(header(len(rows), **more), rows)


FIRST = predictions([BOX, BOX, FAR, LOOSE, NONE, BOX], model="first")
SECOND = predictions([BOX, FAR, BOX, BOX, NONE, HALF], model="second")


def test_counts_and_flips_are_as_by_hand():
    found = compare(FIRST, SECOND)
    assert (found.first["model"], found.second["model"], found.joined) == ("first", "second", 6)
    assert (found.both_right, found.first_right, found.second_right, found.neither) == (2, 1, 2, 1)
    assert [(flip.id, flip.gained) for flip in found.flips] == [("1", False), ("2", True), ("3", True)]
    lost, gained, _ = found.flips
    assert (lost.second_error, gained.first_error) == ("wrong object", "wrong object")
    assert (lost.picture, lost.phrase) == ("0.png", "red cup")


def test_differences_are_second_less_first():
    found = compare(FIRST, SECOND).figures["acc@0.5"]
    assert (found.first, found.second) == (0.5, pytest.approx(4 / 6))
    assert found.difference == pytest.approx(1 / 6)
    assert found.low <= found.difference <= found.high
    back = compare(SECOND, FIRST).figures["acc@0.5"]
    assert (back.difference, back.low, back.high) == pytest.approx((-found.difference, -found.high, -found.low))


def test_all_figures_are_of_the_questions_both_have():
    fewer = Predictions(header(4), (*SECOND.rows[1:4], row(BOX, BOX, "other")))
    found = compare(FIRST, fewer)
    assert (found.joined, found.only_first, found.only_second) == (3, ("0", "4", "5"), ("other",))
    assert found.figures["acc@0.5"].n == 3
    assert found.figures["acc@0.5"].first == pytest.approx(1 / 3)
    assert found.notes[0] == "3 left out, only in the first file: 0, 4, 5"
    assert found.notes[-1] == "all figures are of the 3 questions that both files have"


def test_another_question_under_the_same_id_is_left_out_and_named():
    other = Predictions(SECOND.header, (row(FAR, BOX, "0", "0.png"), *SECOND.rows[1:]))
    found = compare(FIRST, other)
    assert (found.joined, found.differing) == (5, ("0",))
    assert "other questions under the same id: 0" in found.notes[0]


def test_files_without_a_common_question_are_refused():
    with pytest.raises(InputError, match="no question in common"):
        compare(FIRST, Predictions(header(1), (row(BOX, BOX, "other"),)))


def test_files_measured_in_different_ways_are_refused_unless_told():
    counted = predictions([BOX] * 6, scoring="counting")
    with pytest.raises(InputError, match="measured as rec and as counting: say which, such as --as rec"):
        compare(FIRST, counted)
    assert compare(FIRST, counted, scoring="counting").headline == "exact"


def test_a_mask_counts_as_right_from_an_iou_of_a_half_on():
    def masked(height):
        outline = [[0, 0, 100, 0, 100, height, 0, height]]
        return grounding(Region((0, 0, 100, height), mask=Mask.from_polygons(outline, WIDTH, HEIGHT)))

    files = [
        Predictions(header(1, scoring="segmentation"), (row(masked(100), masked(height), "1"),)) for height in (50, 49)
    ]
    found = compare(*files)
    assert (found.first_right, found.second_right) == (1, 0)
    assert found.figures["gIoU"].difference == pytest.approx(-0.01)


def test_everything_is_json():
    data = json.loads(json.dumps(compare(FIRST, SECOND).to_json(), allow_nan=False))
    assert (len(data["flips"]), data["figures"]["acc@0.5"]["n"]) == (3, 6)


def test_answers_with_scores_compare_under_an_oracle_too():
    answer = grounding(FAR, BOX, scores=(0.9, 0.1))
    found = compare(predictions([answer] * 2), predictions([BOX] * 2), "oracle-best")
    assert found.figures["acc@0.5"].difference == 0.0


def test_figures_of_whole_files_are_compared_without_an_interval_and_only_of_the_same_questions():
    first, second = (predictions(answers, scoring="detection") for answers in ([BOX, FAR] * 2, [BOX] * 4))
    found = compare(first, second)
    assert found.headline in found.figures
    assert (found.figures["AP"].low, found.figures["AP"].high) == (None, None)
    assert found.figures["AP"].difference > 0
    assert found.figures["f1@0.5"].low is not None
    assert "without an interval" in found.notes[0]
    fewer = compare(first, Predictions(second.header, second.rows[:1]), partial=True)
    assert "AP" not in fewer.figures
    assert any(note.startswith("not compared") for note in fewer.notes)
