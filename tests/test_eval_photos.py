"""python -m eval.photos, and the files of photographs that other programs of eval/ take: a tiny made-up folder."""

import json

import pytest
from PIL import Image

from eval import absent, coco, photos, refcoco
from eval.photo_tables import GROUPS
from eval.program import Run, Settings
from grounding.backends import WEIGHTS

LEFT, RIGHT, WHOLE = [0.05, 0.1, 0.45, 0.9], [0.55, 0.1, 0.95, 0.9], [0.0, 0.0, 1.0, 1.0]
ASKED = (
    ("000000000001.png", "left dog", "refcoco_val", LEFT),
    ("000000000001.png", "right dog", "refcoco_val", RIGHT),
    ("000000000002.png", "cat", "refcoco_val", WHOLE),
    ("000000000001.png", "dog on the left", "refcoco+_testA", RIGHT),  # the rule will take the other one
    ("000000000002.png", "the cat", "refcocog_test", LEFT),
    ("000000000002.png", "a zebra", "refcocos_test", None),
)
SEEN = {
    "000000000001.png": [("dog", 0.9, LEFT), ("dog", 0.8, RIGHT)],
    "000000000002.png": [("cat", 0.9, LEFT)],
}


def write_lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def folder(tmp_path):
    """photos/ with expressions and detections, and labelled/ with the same two pictures and all their boxes."""
    size = {"width": 80, "height": 60}
    boxes = {
        name: [{"label": label, "score": score, "box_unit_xyxy": box} for label, score, box in found]
        for name, found in SEEN.items()
    }
    for part in ("photos", "labelled"):
        (tmp_path / part / "images").mkdir(parents=True)
        for name in SEEN:
            squashed = (40, 40) if part == "photos" else (80, 60)
            Image.new("RGB", squashed, "gray").save(tmp_path / part / "images" / name)
    write_lines(
        tmp_path / "photos" / "expressions.jsonl",
        [
            {"image": name, "text": text, "split": split, "bbox_norm_xyxy": box, "image_size": [40, 40], **size}
            for name, text, split, box in ASKED
        ],
    )
    write_lines(
        tmp_path / "photos" / "detections.jsonl", [{"image": name, "boxes": found} for name, found in boxes.items()]
    )
    write_lines(
        tmp_path / "labelled" / "boxes.jsonl",
        [
            {"image": name, "split": "val2017", "boxes": [{k: b[k] for k in ("label", "box_unit_xyxy")} for b in found]}
            | size
            for name, found in boxes.items()
        ],
    )
    named = [{"image": f"COCO_train2014_{name}", "boxes": found} for name, found in boxes.items()]
    write_lines(tmp_path / "elsewhere.jsonl", named)
    return tmp_path


@pytest.fixture
def run(folder, capsys):
    """Runs the program on the folder; gives exit code, output and errors."""

    def program(*arguments, model="baseline:nouns"):
        given = ["--model", model, "--data", str(folder / "photos"), "--out", str(folder / "runs"), "--no-report"]
        code = photos.main([*given, *arguments])
        return code, *capsys.readouterr()

    return program


def cells(output, title, name):
    """Column's heading to the cell, in the table of that title."""
    lines = output.partition(f"## {title}")[2].partition("## ")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    (row,) = (row for row in rows if row[0] == f"**{name}**")
    return dict(zip(rows[0], row, strict=True))


def test_models_stand_beside_each_other_by_split(run, folder):
    code, out, err = run("--beside", "baseline:whole", "baseline:center")
    assert code == 0, err
    nouns, whole = (cells(out, "Acc@0.5 on photographs", f"baseline:{name}") for name in ("nouns", "whole"))
    assert nouns["RefCOCO val"].startswith("66.7 ")  # both dogs; of the cat only its left half was detected
    assert nouns["RefCOCO+ testA"] == "0.0"  # of one picture: no interval
    assert nouns["RefCOCOg test"] == "100.0"
    assert nouns["all three"].startswith("60.0 ")
    assert whole["RefCOCO val"].startswith("33.3 ")
    assert "RefCOCO testB" not in nouns
    above = cells(out, "baseline:nouns, Acc@0.5 in points above the others", "less baseline:whole")
    assert above["RefCOCO val"].startswith("+33.3")
    assert "| Kosmos-2 (1.6B), zero-shot, arXiv:2306.14824 | 52.32 |" in out
    assert cells(out, "Mean IoU on photographs", "baseline:whole")["RefCOCO val"].startswith("54.7")
    assert "## Not measured" not in (folder / "runs" / "photos.md").read_text()


