"""Questions about photographs: repeatable, certain beside what is unsure, in the mixture asked for, quickly made."""

import json
import re
import time
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from grounding.codecs import get_codec
from grounding.data.photos.facts import Facts
from grounding.data.photos.phrases import name
from grounding.data.photos.questions import MIXTURE, SKILLS, ask
from grounding.data.photos.things import PhotoScene, PhotoThing
from grounding.errors import InputError
from grounding.images import Canvas
from tests.photo_scenes import row_of_people, scene, thing

WEAK = Path(__file__).resolve().parents[2] / "shared" / "data" / "coco256" / "detections.jsonl"
COLORS = ("black", "white", "red", "blue", "green", "gray", None, None, None)


def many_scenes(number: int) -> list[PhotoScene]:
    """Scenes of the weak labels where they are at hand, with drawn colours."""
    if not WEAK.exists():
        pytest.skip("needs the weak labels in ../shared/data/coco256")
    rng = Random(4)
    scenes = []
    with WEAK.open() as lines:
        for line, _ in zip(lines, range(number), strict=False):
            things = []
            for box in json.loads(line)["boxes"]:
                x1, y1, x2, y2 = (256 * edge for edge in box["box_unit_xyxy"])
                person = box["label"] == "person"
                colors = (None, rng.choice(COLORS), rng.choice(COLORS)) if person else (rng.choice(COLORS), None, None)
                sure = box["score"] > 0.68
                things.append(PhotoThing(len(things), box["label"], (x1, y1, x2, y2), *colors, sure, box["score"]))
            scenes.append(PhotoScene(256, 256, tuple(things)))
    return scenes


def test_the_same_generator_gives_the_same_questions() -> None:
    one, other = ask(row_of_people(), Random(3), 12), ask(row_of_people(), Random(3), 12)
    assert one == other
    assert one != ask(row_of_people(), Random(4), 12)


def test_no_prompt_stands_twice_and_answers_read_back() -> None:
    codec = get_codec("location")
    for seed in range(60):
        samples = ask(row_of_people(), Random(seed), 16)
        assert len(samples) >= 12
        assert len({sample.prompt for sample in samples}) == len(samples)
        for sample in samples:
            if sample.task in ("locate", "detect", "count"):
                decoded = codec.decode(sample.answer, Canvas.identity(100, 100), task=sample.task)
                assert not decoded.problems
                assert len(decoded.regions) == len(sample.boxes) == len(sample.targets)
                assert [region.label for region in decoded.regions] == list(sample.labels) or sample.task != "detect"


def test_what_is_unsure_is_never_an_answer() -> None:
    for seed in range(100):
        for sample in ask(row_of_people(), Random(seed), 16):
            assert 3 not in sample.targets
            # Whether there are three people or four is not known.
            assert not (sample.task == "locate" and len(sample.targets) > 1 and 0 in sample.targets)


def test_the_right_man_is_not_asked_for_where_an_unsure_one_stands_farther_right() -> None:
    meant = re.compile(r"^(the )?(right|rightmost|far right) (man|woman|guy|person|lady)$")
    for seed in range(100):
        assert not any(meant.match(sample.phrase) for sample in ask(row_of_people(), Random(seed), 16))


def test_left_words_mean_the_leftmost() -> None:
    meant = re.compile(r"^(the )?(left|leftmost|far left|left most) (man|woman|guy|person|lady|one)$")
    targets = [
        sample.targets
        for seed in range(150)
        for sample in ask(row_of_people(), Random(seed), 16)
        if meant.match(sample.phrase)
    ]
    assert len(targets) > 8
    assert set(targets) == {(0,)}


def test_a_shirt_is_asked_for_only_where_no_unsure_one_may_wear_it() -> None:
    """The fourth person's clothes are not known, so "white shirt" alone might be theirs."""
    for seed in range(100):
        phrases = [sample.phrase for sample in ask(row_of_people(), Random(seed), 16, {"color": 1.0})]
        assert "white shirt" not in phrases
    known = scene(*(t for t in row_of_people().things if t.sure))
    phrases = [s.phrase for seed in range(100) for s in ask(known, Random(seed), 16, {"color": 1.0})]
    assert phrases.count("white shirt") + phrases.count("the white shirt") > 5


