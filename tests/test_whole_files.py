"""Files appear whole or not at all, and what is no file stays what it is."""

import os
import threading

import pytest

from grounding.data.whole_files import whole_bytes, whole_file
from grounding.errors import OutputError


def test_a_file_has_its_name_when_all_of_it_is_written(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("before")
    with whole_file(path) as stream:
        stream.write("after")
        assert path.read_text() == "before"
    assert path.read_text() == "after"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_what_stops_the_writing_leaves_nothing(tmp_path):
    with pytest.raises(TypeError), whole_bytes(tmp_path / "a") as stream:
        stream.writelines([b"half", None])
    assert os.listdir(tmp_path) == []


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path):
    """As /dev/null and /dev/stdout do: a device that is replaced by a file is gone for everybody."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    with whole_file(pipe) as stream:
        stream.write("words")
    reader.join(10)
    assert read == ["words"]
    assert pipe.is_fifo()


@pytest.mark.parametrize("name", ["folder", "file/x", "nowhere/x"])
def test_what_can_not_be_written_is_said_in_words(tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="can't be written"), whole_file(tmp_path / name) as stream:
        stream.write("words")
