"""The programs of eval/: what they ask, what they print, what they leave behind, and how they say what is missing."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from eval import absent, all as everything, counting, flickr30k, grefcoco, pointing, probes, refcoco, segmentation
from eval.program import Part, Run, Settings, chosen_splits, tables_of
from eval.published import REFCOCO
from grounding.boxes import iou_pairs, xywh_to_xyxy
from grounding.data.scenes.write import write_dataset
from grounding.errors import ConfigError

PICTURES = 6
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """A folder of drawn pictures with refcoco_val.json as MiniGPT-v2 keeps it, and instances of COCO's layout."""
    folder = tmp_path_factory.mktemp("drawn")
    write_dataset(folder, PICTURES, 7)
    instances = json.loads((folder / "instances.json").read_text())
    boxes = {entry["id"]: entry["bbox"] for entry in instances["annotations"]}
    sizes = {entry["id"]: (entry["width"], entry["height"]) for entry in instances["images"]}
    for entry in instances["images"]:
        name = f"COCO_train2014_{entry['seed']:012}.png"
        (folder / entry["file_name"]).rename(folder / "images" / name)
        entry["file_name"] = name
    rows = []
    for ref in json.loads((folder / "refs.json").read_text()):
        width, height = sizes[ref["image_id"]]
        number = int(ref["file_name"].removeprefix("images/").removesuffix(".png"))
        named = f"COCO_train2014_{number:012}"
        for sentence in ref["sentences"]:
            row = {"img_id": f"{named}_{ref['ann_id']}", "sents": sentence["sent"], "bbox": boxes[ref["ann_id"]]}
            rows.append(row | {"width": width, "height": height})
    (folder / "refcoco_val.json").write_text(json.dumps(rows))
    (folder / "annotations").mkdir()
    (folder / "annotations" / "instances_val2017.json").write_text(json.dumps(instances))
    return folder


@pytest.fixture
def run(drawn, tmp_path, capsys):
    """Runs a program on the drawn folder with the whole-picture baseline; gives exit code, output and errors."""

    def program(module, *arguments, model="baseline:whole", data=drawn):
        given = [] if data is None else ["--data", str(data), "--images", str(drawn / "images")]
        code = module.main(["--model", model, "--out", str(tmp_path), *given, *arguments])
        return code, *capsys.readouterr()

    return program


def row_of(output, name):
    """The cells of a table's line."""
    line = next(line for line in output.splitlines() if line.startswith((f"| **{name}**", f"| {name}")))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_refcoco_prints_the_accuracy_beside_published_figures(run, drawn):
    code, out, _ = run(refcoco, "--sets", "refcoco", "--splits", "val", "--no-report")
    rows = json.loads((drawn / "refcoco_val.json").read_text())
    whole = [[0, 0, row["width"], row["height"]] for row in rows]
    right = (iou_pairs(whole, xywh_to_xyxy([row["bbox"] for row in rows])) >= 0.5).mean()
    assert code == 0
    assert row_of(out, "acc@0.5")[0].startswith(f"{100 * right:.1f} ")
    assert row_of(out, "MDETR R101")[0] == "86.75"
    assert f"{len(rows):,} questions about" in out
    assert "the published split has 10,834" in out


def test_one_file_whose_lines_name_their_splits_is_data_too(run, drawn, tmp_path):
    rows = json.loads((drawn / "refcoco_val.json").read_text())
    file = tmp_path / "expressions.jsonl"
    with file.open("w") as stream:
        for row in rows[:5]:
            x, y, width, height = row["bbox"]
            unit = [x / row["width"], y / row["height"], (x + width) / row["width"], (y + height) / row["height"]]
            name = row["img_id"].rpartition("_")[0] + ".png"
            size = {"width": row["width"], "height": row["height"], "image_size": [row["width"], row["height"]]}
            line = {"image": name, "text": row["sents"], "split": "refcoco_val", "bbox_norm_xyxy": unit} | size
            stream.write(json.dumps(line) + "\n")
    code, out, err = run(refcoco, "--sets", "refcoco", "--splits", "val", data=file)
    assert code == 0, err
    assert "RefCOCO val: 5 questions" in out


def test_a_run_leaves_predictions_scores_and_a_page(run, tmp_path):
    code, _, err = run(refcoco, "--sets", "refcoco", "--splits", "val")
    names = {path.name for path in (tmp_path / "baseline-whole" / "refcoco-val").iterdir()}
    assert code == 0
    assert {"predictions.jsonl", "scores-rec-iou.json", "report-rec-iou.html"} <= names
    assert "report-rec-iou.html" in err


def test_the_same_answers_are_measured_again_under_another_protocol_and_not_asked_again(run, tmp_path):
    run(refcoco, "--sets", "refcoco", "--splits", "val", "--no-report")
    file = tmp_path / "baseline-whole" / "refcoco-val" / "predictions.jsonl"
    before = file.read_bytes()
    code, out, _ = run(refcoco, "--sets", "refcoco", "--splits", "val", "--no-report", "--protocol", "mdetr-giou")
    assert code == 0
    assert "protocol mdetr-giou" in out
    assert file.read_bytes() == before
    run(pointing, "--sets", "refcoco", "--splits", "val", "--no-report", "--scenes", "0")
    assert file.read_bytes() == before


def test_a_split_that_is_not_there_is_named_and_the_others_are_measured(run):
    code, out, err = run(refcoco, "--sets", "refcoco", "--splits", "val,testA", "--no-report")
    assert code == 1
    assert "RefCOCO testA: " in err
    assert "RefCOCO val" in out


