"""An archive is unpacked as it is, or refused before anything is written where it could do harm."""

import gzip
import io
import stat
import struct
import tarfile
import zipfile

import pytest

from grounding.data.fetching.unpack import UnpackLimits, is_archive, unpack
from grounding.errors import FetchError, InputError, OutputError

FILES = {"set/refs(unc).p": b"refs" * 50, "set/sub/instances.json": b"{}"}


def zip_of(path, files, change=None):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            if change:
                change(info)
            archive.writestr(info, data)
    return path


def tar_of(path, members, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            if isinstance(data, bytes):
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
            else:
                info.type, info.linkname = data
                archive.addfile(info)
    return path


def below(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tgz"])
def test_files_land_where_the_archive_says(tmp_path, out, name):
    make = zip_of if name.endswith(".zip") else tar_of
    mode = {"mode": "w"} if name == "a.tar" else {}
    seen = []
    done = unpack(make(tmp_path / name, FILES, **mode), out, progress=lambda *now: seen.append(now))
    assert below(out) == FILES
    assert done.files == {"set/refs(unc).p": 200, "set/sub/instances.json": 2}
    assert (done.size, done.kept) == (202, 0)
    assert seen[-1] == (202, 202)
    assert is_archive(name)


def test_equal_files_are_kept_and_missing_ones_added(tmp_path, out):
    archive = zip_of(tmp_path / "a.zip", FILES)
    unpack(archive, out)
    there = out / "set/refs(unc).p"
    before = there.stat().st_mtime_ns
    (out / "set/sub/instances.json").unlink()
    assert unpack(archive, out).kept == 1
    assert below(out) == FILES
    assert there.stat().st_mtime_ns == before


@pytest.mark.parametrize("mine", [b"mine", b"x" * 200])
def test_another_file_in_its_place_is_not_overwritten(tmp_path, out, mine):
    (out / "set").mkdir(parents=True)
    (out / "set/refs(unc).p").write_bytes(mine)
    with pytest.raises(OutputError, match="is another file: move it away"):
        unpack(zip_of(tmp_path / "a.zip", FILES), out)
    assert (out / "set/refs(unc).p").read_bytes() == mine


OUTSIDE = ["../evil", "set/../../evil", "/etc/evil", "C:/evil", "..\\evil", "\\evil"]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("make", [zip_of, tar_of])
def test_a_path_out_of_the_folder_is_refused_before_anything_is_written(tmp_path, out, make, name):
    archive = make(tmp_path / ("a.zip" if make is zip_of else "a.tar.gz"), {"good": b"good", name: b"evil"})
    with pytest.raises(FetchError, match="leads out of its folder; it is not unpacked"):
        unpack(archive, out)
    assert not out.exists()
    assert not (tmp_path / "evil").exists()


LINKS = {
    "symlink": (tarfile.SYMTYPE, "/etc/passwd"),
    "hardlink": (tarfile.LNKTYPE, "good"),
    "device": (tarfile.CHRTYPE, ""),
    "block": (tarfile.BLKTYPE, ""),
    "fifo": (tarfile.FIFOTYPE, ""),
}


@pytest.mark.parametrize("kind", LINKS)
def test_links_and_devices_in_a_tar_are_refused(tmp_path, out, kind):
    archive = tar_of(tmp_path / "a.tar.gz", {"good": b"good", kind: LINKS[kind]})
    with pytest.raises(FetchError, match=f"'{kind}', a link or a device"):
        unpack(archive, out)
    assert not out.exists()


def test_a_link_in_a_zip_is_refused(tmp_path, out):
    def link(info):
        info.external_attr = (stat.S_IFLNK | 0o777) << 16

    with pytest.raises(FetchError, match="a link or a device"):
        unpack(zip_of(tmp_path / "a.zip", {"set": b"/etc"}, link), out)
    assert not out.exists()


def test_a_name_that_stands_twice_is_refused(tmp_path, out):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a", "one")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a", "two")
    with pytest.raises(FetchError, match="'a' twice"):
        unpack(tmp_path / "a.zip", out)


@pytest.mark.parametrize("make", [zip_of, tar_of])
def test_a_bomb_is_refused_by_what_it_would_become(tmp_path, out, make):
    archive = make(tmp_path / ("a.zip" if make is zip_of else "a.tar.gz"), {"zeros": bytes(50_000_000)})
    assert archive.stat().st_size < 60_000
    with pytest.raises(FetchError, match="no honest archive"):
        unpack(archive, out)
    assert not out.exists()


def test_a_bomb_of_overlapping_entries_is_refused(tmp_path, out):
    archive = zip_of(tmp_path / "a.zip", {"one": b"1" * 900, "two": b"2" * 900})
    data = bytearray(archive.read_bytes())
    first = data.index(b"PK\x01\x02")
    second = data.index(b"PK\x01\x02", first + 4)
    data[second + 20 : second + 24] = struct.pack("<I", len(data))  # the second entry takes in the whole file
    archive.write_bytes(data)
    with pytest.raises(FetchError, match="overlap"):
        unpack(archive, out)


ONE_FILE = [
    ({"a": b"1", "./a": b"2"}, "'a' twice"),
    ({"b/a": b"1", "b//a": b"2"}, "'b/a' twice"),
    ({"A": b"1", "a": b"2"}, "'A' and 'a', which are one file on some disks"),
    ({"caf\u00e9": b"1", "cafe\u0301": b"2"}, "which are one file on some disks"),
    ({"x.part": b"1", "x": b"2"}, "'x.part' and 'x'"),
    ({"a": b"1", "a/b": b"2"}, "'a' as a file and as a folder"),
]


@pytest.mark.parametrize(("files", "said"), ONE_FILE)
@pytest.mark.parametrize("make", [zip_of, tar_of])
def test_names_that_would_fall_on_one_file_are_refused(tmp_path, out, make, files, said):
    archive = make(tmp_path / ("a.zip" if make is zip_of else "a.tar.gz"), files)
    with pytest.raises(FetchError, match=said):
        unpack(archive, out)
    assert not out.exists()


STRANGE = ["a\n5\tb", "a\x1b[2J", "a\u202egpj.exe", "a\u2028b", "n" * 241, "d/" * 40 + "f", "d/" * 1500 + "f"]


@pytest.mark.parametrize("name", STRANGE)
@pytest.mark.parametrize("make", [zip_of, tar_of])
def test_names_that_no_list_or_disk_can_hold_are_refused(tmp_path, out, make, name):
    archive = make(tmp_path / ("a.zip" if make is zip_of else "a.tar.gz"), {"good": b"good", name: b"x"})
    with pytest.raises(FetchError, match=r"a name that is no file's|deeper than 32 folders") as caught:
        unpack(archive, out)
    assert len(str(caught.value)) < 300
    assert not out.exists()


def test_names_in_no_known_encoding_are_refused(tmp_path, out):
    with pytest.raises(FetchError, match="a name that is no file's"):
        unpack(tar_of(tmp_path / "a.tar.gz", {"caf\udce9": b"x"}, "w:gz"), out)


def test_the_folder_itself_and_backslashes_are_no_trouble(tmp_path, out):
    tar_of(tmp_path / "a.tar.gz", {".": (tarfile.DIRTYPE, ""), "./set": (tarfile.DIRTYPE, ""), "./set/a": b"x"})
    assert unpack(tmp_path / "a.tar.gz", out).files == {"set/a": 1}
    assert unpack(zip_of(tmp_path / "b.zip", {"set\\sub\\b": b"xy"}), out).files == {"set/sub/b": 2}
    assert below(out) == {"set/a": b"x", "set/sub/b": b"xy"}


def tar_header(kind, size):
    info = tarfile.TarInfo("x")
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


HEADERS = {
    "a PAX header": (tarfile.XHDTYPE, 3 * 2**30),
    "a global one": (tarfile.XGLTYPE, 3 * 2**30),
    "a long name": (tarfile.GNUTYPE_LONGNAME, 3 * 2**30),
    "a long link": (tarfile.GNUTYPE_LONGLINK, 3 * 2**30),
    "a sparse file": (tarfile.GNUTYPE_SPARSE, 100),
}


@pytest.mark.parametrize("kind", HEADERS)
def test_what_tarfile_would_read_into_memory_is_refused_by_its_length(tmp_path, out, kind):
    with gzip.open(tmp_path / "a.tar.gz", "wb") as stream:
        stream.write(tar_header(*HEADERS[kind]) + bytes(2**20))
    with pytest.raises(FetchError, match=r"announces|a link or a device"):
        unpack(tmp_path / "a.tar.gz", out)


def test_folders_count_as_entries_too(tmp_path, out):
    with gzip.open(tmp_path / "a.tar.gz", "wb") as stream:
        stream.write(tar_header(tarfile.DIRTYPE, 0) * 200)
    with pytest.raises(FetchError, match="more than 100 files"):
        unpack(tmp_path / "a.tar.gz", out, limits=UnpackLimits(files=100))


@pytest.mark.parametrize(
    "pax",
    [
        {"size": "-5"},
        {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "y", "GNU.sparse.realsize": "9"},
        {"GNU.sparse.map": "x"},
    ],
)
def test_pax_headers_that_lie_are_refused(tmp_path, out, pax):
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("x")
        info.size, info.pax_headers = 1, pax
        archive.addfile(info, io.BytesIO(b"x"))
    with pytest.raises(FetchError, match=r"is damaged|a link or a device"):
        unpack(tmp_path / "a.tar.gz", out)
    assert not out.exists()


def test_headers_that_announce_one_another_without_end_are_damage(tmp_path, out):
    with gzip.open(tmp_path / "a.tar.gz", "wb") as stream:
        stream.write(tar_header(tarfile.XHDTYPE, 0) * 5000)
    with pytest.raises(FetchError, match="is damaged"):
        unpack(tmp_path / "a.tar.gz", out)


def test_an_entry_without_a_name_is_damage(tmp_path, out):
    data = zip_of(tmp_path / "a.zip", {"abc": b"x"}).read_bytes()
    at = data.index(b"PK\x01\x02")
    (tmp_path / "a.zip").write_bytes(data[: at + 28] + b"\0\0\3\0" + data[at + 32 :])  # the name becomes an extra field
    with pytest.raises(FetchError, match=r"damaged|leads out"):
        unpack(tmp_path / "a.zip", out)


@pytest.mark.parametrize("packing", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_packings_that_no_publisher_uses_are_refused(tmp_path, out, packing):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", packing) as archive:
        archive.writestr("a", b"x")
    with pytest.raises(FetchError, match="'a' packed by method"):
        unpack(tmp_path / "a.zip", out)


def test_a_place_that_cannot_be_written_is_not_called_damage(tmp_path, out):
    out.mkdir()
    (out / "set").write_bytes(b"mine")
    with pytest.raises(OutputError, match="can't be written"):
        unpack(zip_of(tmp_path / "a.zip", FILES), out)
    assert (out / "set").read_bytes() == b"mine"


def test_too_many_files_and_too_many_bytes_are_refused(tmp_path, out):
    archive = zip_of(tmp_path / "a.zip", {str(n): b"x" for n in range(20)})
    with pytest.raises(FetchError, match="more than 10 files"):
        unpack(archive, out, limits=UnpackLimits(files=10))
    with pytest.raises(FetchError, match="more than 15 bytes at '15'"):
        unpack(archive, out, limits=UnpackLimits(bytes=15))
    assert not out.exists()


def test_an_encrypted_entry_is_refused(tmp_path, out):
    archive = zip_of(tmp_path / "a.zip", {"a": b"a"})
    data = bytearray(archive.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(data)
    with pytest.raises(FetchError, match="encrypted"):
        unpack(archive, out)


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
def test_a_damaged_archive_is_named(tmp_path, out, name):
    archive = (zip_of if name == "a.zip" else tar_of)(tmp_path / name, {"a": bytes(range(256)) * 400})
    archive.write_bytes(archive.read_bytes()[:-200])
    with pytest.raises(FetchError, match=f"{name} is damaged .*: remove it and fetch it again"):
        unpack(archive, out)


def test_a_file_whose_bytes_changed_is_not_left_behind(tmp_path, out):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:  # stored, so that a flipped byte still reads
        archive.writestr("a", b"abcdef" * 100)
    data = (tmp_path / "a.zip").read_bytes().replace(b"abcdef", b"abcdeX", 1)
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(FetchError, match="damaged"):
        unpack(tmp_path / "a.zip", out)
    assert below(out) == {}


def test_what_finder_adds_is_left_out_and_counted(tmp_path, out):
    files = {"set/a.json": b"{}", "__MACOSX/set/._a.json": b"x", "set/._a.json": b"x"}
    done = unpack(zip_of(tmp_path / "a.zip", files), out)
    assert below(out) == {"set/a.json": b"{}"}
    assert (list(done.files), done.litter) == (["set/a.json"], 2)


def test_no_archive_is_the_callers_mistake(tmp_path, out):
    with pytest.raises(InputError, match="there is no archive"):
        unpack(tmp_path / "none.zip", out)
