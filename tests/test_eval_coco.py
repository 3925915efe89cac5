"""`python -m eval.coco`: what is printed, what is named on stderr, and the exit code."""

from __future__ import annotations

import copy
import io
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest

from eval.coco import main, plain
from grounding.data.predictions import Header, Prediction, lines_of
from grounding.data.scenes.write import write_dataset
from grounding.metrics.coco_ap import NUMBERS, coco_ap
from grounding.result import Region
from tests.coco_sets import CAT, DOG, FAKE, case, drawn, fake, needs_fake

ROOT = Path(__file__).resolve().parents[1]
BOXES = ["0.505", "0.697", "0.573", "0.586", "0.519", "0.501", "0.387", "0.594", "0.595", "0.640", "0.566", "0.564"]
MASKS = ["0.320", "0.562", "0.299", "0.387", "0.310", "0.327", "0.268", "0.415", "0.417", "0.469", "0.377", "0.381"]


@pytest.fixture
def files(tmp_path):
    """A truth and results on disk: what writes them and gives the program's arguments."""

    def write(truth, results):
        paths = tmp_path / "instances.json", tmp_path / "results.json"
        for path, data in zip(paths, (truth, results), strict=True):
            path.write_text(data if isinstance(data, str) else json.dumps(data))
        return ["--truth", str(paths[0]), "--predictions", str(paths[1])]

    return write


def twelve(text):
    return re.findall(r"^ Average .*\] = +(\S+)", text, flags=re.M)


# ---- COCO's own example


@needs_fake
@pytest.mark.parametrize(("kind", "expected"), [("bbox", BOXES), ("segm", MASKS)])
def test_published_numbers_are_printed_to_three_digits(kind, expected):
    results = FAKE / f"instances_val2014_fake{kind}100_results.json"
    line = [sys.executable, "-m", "eval.coco", "--truth", FAKE / "instances_val2014_100.json", "--predictions", results]
    line += ["--segm"] if kind == "segm" else []
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert twelve(done.stdout) == expected
    assert "734" in done.stdout
    assert "830 objects, 9 crowd regions in 100 pictures" in done.stdout


