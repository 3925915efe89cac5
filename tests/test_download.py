"""A download comes whole and right or not at all: resumed after breaks, checked, and kept apart until it is whole."""

import hashlib
import json
import os
import random
import subprocess
import threading

import pytest

from grounding.data.fetching.download import Patience, amount, download
from grounding.errors import FetchError, InputError, OutputError
from tests.file_server import FileServer, Served

DATA = random.Random(7).randbytes(300_000)
SHA = hashlib.sha256(DATA).hexdigest()
QUICK = Patience(timeout_s=0.5, attempts=2, wait_s=0.01)


@pytest.fixture
def told():
    return []


@pytest.fixture
def fetch(tmp_path, told):
    """Downloads to TMP/data.bin with little patience; what it tells is kept in `told`."""

    def run(*addresses, **options):
        return download(addresses, tmp_path / "data.bin", patience=QUICK, tell=told.append, **options)

    return run


def left_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_whole_file_arrives_with_its_checksum_and_leaves_nothing_else(tmp_path, fetch):
    seen = []
    with FileServer({"/d": Served(DATA)}) as server:
        done = fetch(server.address("/d"), sha256=SHA, bytes=len(DATA), progress=lambda *now: seen.append(now))
    assert done.path.read_bytes() == DATA
    assert (done.bytes, done.sha256) == (len(DATA), SHA)
    assert left_in(tmp_path) == ["data.bin"]
    assert seen[0] == (0, len(DATA))
    assert seen[-1] == (len(DATA), len(DATA))


def test_a_broken_transfer_goes_on_where_it_broke(fetch, told):
    with FileServer({"/d": Served(DATA, break_at=[100_000, 200_000])}) as server:
        done = fetch(server.address("/d"))
    assert done.path.read_bytes() == DATA
    assert [asked for _, asked in server.seen] == [None, "bytes=100000-", "bytes=200000-"]
    assert "broke off at 100,000 of 300,000 bytes; trying again" in told[0]


def test_a_server_that_knows_no_ranges_is_asked_from_the_start(fetch):
    with FileServer({"/d": Served(DATA, ranges=False, break_at=[100_000])}) as server:
        done = fetch(server.address("/d"), sha256=SHA)
    assert done.path.read_bytes() == DATA
    assert [asked for _, asked in server.seen] == [None, "bytes=100000-"]


def test_a_file_that_changed_between_the_pieces_is_fetched_anew(tmp_path, fetch):
    other = DATA[::-1]
    (tmp_path / "data.bin.part").write_bytes(DATA[:100_000])
    with FileServer({"/d": Served(other, etag='"two"')}) as server:
        notes = {"address": server.address("/d"), "validator": '"one"', "total": len(DATA)}
        (tmp_path / "data.bin.part.json").write_text(json.dumps(notes))
        done = fetch(server.address("/d"))
    assert done.path.read_bytes() == other


def test_a_part_of_another_address_is_continued_only_where_a_checksum_will_tell(tmp_path, fetch):
    def leave():
        (tmp_path / "data.bin.part").write_bytes(DATA[:100_000])
        notes = {"address": "http://elsewhere/d", "validator": '"one"', "total": len(DATA)}
        (tmp_path / "data.bin.part.json").write_text(json.dumps(notes))

    with FileServer({"/d": Served(DATA)}) as server:
        leave()
        fetch(server.address("/d"), sha256=SHA)
        leave()
        fetch(server.address("/d"))
    assert [asked for _, asked in server.seen] == ["bytes=100000-", None]


def test_pieces_that_do_not_fit_are_fetched_again_in_one(tmp_path, fetch, told):
    (tmp_path / "data.bin.part").write_bytes(b"x" * 100_000)
    with FileServer({"/d": Served(DATA)}) as server:
        done = fetch(server.address("/d"), sha256=SHA)
    assert done.path.read_bytes() == DATA
    assert "the pieces do not make the file" in told[0]


