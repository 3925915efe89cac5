"""A Ray cluster works on a run: the file is that of a plain one, also when a worker or the driver is killed."""

import os
import pickle
import signal
import sys
import threading
from contextlib import suppress
from dataclasses import replace

import psutil
import pytest

from grounding.errors import BackendError, CheckpointError, ConfigError, InputError, MissingExtraError
from grounding.predict import predict
from grounding.predict.plan import Plan
from tests.predicting import ENVIRONMENT, SlowPicture, data, lines_in, rows, run, start, wait_for, write_data

for name in ("RAY_USAGE_STATS_ENABLED", "RAY_ENABLE_UV_RUN_RUNTIME_ENV"):
    os.environ.setdefault(name, "0")


@pytest.fixture(scope="module")
def ray():
    """A local cluster for two workers."""
    ray = pytest.importorskip("ray")
    variables = {"PYTHONPATH": ENVIRONMENT["PYTHONPATH"], "OMP_NUM_THREADS": "1"}
    options = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
    ray.init(num_cpus=3, runtime_env={"env_vars": variables}, **options)
    yield ray
    ray.shutdown()


@pytest.fixture
def folder(tmp_path):
    write_data(tmp_path)
    return tmp_path


@pytest.fixture
def expected(folder):
    out = folder / "plain.jsonl"
    predict(data(folder), f"scripted:{folder / 'script.jsonl'}", out, batch=3)
    return rows(out)


def on_ray(folder, model=None, **more):
    model = model or f"scripted:{folder / 'script.jsonl'}"
    return predict(data(folder), model, folder / "out.jsonl", batch=3, ray=True, ray_workers=2, **more)


def workers():
    """Processes of this cluster's actors that ask chunks."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if "AskChunks" in " ".join(process.cmdline()):
                found.append(process)
    return found


def test_two_workers_give_the_same_file(ray, folder, expected):
    summary = on_ray(folder)
    assert (summary.asked, summary.answered) == (30, 30)
    assert rows(folder / "out.jsonl") == expected
    assert ray.is_initialized(), "a cluster that was in use before is left running"


def test_a_run_begun_without_ray_is_gone_on_with(ray, folder, expected):
    whole = (folder / "plain.jsonl").read_bytes()
    (folder / "out.jsonl").write_bytes(whole[: len(whole) // 2])
    assert 0 < on_ray(folder).asked < 30
    assert rows(folder / "out.jsonl") == expected
    assert on_ray(folder).asked == 0


def test_a_worker_killed_half_way_loses_nothing(ray, folder, expected):
    out = folder / "out.jsonl"
    seen = []

    def kill_one():
        wait_for(lambda: lines_in(out) > 4 and len(workers()) >= 2, 120)
        victim = workers()[0]
        seen.append((lines_in(out), victim.pid))
        os.kill(victim.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    slow = data(folder)
    slow.samples = [replace(sample, image=SlowPicture(sample.picture, 0.2)) for sample in slow]
    predict(slow, f"scripted:{folder / 'script.jsonl'}", out, batch=3, ray=True, ray_workers=2)
    killer.join()
    ((lines, victim),) = seen
    assert 4 < lines < 31, "it was killed half-way"
    assert not psutil.pid_exists(victim)
    assert rows(out) == expected


@pytest.mark.slow
def test_failures_and_retries_are_those_of_a_plain_run(ray, folder, expected):
    (folder / "pictures" / "4.png").rename(folder.with_name(f"{folder.name}-4.png"))
    summary = on_ray(folder)
    assert (summary.answered, summary.failed) == (27, 3)
    assert "'pictures/4.png' is not here" in summary.first_error
    folder.with_name(f"{folder.name}-4.png").rename(folder / "pictures" / "4.png")
    assert on_ray(folder, retry_failed=True).asked == 3
    assert rows(folder / "out.jsonl")[1:] == expected[1:]


@pytest.mark.slow
def test_a_model_that_fails_every_time_ends_the_run_without_garbage(ray, folder):
    (folder / "script.jsonl").write_text('{"phrase": "other", "answer": "none"}\n')
    with pytest.raises(BackendError, match="3 questions in a row failed, and none was answered so far"):
        on_ray(folder, give_up_after=3)
    assert len(rows(folder / "out.jsonl")) == 1


def test_a_model_that_cannot_be_loaded_on_a_worker_is_told_in_its_own_words(ray, folder):
    (folder / "empty").mkdir()
    with pytest.raises(CheckpointError, match=r"empty is no model's directory: it has no config\.json") as caught:
        on_ray(folder, model=folder / "empty")
    assert "Traceback" not in str(caught.value)


def test_a_worker_that_differs_from_the_header_answers_nothing(folder):
    pyarrow = pytest.importorskip("pyarrow")
    from grounding.predict.on_ray import AskChunks, ModelToLoad

    model = ModelToLoad(f"scripted:{folder / 'script.jsonl'}", None, None, {})
    first, *_ = data(folder)
    facts = model.facts(model.load(), first)
    (chunk, *_) = Plan(data(folder), 3)
    table = pyarrow.Table.from_pylist([{"chunk": 0, "work": pickle.dumps(chunk)}])

    (row,) = AskChunks(model, facts, first, {})(table).to_pylist()
    assert (row["stop"], row["questions"], row["lines"].count(b"\n")) == ("", 3, 3)
    (row,) = AskChunks(model, replace(facts, versions={"torch": "1"}), first, {})(table).to_pylist()
    assert "workers differ" in row["stop"]
    assert row["lines"] == b""


def test_more_gpus_than_a_machine_has_are_refused_rather_than_waited_for(ray, folder):
    with pytest.raises(ConfigError, match=r"2 actors with 1 GPUs each are more than the 0 of this machine"):
        on_ray(folder, ray_gpus=1.0)


def test_another_run_s_file_is_refused(ray, folder, expected):
    (folder / "plain.jsonl").rename(folder / "out.jsonl")
    with pytest.raises(InputError, match="seed was 0 and is 1"):
        on_ray(folder, seed=1)


def test_a_loaded_model_cannot_travel(folder):
    from tests.predicting import Moody

    with pytest.raises(ConfigError, match="give its name, not moody loaded"):
        on_ray(folder, model=Moody(folder))


def test_a_missing_ray_is_named_with_what_to_install(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'grounding-vlm\[ray\]'"):
        on_ray(folder)


@pytest.mark.slow
def test_a_killed_driver_goes_on_with_a_cluster_of_its_own_and_says_nothing_of_ray(folder, expected):
    out = folder / "out.jsonl"
    model = f"scripted:{folder / 'script.jsonl'}"
    line = ("predict", folder / "data.jsonl", "--model", model, "--batch", 3, "--out", out, "--ray", "--ray-workers", 2)
    process = start(*line)
    wait_for(lambda: lines_in(out) > 3, 120)
    cluster = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    there = lines_in(out)
    for one in cluster:  # they would end by themselves after a minute
        with suppress(psutil.Error):
            one.kill()
    done = run(*line)
    assert done.returncode == 0, done.stderr
    assert 3 < there <= lines_in(out)
    assert rows(out) == expected
    assert "ray" not in done.stderr.lower()