@pytest.mark.parametrize("module", [refcoco, grefcoco, flickr30k])
def test_without_data_the_remedy_is_told(run, module):
    code, out, err = run(module, data=None)
    assert (code, out) == (2, "")
    assert re.search(r"give --data, .*grounding data fetch \w+", err)


def test_an_unknown_split_protocol_or_model_is_one_sentence(run):
    for arguments in (["--splits", "testC"], ["--protocol", "iuo"], ["--limit", "0"]):
        code, out, err = run(refcoco, *arguments)
        assert (code, out) == (2, "")
        assert len(err.splitlines()) == 1
    code, out, _ = run(refcoco, "--splits", "val", "--sets", "refcoco", model="no-such-model")
    assert (code, out) == (2, "")


def test_counts_and_absent_names_come_out_of_coco_and_drawn_scenes(run):
    code, out, _ = run(counting, "--scenes", "4", "--no-report")
    assert code == 0
    assert len(row_of(out, "exact")) == 3
    code, out, _ = run(absent, "--scenes", "4", "--no-report")
    assert code == 0
    assert "COCO val2017" in out


def test_drawn_scenes_need_no_data(run):
    for module, arguments in ((segmentation, ["--scenes", "2"]), (pointing, ["--scenes", "2"]), (probes, ["--n", "3"])):
        assert run(module, *arguments, "--no-report", data=None, model="baseline:center")[0] == 0


def test_probes_are_the_four(run):
    _, out, _ = run(probes, "--n", "2", "--no-report", data=None)
    assert all(name in out for name in probes.HEADINGS.values())


def test_all_measures_what_it_can_and_names_the_rest(run, tmp_path):
    code, out, _ = run(everything, "--scenes", "2", "--no-report", "--only", "refcoco,flickr30k,absent,probes")
    summary = (tmp_path / "baseline-whole" / "summary.md").read_text()
    assert code == 0
    assert "RefCOCO val" in summary
    assert "Absent objects" in summary
    assert "Phrases of captions, Flickr30k val: " in summary.partition("## Not measured")[2]
    assert "## Not measured" in out


def test_all_fails_where_there_was_data_and_the_asking_gave_up(run, drawn, tmp_path):
    pictures = tmp_path / "squashed"
    pictures.mkdir()
    for path in (drawn / "images").iterdir():
        Image.open(path).resize((40, 40)).save(pictures / path.name)
    code, out, _ = run(
        everything, "--scenes", "2", "--no-report", "--only", "refcoco,absent", "--images", str(pictures)
    )
    assert code == 1
    assert "Referring expressions, RefCOCO val: " in out.partition("## Not measured")[2]


def test_parts_of_several_scorings_stand_in_tables_of_their_own(drawn, tmp_path):
    settings = Settings(model="baseline:whole", out=tmp_path, report=False)
    parts = [Part("scenes:count", "count", options={"n": 2}, drawn=True)]
    parts += [Part("scenes:place", "place", options={"n": 2}, drawn=True)]
    tables = tables_of(Run(settings).outcomes(parts), "Both")
    assert [table.title for table in tables] == ["Both: counting", "Both: rec"]


def test_published_rows_are_those_of_the_papers():
    rows = {row.system: row.figures for row in REFCOCO}
    assert rows["Shikra-7B"]["refcoco+:testB"] == 72.12
    assert "refcocog:test" not in rows["Florence-2-B, fine-tuned (0.23B)"]
    assert all(0 < figure < 100 for row in rows.values() for figure in row.values())


def test_splits_between_commas_are_read_and_checked():
    assert chosen_splits(" val, testA,", ("val", "testA")) == ["val", "testA"]
    with pytest.raises(ConfigError, match="no 'dev' here; known: val, testA"):
        chosen_splits("val,dev", ("val", "testA"))


# ---- how a program ends


@pytest.mark.parametrize(
    ("module", "flags"),
    [(absent, ["--scenes", "0"]), (refcoco, ["--splits", "test", "--sets", "refcoco"]), (refcoco, ["--splits", ","])],
)
def test_settings_that_leave_nothing_to_measure_are_told(run, module, flags):
    code, out, err = run(module, *flags, data=None if module is absent else ".")
    assert (code, out) == (2, "")
    assert "these settings leave nothing to measure" in err


def test_all_without_a_program_is_told_and_writes_nothing(run, tmp_path):
    code, _, err = run(everything, "--only", ",")
    assert code == 2
    assert "--only names no program; known: refcoco," in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("module", "flags"), [(absent, []), (everything, ["--only", "absent"])])
def test_a_place_that_takes_no_files_is_told_in_words(run, tmp_path, module, flags):
    (tmp_path / "file").write_text("")
    code, _, err = run(module, "--scenes", "3", "--out", str(tmp_path / "file"), *flags, data=None)
    assert code == (1 if module is everything else 2)
    assert "can't be made (Not a directory): give another --out" in err


def test_a_reader_that_goes_away_is_no_error_to_tell(tmp_path):
    line = f"{sys.executable} -m eval.absent --model baseline:whole --scenes 3 --out {tmp_path} --no-report | true"
    done = subprocess.run(["bash", "-c", line], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert "Traceback" not in done.stderr


def test_a_prompt_of_several_lines_stays_in_its_note(drawn, tmp_path):
    settings = Settings(model="baseline:whole", out=tmp_path, report=False)
    outcome = Run(settings).measure(Part("scenes:absent", "drawn", options={"n": 2}, drawn=True))
    about = {**outcome.scores.about, "prompt": "one\ntwo"}
    (table,) = tables_of([replace(outcome, scores=replace(outcome.scores, about=about))], "Absent")
    assert "prompt “one two”" in table.notes[0]
