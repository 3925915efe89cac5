"""Parquet files as shards: rows with their pictures, counted from the file's end."""

import pytest

from grounding.data.lessons.opening import open_source
from grounding.data.lessons.parquet_shards import count_rows
from grounding.data.lessons.reading import try_lesson
from grounding.errors import FetchError, InputError
from tests.lesson_files import jpeg, talk

pa = pytest.importorskip("pyarrow", reason="parquet files need the package pyarrow")
import pyarrow.parquet as pq  # noqa: E402


def write(path, rows):
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=4)
    return path


def row(number):
    return {**talk(number), "image": {"bytes": jpeg(number), "path": f"{number}.png"}}


def test_rows_are_lessons_found_by_number(tmp_path):
    write(tmp_path / "a.parquet", [row(number) for number in range(9)])
    write(tmp_path / "b.parquet", [row(number) for number in range(9, 14)])
    assert count_rows(str(tmp_path / "a.parquet")) == 9
    assert count_rows(f"file://{tmp_path}/b.parquet") == 5
    source = open_source(f"shards:{tmp_path}", shuffle=False, cache=str(tmp_path / "cache"))
    assert source.size == 14
    for ordinal in (13, 0, 9, 5):
        lesson = source.lesson(ordinal)
        assert (lesson.id, lesson.turns[0].answer) == (f"row-{ordinal}", f"Number {ordinal}.")
        assert lesson.pictures[0].open().getpixel((1, 1))[0] == ordinal
    far = open_source(f"shards:file://{tmp_path}/*.parquet", shuffle=False, cache=str(tmp_path / "far"))
    assert [far.lesson(ordinal).id for ordinal in range(14)] == [f"row-{number}" for number in range(14)]


def test_other_columns_are_known(tmp_path):
    plain = {"bytes": jpeg(), "path": "x"}
    refcoco = {"image": plain, "answer": ["red cup", "the cup"], "bbox": [10.0, 20.0, 30.0, 40.0], "question": "?"}
    several = {"images": [plain, plain], "texts": [{"user": "<image> or <image>?", "assistant": "both"}]}
    for name, rows in {
        "refcoco": [refcoco],
        "several": [several],
        "vqa": [{"image": jpeg(), "question": "What?", "answer": "A cup."}],
        "captions": [{"image": plain, "caption": "A cup."}],
    }.items():
        write(tmp_path / f"{name}.parquet", rows)
    made = {
        name: open_source(f"shards:{tmp_path}/{name}.parquet", cache=str(tmp_path / "cache")).lesson(0)
        for name in ("refcoco", "several", "vqa", "captions")
    }
    assert [turn.phrase for turn in made["refcoco"].turns] == ["red cup", "the cup"]
    assert made["refcoco"].turns[0].truth.regions[0].box == (10, 20, 40, 60)
    assert len(made["several"].pictures) == 2
    assert made["vqa"].turns[0].answer == "A cup."
    assert made["captions"].turns[0].truth.text == "A cup."


def test_rows_that_cannot_be_used_are_named(tmp_path):
    write(tmp_path / "a.parquet", [{"image": jpeg(), "label": 3}, {"image": b"no picture", "label": 3}])
    source = open_source(f"shards:{tmp_path}/a.parquet", shuffle=False, cache=str(tmp_path / "cache"))
    assert "a row of no known kind, with label" in try_lesson(source, 0).message


def test_damaged_files_are_refused(tmp_path):
    path = write(tmp_path / "a.parquet", [row(number) for number in range(9)])
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="can't be read as parquet"):
        open_source(f"shards:{path}", cache=str(tmp_path / "cache"))
    with pytest.raises((InputError, FetchError), match=r"none\.parquet"):
        count_rows(f"file://{tmp_path}/none.parquet")
