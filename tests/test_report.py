"""write_report(): one file that needs nothing else, holds every figure, and shows nothing a model wrote as markup."""

import base64
import hashlib
import json
import os
import re
import resource
import stat

import pytest

from grounding import Grounding, Region
from grounding.cli import main
from grounding.data.predictions import Predictions, lines_of
from grounding.errors import InputError, OutputError
from grounding.report import write_report
from grounding.score import score
from tests import report_cases

PREDICTIONS = report_cases.rec(12)


def page_of(folder, predictions=PREDICTIONS, **options):
    path = folder / "report.html"
    write_report(path, predictions, **{"open_picture": report_cases.open_picture, **options})
    return path.read_text(encoding="utf-8")


def data_of(page):
    """What the page's script reads."""
    (content,) = re.findall(r'<script type="application/json" id="report-data">(.*?)</script>', page, re.DOTALL)
    return json.loads(content)


def words_of(page):
    """The page's words above the answers, without markup."""
    body = page[page.index("<body>") : page.index('<script type="application/json"')]
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def test_every_figure_stands_in_the_page_with_its_interval(tmp_path):
    words = words_of(page_of(tmp_path))
    for name, figure in score(PREDICTIONS).figures.items():
        shown = f"{100 * figure.value:.1f} % {100 * figure.low:.1f} to {100 * figure.high:.1f}"
        assert f"{name[:1].upper() if name != 'mAcc' else 'm'}{name[1:]} {shown}" in words


def test_what_a_figure_has_to_state_is_stated(tmp_path):
    words = words_of(page_of(tmp_path))
    for stated in (
        "Data set drawn:test",
        "36 found, 38 expected as published",
        "iou: IoU &gt;= t in pixels of the original picture",
        "drawn:test has 38 expressions as published; 36 were found here",
        "Model tiny",
        "Codec location",
        "Rounding center",
        "detect the red cup",
        "Seed 7",
        "torch 2.15.0",
        "0123456789abcdef",
    ):
        assert stated in words


def test_mandatory_rates_are_stated_also_where_they_are_nothing(tmp_path):
    words = words_of(page_of(tmp_path))
    for name in ("Unreadable", "Empty", "Out of range", "Duplicate", "Truncated"):
        assert re.search(rf"{name} \d+\.\d % · \d", words)


def test_a_protocol_that_looks_at_the_truth_is_called_so(tmp_path):
    assert "by looking at the truth" in words_of(page_of(tmp_path, protocol="oracle-best"))


def test_page_lets_nothing_in_and_its_own_parts_are_allowed(tmp_path):
    page = page_of(tmp_path)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    for name, tag in (("style-src", "style"), ("script-src", "script")):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules[name] == f"'sha256-{digest}'"
    assert not re.search(r"\son\w+=|\sstyle=|@import|url\(", page)
    assert not re.search(r"(?:src|href)=\"(?!data:)", page)


HOSTILE = '</script><img src=x onerror="alert(1)"><!-- $title {{7*7}} \u2028 \ud800'


def test_nothing_that_a_model_or_a_data_set_wrote_is_markup(tmp_path):
    truth = Grounding(HOSTILE, (Region((1, 1, 50, 50), HOSTILE),), "", *report_cases.SIZE)
    answer = Grounding(HOSTILE, (Region((1, 1, 40, 50), HOSTILE),), HOSTILE, *report_cases.SIZE)
    rows = tuple(
        report_cases.Prediction(HOSTILE + str(place), HOSTILE, truth, answer, kind=HOSTILE) for place in range(2)
    )
    header = report_cases.header_of("rec", 2, HOSTILE, prompt=HOSTILE, notes=(HOSTILE,), source=HOSTILE)
    page = page_of(tmp_path, Predictions(header, rows), open_picture=lambda row: report_cases.picture_of(0))
    assert "<img src=x" not in page
    assert page.count("</script>") == 2
    assert page.count("<!--") == 0
    (answer, _) = data_of(page)["answers"]
    assert answer["phrase"] == HOSTILE.replace("\ud800", "?")


def test_the_folders_of_this_machine_are_not_told(tmp_path):
    header = report_cases.header_of("rec", 36, root="/home/me/secret", images="/home/me/secret/pictures")
    page = page_of(tmp_path, Predictions(header, PREDICTIONS.rows), open_picture=None)
    assert "secret" not in page
    assert "the data set is not at hand" in page.lower()


def test_without_pictures_there_is_a_page_all_the_same(tmp_path):
    made = write_report(tmp_path / "report.html", PREDICTIONS)
    assert made.pictures == 0
    assert any("no data set named 'drawn:test'" in note for note in made.notes)
    data = data_of((tmp_path / "report.html").read_text())
    assert {picture[3] for picture in data["pictures"]} == {None}
    assert len(data["answers"]) == 36


