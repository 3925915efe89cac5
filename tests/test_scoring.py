"""score(): every way of scoring through one door, what it refuses, what it says, and a file that is always the same."""

import json
from dataclasses import replace

import pytest

from grounding.data.dataset import SCORINGS, Dataset
from grounding.data.predictions import Predictions, lines_of, read_predictions
from grounding.data.sample import Sample
from grounding.errors import InputError, OutputError
from grounding.masks import Mask
from grounding.metrics.base import Scores
from grounding.result import Region
from grounding.score import compare, score, score_all_protocols, write_scores
from grounding.score.completeness import against
from tests.questions import BOX, FAR, HALF, HEIGHT, NONE, PROSE, WIDTH, grounding, header, row, write_predictions

ROWS = (
    row(BOX, BOX, "1", "one.png"),
    row(BOX, grounding(HALF, problems=["duplicate"]), "2", "one.png"),
    row(FAR, BOX, "3", "two.png"),
    row(BOX, "failed", "4", "three.png"),
)

MASKED = Region(BOX, mask=Mask.from_polygons([[10, 10, 110, 10, 110, 110, 10, 110]], WIDTH, HEIGHT))


@pytest.fixture
def file(tmp_path):
    return write_predictions(tmp_path / "predictions.jsonl", ROWS, expected=10834, versions={"torch": "2.11.0"})


def test_scores_hold_figures_rates_groups_errors_and_what_was_asked(file):
    scores = score(file)
    assert (scores.scoring, scores.protocol, scores.headline) == ("rec", "iou", "acc@0.5")
    assert scores.figures["acc@0.5"].value == 0.5
    assert (scores.rates["failed"].value, scores.rates["duplicate"].value) == (0.25, 0.25)
    assert scores.counts == {"expected": 10834, "samples": 4, "scored": 4, "failed": 1, "unfinished": 0, "pictures": 3}
    assert scores.errors == {"wrong object": 1, "failed": 1}
    assert scores.groups["size"]["large"]["acc@0.5"].n == 4
    assert [verdict.id for verdict in scores.verdicts] == ["1", "2", "3", "4"]
    assert scores.about["versions"] == {"torch": "2.11.0"}
    assert "questions that failed and count as wrong: 1" in scores.notes[0]


def test_a_file_and_what_was_read_from_it_score_the_same(file):
    assert score(file) == score(read_predictions(file)) == score(str(file))


@pytest.mark.parametrize("scoring", [name for name in SCORINGS if name != "absent"])
def test_every_way_of_scoring_has_its_measure(scoring):
    rows = tuple(replace(one, truth=one.truth.replace(regions=[MASKED])) for one in ROWS)
    scores = score(Predictions(header(4, scoring=scoring), rows if scoring == "segmentation" else ROWS))
    assert scores.headline in scores.figures
    assert len(scores.verdicts) == 4
    assert Scores.from_json(json.loads(json.dumps(scores.to_json()))) == scores


def test_absent_phrases_are_scored_too():
    scores = score(Predictions(header(2, scoring="absent"), (row(None, NONE, "1"), row(None, BOX, "2", "b.png"))))
    assert scores.figures[scores.headline].value == 0.5


def test_another_scoring_than_the_data_set_s_is_said(file):
    scores = score(file, scoring="phrases")
    assert scores.headline == "recall@1 any box"
    assert "measured as phrases; the data set is meant to be measured as rec" in scores.notes


# ---- scores.json


def test_scores_json_comes_back_and_is_the_same_every_time(file, tmp_path):
    scores = score(file)
    for name in ("a.json", "b.json"):
        write_scores(score(file), tmp_path / name)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert Scores.from_json(json.loads((tmp_path / "a.json").read_text())) == scores


def test_scores_json_is_whole_or_not_there(file, tmp_path):
    with pytest.raises(OutputError, match=r"can't be written \(No such file or directory\)"):
        write_scores(score(file), tmp_path / "nowhere" / "scores.json")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["predictions.jsonl"]


# ---- protocols and options


def test_all_protocols_are_scored_at_once(file):
    scores = score_all_protocols(file)
    assert {name: one.figures["acc@0.5"].value for name, one in scores.items()} == {
        "iou": 0.5,
        "iou-strict": 0.25,
        "refer-plus-one": 0.25,
        "mdetr-giou": 0.5,
        "oracle-best": 0.5,
    }
    assert "by looking at the truth: for reproduction only" in scores["oracle-best"].notes[0]


def test_options_reach_the_metric_and_unknown_ones_are_named():
    rows = (row(BOX, grounding(BOX, FAR, scores=(0.9, 0.6)), "1"),)
    predictions = Predictions(header(1, scoring="generalized"), rows)
    assert score(predictions).verdicts[0].value == 1.0
    assert score(predictions, score_threshold=0.5).verdicts[0].value == 0.0
    with pytest.raises(InputError, match=r"'generalized' has no option 'limit'; its options are score_threshold"):
        score(predictions, limit=3)
    with pytest.raises(InputError, match="'counting' has no option 'score_threshold'; it has none"):
        score(predictions, scoring="counting", score_threshold=0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"protocol": "diou"}, "no protocol named 'diou'; known: iou,"),
        ({"scoring": "boxes"}, "nothing is scored as 'boxes'; known: rec,"),
    ],
)
def test_what_there_is_not_is_named(file, options, message):
    with pytest.raises(InputError, match=message):
        score(file, **options)


