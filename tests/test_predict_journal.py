"""The file while it is written: whole chunks survive anything, and nothing of another run gets in."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from grounding import Grounding
from grounding.data.predictions import Header, Prediction, lines_of, read_predictions
from grounding.errors import InputError, OutputError
from grounding.predict.journal import Journal, part_file
from tests.predicting import ROOT

HEADER = Header("letters", "rec", 6, "tiny", options={"batch": 2}, prompt="locate it", versions={"python": "3"})
TRUTH = Grounding("it", (), "", 40, 30)


def lines(chunk, *ids, error=None):
    answer = None if error else TRUTH.replace(text="none")
    rows = [Prediction(id, "p.png", TRUTH, answer, error=error, chunk=chunk) for id in ids]
    return "".join(lines_of(rows)).encode()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "predictions.jsonl"


@pytest.fixture
def half(path):
    """A file with two of three chunks."""
    with Journal(path, HEADER) as journal:
        journal.append(lines(0, "a", "b"))
        journal.append(lines(1, "c", "d"))
    return path


def ids(path):
    return [row.id for row in read_predictions(path).rows]


def test_what_was_appended_is_found_again(half):
    with Journal(half, HEADER) as journal:
        assert {chunk: list(there) for chunk, there in journal.lines.items()} == {0: ["a", "b"], 1: ["c", "d"]}
        assert journal.counts == {"empty": 4}
    assert read_predictions(half).header == HEADER


def test_a_file_cut_anywhere_keeps_its_whole_lines_and_loses_the_torn_one(half):
    whole = half.read_bytes()
    first = whole.index(b"\n") + 1
    for end in (*range(0, len(whole), 11), *(at for at in range(len(whole)) if whole[at - 1 : at] == b"\n")):
        half.write_bytes(whole[:end])
        with Journal(half, HEADER) as journal:
            kept = [id for there in journal.lines.values() for id in there]
            assert kept == list("abcd")[: max(0, whole[:end].count(b"\n") - 1)]
            journal.append(lines(9, "z"))
        left = half.read_bytes()
        assert left.startswith(whole[:first])
        assert left.endswith(lines(9, "z"))
        assert read_predictions(half).problems == ()


def test_a_damaged_line_in_the_middle_goes_when_the_file_is_put_in_order(half):
    text = half.read_text().splitlines()
    text[2] = text[2][:-20]
    half.write_text("\n".join(text) + "\n")
    with Journal(half, HEADER) as journal:
        assert list(journal.lines[0]) == ["a"]
        journal.tidy()
    assert ids(half) == ["a", "c", "d"]
    assert read_predictions(half).problems == ()


def test_lines_are_put_in_order_each_question_once(path):
    with Journal(path, HEADER) as journal:
        journal.append(lines(1, "c", "d"))
        journal.append(lines(0, "a", "b"))
        journal.append(lines(1, "c", "d"))
        journal.tidy()
        assert journal.size == path.stat().st_size
        journal.append(lines(2, "e"))
    assert ids(path) == ["a", "b", "c", "d", "e"]
    assert path.read_bytes().count(b"\n") == 6


def test_a_file_in_order_is_left_as_it_is(half):
    before = half.stat().st_ino, half.read_bytes()
    with Journal(half, HEADER) as journal:
        journal.tidy()
    assert (half.stat().st_ino, half.read_bytes()) == before


def test_an_answer_replaces_a_failure_and_no_failure_an_answer(path):
    with Journal(path, HEADER) as journal:
        journal.append(lines(0, "a") + lines(0, "b", error="no picture"))
        assert journal.first_error() == "no picture"
        part = part_file(path, "1")
        with Journal(part, HEADER) as other:
            other.append(lines(0, "a", error="later") + lines(0, "b"))
        journal.take_in(part)
        journal.tidy()
        assert journal.first_error() is None
    assert [(row.id, row.error) for row in read_predictions(path).rows] == [("a", None), ("b", None)]


def test_parts_that_processes_left_are_found_and_one_still_written_is_refused(path):
    with Journal(path, HEADER) as journal:
        assert journal.parts() == []
        with (
            Journal(part_file(path, "0a-1"), HEADER),
            pytest.raises(OutputError, match=r"another run is writing .*0a-1"),
        ):
            journal.parts()
        assert journal.parts() == [part_file(path, "0a-1")]


def test_a_part_of_another_run_is_refused(half):
    other = half.with_name(half.name + ".part-1")
    with Journal(other, replace(HEADER, seed=7)):
        pass
    with Journal(half, HEADER) as journal, pytest.raises(InputError, match="seed was 7 and is 0"):
        journal.take_in(other)


def test_another_header_is_refused_with_every_field_and_both_values(half):
    before = half.read_bytes()
    other = replace(HEADER, model="large", options={"batch": 4, "device": "cuda"})
    with pytest.raises(InputError) as caught:
        Journal(half, other)
    message = str(caught.value)
    for part in (
        'model was "tiny" and is "large"',
        "options.batch was 2 and is 4",
        'options.device was null and is "cuda"',
        "give another --out, or --restart",
    ):
        assert part in message
    assert "seed" not in message
    assert half.read_bytes() == before


def test_pictures_may_have_moved(half):
    with Journal(half, replace(HEADER, images="/elsewhere", missing_pictures=3)) as journal:
        assert len(journal.lines) == 2


def test_restart_throws_away_what_was_there(half):
    with Journal(half, replace(HEADER, model="large"), restart=True) as journal:
        assert journal.lines == {}
    assert read_predictions(half).header.model == "large"


@pytest.mark.parametrize("content", ["my notes\n", '{"a": 1}\n', "my notes", "[1]\n", '{"format": "other"}'])
@pytest.mark.parametrize("restart", [False, True])
def test_a_file_of_anything_else_is_not_touched(path, content, restart):
    path.write_text(content)
    with pytest.raises(InputError, match=r"predictions\.jsonl.*nothing was written: give another --out"):
        Journal(path, HEADER, restart=restart)
    assert path.read_text() == content


def test_a_second_run_on_the_same_file_is_refused_in_words(half):
    with Journal(half, HEADER), pytest.raises(OutputError, match=r"another run is writing .*predictions"):
        Journal(half, HEADER)
    Journal(half, HEADER).close()


def test_the_lock_moves_with_the_file_when_it_is_put_in_order(path):
    with Journal(path, HEADER) as journal:
        journal.append(lines(1, "c"))
        journal.append(lines(0, "a"))
        journal.tidy()
        with pytest.raises(OutputError, match="another run"):
            Journal(path, HEADER)


def test_the_lock_of_a_killed_process_is_gone(half):
    code = f"""
