"""`grounding data fetch` puts a data set in its place, says how sure it is of it, and loses nothing when it stops."""

import hashlib
import io
import json
import os
import pickle
import pty
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import zipfile

import pytest

from grounding.cli import main
from grounding.data.fetching.catalog import CATALOG, PICTURES, Published, RemoteFile
from grounding.data.fetching.download import Patience
from grounding.data.opening import open_dataset
from tests.file_server import FileServer, Served


def zipped(files):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


REFS = zipped({"refcoco/instances.json": b'{"images": []}', "refcoco/refs(unc).p": b"\x80\x02]."})
PHOTOS = zipped({f"train2014/COCO_train2014_{n:012}.jpg": bytes([n]) * 5000 for n in range(20)})


@pytest.fixture
def server():
    with FileServer({"/refcoco.zip": Served(REFS), "/train2014.zip": Served(PHOTOS)}) as server:
        yield server


@pytest.fixture
def toy(server, monkeypatch):
    """The catalog with a small RefCOCO on the local server: the first address of its annotations is dead."""

    def put(sha256=None, length=None):
        refs = ("http://127.0.0.1:9/refcoco.zip", server.address("/refcoco.zip"))
        photos = (server.address("/train2014.zip"),)
        files = (
            RemoteFile(
                "refcoco.zip", refs, "", bytes=length or len(REFS), sha256=sha256 or hashlib.sha256(REFS).hexdigest()
            ),
            RemoteFile("train2014.zip", photos, "coco", PICTURES),
        )
        entry = Published(
            "refcoco", "A small RefCOCO", files, "CC0", "CC0", "https://example.org", "refcoco:val", "coco/train2014"
        )
        monkeypatch.setitem(CATALOG, "refcoco", entry)

    put()
    return put


@pytest.fixture
def fetch(tmp_path, capsys, monkeypatch):
    """Runs the command with --out TMP/data; (exit code, standard output, standard error)."""
    monkeypatch.setattr("grounding.data.fetching.download.Patience", lambda: Patience(1.0, 256.0, 2, 0.01))

    def run(*arguments):
        code = main(["data", "fetch", *arguments, "--out", str(tmp_path / "data")])
        return code, *capsys.readouterr()

    return run


def files_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_data_set_lands_in_its_place_with_its_record(toy, fetch, tmp_path):
    code, out, err = fetch("refcoco")
    data = tmp_path / "data"
    assert code == 0
    names = files_below(data)
    assert names[0].startswith("coco/train2014/COCO_train2014_")
    assert names[20:] == [
        "fetched.json",
        "fetched/refcoco.zip.txt",
        "fetched/train2014.zip.txt",
        "refcoco/instances.json",
        "refcoco/refs(unc).p",
    ]
    assert "A small RefCOCO: to fetch" in out
    assert "licence: annotations CC0; pictures CC0 (https://example.org)" in out
    assert "refcoco.zip  330 bytes, 2 files; sha256 as published" in out.replace(f"{len(REFS)}", "330")
    assert f"no published checksum; sha256 of what came is {hashlib.sha256(PHOTOS).hexdigest()}" in out
    line = f"grounding predict refcoco:val --root {data} --images {data}/coco/train2014 --out refcoco-val.jsonl"
    assert out.splitlines()[-1] == line
    assert "127.0.0.1: it cannot be reached" in err
    record = json.loads((data / "fetched.json").read_text())["files"]
    assert record["refcoco.zip"]["checked"] == "published"
    assert record["train2014.zip"]["sha256"] == hashlib.sha256(PHOTOS).hexdigest()


def test_what_is_here_is_not_fetched_again(toy, fetch, server):
    fetch("refcoco")
    asked = len(server.seen)
    code, out, _ = fetch("refcoco")
    assert code == 0
    assert len(server.seen) == asked
    assert "nothing: all of it is here" in out
    assert "here     refcoco.zip" in out


@pytest.mark.parametrize("record", ["", "[]", '{"files": []}', '{"files": {"refcoco.zip": 3}}', '{"files": {"x": {}}}'])
def test_a_damaged_record_is_written_anew(toy, fetch, tmp_path, record):
    fetch("refcoco")
    path = tmp_path / "data/fetched.json"
    path.write_text(record)
    assert fetch("refcoco")[0] == 0
    assert set(json.loads(path.read_text())["files"]) == {"refcoco.zip", "train2014.zip"}


