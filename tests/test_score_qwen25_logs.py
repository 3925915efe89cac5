"""2,500 recorded answers of Qwen2.5-VL-3B as files of predictions, scored: every published verdict comes out.

The runs are VLM-R1's (om-ai-lab, Apache-2.0). They were scored with the arithmetic of the refer toolbox and IoU > 0.5,
which is the protocol `refer-plus-one`, on the box that their authors took from an answer. In what scale the true and
the taken boxes of each run are, and why the RefCOCO baseline has an accuracy of 0.0, tests/test_qwen25_logs.py says.
"""

import json
import os
from functools import cache
from pathlib import Path

import pytest

from grounding.codecs import get_codec
from grounding.data.predictions import Header, Prediction, Predictions, lines_of
from grounding.images import Canvas
from grounding.metrics.protocols import PROTOCOLS
from grounding.result import Grounding, Region
from grounding.score import compare, score, score_all_protocols

DATA = Path(os.environ.get("GROUNDING_SHARED_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
pytestmark = pytest.mark.skipif(
    not (DATA / "qwen25_logs").is_dir(),
    reason=f"no recorded runs at {DATA}: set GROUNDING_SHARED_DATA to the folder of qwen25_logs/",
)

RUN = "_val_qwen2_5vl_3b_instruct_"
BASELINE, R1, SFT = (f"refcoco{RUN}{name}" for name in ("baseline", "r1_100", "sft_500"))
G_BASELINE, G_R1 = (f"refcocog{RUN}{name}" for name in ("baseline", "r1_300"))
PUBLISHED = {BASELINE: 0.0, R1: 89.6, SFT: 87.2, G_BASELINE: 87.8, G_R1: 84.0}
UNDER_GIOU = {BASELINE: 0.0, R1: 89.6, SFT: 86.4, G_BASELINE: 87.0, G_R1: 83.4}
SIDE = 4000
"""Of a canvas that cuts no box: the numbers in these files are compared as they stand, in whatever scale."""


@cache
def log(name):
    (path,) = (DATA / "qwen25_logs").glob(f"rec_results_{name}__*.json")
    return json.loads(path.read_text())


def box_of(values):
    """The box, or None for the zeros that stand for no box."""
    x1, y1, x2, y2 = map(float, values)
    return None if (x1, y1, x2, y2) == (0, 0, 0, 0) else (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))


@cache
def recorded(name):
    """The run's answers, as the box its authors took. No row says its picture: each stands for one of its own."""
    rows = []
    for number, row in enumerate(log(name)["results"]):
        phrase = row["question"].split("describes: ")[-1]
        box = box_of(row["extracted_answer"])
        regions = (Region(box),) if box else ()
        rows.append(
            Prediction(
                f"{number}",
                f"{number}.jpg",
                Grounding(phrase, (Region(box_of(row["ground_truth"])),), "", SIDE, SIDE),
                Grounding(phrase, regions, row["model_output"], SIDE, SIDE),
            )
        )
    dataset = name.split("_")[0]
    header = Header(f"{dataset}:val[500]", "rec", len(rows), name, codec="qwen2.5-vl")
    return Predictions(header, tuple(rows))


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_verdict_and_accuracy_comes_out(name, tmp_path):
    file = tmp_path / "predictions.jsonl"
    predictions = recorded(name)
    file.write_text(json.dumps(predictions.header.to_json()) + "\n" + "".join(lines_of(predictions.rows)))
    scores = score(file, "refer-plus-one")
    assert [verdict.value for verdict in scores.verdicts] == [float(row["correct"]) for row in log(name)["results"]]
    assert 100 * scores.figures["acc@0.5"].value == pytest.approx(log(name)["accuracy"])
    assert 100 * scores.figures["acc@0.5"].value == pytest.approx(PUBLISHED[name])
    assert scores.figures["acc@0.5"].n == 500


@pytest.mark.parametrize("name", PUBLISHED)
def test_on_these_rows_no_protocol_but_generalized_iou_gives_another_accuracy(name):
    found = {protocol: one.figures["acc@0.5"].value for protocol, one in score_all_protocols(recorded(name)).items()}
    assert set(found) == set(PROTOCOLS)
    generalized = found.pop("mdetr-giou")
    assert {round(100 * value, 6) for value in found.values()} == {PUBLISHED[name]}
    assert round(100 * generalized, 6) == UNDER_GIOU[name]


def test_reinforced_and_fine_tuned_runs_compare_question_by_question():
    """R1 and SFT answered the same 500 questions; the true boxes of both are pixels of the original."""
    found = compare(recorded(SFT), recorded(R1), "refer-plus-one")
    assert (found.joined, found.only_first, found.only_second, found.differing) == (500, (), (), ())
    better = [a["correct"] - b["correct"] for a, b in zip(log(R1)["results"], log(SFT)["results"], strict=True)]
    assert (found.second_right, found.first_right) == (better.count(1), better.count(-1))
    difference = found.figures["acc@0.5"]
    assert difference.difference == pytest.approx(0.024)
    assert difference.low < 0.024 < difference.high


def test_answers_read_anew_score_the_published_accuracy():
    """The same through our own reading of the answers' texts, where the numbers are pixels of the original."""
    codec, wide = get_codec("qwen2.5-vl"), Canvas.identity(SIDE, SIDE)
    rows = []
    for row, log_row in zip(recorded(SFT).rows, log(SFT)["results"], strict=True):
        decoded = codec.decode(log_row["model_output"], wide)
        answer = row.truth.replace(regions=tuple(decoded.regions), text="", problems=tuple(decoded.problems))
        rows.append(Prediction(row.id, row.picture, row.truth, answer))
    scores = score(Predictions(recorded(SFT).header, tuple(rows)), "refer-plus-one")
    assert 100 * scores.figures["acc@0.5"].value == pytest.approx(PUBLISHED[SFT])
    assert scores.rates["unreadable"].value == 0.0