def test_labelled_photographs_give_false_boxes_and_ap(run, folder):
    flags = ["--labelled", str(folder / "labelled"), "--labelled-detections", str(folder / "elsewhere.jsonl")]
    code, out, err = run(*flags, "--beside", "baseline:whole")
    assert code == 0, err
    nouns, whole = (cells(out, "Beside it", f"baseline:{name}") for name in ("nouns", "whole"))
    assert nouns["box for an absent name"].startswith("100.0")
    assert nouns["the same, scored 0.5 or more"].startswith("0.0")
    assert (nouns["AP"], nouns["AP50"]) == ("100.0", "100.0")
    assert whole["box for an absent name"].startswith("100.0")
    assert whole["AP"] == "–"
    assert "2 absent names were asked of 2 photographs" in out


def test_a_model_that_may_say_none_is_asked_for_a_box_in_any_case_too(run):
    code, out, err = run("--always", "--beside", "baseline:whole", model=str(WEIGHTS))
    assert code == 0, err
    silent = "says “none” though it is there"
    free, forced = (cells(out, "Beside it", f"{WEIGHTS}{name}") for name in ("", ", always a box"))
    assert float(free[silent].partition(" ")[0]) > 0  # two gray pictures
    assert float(forced[silent].partition(" ")[0]) == 0
    fair = cells(out, f"{WEIGHTS}, always a box, Acc@0.5 in points above the others", "less baseline:whole")
    assert fair["RefCOCO val"].startswith(("+", "-"))
    assert forced["box for an absent name"] == "–"  # nobody is asked that with the answer given


def test_what_is_not_there_is_told_and_stops_nothing_else(run, folder):
    code, out, err = run("--labelled", str(folder / "labelled"), "--beside", "none")
    assert code == 1
    assert "baseline:nouns, labelled photographs: the detections" in out.partition("## Not measured")[2]
    (folder / "photos" / "detections.jsonl").unlink()
    code, out, err = run("--beside", "baseline:nouns", model="baseline:center")
    assert code == 1
    assert "baseline:nouns: the detections" in err
    assert run("--beside", "none")[0] == 2
    code, _, err = run("--data", str(folder))
    assert code == 2
    assert "there is no expressions.jsonl in" in err


def test_every_split_of_the_family_has_its_column():
    assert [group.heading for group in GROUPS][:3] == ["RefCOCO val", "RefCOCO testA", "RefCOCO testB"]
    assert [group.published_as for group in GROUPS][3] == "refcoco+:val"
    assert sum(len(group.splits) for group in GROUPS[:8]) == len(GROUPS[-1].splits) == 8


# ---- other programs, one file of photographs


def test_ap_and_absent_names_are_measured_on_one_file_of_labelled_boxes(folder, capsys):
    given = ["--model", "baseline:nouns", "--model-option", f"detections={folder / 'photos' / 'detections.jsonl'}"]
    given += ["--data", str(folder / "labelled" / "boxes.jsonl"), "--out", str(folder / "runs"), "--no-report"]
    assert coco.main(given) == 0
    assert "| **AP** | 100.0 |" in capsys.readouterr().out
    assert absent.main([*given, "--scenes", "0"]) == 0
    assert "| **false-positive rate** | 100.0 " in capsys.readouterr().out


def test_answers_of_other_options_lie_in_another_folder(folder, capsys):
    given = ["--model", "baseline:center", "--data", str(folder / "photos" / "expressions.jsonl"), "--no-report"]
    given += ["--out", str(folder / "runs"), "--sets", "refcoco", "--splits", "val"]
    assert refcoco.main([*given, "--model-option", "width=0.9", "height=0.9"]) == 0
    assert refcoco.main(given) == 0
    capsys.readouterr()
    assert {path.name for path in (folder / "runs").iterdir()} == {
        "baseline-center",
        "baseline-center-0.9-x-0.9-height-0.9-width-0.9",
    }
    assert refcoco.main([*given, "--model-option", "width"]) == 2
    assert "--model-option width is not written NAME=VALUE" in capsys.readouterr().err


def test_boxes_of_another_detector_are_asked_anew(folder):
    option = (f"detections={folder / 'photos' / 'detections.jsonl'}",)
    before = Run(Settings(model="baseline:nouns", model_option=option)).folder
    (folder / "photos" / "detections.jsonl").write_text('{"image": "a.png", "boxes": []}\n')
    after = Run(Settings(model="baseline:nouns", model_option=option)).folder
    assert before != after
    assert after.name.startswith("baseline-nouns-detections-detections.jsonl-")


def test_other_weights_of_one_name_are_asked_anew(tmp_path, monkeypatch):
    import eval.program

    run = Run(Settings(model="baseline:whole", out=tmp_path))
    before = run.folder
    monkeypatch.setattr(eval.program, "weights_fingerprint", lambda name: "0123456789ab")
    assert Run(Settings(model="baseline:whole", out=tmp_path)).folder == before.with_name("baseline-whole-0123456789ab")