def test_what_went_missing_is_fetched_again_and_held_to_what_was_recorded(toy, fetch, server, tmp_path):
    fetch("refcoco", "--only", "pictures")
    lost = tmp_path / "data/coco/train2014/COCO_train2014_000000000003.jpg"
    lost.unlink()
    code, out, _ = fetch("refcoco", "--only", "pictures")
    assert (code, lost.read_bytes()) == (0, b"\x03" * 5000)
    assert "sha256 as recorded before" in out
    lost.unlink()
    server.files["/train2014.zip"].data = zipped({"train2014/other.jpg": b"other"})
    code, _, err = fetch("refcoco", "--only", "pictures")
    assert code == 1
    assert "fetched.json (remove its entry there to take another file)" in err


@pytest.mark.parametrize(("only", "place"), [("annotations", "refcoco"), ("pictures", "coco")])
def test_one_half_can_be_fetched_alone(toy, fetch, tmp_path, only, place):
    assert fetch("refcoco", "--only", only)[0] == 0
    folders = {path.name for path in (tmp_path / "data").iterdir() if path.is_dir()}
    assert folders == {place, "fetched"}


def test_a_wrong_checksum_leaves_nothing_and_is_one_sentence(toy, fetch, tmp_path):
    toy(sha256="0" * 64)
    code, _, err = fetch("refcoco", "--only", "annotations")
    assert code == 1
    said = err.splitlines()[-1]
    assert said.startswith("grounding: refcoco.zip could not be fetched (127.0.0.1: it cannot be reached")
    assert "not 000000000000... as published; it is removed" in said
    assert files_below(tmp_path / "data") == []


def test_an_archive_that_would_do_harm_is_not_unpacked(toy, fetch, server, tmp_path):
    evil = zipped({"../evil": b"evil"})
    server.files["/train2014.zip"].data = evil
    code, _, err = fetch("refcoco", "--only", "pictures")
    assert code == 1
    assert "train2014.zip holds '../evil', which leads out of its folder; it is not unpacked" in err
    assert not (tmp_path / "evil").exists()


def test_a_folder_of_ones_own_serves_in_place_of_the_web(fetch, tmp_path):
    mirror = tmp_path / "my mirror"
    mirror.mkdir()
    (mirror / "annotations.zip").write_bytes(zipped({"Annotations/1.xml": b"<a/>", "Sentences/1.txt": b"a"}))
    for split in ("train", "val", "test"):
        (mirror / f"{split}.txt").write_text("1\n")
    code, out, _ = fetch("flickr30k", "--from", str(mirror))
    assert code == 0
    flickr = tmp_path / "data/flickr30k"
    assert files_below(flickr) == ["Annotations/1.xml", "Sentences/1.txt", "test.txt", "train.txt", "val.txt"]
    assert "by hand: its pictures are given out on request only: fill in the form at https://shannon" in out
    (mirror / "val.txt").unlink()
    shutil.rmtree(flickr)
    code, _, err = fetch("flickr30k", "--from", mirror.as_uri())
    assert code == 1
    assert "val.txt could not be fetched" in err


def test_what_was_fetched_opens_under_the_command_that_is_printed(toy, fetch, server):
    ref = {"ref_id": 1, "ann_id": 5, "image_id": 3, "split": "val", "category_id": 1, "sentences": []}
    ref["sentences"] = [{"sent_id": 7, "sent": "the left one"}]
    name = "COCO_train2014_000000000003.jpg"
    images = [{"id": 3, "file_name": name, "width": 64, "height": 48}]
    annotations = [{"id": 5, "image_id": 3, "category_id": 1, "bbox": [1, 2, 30, 20], "segmentation": []}]
    instances = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "cat"}]}
    refs = {"refcoco/instances.json": json.dumps(instances), "refcoco/refs(unc).p": pickle.dumps([ref])}
    data = zipped(refs)
    server.files["/refcoco.zip"].data = data
    toy(hashlib.sha256(data).hexdigest(), len(data))
    code, out, _ = fetch("refcoco")
    assert code == 0
    words = out.splitlines()[-1].split()
    root, pictures = (words[words.index(flag) + 1] for flag in ("--root", "--images"))
    dataset = open_dataset(words[2], root=root, images=pictures)
    assert [sample.phrase for sample in dataset] == ["the left one"]
    assert dataset.missing_pictures() == []


