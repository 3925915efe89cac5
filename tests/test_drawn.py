"""Drawn scenes as a data set are the samples that the evaluation of training measures, drawn when they are opened."""

import pickle
from itertools import pairwise

import numpy as np
import pytest

from grounding.codecs import get_codec
from grounding.data.drawn import FIRST_SEED, GROUPS, SCORING, DrawnPicture, style_options
from grounding.data.opening import open_dataset
from grounding.data.scenes.generate import SKILLS, PictureOptions, evaluation_set
from grounding.data.scenes.scene import (
    held_out_pairs_options,
    held_out_style_options,
    make_scene,
    plain_options,
    training_options,
)
from grounding.errors import InputError

STYLES = {
    "training": training_options(),
    "plain": plain_options(),
    "held-out style": held_out_style_options(),
    "held-out pairs": held_out_pairs_options(),
}


def same(samples, drawn):
    for mine, (picture, theirs) in zip(samples, drawn, strict=True):
        assert (mine.phrase, mine.task, mine.names) == (theirs.phrase, theirs.task, theirs.names)
        assert mine.truth.boxes.tolist() == [list(box) for box in theirs.boxes]
        assert mine.truth.labels == theirs.labels
        assert (mine.kind, mine.meta["detail"]) == (theirs.skill, theirs.detail)
        assert get_codec("location").prompt(mine.task, mine.phrase, names=mine.names) == theirs.prompt
        assert np.array_equal(np.asarray(mine.open()), picture.image)
    return True


@pytest.mark.parametrize("skill", SCORING)
def test_samples_are_those_of_the_evaluation(skill):
    dataset = open_dataset(f"scenes:{skill}", n=12)
    first = FIRST_SEED + 1_000_000 * list(SKILLS).index(skill)
    assert same(dataset, evaluation_set(skill, 12, first, PictureOptions(training_options())))
    assert dataset.scoring == SCORING[skill]


@pytest.mark.parametrize("style", STYLES)
def test_other_styles_are_the_evaluation_s_too(style):
    dataset = open_dataset("scenes:attribute", n=6, style=style)
    assert same(dataset, evaluation_set("attribute", 6, FIRST_SEED, PictureOptions(STYLES[style])))


def test_ids_are_unique_and_the_same_at_every_reading():
    one, two = open_dataset("scenes:relation", n=50), open_dataset("scenes:relation", n=50)
    assert len({sample.id for sample in one}) == 50
    assert [sample.id for sample in one] == [sample.id for sample in two]
    assert one.fingerprint == two.fingerprint != open_dataset("scenes:relation", n=50, seed=7).fingerprint


def test_a_sample_in_the_middle_is_made_without_those_before_it_being_drawn():
    dataset = open_dataset("scenes:ordinal", n=40)
    assert dataset[-1].id == list(dataset)[39].id
    assert [sample.id for sample in dataset.samples[3:6]] == [dataset[place].id for place in (3, 4, 5)]
    with pytest.raises(IndexError):
        dataset[40]


def test_a_picture_travels_as_its_seed():
    picture = open_dataset("scenes:place", n=1)[0].picture
    packed = pickle.dumps(picture)
    assert len(packed) < 200
    assert pickle.loads(packed) == picture
    assert picture.key == f"scene-{picture.seed}"
    assert np.array_equal(np.asarray(pickle.loads(packed).open()), np.asarray(picture.open()))
    assert not picture.missing()


def test_count_says_its_number_and_segment_has_masks():
    for sample in open_dataset("scenes:count", n=20):
        assert sample.truth.count == len(sample.truth.regions) == int(sample.truth.text)
    for sample in open_dataset("scenes:segment", n=15):
        (region,) = sample.truth.regions
        assert region.mask is not None
        rows, columns = np.nonzero(region.mask.array)
        extent = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert np.abs(np.subtract(extent, region.box)).max() <= 1.5


@pytest.mark.parametrize(
    ("name", "scoring"), [("one-box", "rec"), ("pointing", "pointing"), ("all-skills", "generalized")]
)
def test_several_skills_come_in_equal_numbers(name, scoring):
    dataset = open_dataset(f"scenes:{name}", n=20)
    kinds = [sample.kind for sample in dataset]
    skills = GROUPS[name][0]
    assert dataset.scoring == scoring
    assert len(dataset) == 20
    assert list(dict.fromkeys(kinds)) == list(skills)
    assert max(map(kinds.count, skills)) - min(map(kinds.count, skills)) <= 1
    assert dataset[19].id == list(dataset)[19].id
    assert dataset[-20].id == dataset[0].id
    with pytest.raises(IndexError):
        dataset[20]


def test_another_measure_can_be_asked_for():
    assert open_dataset("scenes:place", n=2, scoring="pointing").scoring == "pointing"


def test_stickers_are_cut_outs_alone(tmp_path):
    from PIL import Image, ImageDraw

    for name, color in (("pizza", "red"), ("banana", "yellow"), ("leaf", "green")):
        cut = Image.new("RGBA", (64, 64))
        ImageDraw.Draw(cut).ellipse((4, 4, 60, 60), fill=color)
        cut.save(tmp_path / f"{name}.png")
    dataset = open_dataset("scenes:all", n=4, style="stickers", sprites=tmp_path)
    assert pickle.loads(pickle.dumps(dataset[0].picture)).open().size == dataset[0].size
    words = " ".join(sample.phrase for sample in dataset)
    assert any(name in words for name in ("pizza", "banana", "leaf", "lea"))


MISTAKES = [
    ("flying", {}, "no skill 'flying'"),
    ("caption", {}, "answered in words"),
    ("place", {"scoring": "beauty"}, "nothing is scored as 'beauty'"),
    ("place", {"style": "cubist"}, "no style 'cubist'"),
    ("place", {"style": "stickers"}, "need each other"),
    ("one-box", {"n": 3}, "at least 6"),
    ("place", {"seed": -1}, "seed is -1"),
    ("place", {"colour": "red"}, "no option 'colour'"),
]


@pytest.mark.parametrize(("split", "options", "said"), MISTAKES)
def test_mistakes_are_named(split, options, said):
    with pytest.raises(InputError, match=said):
        open_dataset(f"scenes:{split}", **options)


def test_neighbouring_questions_share_a_picture():
    dataset = open_dataset("scenes:relation", n=30)
    assert any(one.picture == two.picture for one, two in pairwise(dataset))
    assert isinstance(dataset[0].picture, DrawnPicture)


def test_the_number_of_things_can_be_given():
    for sample in open_dataset("scenes:attribute", n=12, things=[2, 3]):
        scene = make_scene(np.random.default_rng(sample.meta["seed"]), style_options("training", None, (2, 3)))
        assert 2 <= len(scene.things) <= 3
        assert sample.open().size == sample.size == (scene.width, scene.height)
        assert sample.picture.key.endswith("-2-to-3")
        assert any(thing.box == sample.truth.regions[0].box for thing in scene.things)


@pytest.mark.parametrize("things", [[3], [0, 2], [4, 2], [1, 2.5]])
def test_numbers_of_things_that_cannot_be_are_refused(things):
    with pytest.raises(InputError, match="the fewest and the most things"):
        open_dataset("scenes:attribute", n=2, things=things)
