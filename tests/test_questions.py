"""What is asked of detection sets and of Flickr30k: present and absent names, counts, captions with their boxes."""

import json
from collections import Counter

import pytest

from grounding.codecs import get_codec
from grounding.data.dataset import Dataset
from grounding.data.lessons.opening import open_source
from grounding.data.lessons.questions import CaptionLessons, DetectionSource
from grounding.data.lessons.wording import texts_of
from grounding.data.pictures import NoPicture
from grounding.data.sample import Sample
from grounding.errors import ConfigError
from grounding.images import Canvas
from grounding.result import Grounding, Region

NAMES = ("cat", "dog", "cup", "tree", "car", "boat")


def picture(number, labels, crowd=()):
    boxes = [Region((10.0 * n, 50.0 - n, 10.0 * n + 5, 60), label) for n, label in enumerate(labels)]
    truth = Grounding("", tuple(boxes), "", 640, 480, task="detect")
    crowds = tuple(Region((0, 0, 9, 9), label) for label in crowd)
    return Sample(NoPicture(f"{number}.jpg"), "", truth, str(number), task="detect", names=NAMES, crowd=crowds)


def dataset(*pictures):
    categories = [{"id": n, "name": name} for n, name in enumerate(NAMES)]
    return Dataset("toy", list(pictures), scoring="detection", meta={"categories": categories})


TOY = dataset(
    picture(0, ["cat", "dog", "cat", "cup"]),
    picture(1, ["car"] * 25 + ["tree"]),
    picture(2, ["boat", "dog"], crowd=["boat"]),
    picture(3, []),
)


def turns(source, epochs=20):
    for ordinal in range(epochs * len(source.dataset)):
        yield from source.lesson(ordinal).turns


def test_every_answer_is_what_the_picture_shows():
    for turn in turns(DetectionSource("toy", TOY, 3)):
        known = TOY[int(turn.id.split("/")[0])]
        for name in turn.names or (turn.phrase,):
            wanted = sorted(region.box for region in known.truth.regions if region.label == name)
            labels = {name} if turn.task == "detect" else {None}
            assert sorted(region.box for region in turn.truth.regions if region.label in labels) == wanted
        assert list(turn.truth.regions) == sorted(turn.truth.regions, key=lambda region: (region.box[1], region.box[0]))


def test_crowds_and_masses_are_not_asked_for():
    asked = Counter()
    for turn in turns(DetectionSource("toy", TOY)):
        asked.update((turn.id.split("/")[0], name) for name in turn.names or (turn.phrase,))
    assert not asked["1", "car"]
    assert not asked["2", "boat"]
    assert asked["0", "cat"]
    assert asked["3", "cat"], "a picture that shows nothing is asked for what is absent"


def test_negatives_are_about_their_share():
    first = dataset(*[picture(n, ["cat", "dog", "cup"]) for n in range(40)])
    source = DetectionSource("toy", first, negatives=0.3, counts=0.2)
    asked = [turn for turn in turns(source, 5) if turn.task != "detect"]
    kinds = Counter("absent" if not turn.truth.regions else turn.task for turn in asked)
    assert 0.15 < kinds["absent"] / len(asked) < 0.45
    assert kinds["count"] > 0
    assert (
        all(not turn.truth.regions for turn in turns(DetectionSource("toy", first, phrases=1, negatives=1.0), 1))
        is False
    )


def test_each_epoch_asks_others_and_every_start_the_same():
    source = DetectionSource("toy", TOY, 1, shuffle=False)
    first = [turn.names for turn in source.lesson(0).turns]
    assert first != [turn.names for turn in source.lesson(len(TOY)).turns] or source.lesson(0) != source.lesson(
        len(TOY)
    )
    again = DetectionSource("toy", TOY, 1, shuffle=False)
    assert again.lesson(6) == source.lesson(6)
    assert source.size == 4


def test_texts_say_none_where_nothing_is():
    codec = get_codec("location")
    source = DetectionSource("toy", dataset(picture(0, [])), phrases=3)
    texts = texts_of(source.lesson(0), codec, [Canvas.identity(640, 480)])
    assert {answer for _, answer in texts} == {"none"}
    assert len(texts) == 3


def test_numbers_that_make_no_sense_are_refused():
    for wrong in ({"phrases": 0}, {"negatives": 2.0}, {"counts": -1.0}, {"names": 0}):
        with pytest.raises(ConfigError, match="phrases and names are 1 or more"):
            DetectionSource("toy", TOY, **wrong)


def test_coco_files_become_questions(tmp_path):
    data = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 640, "height": 480}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 30, 40]}],
        "categories": [{"id": 1, "name": "cup"}, {"id": 2, "name": "dog"}],
    }
    (tmp_path / "coco.json").write_text(json.dumps(data))
    source = open_source(tmp_path / "coco.json", phrases=4, negatives=0.5)
    assert isinstance(source, DetectionSource)
    assert {turn.task for turn in source.lesson(0).turns} <= {"detect", "locate", "count"}


def phrase(caption, place, words, first_word, boxes, sentence):
    truth = Grounding(words, tuple(Region(box) for box in boxes), "", 500, 400)
    meta = {"sentence": sentence, "first_word": first_word, "image_id": "7"}
    return Sample(NoPicture("7.jpg"), words, truth, f"7/{caption}/{place}", meta=meta)


def test_captions_have_their_phrases_boxes():
    one, two = "A man in a red hat holds a dog .", "A man stands ."
    flickr = Dataset(
        "flickr30k:train",
        [
            phrase(0, 0, "A man", 0, [(0, 0, 100, 300)], one),
            phrase(0, 1, "a red hat", 3, [(20, 0, 60, 40)], one),
            phrase(0, 2, "a dog", 7, [(90, 200, 150, 300), (160, 200, 200, 300)], one),
            phrase(1, 0, "A man", 0, [(0, 0, 100, 300)], two),
        ],
        scoring="phrases",
    )
    lessons = CaptionLessons(flickr)
    assert len(lessons) == 2
    (turn,) = lessons[0].turns
    assert (turn.task, turn.truth.text) == ("caption", one)
    told = [(one[slice(*region.span)], region.box) for region in turn.truth.regions]
    assert [words for words, _ in told] == ["A man", "a red hat", "a dog", "a dog"]
    ((_, answer),) = texts_of(lessons[1], get_codec("location"), [Canvas.identity(500, 400)])
    assert answer == "<p>A man</p><loc0000><loc0000><loc0767><loc0205> stands ."
