"""What a tar holds, told from its headers as tarfile tells it or from DALI's index; damage and hostile entries."""

import io
import os
import tarfile

import pytest

from grounding.data.lessons.tar_members import members_of, read_sample, write_index
from grounding.errors import InputError
from tests.lesson_files import write_tar

FILES = [
    ("000.jpg", b"j" * 700),
    ("000.json", b"{}"),
    ("001.1.jpg", b"a"),
    ("001.2.JPG", b""),
    ("001.json", b"[]" * 600),
    ("sub/dir.d/002.json", b"x"),
]
KEYS = ["000", "001", "sub/dir.d/002"]


def told(path):
    return [(sample.key, [part.ending for part in sample.parts]) for sample in members_of(path).samples]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_headers_tell_what_tarfile_tells(tmp_path, form):
    long = f"{'n' * 180}.json"
    files = [*FILES, *([] if form == tarfile.USTAR_FORMAT else [(long, b"long"), ("naïve 猫.json", b"{}")])]
    path = write_tar(tmp_path / "a.tar", files, form)
    members = members_of(path)
    assert members.problems == ()
    with tarfile.open(path) as tar:
        wanted = {info.name.lower(): (info.offset_data, info.size) for info in tar}
    found = {f"{s.key}.{part.ending}".lower(): part[1:] for s in members.samples for part in s.parts}
    assert found == wanted
    assert [sample.key for sample in members.samples][:3] == KEYS


def test_a_sample_is_read_at_once(tmp_path):
    path = write_tar(tmp_path / "a.tar", FILES)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        assert read_sample(descriptor, members_of(path).samples[1]) == {
            "1.jpg": b"a",
            "2.jpg": b"",
            "json": b"[]" * 600,
        }
    finally:
        os.close(descriptor)


def test_dalis_index_says_the_same(tmp_path):
    path = write_tar(tmp_path / "a.tar", FILES)
    members = members_of(path)
    write_index(path, members)
    lines = path.with_suffix(".idx").read_text().splitlines()
    assert lines[:2] == ["v1.2 3", "jpg 512 700 000.jpg json 2048 2 000.json"]
    assert members_of(path).samples == members.samples


@pytest.mark.parametrize(
    "index",
    [
        "v1.2 1\njpg 512 700 000.jpg json 999999 2 000.json\n",
        "v1.2 2\njpg 512 700 000.jpg\n",
        "v9 1\n",
        "",
        "v1.2 1\njpg x 1 a b\n",
        "v1.2 1\njpg 512 700\n",
    ],
)
def test_an_index_that_does_not_fit_is_passed_over(tmp_path, index):
    path = write_tar(tmp_path / "a.tar", FILES)
    path.with_suffix(".idx").write_text(index)
    assert [key for key, _ in told(path)] == KEYS


def test_folders_hidden_files_and_finders_litter_are_no_samples(tmp_path):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        folder = tarfile.TarInfo("d")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for name in ("d/.hidden", "__MACOSX/000.jpg", "README", "d/1.txt"):
            tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    assert told(path) == [("d/1", ["txt"])]


def test_links_and_devices_are_passed_over_and_named(tmp_path):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        for name, kind in (("000.jpg", tarfile.SYMTYPE), ("001.jpg", tarfile.CHRTYPE), ("002.jpg", tarfile.LNKTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
        tar.addfile(tarfile.TarInfo("../../003.txt"), io.BytesIO())
    assert told(path) == [("../../003", ["txt"])], "a name is only a key: nothing is written under it"
    assert [problem.message.split(" is ")[0] for problem in members_of(path).problems] == [
        "'000.jpg'",
        "'001.jpg'",
        "'002.jpg'",
    ]


@pytest.mark.parametrize("cut", [1, 513, 900, 2000, 2600, 3000])
def test_a_tar_that_is_cut_off_keeps_what_is_whole(tmp_path, cut):
    path = write_tar(tmp_path / "a.tar", FILES)
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    members = members_of(path)
    assert len(members.problems) == 1
    assert all(part.offset + part.size <= cut for sample in members.samples for part in sample.parts)


def test_damage_ends_the_list_and_is_named(tmp_path):
    path = write_tar(tmp_path / "a.tar", FILES)
    data = bytearray(path.read_bytes())
    data[2560 + 124] ^= 0xFF  # the size in the third header
    path.write_bytes(data)
    members = members_of(path)
    assert [sample.key for sample in members.samples] == ["000"]
    assert "damaged at byte 2,560" in members.problems[0].message


def test_a_size_that_no_file_has_is_damage(tmp_path):
    path = write_tar(tmp_path / "a.tar", [("000.json", b"{}")])
    data = bytearray(path.read_bytes())
    data[124:136] = b"\x80" + b"\xff" * 11  # in base 256
    data[148:156] = b"%06o\0 " % (sum(data[:148]) + 8 * 32 + sum(data[156:512]))
    path.write_bytes(data)
    assert members_of(path).samples == ()
    assert "middle of a file" in members_of(path).problems[0].message


def test_packed_and_empty_files_are_refused(tmp_path):
    for name, data, reason in (("a", b"\x1f\x8b\x08", "is packed"), ("b", b"", "is empty")):
        (tmp_path / f"{name}.tar").write_bytes(data)
        with pytest.raises(InputError, match=reason):
            members_of(tmp_path / f"{name}.tar")
    with pytest.raises(InputError, match="can't be read"):
        members_of(tmp_path / "none.tar")


def test_a_file_that_shrank_is_noticed(tmp_path):
    path = write_tar(tmp_path / "a.tar", FILES)
    sample = members_of(path).samples[2]
    path.write_bytes(path.read_bytes()[:1024])
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with pytest.raises(InputError, match=r"'sub/dir\.d/002' is cut off"):
            read_sample(descriptor, sample)
    finally:
        os.close(descriptor)


def test_sizes_of_folders_and_links_are_no_bytes(tmp_path):
    """As tarfile takes them: a header may say the size of what a link means."""
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name, kind in (("f", tarfile.DIRTYPE), ("f/1.jpg", b"0"), ("f/2.jpg", tarfile.LNKTYPE), ("f/3.jpg", b"0")):
            info = tarfile.TarInfo(name)
            info.type, info.size, info.linkname = kind, 3, "f/1.jpg"
            tar.addfile(info, io.BytesIO(b"abc") if kind == b"0" else None)
    assert told(tmp_path / "a.tar") == [("f/1", ["jpg"]), ("f/3", ["jpg"])]


@pytest.mark.parametrize("files", [FILES[:1] * 3, [("000.jpg", b"k" * 1300), ("000.json", b"{}")], FILES[2:]])
def test_an_index_of_a_tar_that_lay_there_before_is_passed_over(tmp_path, files):
    path = write_tar(tmp_path / "a.tar", FILES[:2])
    write_index(path, members_of(path))
    write_tar(path, files)
    found = members_of(path)
    path.with_suffix(".idx").unlink()
    assert found == members_of(path)