def test_nothing_is_asked_where_nothing_is_sure() -> None:
    assert ask(scene(), Random(1), 8) == ()
    assert ask(scene(thing("dog", 10, 10, 40, 40, sure=False)), Random(1), 8) == ()


def test_a_name_that_may_be_there_is_never_said_to_be_missing() -> None:
    unsure = scene(thing("dog", 10, 40, 60, 90), thing("bench", 50, 50, 90, 90, sure=False))
    for seed in range(100):
        for sample in ask(unsure, Random(seed), 16, {"absent": 1.0}):
            assert sample.answer == "none"
            # A couch and a chair might be what was taken for a bench.
            assert not re.search(r"\b(bench|chair|couch|sofa)\b", sample.phrase), sample.phrase


def test_people_are_asked_about_most_in_pictures_of_the_world() -> None:
    scenes = many_scenes(250)
    numbered = [(n, sample) for n, photo in enumerate(scenes) for sample in ask(photo, Random(n), 16)]
    samples = [sample for _, sample in numbered]
    skills = Counter(sample.skill for sample in samples)
    assert set(skills) == set(SKILLS) == set(MIXTURE)
    located = [sample for sample in samples if sample.task == "locate"]
    assert 0.05 < sum(sample.answer == "none" for sample in located) / len(located) < 0.14
    assert min(skills["side"], skills["color"]) > 1.5 * max(skills["relation"], skills["near"], skills["size"])
    pointing = [(sample, scenes[n]) for n, sample in numbered if sample.task == "locate" and len(sample.targets) == 1]
    of_people = sum(photo.things[sample.targets[0]].name == "person" for sample, photo in pointing)
    assert 0.3 < of_people / len(pointing) < 0.65
    assert len({sample.phrase for sample in located}) > 0.6 * len(located)
    lengths = [len(s.phrase.split()) for s in located if s.skill not in ("long", "absent")]
    assert 2.5 < sum(lengths) / len(lengths) < 5


def test_boxes_written_are_those_of_the_targets() -> None:
    for n, photo in enumerate(many_scenes(60)):
        for sample in ask(photo, Random(n), 16):
            assert sample.boxes == tuple(photo.things[i].box for i in sample.targets)
            assert all(photo.things[i].sure for i in sample.targets)


def test_sixteen_phrases_take_a_few_milliseconds() -> None:
    scenes = many_scenes(80)
    ask(scenes[0], Random(0), 16)
    start = time.process_time()
    for n, photo in enumerate(scenes):
        ask(photo, Random(n), 16)
    # Three times what it takes on an idle core.
    assert (time.process_time() - start) / len(scenes) < 0.018


@pytest.mark.parametrize(
    ("phrases", "mixture", "message"),
    [
        (0, None, "phrases is 0"),
        (4, {"smell": 1.0}, "no skill named 'smell'"),
        (4, {"side": 0.0}, "one must be above zero"),
        (4, {"side": 1.0, "name": -1.0}, "must not be negative"),
    ],
)
def test_a_mixture_that_asks_nothing_is_refused(phrases: int, mixture: dict[str, float] | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ask(row_of_people(), Random(0), phrases, mixture)


def test_a_name_means_what_stands_out_but_never_one_of_several() -> None:
    crowd = scene(thing("person", 10, 5, 60, 98), thing("person", 70, 40, 78, 60), thing("person", 85, 42, 92, 60))
    pair = scene(thing("person", 10, 5, 60, 98), thing("person", 65, 10, 98, 98))
    asked = [draft for seed in range(200) if (draft := name(Facts(crowd), Random(seed))) is not None]
    assert {draft.targets for draft in asked} == {(0,)}
    assert any(draft.phrase == "man" for draft in asked)
    assert all(name(Facts(pair), Random(seed)) is None for seed in range(200))
