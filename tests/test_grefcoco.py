"""gRefCOCO: an expression means no thing, one or several, for boxes and for masks."""

import json

import pytest

from grounding.data.opening import open_dataset
from grounding.errors import InputError
from tests.refs_on_disk import ANNOTATIONS, instances, ref, told, toolbox

SQUARE = [[60, 0, 100, 0, 100, 80, 60, 80]]
TRUTH = instances(annotations=[*ANNOTATIONS[:2], {**ANNOTATIONS[2], "segmentation": SQUARE}])
GREFS = [
    ref(0, [1719310], 581857, sents=("the lady",), category_id=[1]),
    ref(1, [2, 3], 11, sents=("everything", "both things"), category_id=[44, 1]),
    ref(2, [-1], 11, sents=("a dog",), category_id=[-1]),
    ref(3, -1, 11, "testA", sents=("a cat",), category_id=-1),
    {**ref(4, [], 11, "testB", sents=("a cow",)), "no_target": True},
    ref(5, [3], 11, "testB", sents=("people",), category_id=[1]),
]


def grefcoco(root, refs=GREFS):
    folder = toolbox(root, "grefcoco", refs=[], truth=TRUTH)
    (folder / "refs(unc).p").unlink()
    (folder / "grefs(unc).json").write_text(json.dumps(refs))
    return root


def test_expressions_mean_none_one_or_several(tmp_path):
    data = open_dataset("grefcoco:val", root=grefcoco(tmp_path))
    assert (data.scoring, data.expected, data.problems) == ("generalized", None, ())
    assert [(sample.phrase, sample.truth.count) for sample in data] == [
        ("the lady", 1),
        ("everything", 2),
        ("both things", 2),
        ("a dog", 0),
    ]
    assert data[1].truth.labels == ("bottle", "person")
    assert data[1].meta["ann_id"] == [2, 3]
    assert data[1].meta["category"] == ["bottle", "person"]
    assert data[0].truth.regions[0].mask is not None


@pytest.mark.parametrize("split", ["testA", "testB"])
def test_an_expression_without_a_target_is_told_in_any_way(tmp_path, split):
    assert not open_dataset(f"grefcoco:{split}", root=grefcoco(tmp_path))[0].truth.found


def test_crowds_count_neither_way_where_masks_are_scored(tmp_path):
    data = open_dataset("grefcoco:val", root=grefcoco(tmp_path), scoring="segmentation")
    both = data[1]
    assert (both.truth.labels, [region.label for region in both.crowd]) == (("bottle",), ["person"])
    assert data.scoring == "segmentation"
    alone = open_dataset("grefcoco:testB", root=tmp_path, scoring="segmentation")[1]
    assert (alone.truth.labels, alone.crowd) == (("person",), ())


def test_the_folder_itself_may_be_the_root(tmp_path):
    root = grefcoco(tmp_path) / "grefcoco"
    assert len(open_dataset("grefcoco:val", root=root)) == 4


def test_one_unknown_target_of_several_leaves_the_expression_out(tmp_path):
    refs = [ref(1, [2, 77], 11, sents=("both", "two")), *GREFS[2:]]
    data = open_dataset("grefcoco:val", root=grefcoco(tmp_path, refs))
    assert len(data) == 1
    assert told(data) == [("unknown id", "grefs(unc).json, entry 1")]
    assert "no annotation 77 in instances.json; left out: 2 expressions" in data.problems[0].message


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(InputError, match=r"grefcoco:val below .* looked for grefcoco/grefs"):
        open_dataset("grefcoco:val", root=tmp_path)
    with pytest.raises(InputError, match="needs root="):
        open_dataset("grefcoco:val")
    with pytest.raises(InputError, match="no split 'test'; there are grefcoco:train, grefcoco:val"):
        open_dataset("grefcoco:test", root=tmp_path)
    with pytest.raises(InputError, match="not scored as 'rec'"):
        open_dataset("grefcoco:val", root=tmp_path, scoring="rec")
