"""Pictures are found under any name and in any layout, and no name or folder is too odd to be asked for."""

import os
import shutil

import pytest

from grounding.data.folders import Folder
from grounding.data.pictures import FilePicture, NoPicture
from grounding.errors import InputError

COCO = "COCO_train2014_000000000009.jpg"


def made(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return Folder(folder)


@pytest.mark.parametrize(
    ("there", "asked"),
    [
        ("a.jpg", "a.jpg"),
        ("sub/a.jpg", "sub/a.jpg"),
        ("sub/a.jpg", "a.jpg"),
        ("one/two/a.PNG", "elsewhere/a.jpg"),
        ("a.webp", "/home/somebody/a.jpg"),
        ("a.jpg", "..\\..\\a.jpg"),
        ("train2014/" + COCO, "000000000009.jpg"),
        ("000000000009.jpg", "train2014/" + COCO),
    ],
)
def test_a_picture_is_found_by_its_path_its_name_or_its_number(tmp_path, there, asked):
    assert made(tmp_path, there).find(asked) == FilePicture(tmp_path / there, asked)


def test_the_nearest_of_several_is_taken(tmp_path):
    folder = made(tmp_path, "a/x.jpg", "x.png", "a/b/x.jpg")
    assert folder.find("elsewhere/x.jpg") == FilePicture(tmp_path / "x.png", "elsewhere/x.jpg")


@pytest.mark.parametrize("name", ["b.jpg", "../a.txt", "a\0.jpg", "x" * 300 + ".jpg", "x/" * 3000, ""])
def test_what_is_not_there_is_no_picture_whatever_its_name(tmp_path, name):
    assert made(tmp_path, "a.txt").find(name) == NoPicture(name)


def test_links_that_lead_to_themselves_and_pipes_are_passed_over(tmp_path):
    folder = made(tmp_path, "sub/a.jpg")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "sub" / "up").symlink_to("..")
    os.mkfifo(tmp_path / "b.jpg")
    assert folder.find("a.jpg") == FilePicture(tmp_path / "sub/a.jpg", "a.jpg")
    assert folder.find("b.jpg") == NoPicture("b.jpg")


@pytest.mark.parametrize("path", ["none", "x" * 5000, "a\0b", "~nobody-of-this-name/pictures"])
def test_a_folder_that_is_not_there_is_one_sentence(path):
    with pytest.raises(InputError, match="there is no folder of pictures"):
        Folder(path)


def test_a_folder_that_is_gone_is_one_sentence(tmp_path):
    folder = made(tmp_path / "pictures", "a.jpg")
    shutil.rmtree(tmp_path / "pictures")
    with pytest.raises(InputError, match="can't be listed: No such file"):
        folder.find("a.jpg")