def test_a_part_that_is_already_whole_is_not_fetched_again(tmp_path, fetch):
    (tmp_path / "data.bin.part").write_bytes(DATA)
    with FileServer({"/d": Served(DATA)}) as server:
        assert fetch(server.address("/d"), sha256=SHA).path.read_bytes() == DATA
    assert [asked for _, asked in server.seen] == ["bytes=300000-"]


def test_a_wrong_checksum_is_removed_and_the_next_address_tried(tmp_path, fetch, told):
    with FileServer({"/bad": Served(DATA[::-1]), "/good": Served(DATA)}) as server:
        done = fetch(server.address("/bad"), server.address("/good"), sha256=SHA)
        assert done.address == server.address("/good")
        assert done.path.read_bytes() == DATA
        done.path.unlink()
        with pytest.raises(FetchError, match=f"has the sha256 .*, not {SHA[:12]}... as published; it is removed"):
            fetch(server.address("/bad"), sha256=SHA)
    assert left_in(tmp_path) == []
    assert len(told) == 2


def test_a_wrong_length_is_told_before_the_file_is_fetched(tmp_path, fetch):
    with FileServer({"/d": Served(DATA)}) as server, pytest.raises(FetchError, match="300,000 bytes, not 299,999"):
        fetch(server.address("/d"), bytes=299_999)
    assert left_in(tmp_path) == []


def test_a_missing_file_and_a_dead_host_lead_to_the_next_address(fetch, told):
    with FileServer({"/d": Served(DATA)}) as server:
        done = fetch(server.address("/none"), "http://127.0.0.1:9/d", server.address("/d"))
    assert done.path.read_bytes() == DATA
    assert "404" in told[0]
    assert "cannot be reached" in told[1]


def test_no_address_left_is_one_sentence_that_names_each(tmp_path, fetch):
    with FileServer({}) as server, pytest.raises(FetchError, match=r"data\.bin could not be fetched \(.*404.*;.*reach"):
        fetch(server.address("/none"), "http://127.0.0.1:9/d")
    assert left_in(tmp_path) == []


def test_a_busy_server_is_asked_again_after_the_time_it_names(fetch):
    with FileServer({"/d": Served(DATA, status=[503], headers={"Retry-After": "0"})}) as server:
        assert fetch(server.address("/d")).path.read_bytes() == DATA
    assert len(server.seen) == 2


def test_a_server_that_hangs_is_left_with_the_part_kept(tmp_path, fetch):
    with FileServer({"/d": Served(DATA, hang_at=50_000)}) as server:
        with pytest.raises(FetchError, match=r"nothing came for 0\.5 s, 2 times in a row.*kept in"):
            fetch(server.address("/d"))
        assert (tmp_path / "data.bin.part").stat().st_size == 50_000
        server.files["/d"].hang_at = None
        assert fetch(server.address("/d")).path.read_bytes() == DATA
    assert server.seen[-1] == ("/d", "bytes=50000-")


def test_a_server_that_drips_is_left(fetch):
    with (
        FileServer({"/d": Served(DATA[:500], drip=0.1)}) as server,
        pytest.raises(FetchError, match="less than 256 bytes a second"),
    ):
        fetch(server.address("/d"))


def test_a_web_page_in_place_of_an_archive_is_no_archive(tmp_path):
    page = Served(b"\n<!DOCTYPE html><html>not here any more</html>")
    with FileServer({"/d": page, "/e": Served(b"plain words")}) as server:
        for path, reason in (("/d", "web page"), ("/e", r"no \.zip file")):
            with pytest.raises(FetchError, match=reason):
                download([server.address(path)], tmp_path / "a.zip", patience=QUICK)
    assert left_in(tmp_path) == []


def test_redirects_are_followed_to_the_web_only(tmp_path, fetch):
    (tmp_path / "secret").write_text("secret")
    there = Served(b"", status=[302], headers={"Location": "/d"})
    out = Served(b"", status=[302], headers={"Location": (tmp_path / "secret").as_uri()})
    ftp = Served(b"", status=[302], headers={"Location": "ftp://127.0.0.1:9/d"})
    with FileServer({"/there": there, "/out": out, "/ftp": ftp, "/d": Served(DATA)}) as server:
        assert fetch(server.address("/there")).path.read_bytes() == DATA
        for path, reason in (("/out", "not allowed"), ("/ftp", "neither http nor https")):
            with pytest.raises(FetchError, match=reason):
                fetch(server.address(path))


