"""Trainings under torchrun and accelerate: what is left of a run that is killed or told to stop, and how it goes on."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file

from grounding.training.checkpoints import checkpoints
from tests.tiny_training import losses

pytestmark = pytest.mark.slow  # each launch reads torch and transformers twice
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m")
ACCELERATE = (
    sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes=2", "--num_machines=1",
    "--mixed_precision=no", "--dynamo_backend=no", "--main_process_port=0", "-m",
)  # fmt: skip
STEPS = 'stages=[{"name": "ground", "steps": 40, "lr": 0.001, "schedule": "constant"}]'


def start(launcher, out, *values):
    """A training in processes of its own."""
    command = [*launcher, "tests.tiny_training", str(out), *values]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


def until_saved(out, process, count=1):
    """Waits for so many checkpoints."""
    for _ in range(1200):
        if len(checkpoints(out / "ground")) >= count:
            return
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.1)
    raise AssertionError("no checkpoint came")


def children(process):
    """Process ids of the ranks."""
    tasks = f"/proc/{process.pid}/task/{process.pid}/children"
    return [int(number) for number in open(tasks).read().split()]


def weights(folder):
    return load_file(folder / "model.safetensors")


@pytest.fixture(scope="module", params=["ddp", "fsdp"])
def scale(request):
    return f'scale="{request.param}"'


@pytest.fixture(scope="module")
def whole(scale, tmp_path_factory):
    """Forty steps that were never stopped."""
    out = tmp_path_factory.mktemp("launched") / "whole"
    process = start(TORCHRUN, out, STEPS, scale)
    said = process.communicate(timeout=300)[1]
    assert process.returncode == 0, said
    return out


def test_a_killed_process_ends_the_run_and_its_last_checkpoint_goes_on(whole, scale, tmp_path):
    process = start(TORCHRUN, tmp_path, STEPS, scale)
    until_saved(tmp_path, process)
    os.kill(children(process)[-1], signal.SIGKILL)
    said = process.communicate(timeout=60)[1]
    assert process.returncode != 0
    assert "Signal 9" in said
    left = checkpoints(tmp_path / "ground")
    assert left
    assert not (tmp_path / "model").exists()
    again = start(TORCHRUN, tmp_path, STEPS, scale)
    assert again.communicate(timeout=300)[1]
    assert again.returncode == 0
    one, other = (weights(out / "model") for out in (tmp_path, whole))
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_sigterm_to_the_launcher_leaves_a_checkpoint_that_goes_on_to_the_same_weights(whole, scale, tmp_path):
    process = start(TORCHRUN, tmp_path, STEPS, scale, "save_every=1000", "keep=9")
    for _ in range(1200):
        if (tmp_path / "ground" / "log.jsonl").is_file() and losses(tmp_path):
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=60)[1]
    assert process.returncode != 0
    assert "stopped by SIGTERM behind step" in said
    (left,) = checkpoints(tmp_path / "ground")
    assert 0 < int(left.name.rpartition("-")[2]) < 40
    again = start(TORCHRUN, tmp_path, STEPS, scale)
    assert again.communicate(timeout=300)[1]
    assert again.returncode == 0
    one, other = (weights(out / "model") for out in (tmp_path, whole))
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_accelerate_launches_what_torchrun_does(whole, scale, tmp_path):
    shutil.copy(whole / "recipe.json", tmp_path)
    process = start(ACCELERATE, tmp_path, STEPS, scale)
    said = process.communicate(timeout=300)[1]
    assert process.returncode == 0, said
    one, other = (weights(out / "model") for out in (tmp_path, whole))
    assert all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_a_whole_group_spares_the_workers_until_the_step_is_over(number, tmp_path):
    command = [sys.executable, "-m", "tests.tiny_training", str(tmp_path), STEPS, "workers=2", "save_every=1000"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    for _ in range(1200):
        if (tmp_path / "ground" / "log.jsonl").is_file() and losses(tmp_path):
            break
        time.sleep(0.1)
    os.killpg(process.pid, number)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert f"TrainingError: stopped by {number.name} behind step" in said
    assert len(checkpoints(tmp_path / "ground")) == 1
