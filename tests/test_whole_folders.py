"""Folders that are there whole or not at all, whatever happens while they are written."""

import os
import subprocess

import pytest
import torch
from safetensors.torch import save_file

from grounding.errors import OutputError
from grounding.training.whole_folders import clean_up, whole_folder


def write(folder, text):
    with whole_folder(folder) as part:
        (part / "inner").mkdir()
        (part / "inner" / "file").write_text(text)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_takes_its_name_when_all_is_written(tmp_path):
    with whole_folder(tmp_path / "a") as part:
        (part / "file").write_text("x")
        assert not (tmp_path / "a").exists()
    assert (tmp_path / "a" / "file").read_text() == "x"
    assert names(tmp_path) == ["a"]


def test_an_error_leaves_what_was_there(tmp_path):
    write(tmp_path / "a", "old")
    with pytest.raises(AttributeError), whole_folder(tmp_path / "a") as part:
        (part / "file").write_txt("new")
    assert (tmp_path / "a" / "inner" / "file").read_text() == "old"
    assert names(tmp_path) == ["a"]


def test_a_folder_replaces_the_one_of_its_name(tmp_path):
    write(tmp_path / "a", "old")
    write(tmp_path / "a", "new")
    assert (tmp_path / "a" / "inner" / "file").read_text() == "new"
    assert names(tmp_path) == ["a"]


def test_what_a_killed_process_left_is_cleared_and_what_it_set_aside_comes_back(tmp_path):
    write(tmp_path / "a.old", "set aside")  # killed between the two renames
    write(tmp_path / "b", "whole")
    write(tmp_path / "b.old", "replaced")
    (tmp_path / "c.part").mkdir()
    clean_up(tmp_path)
    assert names(tmp_path) == ["a", "b"]
    assert (tmp_path / "a" / "inner" / "file").read_text() == "set aside"
    assert (tmp_path / "b" / "inner" / "file").read_text() == "whole"


def test_a_place_that_takes_no_folder_is_an_error_of_ours(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file/a can't be written \(Not a directory\)"):
        write(tmp_path / "file" / "a", "x")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MB; making one needs root."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = os.geteuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(place)], capture_output=True
    )
    if not mounted or mounted.returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_leaves_what_was_there(small_disk):
    write(small_disk / "a", "old")
    with (
        pytest.raises(OutputError, match=r"No space left on device.*free some space"),
        whole_folder(small_disk / "a") as part,
    ):
        save_file({"weight": torch.zeros(1 << 20)}, part / "model.safetensors")
    assert names(small_disk) == ["a"]
    assert (small_disk / "a" / "inner" / "file").read_text() == "old"
    write(small_disk / "a", "new")