def answer(*headers, body=b"", status="200 OK"):
    """An HTTP answer as it goes over the line."""
    return "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", *headers, "")).encode("latin-1") + body


ODD_PLACES = [
    "http://[::1",
    f"http://{'a' * 80}.x/",
    "http://a..b/",
    "http://ex\xe4mple.invalid/\xff",
    "http://a:port/",
]


@pytest.mark.parametrize("place", ODD_PLACES)
def test_a_redirect_to_no_address_is_one_sentence(fetch, place):
    redirect = answer(f"Location: {place}", "Content-Length: 0", status="302 Found")
    with (
        FileServer({"/d": Served(DATA, raw=[redirect] * 9)}) as server,
        pytest.raises(FetchError, match=r"data\.bin could not be fetched"),
    ):
        fetch(server.address("/d"))


def test_an_address_of_no_host_leads_to_the_next_one(fetch):
    with FileServer({"/d": Served(DATA)}) as server:
        assert fetch("http://a..b/d", server.address("/d"), sha256=SHA).path.read_bytes() == DATA


def test_redirects_without_end_are_left(fetch):
    turn = answer("Location: /d", "Content-Length: 0", status="302 Found")
    with (
        FileServer({"/d": Served(DATA, raw=[turn] * 99)}) as server,
        pytest.raises(FetchError, match="infinite loop"),
    ):
        fetch(server.address("/d"))
    assert len(server.seen) < 20


MANY = "9" * 5000
NO_FILE = [
    (answer(f"Content-Range: bytes {MANY}-1/{MANY}", body=DATA, status="206 Partial"), "another than the part"),
    (answer("Content-Range: banana", body=DATA, status="206 Partial"), "another than the part"),
    (answer("Content-Length: 0", status="206 Partial"), "another than the part"),
    (answer("Content-Range: bytes 5-9/10", "Content-Length: 5", body=b"x" * 5, status="206 Partial"), "another than"),
    (answer("Content-Length: 0"), "it sent nothing"),
    (answer("Transfer-Encoding: gzip", body=DATA), "re-encoded"),
    (answer("Content-Encoding: gzip", body=DATA), "re-encoded"),
    (answer("Content-Length: 0", status="404 \x1b[2J\x1b[31mgone"), r"404 \[2J \[31mgone\)"),
    (b"BANANA\r\n\r\n", r"the connection broke \(BANANA\)"),
]


@pytest.mark.parametrize(("sent", "said"), NO_FILE)
def test_answers_that_hold_no_file_are_one_sentence(tmp_path, fetch, sent, said):
    with FileServer({"/d": Served(DATA, raw=[sent] * 9)}) as server, pytest.raises(FetchError, match=said) as caught:
        fetch(server.address("/d"))
    assert str(caught.value).isprintable()
    assert left_in(tmp_path) == []


def test_a_length_of_too_many_digits_is_none(fetch):
    sent = answer(f"Content-Length: {MANY}", body=DATA)
    with FileServer({"/d": Served(b"", raw=[sent])}) as server:
        assert fetch(server.address("/d")).path.read_bytes() == DATA


def test_more_bytes_than_were_promised_are_not_written(tmp_path, fetch):
    begun = answer('ETag: "one"', "Content-Length: 300000", body=DATA[:100_000])
    more = answer('ETag: "one"', "Content-Range: bytes 100000-299999/300000", body=DATA * 3, status="206 Partial")
    with FileServer({"/d": Served(DATA, raw=[begun, more])}) as server:
        with pytest.raises(FetchError, match="sends more than the 300,000 bytes"):
            fetch(server.address("/d"))
        assert left_in(tmp_path) == []
    with FileServer({"/d": Served(DATA, length=False)}) as server, pytest.raises(FetchError, match="more than the 500"):
        fetch(server.address("/d"), bytes=500)
    assert left_in(tmp_path) == []


