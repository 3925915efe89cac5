"""Pictures by name out of tar files."""

from __future__ import annotations

import io
import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from grounding.data.photos.shards import PhotoShards
from grounding.errors import ImageTooLargeError, InputError, UnreadableImageError
from grounding.images import ImageLimits


def png(shade: int, side: int = 4) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (side, side), (shade, 0, 0)).save(stream, "PNG")
    return stream.getvalue()


def write_tar(path: Path, **members: bytes) -> None:
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            entry = tarfile.TarInfo(name.replace("_", "."))
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))


def test_pictures_come_by_name_from_whichever_shard(tmp_path: Path) -> None:
    write_tar(tmp_path / "b.tar", c_png=png(3))
    write_tar(tmp_path / "a.tar", a_png=png(1), a_json=b"{}", b_png=png(2))
    shards = PhotoShards(tmp_path)
    assert shards.names == ("a.png", "b.png", "c.png")
    assert len(shards) == 3
    assert "b.png" in shards
    assert "a.json" not in shards
    assert [int(shards[name][0, 0, 0]) for name in ("c.png", "a.png", "b.png")] == [3, 1, 2]
    assert shards["a.png"].shape == (4, 4, 3)
    assert shards["a.png"].dtype == np.uint8
    shards.close()
    assert shards.read("b.png") == png(2)


def test_a_name_with_dots_is_a_picture_too(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", a_v2_png=png(9))
    assert PhotoShards(tmp_path)["a.v2.png"][0, 0, 0] == 9


def test_plain_files_do_too(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(png(7))
    assert PhotoShards(tmp_path)["a.png"][0, 0, 0] == 7


def test_workers_open_files_of_their_own(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", a_png=png(1))
    shards = PhotoShards(tmp_path)
    assert shards["a.png"][0, 0, 0] == 1
    copy = pickle.loads(pickle.dumps(shards))
    assert copy["a.png"][0, 0, 0] == 1
    assert copy.names == shards.names


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no folder"):
        PhotoShards(tmp_path / "none")
    with pytest.raises(InputError, match="holds no pictures"):
        PhotoShards(tmp_path)
    write_tar(tmp_path / "a.tar", a_png=png(1))
    with pytest.raises(InputError, match=r"no picture 'z\.png'"):
        PhotoShards(tmp_path)["z.png"]


def test_two_pictures_of_one_name_are_refused(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", a_png=png(1))
    write_tar(tmp_path / "b.tar", a_png=png(2))
    with pytest.raises(InputError, match=r"two pictures are named a\.png: in a\.tar and b\.tar"):
        PhotoShards(tmp_path)


def test_a_shard_that_ends_too_soon_is_refused(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", a_png=png(1, 64), b_png=os.urandom(4000))
    (tmp_path / "a.tar").write_bytes((tmp_path / "a.tar").read_bytes()[:3000])
    with pytest.raises(InputError, match=r"a\.tar"):
        PhotoShards(tmp_path)


def test_limits_hold(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", a_png=png(1, 64), b_png=b"no picture")
    with pytest.raises(ImageTooLargeError):
        PhotoShards(tmp_path, limits=ImageLimits(max_bytes=50))["a.png"]
    with pytest.raises(ImageTooLargeError):
        PhotoShards(tmp_path, limits=ImageLimits(max_pixels=100))["a.png"]
    with pytest.raises(UnreadableImageError):
        PhotoShards(tmp_path)["b.png"]
