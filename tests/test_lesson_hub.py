"""Data sets of the hub as lessons: parquet files by number, other rows as a stream that resumes exactly."""

import json

import pytest

from grounding.data.folders import Folder
from grounding.data.lessons.hub import StreamSource
from grounding.data.lessons.opening import open_source
from grounding.data.lessons.row_pictures import Finder
from grounding.data.lessons.shards import ShardSource
from grounding.errors import InputError
from tests.lesson_files import jpeg, talk

datasets = pytest.importorskip("datasets", reason="rows of the hub need the package datasets")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A folder that `datasets` takes for ORG/NAME, as it looks for a folder of that name before it asks the hub."""
    datasets.utils.logging.disable_progress_bar()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("GROUNDING_CACHE", str(tmp_path / "copies"))
    (tmp_path / "org" / "name" / "data").mkdir(parents=True)
    return tmp_path / "org" / "name"


def ids(source, ordinals):
    return [source.lesson(ordinal).id for ordinal in ordinals]


def test_parquet_files_are_found_by_number(hub):
    rows = [{**talk(number), "image": {"bytes": jpeg(number), "path": "x.png"}} for number in range(12)]
    whole = datasets.Dataset.from_list(rows).cast_column("image", datasets.Image())
    for place, chosen in enumerate((range(7), range(7, 12))):
        whole.select(chosen).to_parquet(hub / "data" / f"train-{place:05d}-of-00002.parquet")
    source = open_source("hub:org/name:train", seed=1)
    assert isinstance(source, ShardSource)
    assert source.size == 12
    assert set(ids(source, range(12))) == {f"row-{number}" for number in range(12)}
    assert ids(open_source("hub:org/name:train", seed=1), range(5, 30)) == ids(source, range(5, 30))
    lesson = source.lesson(3)
    assert lesson.pictures[0].open().getpixel((0, 0))[0] == int(lesson.id.removeprefix("row-"))


@pytest.fixture
def stream(hub):
    (hub / "0.png").write_bytes(jpeg())
    rows = [json.dumps({**talk(number), "image": "0.png"}) for number in range(23)]
    (hub / "data" / "train.jsonl").write_text("\n".join(rows) + "\n")

    def opened(**options):
        return open_source("hub:org/name:train", images=hub, buffer=5, **options)

    return opened


def test_other_rows_are_streamed_and_resume_exactly(stream):
    source = stream()
    assert isinstance(source, StreamSource)
    whole = ids(source, range(60))
    assert set(whole[:23]) == set(whole[23:46]) == {f"row-{number}" for number in range(23)}
    assert whole[:23] != whole[23:46]
    assert source.size == 23
    for start in (3, 22, 23, 41):
        assert ids(stream(), range(start, 60)) == whole[start:]
    assert ids(stream(shuffle=False), range(4)) == ["row-0", "row-1", "row-2", "row-3"]
    assert source.lesson(0).pictures[0].open().size == (100, 80)


def test_rows_that_nobody_counted_are_gone_through_once_and_then_to_the_place():
    class Rows:
        features, passes = None, 0

        def __iter__(self):
            Rows.passes += 1
            return iter([{**talk(number), "image": {"bytes": jpeg()}} for number in range(23)])

    source = StreamSource("rows", Rows(), Finder(Folder(None)), buffer=5)
    assert source.lesson(1000).id in {f"row-{number}" for number in range(23)}
    assert (source.size, Rows.passes) == (23, 2)


def test_lessons_between_others_are_the_same(stream):
    whole = ids(stream(), range(30))
    assert [lesson.id for _, lesson in zip(range(10), stream().lessons(1, 3), strict=False)] == whole[1::3]


def test_splits_and_names_there_are_not_are_refused(stream):
    with pytest.raises(InputError, match="has no split 'val'; known: train"):
        open_source("hub:org/name:val")
    with pytest.raises(InputError, match="is no data set on the hub"):
        open_source("hub:name")
    with pytest.raises(InputError, match="has no option 'names'"):
        open_source("hub:org/name:train", names="cup")