def test_a_server_that_gives_a_byte_at_each_asking_is_left(tmp_path, fetch):
    with (
        FileServer({"/d": Served(DATA, break_at=list(range(1, 100)))}) as server,
        pytest.raises(FetchError, match="2 times in a row"),
    ):
        fetch(server.address("/d"))
    assert len(server.seen) == 2


@pytest.mark.parametrize("sent", [b"H" * 1000, answer(*["A: b"] * 90)], ids=["status line", "headers"])
def test_headers_that_drip_are_left(fetch, sent):
    with (
        FileServer({"/d": Served(DATA, raw=[sent] * 9, drip=0.05)}) as server,
        pytest.raises(FetchError, match="broke"),
    ):
        fetch(server.address("/d"))
    assert len(server.seen) == 2


def test_a_file_address_of_no_file_is_not_read(fetch):
    for place in ("file:///dev/zero", "file:///", "file:///a%00b"):
        with pytest.raises(FetchError, match="no file"):
            fetch(place)


@pytest.mark.parametrize("address", ["ftp://host/file", "data:,x", "nothing", "http://me:pa55@host/file"])
def test_other_addresses_are_refused_unasked(fetch, address):
    with pytest.raises(InputError, match=r"address") as caught:
        fetch(address)
    assert "pa55" not in str(caught.value)


def test_a_file_address_is_copied(tmp_path, fetch):
    (tmp_path / "my file").write_bytes(DATA)
    assert fetch((tmp_path / "my file").as_uri(), sha256=SHA).path.read_bytes() == DATA
    with pytest.raises(FetchError, match="cannot be read"):
        fetch((tmp_path / "none").as_uri())


def test_two_processes_do_not_write_one_part(tmp_path, fetch):
    with FileServer({"/d": Served(DATA, hang_at=10_000)}) as server:

        def hold():
            with pytest.raises(FetchError):
                fetch(server.address("/d"))

        first = threading.Thread(target=hold)
        first.start()
        while not server.seen:
            pass
        with pytest.raises(OutputError, match="written by another process"):
            fetch(server.address("/d"))
        first.join()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 128 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(disk)]
    if os.name != "posix" or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system is not allowed here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_file_that_has_no_room_is_not_begun(small_disk):
    with (
        FileServer({"/d": Served(DATA)}) as server,
        pytest.raises(OutputError, match=r"data.bin needs 300\.0 kB more in .*, which has 1..\.. kB free"),
    ):
        download([server.address("/d")], small_disk / "data.bin", patience=QUICK)
    assert left_in(small_disk) == []


def test_a_disk_that_fills_up_is_told_and_what_came_is_kept(small_disk):
    with FileServer({"/d": Served(DATA, length=False)}) as server:
        with pytest.raises(OutputError, match="is full: free some space and run this again; what came is kept in"):
            download([server.address("/d")], small_disk / "data.bin", patience=QUICK)
        part = small_disk / "data.bin.part"
        assert part.read_bytes() == DATA[: part.stat().st_size]
        assert part.stat().st_size > 50_000


def test_an_interrupted_download_goes_on_in_the_next_call(tmp_path, fetch):
    def interrupt(done, total):
        if done >= 100_000:
            raise KeyboardInterrupt

    with FileServer({"/d": Served(DATA, break_at=[120_000])}) as server:
        with pytest.raises(KeyboardInterrupt):
            fetch(server.address("/d"), progress=interrupt)
        had = (tmp_path / "data.bin.part").stat().st_size
        assert had >= 100_000
        assert fetch(server.address("/d")).path.read_bytes() == DATA
    assert server.seen[-1] == ("/d", f"bytes={had}-")


@pytest.mark.parametrize(("bytes", "words"), [(0, "0 bytes"), (999, "999 bytes"), (53_993_993, "54.0 MB")])
def test_amounts_are_written_for_people(bytes, words):
    assert amount(bytes) == words
