"""Published split sizes: sums that papers state, and what a file's name says it is."""

from pathlib import Path

import pytest

from grounding.data.opening import READERS
from grounding.data.referring.splits import SPLITS, check_split, split_of_file
from grounding.errors import InputError


@pytest.mark.parametrize(
    ("kind", "total"),
    [("refcoco", 142_210), ("refcoco+", 141_564)],  # Yu et al. count 141,564 too, and one less than 142,210
)
def test_splits_add_up_to_the_whole(kind, total):
    assert sum(split.expressions for split in SPLITS[kind].values()) == total


def test_val_and_test_of_the_three_add_up_to_the_files_of_minigpt():
    splits = [entry for kind in ("refcoco", "refcoco+", "refcocog") for entry in SPLITS[kind].items()]
    assert sum(split.expressions for name, split in splits if name != "train") == 57_457


def test_ref_l4_is_its_two_splits():
    sizes = {name: split.expressions for name, split in SPLITS["ref-l4"].items()}
    assert sizes["val"] + sizes["test"] == sizes["all"] == 45_341


def test_every_split_has_a_source_and_every_kind_a_reader():
    for kind, splits in SPLITS.items():
        assert kind in READERS
        assert all(split.source for split in splits.values())


def test_an_unknown_split_names_those_there_are():
    assert check_split("refcocog", "test").expressions == 9_602
    with pytest.raises(InputError, match="no split 'testA'; there are refcocog:train, refcocog:val, refcocog:test"):
        check_split("refcocog", "testA")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("refcoco_testA.json", ("refcoco", "testA")),
        ("refcoco+_val.jsonl", ("refcoco+", "val")),
        ("refcocog_test.json", ("refcocog", "test")),
        ("finetune_refcoco+_testB.json", ("refcoco+", "testB")),
        ("finetune_grefcoco_val.json", ("grefcoco", "val")),
        ("refcoco_test.json", None),
        ("refcocog_testA.json", None),
        ("my_refcoco_val.json", None),
        ("expressions.jsonl", None),
    ],
)
def test_a_files_name_says_its_split(name, said):
    assert split_of_file(Path("folder") / name) == said
