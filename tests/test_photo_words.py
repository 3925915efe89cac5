"""Words of photographs' phrases: every list readable, every class known, sides turned round, nothing lost in typing."""

from random import Random

import pytest

from grounding.data.photos import clothes, long, people, phrases, relations, roles, traits, wording
from grounding.data.photos.names import NAMES, kind_readings, many, readings, word_for
from grounding.data.photos.people import Words
from grounding.data.photos.wording import Said, a, finished, place_words, placed
from tests.photo_scenes import facts, thing

MODULES = (clothes, long, people, phrases, relations, roles, traits, wording)


def every_list() -> list[Words]:
    lists = [value for module in MODULES for value in vars(module).values() if isinstance(value, Words)]
    lists += [value for table in (relations._WORDS, relations._OWNED) for value in table.values()]
    for manner in roles.MANNERS.values():
        lists += [words for words in (manner.tails, manner.roles, manner.alone) if words is not None]
    return lists


def test_no_list_holds_an_empty_word_or_a_stray_weight() -> None:
    assert len(every_list()) > 100
    for words in every_list():
        for word in words.words:
            assert word.strip(), words.words
            assert not word.replace(".", "").isdigit(), words.words


def test_words_are_drawn_by_their_weight() -> None:
    rng = Random(1)
    drawn = [Words("man 3, red shirt 1").draw(rng) for _ in range(4000)]
    assert 2800 < drawn.count("man") < 3200
    assert set(drawn) == {"man", "red shirt"}


def test_coco_has_eighty_classes_and_every_name_leads_to_one() -> None:
    assert len(NAMES) == 80
    for name, known in NAMES.items():
        assert known.words
        assert known.alike <= NAMES.keys()
        assert name not in known.alike
        for word in known.words:
            meant = readings(word, name)
            assert name in meant.always
            assert meant.always | meant.unsure <= NAMES.keys()


def test_wide_words_are_read_widely() -> None:
    assert {"bicycle", "motorcycle"} <= readings("bike", "bicycle").always
    assert {"cup", "wine glass", "bottle"} <= readings("glass", "cup").always
    assert "cow" in readings("horse", "horse").unsure
    assert "zebra" in kind_readings("animal").always


def test_a_horse_beside_a_sure_cow_is_the_only_horse_but_not_beside_an_unsure_one() -> None:
    horse = thing("horse", 10, 10, 50, 80)
    assert facts(horse, thing("cow", 60, 10, 90, 80)).meant_by("horse", "horse") == 0b01
    assert facts(horse, thing("cow", 60, 10, 90, 80, sure=False)).meant_by("horse", "horse") == 0b11


@pytest.mark.parametrize(
    ("word", "plural"), [("skis", "skis"), ("slice of pizza", "slices of pizza"), ("bus", "buses")]
)
def test_plurals(word: str, plural: str) -> None:
    assert many(word) == plural


@pytest.mark.parametrize("where", ["right", "top right", "bottom right", "bottom left", "bottom"])
@pytest.mark.parametrize("how", ["before", "after", "bare"])
def test_words_for_a_place_name_that_place_only(where: str, how: str) -> None:
    rng = Random(2)
    other = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}
    for _ in range(300):
        text = place_words(where, how, rng)
        assert not any(other[part] in text.split() or f"{other[part]}most" in text for part in where.split()), text
        assert not (where.startswith("bottom") and "upper" in text)


def test_what_is_barely_on_a_side_is_not_said_to_be_far_over() -> None:
    rng = Random(3)
    assert not any("far" in place_words("left", "before", rng, well=False) for _ in range(500))


def test_a_place_stands_before_or_behind_the_noun() -> None:
    rng = Random(4)
    drawn = {placed(Said("man", after=["in red"]), "left", rng) for _ in range(300)}
    assert {"left man in red", "man in red on left", "man on left in red"} <= drawn
    assert not any(text.startswith("left in") for text in (placed(Said("in red"), "left", rng) for _ in range(300)))


def test_articles() -> None:
    assert [a(word) for word in ("umbrella", "orange shirt", "one", "horse", "uniform")] == [
        *("an umbrella", "an orange shirt", "a one", "a horse", "a uniform"),
    ]


def test_slips_are_rare_and_leave_something_to_read() -> None:
    rng = Random(5)
    typed = [finished("man in white shirt", rng) for _ in range(4000)]
    plain = sum(text.removeprefix("the ") == "man in white shirt" for text in typed)
    assert 0.9 < plain / len(typed) < 0.97
    assert all(len(text) > 12 for text in typed)


def test_people_are_called_by_what_their_size_allows() -> None:
    family = facts(thing("person", 10, 10, 40, 90), thing("person", 50, 55, 65, 90), thing("dog", 70, 70, 90, 90))
    assert family.stature == [1, -1, 0]
    rng = Random(6)
    grown = {family.noun(0, rng).words for _ in range(500)}
    small = {family.noun(1, rng).words for _ in range(500)}
    assert not grown & {"kid", "boy", "girl", "baby", "child"}
    assert not small & {"man", "guy", "lady", "adult"}
    assert {"man", "woman", "mom", "adult"} <= grown
    assert {"kid", "boy", "girl", "child"} <= small


def test_usual_words_come_first() -> None:
    rng = Random(7)
    drawn = [word_for("tv", rng) for _ in range(2000)]
    assert drawn.count("tv") > drawn.count("television") > drawn.count("computer screen") > 0