import os, signal
from tests.test_predict_journal import HEADER, Journal
from pathlib import Path
journal = Journal(Path({str(half)!r}), HEADER)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=60, cwd=ROOT)
    assert done.returncode == -9
    Journal(half, HEADER).close()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_disk_leaves_whole_chunks(half, monkeypatch):
    with Journal(half, HEADER) as journal:
        before = half.read_bytes()
        file = journal._file
        with open("/dev/full", "r+b", buffering=0) as full:
            # The real file, but writes go to a device that has no room: half of the bytes come through first.
            journal._file = Half(file, full)
            with pytest.raises(OutputError, match="free some space, and run the same again"):
                journal.append(lines(2, "e", "f"))
        journal._file = file
        assert half.read_bytes() == before
        journal.append(lines(2, "e", "f"))
    assert ids(half) == list("abcdef")


class Half:
    """A file that takes ten bytes and is full then."""

    def __init__(self, file, full):
        self.file, self.full, self.taken = file, full, False

    def write(self, data):
        if self.taken:
            return self.full.write(data)
        self.taken = True
        return self.file.write(data[:10])

    def __getattr__(self, name):
        return getattr(self.file, name)


def test_a_place_without_rights_is_named(tmp_path):
    with pytest.raises(OutputError, match="look at its directory"):
        Journal(tmp_path / "none" / "predictions.jsonl", HEADER)


def test_the_header_of_a_stream_learns_how_long_it_was(path):
    stream = replace(HEADER, samples=None)
    with Journal(path, stream) as journal:
        journal.append(lines(0, "a", "b"))
        journal.tidy(replace(stream, samples=2, data_problems={"no box": 1}))
    assert read_predictions(path).finished
    with Journal(path, stream) as journal:
        assert list(journal.lines[0]) == ["a", "b"]


def test_lines_are_json_that_others_can_read(half):
    assert [json.loads(line)["chunk"] for line in half.read_text().splitlines()[1:]] == [0, 0, 1, 1]
