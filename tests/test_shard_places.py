"""Where shards lie: patterns, wids' index, counts that are remembered, copies that give way."""

import json
import os
import time

import pytest

from grounding.data.lessons.shard_places import INDEX, Copies, Shard, counted, find_shards, write_shard_index
from grounding.errors import FetchError, InputError
from tests.lesson_files import write_shards


def names(shards):
    return [shard.name for shard in shards]


def test_patterns_folders_and_stars_mean_shards(tmp_path):
    write_shards(tmp_path, [1, 1, 1])
    wanted = ["a-000.tar", "a-001.tar", "a-002.tar"]
    for pattern in ("a-{000..002}.tar", "a-*.tar", "{a}-00{0,1,2}.tar", "."):
        assert names(find_shards(pattern, str(tmp_path))) == wanted
    assert names(find_shards(str(tmp_path / "a-{001..002}.tar"))) == wanted[1:]
    assert names(find_shards(f"file://{tmp_path}/a-*.tar")) == wanted


def test_ranges_keep_their_zeros(tmp_path):
    for number in ("8", "9", "10"):
        (tmp_path / f"{number}.tar").write_bytes(b"")
    assert names(find_shards("{8..10}.tar", str(tmp_path))) == ["8.tar", "9.tar", "10.tar"]


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("b-*.tar", "there are no shards 'b-\\*.tar'"),
        ("a-{000..009}.tar", r"there is no shard .*a-001.tar"),
        ("{0..99999999}.tar", "100,000,000 names"),
        ("{9..0}.tar", "names; 1 to"),
        ("{0..9999}{0..9999}.tar", "means 100,000,000 names; 1,000,000 at most"),
        ("none.json", "no index of shards"),
    ],
)
def test_patterns_that_mean_nothing_say_so(tmp_path, pattern, reason):
    write_shards(tmp_path, [1])
    with pytest.raises(InputError, match=reason):
        find_shards(pattern, str(tmp_path))


def test_the_index_spares_the_counting(tmp_path):
    paths = write_shards(tmp_path, [3, 2])
    shards = [Shard(str(path), count, path.stat().st_size) for path, count in zip(paths, (3, 2), strict=True)]
    index = write_shard_index(tmp_path, shards, "a")
    told = json.loads(index.read_text())
    assert (told["wids_version"], told["shardlist"][0]["url"], told["shardlist"][0]["nsamples"]) == (1, "a-000.tar", 3)
    for pattern in (str(tmp_path), str(index), f"file://{index}"):
        assert [shard.count for shard in find_shards(pattern)] == [3, 2]
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"shardlist": [{"url": "a"}]}', '{"shardlist": [{"url": "a", "nsamples": -1}]}']
)
def test_an_index_that_is_none_is_refused(tmp_path, text):
    write_shards(tmp_path, [1])
    (tmp_path / INDEX).write_text(text)
    with pytest.raises(InputError, match="is no index of shards"):
        find_shards(str(tmp_path))


def test_a_far_index_names_nothing_on_this_machine(tmp_path):
    (tmp_path / INDEX).write_text('{"shardlist": [{"url": "/home/me/a.tar", "nsamples": 1}]}')
    with pytest.raises(InputError, match="on this machine"):
        find_shards(f"file://{tmp_path / INDEX}")


def test_counts_are_remembered_until_a_shard_changes(tmp_path):
    folder, cache = tmp_path / "shards", tmp_path / "cache"
    write_shards(folder, [3, 2])
    told = []
    shards = counted(find_shards(str(folder)), cache, lambda done, total: told.append((done, total)))
    assert [shard.count for shard in shards] == [3, 2]
    assert told == [(0, 2), (1, 2)]
    damaged = folder / "a-000.tar"
    before = damaged.stat()
    same = b"\0" * before.st_size
    damaged.write_bytes(same)
    os.utime(damaged, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert [shard.count for shard in counted(find_shards(str(folder)), cache)] == [3, 2]
    damaged.write_bytes(same + b"\0" * 512)
    assert [shard.count for shard in counted(find_shards(str(folder)), cache)] == [0, 2]


def test_far_shards_are_copied_once_and_the_oldest_give_way(tmp_path):
    paths = write_shards(tmp_path / "far", [2, 2, 2])
    size = paths[0].stat().st_size
    copies = Copies(tmp_path / "cache", most_bytes=2 * size)
    far = [Shard(f"file://{path}", 2, size) for path in paths]
    first = copies.path(far[0])
    assert first.read_bytes() == paths[0].read_bytes()
    os.utime(first, (time.time() - 100,) * 2)
    second = copies.path(far[1])
    os.utime(second, (time.time() - 50,) * 2)
    assert copies.path(far[0]) == first, "used again, it is the younger one"
    third = copies.path(far[2])
    assert (first.is_file(), second.is_file(), third.is_file()) == (True, False, True)
    assert not list((tmp_path / "cache").glob("*.part"))
    assert copies.path(Shard(str(paths[0]), 2)) == paths[0], "what lies here is not copied"


def test_a_copy_of_another_size_than_the_index_says_is_refused(tmp_path):
    (path,) = write_shards(tmp_path, [1])
    with pytest.raises(FetchError, match="its index says 7"):
        Copies(tmp_path / "cache").path(Shard(f"file://{path}", 1, 7))
    with pytest.raises(FetchError, match="can't be fetched"):
        Copies(tmp_path / "cache").path(Shard(f"file://{tmp_path}/none.tar", 1))


def test_counts_are_remembered_of_a_file_and_not_of_its_name(tmp_path, monkeypatch):
    """Tars are filled up to 10,240 bytes, so that shards of one name and size may hold different numbers."""
    for folder, count in (("x", 1), ("y", 2)):
        (path,) = write_shards(tmp_path / folder, [count])
        monkeypatch.chdir(path.parent)
        assert [shard.count for shard in counted(find_shards(path.name), tmp_path / "cache")] == [count]
    size = path.stat().st_size
    for count in (1, 2):
        (path,) = write_shards(tmp_path / "y", [count])
        os.utime(path, (count, count))
        assert path.stat().st_size == size
        assert [shard.count for shard in counted(find_shards(path.name), tmp_path / "cache")] == [count]


def test_a_shard_of_another_size_than_its_index_says_is_counted(tmp_path):
    paths = write_shards(tmp_path, [3, 2])
    shards = [Shard(str(path), count, path.stat().st_size) for path, count in zip(paths, (3, 2), strict=True)]
    index = write_shard_index(tmp_path, shards, "a")
    write_shards(tmp_path, [30])
    for pattern in (str(tmp_path), str(index)):
        assert [shard.count for shard in counted(find_shards(pattern), tmp_path / "cache")] == [30, 2]
