"""Several processes on one run: each question once, in the same file, whatever becomes of a process."""

import signal
import sys
from pathlib import Path

import pytest

from grounding.errors import ConfigError
from grounding.predict import predict, processes as library
from grounding.predict.processes import Team, Watch, beating
from tests.predicting import data, lines_in, rows, run, start, wait_for, write_data

BIN = Path(sys.executable).parent


def torchrun(processes, *more):
    return (str(BIN / "torchrun"), "--nproc-per-node", str(processes), *more)


@pytest.fixture
def folder(tmp_path):
    write_data(tmp_path)
    return tmp_path


@pytest.fixture
def expected(folder):
    out = folder / "plain.jsonl"
    predict(data(folder), f"scripted:{folder / 'script.jsonl'}", out, batch=3)
    return rows(out)


def arguments(folder, *more):
    model = ("--model", f"slow:{folder / 'script.jsonl'}", "--device", "cpu")  # else each asks torch for GPUs first
    return ("predict", folder / "data.jsonl", *model, "--batch", 3, "--out", folder / "out.jsonl", *more)


def left_over(folder):
    return sorted(path.name for path in folder.glob("out.jsonl?*"))


def by_hand(folder, rank, size, *more, **variables):
    """One process of several, without a launcher that would end all of them where one fails."""
    here = {"RANK": str(rank), "WORLD_SIZE": str(size), "LOCAL_RANK": str(rank)}
    return start(*arguments(folder, *more), **here, **variables)


def parts(folder):
    return list(folder.glob("out.jsonl.part-*"))


def test_torchrun_with_two_processes_gives_the_same_file(folder, expected):
    done = run(*arguments(folder), launcher=torchrun(2, "--standalone"))
    assert done.returncode == 0, done.stderr
    assert rows(folder / "out.jsonl") == expected
    assert done.stdout.count("30 answered") == 1
    assert left_over(folder) == []


@pytest.mark.slow
def test_accelerate_with_two_processes_gives_the_same_file(folder, expected):
    launcher = (str(BIN / "accelerate"), "launch", "--num_processes", "2", "--multi_gpu")
    done = run(*arguments(folder), launcher=launcher)
    assert done.returncode == 0, done.stderr
    assert rows(folder / "out.jsonl") == expected


def test_killed_and_started_again_with_another_number_of_processes_it_loses_nothing(folder, expected):
    first = [by_hand(folder, rank, 3, SLOW_SECONDS="0.2") for rank in range(3)]
    wait_for(lambda: lines_in(folder / "out.jsonl") > 3 and any(lines_in(part) > 3 for part in parts(folder)))
    for process in first:
        process.send_signal(signal.SIGKILL)
        process.wait()
    there = lines_in(folder / "out.jsonl") + sum(lines_in(part) - 1 for part in parts(folder)) - 1
    assert 0 < there < 30
    done = run(*arguments(folder))
    assert done.returncode == 0, done.stderr
    assert rows(folder / "out.jsonl") == expected
    assert left_over(folder) == []


def test_what_a_dead_process_left_undone_is_asked_by_the_first(folder, expected):
    both = [by_hand(folder, rank, 2, SLOW_SECONDS="0.1", STALE_SECONDS="2") for rank in range(2)]
    wait_for(lambda: any(lines_in(part) > 3 for part in parts(folder)))
    both[1].kill()
    both[1].wait()
    assert both[0].wait(60) == 0
    assert rows(folder / "out.jsonl") == expected
    assert left_over(folder) == []


def test_failures_are_retried_by_several_processes(folder, expected):
    away = folder.with_name(f"{folder.name}-away")
    away.mkdir()
    for number in (1, 2, 3, 6):
        (folder / "pictures" / f"{number}.png").rename(away / f"{number}.png")
    assert run(*arguments(folder)).returncode == 0
    assert sum(row.get("error") is not None for row in rows(folder / "out.jsonl")) == 12
    for number in (1, 2, 3, 6):
        (away / f"{number}.png").rename(folder / "pictures" / f"{number}.png")
    both = [by_hand(folder, rank, 2, "--retry-failed") for rank in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert rows(folder / "out.jsonl")[1:] == expected[1:]
    assert left_over(folder) == []


def test_a_finished_file_ends_all_processes_at_once(folder, expected):
    (folder / "plain.jsonl").rename(folder / "out.jsonl")
    done = [by_hand(folder, rank, 2) for rank in range(2)]
    # `slow:` and `scripted:` are called alike, so that the header is the same
    assert [process.wait(30) for process in done] == [0, 0]
    assert rows(folder / "out.jsonl") == expected


def test_a_process_alone_at_a_file_is_told_what_it_waits_for(folder, monkeypatch):
    monkeypatch.setattr(library, "JOIN_SECONDS", 1.0)
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(library.OutputError, match=r"the first process has not opened .* within 1 s"):
        predict(data(folder), f"scripted:{folder / 'script.jsonl'}", folder / "out.jsonl")


def test_the_environment_says_who_is_who(monkeypatch):
    assert Team.here() == Team(0, 1, 0, 1)
    for name, value in {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    assert Team.here() == Team(3, 4, 1, 2)
    monkeypatch.setenv("RANK", "4")
    with pytest.raises(ConfigError, match="RANK is 4 and WORLD_SIZE 4"):
        Team.here()
    monkeypatch.setenv("RANK", "first")
    with pytest.raises(ConfigError, match="'first'"):
        Team.here()


def test_signs_of_life_are_seen_and_their_absence_is_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(library, "BEAT_SECONDS", 0.02)
    path = tmp_path / "part"
    watch = Watch(path)
    assert not watch.touched
    path.write_text("")
    assert watch.touched
    with beating(path):
        wait_for(lambda: watch.quiet_seconds() < 0.02)
        before = path.stat().st_mtime_ns
        wait_for(lambda: path.stat().st_mtime_ns > before)
    watch.quiet_seconds()
    wait_for(lambda: watch.quiet_seconds() > 0.2)


def test_processes_of_several_machines_need_a_file_all_of_them_see(folder, monkeypatch):
    for name, value in {"RANK": "0", "WORLD_SIZE": "4", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match="can't be shared by processes of several machines"):
        predict(data(folder), f"scripted:{folder / 'script.jsonl'}", "memory://out.jsonl")