def test_annotations_in_folders_of_their_own_are_found(fetch, tmp_path):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    content = b"{}"
    with tarfile.open(mirror / "mdetr_annotations.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("OpenSource/finetune_refcoco_val.json")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    code, out, _ = fetch("mdetr", "--only", "annotations", "--from", str(mirror))
    assert code == 0
    assert "pictures: not here yet: grounding data fetch mdetr --only pictures" in out
    root = tmp_path / "data/mdetr/OpenSource"
    assert out.splitlines()[-1] == f"grounding predict refcoco:val --root {root} --out refcoco-val.jsonl"


def test_pictures_on_request_are_told_in_words(fetch, tmp_path):
    code, out, _ = fetch("flickr30k", "--only", "pictures")
    assert code == 0
    assert "no pictures can be fetched; its pictures are given out on request only" in out


def test_archives_are_kept_on_demand(toy, fetch, tmp_path):
    fetch("refcoco", "--keep-archives")
    assert (tmp_path / "data/downloads/refcoco.zip").read_bytes() == REFS


def test_an_archive_that_was_not_yet_unpacked_is_not_fetched_again(toy, fetch, server, tmp_path):
    downloads = tmp_path / "data/downloads"
    downloads.mkdir(parents=True)
    (downloads / "refcoco.zip").write_bytes(REFS)
    assert fetch("refcoco", "--only", "annotations")[0] == 0
    assert server.seen == []
    assert (tmp_path / "data/refcoco/instances.json").is_file()
    (tmp_path / "data/refcoco/instances.json").unlink()
    downloads.mkdir()
    (downloads / "refcoco.zip").write_bytes(b"PK of someone else's")
    code, _, err = fetch("refcoco", "--only", "annotations")
    assert code == 1
    assert "is not the published" in err


MISTAKES = [
    (["imagenet"], "there is no data set 'imagenet' to fetch; there are refcoco, "),
    ([], "say what to fetch: refcoco, "),
    (["coco", "--from", "no-such-folder"], "--from no-such-folder is no folder"),
    (["coco", "--from", "ftp://host/x"], "is no http:, https: or file: address"),
]


@pytest.mark.parametrize(("arguments", "said"), MISTAKES)
def test_a_mistake_is_one_sentence_and_code_2(fetch, arguments, said):
    code, _, err = fetch(*arguments)
    assert code == 2
    assert said in err
    assert len(err.splitlines()) == 1


def test_a_disk_without_room_is_told_before_anything_is_fetched(fetch, tmp_path, server):
    disk = tmp_path / "data"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if os.name != "posix" or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system is not allowed here")
    try:
        code, out, err = fetch("refcoco")
        assert code == 1
        assert "needs 27.1 GB more in" in err
        assert "takes up to 27.1 GB" in out
        assert files_below(disk) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_control_c_keeps_what_came_for_the_next_run(tmp_path):
    data = os.urandom(400_000)
    served = Served(data, hang_at=150_000)
    with FileServer({f"/{name}": served for name in ("annotations.zip", "val.txt")}) as server:
        served.data = b"PK" + data
        command = [sys.executable, "-m", "grounding", "data", "fetch", "flickr30k", "--out", str(tmp_path / "data")]
        command += ["--from", server.address("")]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as run:
            part = tmp_path / "data/downloads/flickr30k-annotations.zip.part"
            for _ in range(500):
                if part.exists() and part.stat().st_size == 150_000:
                    break
                threading.Event().wait(0.02)
            run.send_signal(signal.SIGINT)
            _, err = run.communicate(timeout=20)
        assert run.returncode == 130
        assert "and the same command goes on from there" in err
        assert part.stat().st_size == 150_000


def test_the_list_is_a_table_in_a_terminal_and_lines_in_a_pipe(fetch, capsys):
    code, out, _ = fetch("--list")
    assert code == 0
    rows = {line.split("\t")[0]: line.split("\t") for line in out.splitlines()}
    assert list(rows) == list(CATALOG)
    assert rows["refcoco"][2:5] == ["54.0 MB", "13.5 GB", "published"]
    assert rows["flickr30k"][3:5] == ["by hand", "none"]
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "grounding", "data", "fetch", "--list"]
    with subprocess.Popen(command, stdout=theirs, env={**os.environ, "COLUMNS": "140", "TERM": "xterm"}):
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 65536):
                shown += piece
        except OSError:  # the other side has closed
            pass
    os.close(ours)
    assert "Published data sets" in shown.decode()
    assert "13.5 GB" in shown.decode()