@needs_fake
@pytest.mark.parametrize("engine", ["pycocotools", "faster-coco-eval", "hotcoco"])
def test_json_holds_the_numbers_unrounded(engine, capsys):
    results = FAKE / "instances_val2014_fakebbox100_results.json"
    line = ["--truth", str(FAKE / "instances_val2014_100.json"), "--predictions", str(results), "--json"]
    assert main([*line, "--engine", engine]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["numbers"] == pytest.approx(coco_ap(*fake("bbox")).numbers, abs=1e-9)
    assert data["engine"] == engine
    assert data["boxes"]["0.50"]["f1"] == pytest.approx(0.829923, abs=1e-6)
    assert data["problems"] == []


@needs_fake
def test_lines_are_those_of_cocos_own_evaluator():
    published = (FAKE / "val2014_fake_eval_res.txt").read_text()
    block = published[published.index("type=bbox") : published.index("type=keypoints")]
    theirs = [" ".join(line.split()) for line in block.splitlines() if "Average" in line]
    ours = [" ".join(line.split()) for line in plain(coco_ap(*fake("bbox")), None).splitlines() if "Average" in line]
    assert [line.rpartition(" ")[0] for line in ours] == theirs
    assert [line.rpartition(" ")[2] for line in ours] == list(NUMBERS)


# ---- what else is printed


def test_a_terminal_gets_a_table_and_what_each_number_means(monkeypatch, capsys, files):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setenv("COLUMNS", "110")
    assert main([*files(*drawn(3)), "--categories"]) == 0
    text = re.sub(r"\x1b\[[\d;]*m", "", stream.getvalue())
    assert "average precision, IoU 0.5 to 0.95" in text
    assert "━" in text
    assert "AP of each category" in text
    assert "results.json against instances.json" in text
    assert max(map(len, text.splitlines())) <= 110


def test_nothing_to_measure_is_a_dash(capsys, files):
    truth, results = drawn(3)
    truth["annotations"] = []
    assert main(files(truth, results)) == 0
    out = capsys.readouterr().out
    assert twelve(out) == ["-"] * 12
    assert "-1" not in out


def test_each_category_has_its_line(capsys, files):
    truth, results = drawn(3)
    assert main([*files(truth, results), "--categories"]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines() if "\t" in line]
    assert [name for _, name in rows] == [category["name"] for category in truth["categories"]]


def test_results_without_scores_are_said_to_have_none(capsys, files):
    truth, results = drawn(3)
    assert main(files(truth, [{k: v for k, v in row.items() if k != "score"} for row in results])) == 0
    assert "no scores: every detection ranks as 1, in the order written" in capsys.readouterr().out


def test_lower_scores_are_left_out(capsys, files):
    truth, results = drawn(3)
    assert main([*files(truth, results), "--min-score", "0.5", "--json"]) == 0
    kept = json.loads(capsys.readouterr().out)["detections"]
    assert 0 < kept == sum(row["score"] >= 0.5 for row in results) < len(results)


# ---- bad input


def test_entries_that_cannot_be_scored_are_named_and_the_others_are_scored(capsys, files):
    truth, results = drawn(3)
    clean = coco_ap(truth, results).numbers
    bad = [
        {**results[0], "image_id": 999},
        {**results[0], "image_id": 998},
        {**results[0], "category_id": 77},
        {**results[0], "bbox": [0, 0, math.nan, 4]},
        {**results[0], "bbox": [9, 9, -4, 4]},
        {key: value for key, value in results[0].items() if key != "score"},
        "cat",
    ]
    truth["annotations"].append(copy.deepcopy(truth["annotations"][0]))
    assert main([*files(truth, results + bad), "--json"]) == 0
    out, err = capsys.readouterr()
    first = len(results) + 1
    assert "results.json: unknown id, 3 entries left out" in err
    assert f"  entry {first}: the truth has no picture with the id 999" in err
    assert f"  entry {first + 2}: the truth has no category with the id 77" in err
    assert "results.json: not a number, 2 entries left out" in err
    assert "negative width or height" in err
    assert "results.json: no score, 1 entry left out" in err
    assert "results.json: unreadable entry, 1 entry left out" in err
    last = len(truth["annotations"])
    assert f"instances.json: duplicate id, 1 entry left out\n  annotations, entry {last}: the object 0 stands" in err
    data = json.loads(out)
    assert data["numbers"] == pytest.approx(clean)
    assert {row["kind"]: row["count"] for row in data["problems"] if row["part"] == "results"} == {
        "unknown id": 3,
        "not a number": 2,
        "no score": 1,
        "unreadable entry": 1,
    }


def test_many_alike_are_counted_and_three_are_named(capsys, files):
    truth, results = drawn(3)
    assert main(files(truth, results + [{**results[0], "image_id": 999}] * 50)) == 0
    out, err = capsys.readouterr()
    assert "unknown id, 50 entries left out" in err
    assert err.count("999") == 3
    assert "50 entries could not be scored and are left out" in out


@pytest.mark.parametrize(
    ("truth", "results", "message"),
    [
        (None, '[{"image_id": 0, "category', r"results.json, line 1, column \d+ is not JSON .*damaged or cut off"),
        ('{"images": [', None, r"instances.json, line 1, column \d+ is not JSON"),
        (None, {"annotations": []}, r"results are a list of .*seen: an object with annotations"),
        (None, [{"image_id": 999, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 1}], "none of the 1 results can be"),
        ({"images": [], "annotations": [], "categories": []}, None, "the truth has no pictures"),
        ([], None, r"COCO's truth is an object with the lists images"),
    ],
)
def test_what_cannot_be_scored_stops_in_one_sentence(truth, results, message, capsys, files):
    known = drawn(3)
    assert main(files(known[0] if truth is None else truth, known[1] if results is None else results)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.search(message, err)
    assert len(err.splitlines()) == 1
    assert err.startswith("eval.coco: ")


def test_a_file_that_is_not_there_is_named(capsys, files):
    line = files(*drawn(3))
    assert main([*line[:2], "--predictions", "no.json"]) == 2
    assert "no.json can't be read: No such file" in capsys.readouterr().err


# ---- predictions of this package


def predicted(tmp_path, *rows):
    """predictions.jsonl of a picture a row."""
    header = Header("drawn", "detection", len(rows), "tiny")
    lines = []
    for number, (regions, meta) in enumerate(rows):
        asked = case([CAT], regions, picture=f"images/{number}.jpg")
        lines.append(Prediction(str(number), asked.picture, asked.truth, asked.answer, names=asked.names, meta=meta))
    path = tmp_path / "predictions.jsonl"
    path.write_text(json.dumps(header.to_json()) + "\n" + "".join(lines_of(lines)))
    return path


def instances(count):
    size = {"width": 100, "height": 100}
    cat = {"category_id": 17, "bbox": list(CAT.xywh), "area": 2500, "iscrowd": 0}
    return {
        "images": [{"id": 40 + number, "file_name": f"{number}.jpg", **size} for number in range(count)],
        "categories": [{"id": 17, "name": "cat"}, {"id": 18, "name": "dog"}],
        "annotations": [{"id": number, "image_id": 40 + number, **cat} for number in range(count)],
    }


def test_predictions_of_this_package_are_scored_by_file_name_and_by_image_id(tmp_path, capsys, files):
    right = Region(CAT.box, "Cat", 0.75)
    found = predicted(tmp_path, ([right], {}), ([right, DOG], {"image_id": 41}), (None, {}))
    line = files(instances(3), [])
    out = tmp_path / "out.json"
    assert main([*line[:2], "--predictions", str(found), "--json", "--results-out", str(out)]) == 0
    text, err = capsys.readouterr()
    data = json.loads(text)
    assert data["numbers"]["AR100"] == pytest.approx(2 / 3)
    assert "no score, 1 entry left out" in err
    entry = {"category_id": 17, "bbox": [10, 10, 50, 50], "score": 0.75}
    assert json.loads(out.read_text()) == [
        {"image_id": 40, **entry},
        {"image_id": 41, **entry},
        {"image_id": 41, "category_id": 18, "bbox": [0, 0, 20, 20]},
    ]


def test_a_name_or_a_picture_that_the_truth_lacks_is_named(tmp_path, capsys, files):
    found = predicted(tmp_path, ([CAT, Region(CAT.box, "wolf")], {}), ([CAT], {}))
    line = files(instances(1), [])
    out = tmp_path / "out.json"
    assert main([*line[:2], "--predictions", str(found), "--results-out", str(out)]) == 0
    assert [row["category_id"] for row in json.loads(out.read_text())] == [17]
    err = capsys.readouterr().err
    assert "no category with the id 'wolf'" in err
    assert "no picture with the id 'images/1.jpg'" in err


def test_a_truth_with_strange_entries_still_numbers_predictions(tmp_path, capsys, files):
    strange = instances(1)
    strange["images"].append("cat.jpg")
    strange["categories"].append(None)
    line = files(strange, [])
    assert main([*line[:2], "--predictions", str(predicted(tmp_path, ([CAT], {})))]) == 0
    out, err = capsys.readouterr()
    assert twelve(out)[0] == "1.000"
    assert err.count("unreadable entry, 1 entry left out") == 2


def test_a_reader_that_goes_away_is_no_error_to_tell(files):
    line = f"{sys.executable} -m eval.coco {' '.join(files(*drawn(3)))} | true"
    done = subprocess.run(["bash", "-c", line], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.stderr == ""


def test_results_that_cannot_be_written_leave_nothing_behind(tmp_path, capsys, files):
    line = files(*drawn(3))
    assert main([*line, "--results-out", str(tmp_path / "no" / "out.json")]) == 1
    assert "out.json can't be written (No such file or directory)" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["instances.json", "results.json"]


# ---- a model that is asked now


def test_a_model_is_asked_measured_and_its_predictions_score_the_same_again(tmp_path, capsys):
    write_dataset(tmp_path, 4, 7)
    truth = tmp_path / "annotations" / "instances_val2017.json"
    truth.parent.mkdir()
    truth.write_text((tmp_path / "instances.json").read_text())
    out = tmp_path / "runs"
    line = ["--model=baseline:center", "--data", str(tmp_path), "--out", str(out), "--no-report"]
    assert main(line) == 0
    text = capsys.readouterr().out
    assert "| **f1@0.5:0.95** |" in text
    assert "the model gives no scores" in text
    assert "the published split has 5,000, so published figures are not of these questions" in text
    (folder,) = (out / "baseline-center").iterdir()
    figures = json.loads((folder / "scores-detection-iou.json").read_text())["figures"]
    assert main(["--truth", str(truth), "--predictions", str(folder / "predictions.jsonl"), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    for name in ("AP", "AP50", "AR1", "AR100"):
        assert again["numbers"][name] == pytest.approx(figures[name]["value"], abs=1e-9)
    assert again["boxes"]["0.50:0.95"]["f1"] == pytest.approx(figures["f1@0.5:0.95"]["value"])


def test_help_tells_of_both_ways(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "--truth FILE" in text
    assert "python -m eval.coco --model M --data DIR" in text


def test_without_a_truth_the_usage_says_what_is_missing(capsys):
    with pytest.raises(SystemExit) as stop:
        main([])
    assert stop.value.code == 2
    assert "--truth, --predictions" in capsys.readouterr().err
