"""Lessons of shards: any kind of row, each once in an epoch however it is shared, resumed at the exact next one."""

import io
import json
import multiprocessing
import pickle

import pytest
from PIL import Image

from grounding.data.lessons.mixture import Mixture
from grounding.data.lessons.opening import open_source
from grounding.data.lessons.packing import lessons_of, pack
from grounding.data.lessons.reading import try_lesson
from grounding.data.sample import Sample
from grounding.errors import InputError
from tests.lesson_files import jpeg, talk, write_shards, write_tar


@pytest.fixture
def shards(tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDING_CACHE", str(tmp_path / "cache"))
    write_shards(tmp_path / "s", [7, 5, 9, 4])
    return tmp_path / "s"


def ids(source, ordinals):
    return [source.lesson(ordinal).id for ordinal in ordinals]


ALL = {f"row-{number}" for number in range(25)}


def test_each_lesson_is_its_own_picture(shards):
    source = open_source(f"shards:{shards}", buffer=10, seed=4)
    assert source.size == 25
    for ordinal in range(25):
        lesson = source.lesson(ordinal)
        number = int(lesson.id.removeprefix("row-"))
        assert lesson.turns[0].answer == f"Number {number}."
        assert lesson.pictures[0].open().getpixel((3, 3)) == (number, 0, 128)


def test_a_run_resumes_in_the_middle_of_an_epoch_with_the_exact_next_lesson(shards):
    whole = ids(open_source(f"shards:{shards}", buffer=10), range(60))
    for start in (1, 13, 24, 25, 40):
        assert ids(open_source(f"shards:{shards}", buffer=10), range(start, 60)) == whole[start:]
    assert set(whole[:25]) == set(whole[25:50]) == ALL
    assert whole[:25] != whole[25:50]


@pytest.mark.parametrize(("processes", "batch"), [(1, 4), (2, 3), (3, 2), (5, 5)])
def test_an_epoch_is_shared_without_a_lesson_twice_or_missed(shards, processes, batch):
    """As ranks and workers share it: each opens the source by itself and reads its own positions of each step."""
    read = []
    for process in range(processes):
        mixture = Mixture([(1.0, open_source(f"shards:{shards}", buffer=10))])
        mine = [at for at in range(25) if at // batch % processes == process]
        read += [lesson.id for _, lesson in mixture.lessons(iter(mine))]
    assert sorted(read) == sorted(ALL)


def _ids_in_process(source, ordinals):
    return ids(source, ordinals)


def test_a_source_goes_to_other_processes(shards):
    source = open_source(f"shards:{shards}", buffer=10)
    whole = ids(source, range(25))
    assert ids(pickle.loads(pickle.dumps(source)), range(25)) == whole
    with multiprocessing.get_context("fork").Pool(2) as pool:
        halves = pool.starmap(_ids_in_process, [(source, range(0, 25, 2)), (source, range(1, 25, 2))])
    assert sorted(halves[0] + halves[1]) == sorted(whole)
    assert halves[0] == whole[::2]


def rows(tmp_path, *members):
    path = write_tar(tmp_path / "r.tar", [*members])
    return open_source(f"shards:{path}", shuffle=False, cache=str(tmp_path / "cache"))


def test_rows_of_every_kind_make_lessons(tmp_path):
    ours = {"phrase": "cup", "box": [1, 2, 30, 40]}
    swift = {"messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "<bbox>"}]}
    swift["objects"] = {"bbox": [[1, 2, 3, 4]]}
    several = {"texts": [{"user": "a?", "assistant": "a"}, {"user": "b?", "assistant": "b"}]}
    source = rows(
        tmp_path,
        *[("0.png", jpeg()), ("0.json", json.dumps(ours).encode())],
        *[("1.jpg", jpeg()), ("1.txt", b" A photo of a cup.\n")],
        *[("2.png", jpeg()), ("2.json", json.dumps(swift).encode())],
        *[("3.webp", jpeg()), ("3.json", b'{"caption": "a dog", "url": "x"}')],
        *[("4.json", json.dumps(talk(4, image=None)).replace("<image>", "").encode())],
        *[("5.png", jpeg()), ("5.json", json.dumps(several).encode())],
        *[("6.0.png", jpeg(0)), ("6.1.png", jpeg(1)), ("6.json", json.dumps(two()).encode())],
    )
    made = [source.lesson(ordinal) for ordinal in range(7)]
    assert [type(lesson.turns[0]).__name__ for lesson in made] == [
        "Sample",
        "Sample",
        "Words",
        "Sample",
        *["Words"] * 3,
    ]
    assert made[0].turns[0].truth.regions[0].box == (1, 2, 30, 40)
    assert (made[1].turns[0].task, made[1].turns[0].truth.text) == ("caption", "A photo of a cup.")
    assert made[2].turns[0].answer_regions[0].box == (1, 2, 3, 4)
    assert made[3].turns[0].truth.text == "a dog"
    assert made[4].pictures == ()
    assert [turn.prompt for turn in made[5].turns] == ["a?", "b?"]
    assert not made[5].sequential
    assert [picture.open().getpixel((0, 0))[0] for picture in made[6].pictures] == [0, 1]


def two():
    said = [{"from": "human", "value": "<image><image>?"}, {"from": "gpt", "value": "x"}]
    return {"image": ["x", "y"], "conversations": said}


def test_bad_samples_are_named_and_the_others_are_read(tmp_path):
    source = rows(
        tmp_path,
        *[("0.png", b"no picture"), ("0.json", json.dumps(talk(0)).encode())],
        *[("1.png", jpeg()), ("1.json", b"{")],
        *[("2.json", json.dumps(talk(2)).encode())],
        *[("3.png", jpeg()), ("3.json", b"[]")],
        *[("4.png", jpeg())],
        *[("5.png", jpeg()), ("5.json", json.dumps(talk(5)).encode())],
    )
    bad = [try_lesson(source, ordinal) for ordinal in range(5)]
    assert [entry.reason for entry in bad] == ["picture unreadable", *["row unreadable"] * 4]
    assert "r.tar, 1: its row is not JSON" in bad[1].message
    assert "names the picture '2.png', and the shard has none" in bad[2].message
    assert source.lesson(5).id == "row-5"


def test_a_shard_that_is_cut_off_loses_only_its_end(shards, tmp_path):
    open_source(f"shards:{shards}")  # counts them
    path = shards / "a-000.tar"
    path.write_bytes(path.read_bytes()[:6000])
    source = open_source(f"shards:{shards}", shuffle=False)
    assert source.size == 18 + 3
    assert source.lesson(2).id == "row-2"
    assert "ends in the middle" in source.problems[0].message


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(tmp_path):
    data = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(data, "PNG")
    source = rows(tmp_path, ("0.png", data.getvalue()), ("0.json", json.dumps(talk(0)).encode()))
    assert try_lesson(source, 0).reason == "picture too large"


def test_a_far_folder_is_read_through_copies(shards):
    near = open_source(f"shards:{shards}", buffer=10)
    far = open_source(f"shards:file://{shards}/a-*.tar", buffer=10)
    assert ids(far, range(25)) == ids(near, range(25))


def test_options_that_make_no_sense_are_refused(shards):
    with pytest.raises(InputError, match="leave out images="):
        open_source(f"shards:{shards}", images=shards)
    with pytest.raises(InputError, match="has no option 'phrases'; its options are buffer, shuffle"):
        open_source(f"shards:{shards}", phrases=3)


def test_a_packed_sample_is_one_of_ours(tmp_path):
    lesson = rows(tmp_path, ("0.png", jpeg()), ("0.json", b'{"phrase": "dog", "box": null}')).lesson(0)
    assert isinstance(lesson.turns[0], Sample)
    assert lesson.turns[0].truth.regions == ()


def test_a_shorter_set_takes_the_place_of_a_longer_one_whole(shards, tmp_path):
    source = open_source(f"shards:{shards}", shuffle=False)
    pack(lessons_of(source), tmp_path / "out", per_shard=5)
    assert open_source(f"shards:{tmp_path / 'out'}").size == 25
    (tmp_path / "out" / "other-000009.tar").write_bytes((shards / "a-000.tar").read_bytes())
    pack(lessons_of(source, 8), tmp_path / "out", per_shard=5, overwrite=True)
    left = sorted(path.name for path in (tmp_path / "out").glob("*.tar"))
    assert left == ["other-000009.tar", "shard-000000.tar", "shard-000001.tar"]
    assert ids(open_source(f"shards:{tmp_path / 'out'}/shard-*.tar", shuffle=False), range(8)) == ids(source, range(8))
