"""What stops a training: each time something is left to go on from, and a sentence says what to do."""

import json
import os
import resource
import signal
import threading

import pytest
import torch
from safetensors.torch import load_file

from grounding.errors import OutputError, TrainingError
from grounding.training.checkpoints import checkpoints, last_checkpoint
from grounding.training.failures import FEWEST, Signals, check_share, is_out_of_memory, memory_said
from grounding.training.recipe import Recipe
from grounding.training.stage_trainer import StageTrainer
from tests.tiny_training import Boxes, losses, run

EVERY = {"save_every": 1}


class Told(Boxes):
    """Boxes; when a certain lesson is drawn, something happens."""

    def __init__(self, ordinal, act):
        super().__init__()
        self.ordinal, self.act = ordinal, act

    def lesson(self, ordinal):
        if ordinal == self.ordinal:
            self.act()
        return super().lesson(ordinal)


def steps_left(out):
    return [path.name for path in checkpoints(out / "ground")]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The weights of four steps that nothing stopped."""
    out = tmp_path_factory.mktemp("whole")
    run(out)
    return load_file(out / "model" / "model.safetensors")


def comes_to(out, whole, **changes):
    run(out, **changes)
    weights = load_file(out / "model" / "model.safetensors")
    assert all(torch.equal(value, weights[name]) for name, value in whole.items())


# ---- numbers that are none


def test_a_loss_that_is_no_number_stops_before_the_weights_are_touched(tmp_path):
    with pytest.raises(TrainingError, match=r"no number in step 2 of the stage 'ground': .*nan-step-2\.json"):
        run(tmp_path, stage={"lr": 1e30, "schedule": "constant"}, batch_size=2, clip=1e9, save_every=1)
    told = json.loads((tmp_path / "ground" / "nan-step-2.json").read_text())
    assert told["passes"] == [
        {"process": 0, "loss": told["passes"][0]["loss"], "lessons": ["boxes-2", "boxes-3"], "positions": [2, 3]}
    ]
    assert told["parameters"]
    assert steps_left(tmp_path) == ["checkpoint-1"]
    assert not (tmp_path / "model").exists()


# ---- signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_a_checkpoint_that_goes_on_to_the_same_weights(number, whole, tmp_path):
    source = Told(9, lambda: os.kill(os.getpid(), number))
    with pytest.raises(TrainingError, match=f"stopped by {number.name} behind step 3 of the stage 'ground'"):
        run(tmp_path, source, save_every=1000)
    assert steps_left(tmp_path) == ["checkpoint-3"]
    comes_to(tmp_path, whole)
    assert signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler)


def test_the_second_signal_ends_as_it_always_does():
    with Signals().caught() as signals:
        os.kill(os.getpid(), signal.SIGINT)
        assert signals.received is signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_beside_the_main_thread_signals_are_left_alone():
    before, seen = signal.getsignal(signal.SIGTERM), []

    def look():
        with Signals().caught():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [before]


# ---- the disk


@pytest.fixture
def full():
    """A limit on the size of files, which does what a full disk does; lifted afterwards."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_fills_during_a_checkpoint_leaves_the_one_before(full, whole, tmp_path):
    source = Told(9, lambda: full(100_000))  # the weights take 880,000 bytes
    with pytest.raises(OutputError, match=r"checkpoint-3 can't be written .*what was saved before is whole: free some"):
        run(tmp_path, source, **EVERY)
    full(resource.RLIM_INFINITY)
    assert steps_left(tmp_path) == ["checkpoint-2", "checkpoint-1"]
    assert not list(tmp_path.rglob("*.part"))
    comes_to(tmp_path, whole)


# ---- memory


def test_no_memory_says_which_three_settings_to_lower():
    recipe = Recipe(most_tokens=700, gradient_checkpointing=False)
    with (
        pytest.raises(TrainingError, match=r"micro_batch \(now 16\) or most_tokens \(now 700\).*_checkpointing: true"),
        memory_said(recipe, 16),
    ):
        torch.empty(1 << 60)
    with pytest.raises(TrainingError, match="it is true"), memory_said(Recipe(gradient_checkpointing=True), 16):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")


def test_other_errors_are_not_taken_for_it():
    with pytest.raises(RuntimeError, match="size of tensor"), memory_said(Recipe(), 16):
        torch.ones(2) + torch.ones(3)
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(ValueError("not enough memory"))


def test_a_training_that_runs_out_of_memory_says_so(tmp_path, monkeypatch):
    def compute(*_args, **_kwargs):
        torch.empty(1 << 50, dtype=torch.uint8)  # a petabyte: torch's own words about it

    monkeypatch.setattr(StageTrainer, "compute_loss", compute)
    with pytest.raises(TrainingError, match=r"no memory is left .*lower micro_batch \(now 4\)"):
        run(tmp_path, Boxes(), batch_size=4)


# ---- bad lessons


def test_bad_lessons_give_way_and_are_counted_and_named(tmp_path):
    run(tmp_path, Boxes(bad=(1, 6)))
    lines = [json.loads(line) for line in (tmp_path / "ground" / "bad-lessons.jsonl").read_text().splitlines()]
    assert [(line["id"], line["reason"]) for line in lines] == [(f"boxes-{n}", "picture missing") for n in (1, 6)]
    assert "nowhere-1.png" in lines[0]["message"]
    kept = json.loads((last_checkpoint(tmp_path / "ground") / "run.json").read_text())
    assert (kept["lessons"], kept["bad"]) == (16, 2)


def test_a_step_without_any_readable_lesson_learns_nothing(tmp_path):
    run(tmp_path, Boxes(bad=tuple(range(200))), stage={"steps": 1}, bad_share=1.0)
    assert losses(tmp_path) == [0.0]


def test_too_many_bad_lessons_stop_the_run(tmp_path):
    with pytest.raises(TrainingError, match=r"1 of 9 lessons can't be read, over bad_share 0: .*bad-lessons\.jsonl"):
        run(tmp_path, Boxes(bad=(6,)), bad_share=0.0, **EVERY)
    assert steps_left(tmp_path) == ["checkpoint-1"]


def test_the_share_is_taken_of_many_lessons_even_at_the_start(tmp_path):
    check_share(10, 10, 0.01, tmp_path)
    with pytest.raises(TrainingError):
        check_share(11, 10, 0.01, tmp_path)
    check_share(40, 4 * FEWEST, 0.01, tmp_path)