# ---- files that are not as they should be


def test_lines_that_can_not_be_taken_are_named_in_words(tmp_path):
    file = write_predictions(tmp_path / "broken.jsonl", ROWS[1:], tail="[1]\n", samples=4)
    notes = score(file, partial=True).notes
    reason = "broken.jsonl, line 5: no prediction can be read from it: it is no JSON object but [1]"
    assert f"1 line of the file can't be taken ({reason})" in notes


def test_the_file_that_is_not_finished_is_named(tmp_path):
    """Of two that are compared it could be either."""
    whole = write_predictions(tmp_path / "whole.jsonl", ROWS)
    half = write_predictions(tmp_path / "half.jsonl", ROWS[1:], samples=4)
    for pair in ((whole, half), (half, whole)):
        with pytest.raises(InputError, match=r"half.jsonl is not finished: 3 of 4"):
            compare(*pair)


def test_a_file_of_another_data_set_altogether_is_refused(tmp_path):
    others = [replace(one, id=f"other {one.id}") for one in ROWS]
    file = write_predictions(tmp_path / "other.jsonl", others)
    with pytest.raises(InputError, match=r"none of the 4 answers in other.jsonl is to a question of toy:val, such as"):
        against(read_predictions(file), dataset(ROWS), file)


def test_an_unfinished_file_is_refused_or_marked(tmp_path):
    file = write_predictions(tmp_path / "half.jsonl", ROWS, samples=10)
    with pytest.raises(InputError, match=r"not finished: 4 of 10 questions have an answer; run the same .* --partial"):
        score(file)
    scores = score(file, partial=True)
    assert scores.counts["unfinished"] == 6
    assert scores.notes[0].startswith("NOT FINISHED: 4 of 10 questions")


def test_a_question_whose_line_is_unreadable_is_missing_and_the_line_is_named(tmp_path):
    lines = list(lines_of(ROWS))
    broken = lines[0].replace("110.0", "NaN", 1)
    file = write_predictions(tmp_path / "broken.jsonl", ROWS[1:], tail=broken, samples=4)
    with pytest.raises(InputError, match=r"3 of 4 .* 1 line can't be taken \(broken.jsonl, line 5: .*NaN is no number"):
        score(file)
    scores = score(file, partial=True)
    assert scores.counts["not a number"] == 1
    assert "broken.jsonl, line 5" in scores.notes[2]


def test_an_id_that_stands_twice_is_counted_and_said(tmp_path):
    scores = score(write_predictions(tmp_path / "twice.jsonl", ROWS, tail=next(lines_of(ROWS))))
    assert (scores.counts["duplicate id"], scores.counts["scored"]) == (1, 4)
    assert any("twice.jsonl, line 6: the id '1' stands twice" in note for note in scores.notes)


def test_a_file_without_answers_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"empty.jsonl holds no answer"):
        score(write_predictions(tmp_path / "empty.jsonl", (), samples=3), partial=True)


def test_a_stream_that_was_not_read_to_its_end_is_refused_or_marked(tmp_path):
    file = write_predictions(tmp_path / "stream.jsonl", ROWS, samples=None)
    with pytest.raises(InputError, match="not finished: 4 questions of a streamed data set"):
        score(file)
    scores = score(file, partial=True)
    assert "unfinished" not in scores.counts
    assert scores.notes[0].startswith("NOT FINISHED")


def test_more_answers_than_questions_are_refused(tmp_path):
    file = write_predictions(tmp_path / "more.jsonl", ROWS, samples=3)
    with pytest.raises(InputError, match=r"answers to 4 questions, and its header says that 3 .* --dataset"):
        score(file, partial=True)


# ---- against the data set itself


def dataset(rows):
    samples = [Sample(f"pictures/{one.picture}", one.phrase, one.truth, one.id) for one in rows]
    return Dataset("toy:val", samples, expected=5)


def test_answers_to_unknown_ids_are_left_out_and_named_by_line(tmp_path):
    file = write_predictions(tmp_path / "more.jsonl", ROWS, samples=3)
    checked = against(read_predictions(file), dataset(ROWS[:3]), file)
    (problem,) = checked.problems
    assert (problem.kind, problem.where) == ("unknown id", "more.jsonl, line 5")
    scores = score(checked)
    assert (scores.counts["scored"], scores.counts["unknown id"], scores.counts["expected"]) == (3, 1, 5)
    assert any("'4' is of no question of toy:val" in note for note in scores.notes)


def test_questions_of_the_data_set_that_the_file_lacks_are_unfinished(file):
    checked = against(read_predictions(file), dataset((*ROWS, row(BOX, BOX, "5"))), file)
    with pytest.raises(InputError, match="not finished: 4 of 5"):
        score(checked)


def test_another_truth_under_the_same_id_is_refused(file):
    other = (replace(ROWS[0], truth=grounding(FAR)), *ROWS[1:])
    with pytest.raises(InputError, match=r"predictions.jsonl, line 2 is of another question than toy:val has"):
        against(read_predictions(file), dataset(other), file)


def test_unreadable_answers_stay_in_the_denominator():
    scores = score(Predictions(header(2), (row(BOX, BOX, "1"), row(BOX, PROSE, "2", "b.png"))))
    assert (scores.figures["acc@0.5"].value, scores.figures["acc@0.5"].n) == (0.5, 2)
    assert scores.rates["unreadable"].value == 0.5
