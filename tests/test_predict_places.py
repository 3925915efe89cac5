"""Where predictions go: a file, or an address that gets copies of one; two runs on one address notice each other."""

import os
import stat

import fsspec
import pytest

from grounding.errors import InputError, MissingExtraError, OutputError
from grounding.predict import places, predict
from grounding.predict.places import Place, RemotePlace, place_of
from tests.predicting import Moody, data, rows, write_data

ADDRESS = "memory://bucket/out.jsonl"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr(places.tempfile, "tempdir", None)
    (tmp_path / "temporary").mkdir()
    write_data(tmp_path / "here")
    return tmp_path / "here"


@pytest.fixture
def bucket():
    files = fsspec.filesystem("memory")
    yield files
    if files.exists("/bucket"):
        files.rm("/bucket", recursive=True)


def plain(folder):
    predict(data(folder), Moody(folder), folder / "plain.jsonl", batch=3)
    return folder / "plain.jsonl"


def there(bucket, tmp):
    bucket.get_file("/bucket/out.jsonl", str(tmp / "there.jsonl"))
    return rows(tmp / "there.jsonl")


def test_an_address_gets_the_whole_file_and_nothing_stays_here(folder, bucket):
    summary = predict(data(folder), Moody(folder), ADDRESS, batch=3)
    assert summary.path == ADDRESS
    assert there(bucket, folder) == rows(plain(folder))
    assert list((folder.parent / "temporary").rglob("*.jsonl")) == []


def test_a_run_on_another_machine_goes_on_with_what_stands_at_the_address(folder, bucket):
    whole = plain(folder).read_bytes()
    bucket.pipe_file("/bucket/out.jsonl", whole[: len(whole) // 2])
    assert 0 < predict(data(folder), Moody(folder), ADDRESS, batch=3).asked < 30
    assert there(bucket, folder) == rows(folder / "plain.jsonl")


def test_copies_are_sent_while_the_run_goes_on(folder, bucket, monkeypatch):
    monkeypatch.setattr(places, "SECONDS_BETWEEN_COPIES", 0.0)
    monkeypatch.setattr(places, "SHARE_OF_TIME", 0)
    sent = []

    class Looking(Moody):
        def _generate(self, requests):
            if bucket.exists("/bucket/out.jsonl"):
                sent.append(bucket.cat_file("/bucket/out.jsonl").count(b"\n"))
            return super()._generate(requests)

    predict(data(folder), Looking(folder), ADDRESS, batch=3)
    assert sent == [4, 7, 10, 13, 16, 19, 22, 25, 28]


def test_a_run_that_is_stopped_sends_what_it_has(folder, bucket):
    with pytest.raises(KeyboardInterrupt):
        predict(data(folder), Moody(folder, bad=("of 5",), error=KeyboardInterrupt()), ADDRESS, batch=3)
    assert there(bucket, folder) == rows(plain(folder))[:16]
    predict(data(folder), Moody(folder), ADDRESS, batch=3)
    assert there(bucket, folder) == rows(folder / "plain.jsonl")


def test_another_run_at_the_same_address_is_noticed(folder, bucket, monkeypatch):
    monkeypatch.setattr(places, "SECONDS_BETWEEN_COPIES", 0.0)
    monkeypatch.setattr(places, "SHARE_OF_TIME", 0)

    class Visited(Moody):
        def _generate(self, requests):
            if len(self.calls) == 4:
                bucket.pipe_file("/bucket/out.jsonl", b"what another run wrote")
            return super()._generate(requests)

    with pytest.raises(OutputError, match=r"another run has written memory://bucket/out\.jsonl meanwhile.*stands in"):
        predict(data(folder), Visited(folder), ADDRESS, batch=3)
    assert bucket.cat_file("/bucket/out.jsonl") == b"what another run wrote"


def test_another_file_at_the_address_is_not_touched(folder, bucket):
    bucket.pipe_file("/bucket/out.jsonl", b"my notes\n")
    with pytest.raises(InputError, match="nothing was written"):
        predict(data(folder), Moody(folder), ADDRESS)
    assert bucket.cat_file("/bucket/out.jsonl") == b"my notes\n"


def test_a_file_address_is_a_file(folder):
    place = place_of(f"file://{folder}/out.jsonl")
    assert (type(place), place.path) == (Place, folder / "out.jsonl")


def test_only_the_user_may_read_what_is_kept_here_meanwhile(folder, bucket):
    place = RemotePlace(ADDRESS)
    assert stat.S_IMODE(place.path.parent.stat().st_mode) == 0o700


def test_a_folder_that_somebody_else_laid_there_is_not_used(folder, bucket):
    (folder.parent / "temporary" / f"grounding-{os.getuid()}").symlink_to(folder)
    with pytest.raises(OutputError, match="is no folder of yours"):
        RemotePlace(ADDRESS)


def test_an_address_that_needs_a_package_says_which():
    with pytest.raises(MissingExtraError, match="ocifs"):
        place_of("oci://bucket@name/out.jsonl")
