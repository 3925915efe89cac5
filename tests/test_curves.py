"""The curve of a run: all stages in a row, the last of what was done twice, names beside the ends of lines."""

import json

import numpy as np
from PIL import Image

from grounding.training.curves import StageLog, apart, draw_curves, name_lines, read_logs, running_mean


def write(out, name, entries):
    (out / name).mkdir(parents=True)
    (out / name / "log.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))


def test_a_step_that_was_done_twice_counts_once_as_it_was_done_last(tmp_path):
    write(
        tmp_path, "ground", [{"step": 1, "loss": 3.0}, {"step": 2, "loss": 2.0}, {"step": 1, "loss": 2.5}, {"step": 3}]
    )
    (log,) = read_logs(tmp_path, [("align", 5), ("ground", 3)])
    steps, values = log.series("loss")
    assert steps.tolist() == [1, 2]
    assert values.tolist() == [2.5, 2.0]


def test_half_a_line_that_a_full_disk_left_is_passed_over(tmp_path):
    write(tmp_path, "ground", [{"step": 1, "loss": 3.0}])
    with (tmp_path / "ground" / "log.jsonl").open("a") as file:
        file.write('{"step": 2, "lo{"step": 2, "loss": 2.0}\n{"step": 3, "loss": 1.0}\n7\n')
    (log,) = read_logs(tmp_path, [("ground", 3)])
    assert log.series("loss")[0].tolist() == [1, 3]


def test_it_draws_losses_and_measures_of_all_stages(tmp_path):
    for name in ("align", "ground"):
        entries = [{"step": step, "loss": 5 / step, "text": 4 / step} for step in range(1, 30)]
        write(tmp_path, name, [*entries, {"step": 20, "held_out_right": 0.5, "held_out_overlap": 0.4}])
    logs = read_logs(tmp_path, [("align", 30), ("ground", 30)])
    assert draw_curves(logs, tmp_path / "two.png", "mine")
    assert draw_curves(read_logs(tmp_path, [("align", 30)]), tmp_path / "one.png")
    with Image.open(tmp_path / "two.png") as picture:
        assert picture.width > 1000
        pixels = np.asarray(picture.convert("RGB")).reshape(-1, 3)
        assert (pixels == [0, 114, 178]).all(1).sum() > 500  # the loss
        assert (pixels == [0, 158, 115]).all(1).any()  # the overlap


def test_nothing_is_drawn_of_a_run_without_losses(tmp_path):
    write(tmp_path, "ground", [{"step": 0, "parts": []}])
    assert not draw_curves(read_logs(tmp_path, [("ground", 3)]), tmp_path / "curve.png")
    assert not (tmp_path / "curve.png").exists()


def test_names_stand_apart_in_the_order_of_their_lines():
    placed = apart([0.5, 0.51, 0.1, 0.52], 0.1)
    assert np.argsort(placed).tolist() == [2, 0, 1, 3]
    assert np.diff(sorted(placed)).min() > 0.0999


def test_names_of_short_stages_stand_below_those_before_them():
    def logs(*stages):
        return [StageLog(name, steps, []) for name, steps in stages]

    assert name_lines(logs(("align", 500), ("ground", 500))) == [0, 0]
    assert name_lines(logs(("align", 30), ("instruct", 20), ("locations", 40), ("ground", 600))) == [0, 1, 0, 2]


def test_the_running_mean_keeps_the_length():
    assert running_mean(np.array([1.0, 1.0, 4.0]), 3).tolist() == [1.0, 2.0, 2.5]
    assert running_mean(np.array([2.0])).tolist() == [2.0]
