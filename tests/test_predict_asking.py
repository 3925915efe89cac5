"""Asking a chunk: one call for all, only the guilty fail, and what makes all else pointless stops the run."""

import random

import numpy as np
import pytest
import torch

from grounding.errors import (
    BackendError,
    CheckpointError,
    ImageError,
    MissingExtraError,
    OutputError,
    PromptTooLongError,
)
from grounding.predict.asking import Asker, GaveUpError, lost_device, seed_everything, sentence
from grounding.predict.pictures_ahead import by_picture, open_all
from grounding.predict.plan import Plan
from tests.predicting import Moody, data, write_data


@pytest.fixture
def folder(tmp_path):
    write_data(tmp_path, pictures=3, phrases=2)
    return tmp_path


def chunk_of(folder):
    (chunk,) = Plan(data(folder), 99)
    return chunk


def opened(chunk):
    return [picture for samples in by_picture(chunk) for picture in open_all(samples)]


def ask(model, folder, **more):
    chunk = chunk_of(folder)
    return Asker(model, **more).ask(chunk, opened(chunk))


def errors(rows):
    return {row.id: row.error for row in rows if row.answer is None}


def test_a_whole_chunk_is_one_call(folder):
    model = Moody(folder)
    found = ask(model, folder)
    assert [row.id for row in found] == ["0-0", "0-1", "1-0", "1-1", "2-0", "2-1"]
    assert len(model.calls) == 1
    assert all(row.answer.found for row in found)
    assert {row.chunk for row in found} == {0}


def test_only_the_guilty_question_fails_and_the_others_are_asked_picture_by_picture(folder):
    model = Moody(folder, bad=("thing 1 of 1",))
    found = ask(model, folder)
    assert errors(found) == {"1-1": "it is in a mood"}
    assert model.calls[1:] == [
        ["thing 0 of 0", "thing 1 of 0"],
        ["thing 0 of 1", "thing 1 of 1"],
        ["thing 0 of 1"],
        ["thing 1 of 1"],
        ["thing 0 of 2", "thing 1 of 2"],
    ]


def test_a_missing_picture_fails_alone_and_the_rest_is_one_call(folder):
    (folder / "pictures" / "1.png").unlink()
    model = Moody(folder)
    found = errors(ask(model, folder))
    assert set(found) == {"1-0", "1-1"}
    assert "'pictures/1.png' is not here" in found["1-0"]
    assert len(model.calls) == 1


def test_a_picture_of_another_size_fails_alone(folder):
    (folder / "pictures" / "1.png").write_bytes((folder / "pictures" / "0.png").read_bytes())
    found = errors(ask(Moody(folder), folder))
    assert set(found) == {"1-0", "1-1"}
    assert "60 x 40" in found["1-0"]
    assert "61 x 40" in found["1-0"]


def test_a_prompt_that_is_too_long_fails_alone(folder):
    found = errors(ask(Moody(folder, bad=("thing 0 of 2",), error=PromptTooLongError("too long: shorten it")), folder))
    assert found == {"2-0": "too long: shorten it"}


def test_an_unexpected_error_is_written_down_with_its_kind(folder):
    found = errors(ask(Moody(folder, bad=("thing 0 of 2",), error=ZeroDivisionError("division by zero")), folder))
    assert found == {"2-0": "ZeroDivisionError: division by zero"}


@pytest.mark.parametrize("error", [CheckpointError("a"), MissingExtraError("b"), OutputError("c"), MemoryError()])
def test_what_makes_every_question_pointless_stops_at_once(folder, error):
    model = Moody(folder, bad=("thing",), error=error)
    with pytest.raises(type(error)):
        ask(model, folder)
    assert len(model.calls) == 1


def test_a_lost_gpu_stops_at_once_in_words(folder):
    model = Moody(folder, bad=("thing",), error=RuntimeError("CUDA error: device-side assert triggered\nCompile with"))
    with pytest.raises(
        BackendError, match=r"the GPU can't be used any more \(CUDA error: device-side assert triggered\)"
    ):
        ask(model, folder)
    assert len(model.calls) == 1


def test_a_full_gpu_is_no_lost_one():
    assert lost_device(RuntimeError("CUDA error: out of memory")) is None
    assert lost_device(ValueError("CUDA is a word")) is None


def test_after_so_many_failures_in_a_row_it_gives_up(folder):
    model = Moody(folder, bad=("of 1", "of 2"))
    with pytest.raises(GaveUpError, match=r"^3 questions in a row failed; the last: it is in a mood$"):
        ask(model, folder, give_up_after=3)
    assert len(errors(ask(model, folder, give_up_after=5))) == 4
    assert len(errors(ask(Moody(folder, bad=("thing",)), folder, give_up_after=0))) == 6


def test_phrases_and_pictures_are_no_reason_to_give_up_once_anything_was_answered(folder):
    model = Moody(folder, bad=("of 1", "of 2"), error=PromptTooLongError("too long"))
    assert len(errors(ask(model, folder, give_up_after=3))) == 4


def test_where_nothing_is_ever_answered_pictures_of_a_wrong_size_are_a_reason_to_give_up(folder):
    for number in range(3):
        (folder / "pictures" / f"{number}.png").write_bytes((folder / "pictures" / "2.png").read_bytes())
    (folder / "pictures" / "2.png").write_bytes((folder / "pictures" / "0.png").read_bytes()[:30])
    with pytest.raises(GaveUpError, match="4 questions in a row failed, and none was answered so far"):
        ask(Moody(folder), folder, give_up_after=4)
    assert len(errors(ask(Moody(folder), folder, give_up_after=4, answered=True))) == 6


def test_missing_pictures_are_counted_beforehand_and_no_reason_to_give_up(folder):
    for number in range(3):
        (folder / "pictures" / f"{number}.png").unlink()
    assert len(errors(ask(Moody(folder), folder, give_up_after=2))) == 6


def test_damaged_pictures_are_counted_after_what_can_be_asked(folder):
    for number in range(2):
        (folder / "pictures" / f"{number}.png").write_bytes(b"damaged")
    assert len(errors(ask(Moody(folder), folder, give_up_after=2))) == 4


def test_failures_are_doubtful_until_something_is_answered(folder):
    chunk = chunk_of(folder)
    asker = Asker(Moody(folder, bad=("of 2",)))
    asker.ask(chunk, opened(chunk))
    assert asker.doubtful
    asker.model.bad = ()
    asker.ask(chunk, opened(chunk))
    assert not asker.doubtful


def test_chance_begins_anew_with_every_chunk():
    def drawn(seed, chunk):
        seed_everything(seed, chunk)
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    first = drawn(0, 1)
    assert drawn(0, 2) != first != drawn(1, 1)
    assert drawn(0, 1) == first


def test_an_error_is_one_line():
    assert sentence(ImageError("a\n  b")) == "a b"
    assert sentence(KeyError()) == "KeyError"
    assert sentence(BackendError("red \x1b[31m\a")) == "red \ufffd[31m\ufffd", "it steers no terminal"
