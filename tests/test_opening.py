"""One door to every data set: names and folders that are not there are one sentence, however odd they are."""

import pytest

from grounding.data.opening import READERS, open_dataset, reopen_dataset
from grounding.errors import InputError
from tests.refs_on_disk import toolbox


@pytest.mark.parametrize("name", ["none.json", "refcoco", ":", "x" * 5000, "a\0b", "~nobody-of-this-name/a.json"])
def test_a_name_that_is_none_is_answered_with_those_there_are(name):
    with pytest.raises(InputError, match=r"no data set named .*refcoco:val"):
        open_dataset(name)


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("root", ["none", "x" * 5000, "a\0b", "~nobody-of-this-name", __file__])
def test_a_root_that_is_no_folder_is_named(kind, root):
    with pytest.raises(InputError, match=r"there is no folder .*: give another root="):
        open_dataset(f"{kind}:val", root=root)


@pytest.mark.parametrize("name", ["coco-counting", "coco-absent"])
@pytest.mark.parametrize("file", ["x" * 5000, "~nobody-of-this-name/a.json"])
def test_a_file_to_derive_from_that_is_not_there_is_one_sentence(tmp_path, name, file):
    with pytest.raises(InputError, match="there is no instances_"):
        open_dataset(f"{name}:{file}", root=tmp_path)


def test_an_option_that_a_reader_does_not_have_is_named_with_those_it_has(tmp_path):
    with pytest.raises(InputError, match="has no option 'colour'; its options are root, images, scoring"):
        open_dataset("refcoco:val", root=tmp_path, colour=1)


def test_the_home_folder_may_be_written_short(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    toolbox(tmp_path)
    assert len(open_dataset("refcoco:val", root="~")) == 3
    assert len(open_dataset("~/refcoco/refs(unc).p", images="~")) > 3


def test_a_data_set_can_be_opened_again_from_what_it_was_opened_with():
    dataset = open_dataset("scenes:one-box", n=6, seed=5)
    assert reopen_dataset(dataset.origin).fingerprint == dataset.fingerprint
    assert dataset.take(2).origin == dataset.origin


def test_a_file_is_opened_again_from_another_working_folder(tmp_path, monkeypatch):
    (tmp_path / "own.jsonl").write_text(
        '{"image": "a.png", "phrase": "it", "box": [1, 2, 30, 20], "width": 40, "height": 30}\n'
    )
    monkeypatch.chdir(tmp_path)
    origin = open_dataset("own.jsonl").origin
    monkeypatch.chdir("/")
    assert (origin.name, origin.root) == ("own.jsonl", str(tmp_path))
    assert reopen_dataset(origin).name == "own.jsonl"