def test_a_picture_that_cannot_be_opened_is_counted(tmp_path):
    def open_some(row):
        if row.picture == "drawn/3.png":
            raise OSError("gone")
        return report_cases.open_picture(row)

    page = page_of(tmp_path, open_picture=open_some)
    assert "1 picture could not be opened" in words_of(page)
    assert {key for key, *_, address in data_of(page)["pictures"] if address is None} == {"drawn/3.png"}


def test_the_same_file_makes_the_same_page(tmp_path):
    assert page_of(tmp_path) == page_of(tmp_path)


def test_answers_that_do_not_fit_are_left_out_and_counted(tmp_path, monkeypatch):
    monkeypatch.setattr("grounding.report.writing.ROW_BYTES", 6000)
    page = page_of(tmp_path)
    data = data_of(page)
    assert 5 < len(data["answers"]) < 30
    assert f"{len(data['answers'])} of 36 answers are listed below" in words_of(page)
    for order in data["orders"].values():
        assert set(order) <= set(range(len(data["answers"])))


def test_two_models_are_compared_on_the_same_questions(tmp_path):
    other = report_cases.rec(12, seed=1, skill=0.9, model="larger", scored=False)
    page = page_of(tmp_path, other=other)
    words, data = words_of(page), data_of(page)
    first, second = score(PREDICTIONS).figures["acc@0.5"].value, score(other).figures["acc@0.5"].value
    assert f"{100 * (second - first):+.1f} points" in words.replace("\N{MINUS SIGN}", "-")
    for name in ("Both right", "Only A right", "Only B right", "Neither right"):
        assert name in words
    assert data["models"] == ["tiny", "larger"]
    assert next(iter(data["orders"])) == "apart"
    for place in data["orders"]["apart"]:
        one, two = (answer["value"] for answer in data["answers"][place]["answers"])
        assert one != two


def test_another_question_under_the_same_id_is_not_shown_as_an_answer_to_this_one(tmp_path):
    first, *rest = PREDICTIONS.rows
    asked = first.truth.replace(phrase="something else")
    changed = report_cases.Prediction(first.id, first.picture, asked, first.answer)
    page = page_of(tmp_path, other=Predictions(PREDICTIONS.header, (changed, *rest)))
    answers = {answer["id"]: answer["answers"] for answer in data_of(page)["answers"]}
    assert answers[first.id][1] is None
    assert answers[rest[0].id][1] is not None
    assert "other questions under the same id" in words_of(page)


def test_a_model_against_itself_has_two_names(tmp_path):
    assert data_of(page_of(tmp_path, other=PREDICTIONS))["models"] == ["tiny (A)", "tiny (B)"]


def test_a_place_to_write_that_is_not_there_is_named_before_any_work(tmp_path):
    with pytest.raises(OutputError, match="there is no directory"):
        write_report(tmp_path / "no" / "report.html", tmp_path / "no file")


def test_a_page_that_finds_no_room_leaves_no_half_of_it(tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_096, limits[1]))
    try:
        with pytest.raises(OutputError, match="File too large"):
            write_report(tmp_path / "report.html", PREDICTIONS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def test_a_device_stays_a_device():
    assert write_report("/dev/null", PREDICTIONS).answers == len(PREDICTIONS.rows)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_gallery_of_nothing_is_refused(tmp_path):
    with pytest.raises(InputError, match="gallery is 0"):
        write_report(tmp_path / "report.html", PREDICTIONS, gallery=0)


def test_command_writes_the_page_and_says_what_is_in_it(tmp_path, capsys):
    file = tmp_path / "predictions.jsonl"
    header = json.dumps(PREDICTIONS.header.to_json())
    file.write_text(header + "\n" + "".join(lines_of(PREDICTIONS.rows)))
    out = tmp_path / "page.html"
    assert main(["report", str(file), "--out", str(out), "--gallery", "3"]) == 0
    printed = capsys.readouterr()
    assert f"{out}: 36 answers, 0 pictures" in printed.out
    assert "no data set named 'drawn:test'" in printed.err
    assert "Acc@0.5" in out.read_text()


def test_command_refuses_a_file_that_is_not_finished_in_one_sentence(tmp_path, capsys):
    file = tmp_path / "predictions.jsonl"
    file.write_text(json.dumps(PREDICTIONS.header.to_json()) + "\n" + "".join(lines_of(PREDICTIONS.rows[:30])))
    assert main(["report", str(file), "--out", str(tmp_path / "page.html")]) == 2
    assert "not finished: 30 of 36 questions" in capsys.readouterr().err
    assert main(["report", str(file), "--out", str(tmp_path / "page.html"), "--partial"]) == 0
    assert "NOT FINISHED: 30 of 36" in (tmp_path / "page.html").read_text()
