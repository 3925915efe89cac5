"""What is said not to be there: nothing that may be there, be taken for it, or be too small to have been found."""

from collections import Counter
from dataclasses import replace
from random import Random

from grounding.data.photos.absence import (
    absent,
    may_be_missing,
    missing_name,
    no_such_color,
    not_in_that_place,
    too_few,
)
from grounding.data.photos.facts import Facts
from grounding.data.photos.things import PhotoScene, PhotoThing
from tests.photo_scenes import facts, thing


def names_missing(known: Facts, seeds: int = 400) -> set[str]:
    return {name for seed in range(seeds) if (name := missing_name(known, Random(seed), usual=0.0)) is not None}


def test_what_is_often_there_is_often_missing_where_nothing_like_it_is() -> None:
    kitchen = facts(thing("oven", 10, 30, 50, 90), thing("sink", 60, 50, 90, 70))
    drawn = Counter(
        name for seed in range(2000) if (name := missing_name(kitchen, Random(seed), usual=0.0)) is not None
    )
    assert not {"oven", "sink", "microwave"} & set(drawn)
    assert drawn["person"] > drawn["chair"] > drawn["zebra"] > 0
    assert drawn["person"] < 0.3 * drawn.total()
    street = facts(thing("person", 10, 10, 30, 90), thing("truck", 40, 10, 90, 90))
    assert not names_missing(street) & {"person", "car", "bus", "truck"}


def test_faint_classes_are_never_missing() -> None:
    things = (PhotoThing(0, "cat", (10.0, 10.0, 60.0, 60.0)),)
    known = Facts(PhotoScene(100, 100, things, ("dog", "elephant")))
    assert not may_be_missing(known, "elephant")
    assert not names_missing(known) & {"dog", "elephant", "horse"}
    assert may_be_missing(known, "airplane")


def test_a_colour_is_missing_only_where_all_are_known_to_have_another() -> None:
    bus = facts(thing("bus", 10, 20, 90, 90, color="red"))
    said = {draft.phrase for seed in range(300) if (draft := no_such_color(bus, Random(seed))) is not None}
    assert any("blue" in phrase for phrase in said)
    assert not any("red" in phrase.split() or "orange" in phrase or "pink" in phrase for phrase in said)
    unknown = facts(thing("bus", 10, 20, 90, 90))
    assert all(no_such_color(unknown, Random(seed)) is None for seed in range(100))
    hardly = facts(thing("bus", 10, 20, 90, 90, without=frozenset(("green",))))
    said = {draft.phrase for seed in range(300) if (draft := no_such_color(hardly, Random(seed))) is not None}
    assert said
    assert all("green" in phrase for phrase in said)


def test_one_too_many_is_counted() -> None:
    zebras = facts(thing("zebra", 5, 20, 35, 80), thing("zebra", 50, 20, 90, 80))
    said = {draft.phrase for seed in range(400) if (draft := too_few(zebras, Random(seed))) is not None}
    assert said
    assert {"third zebra from left", "third zebra from the right", "fourth zebra from the left"} <= said
    assert not any("second" in phrase or "2nd" in phrase for phrase in said)


def test_where_one_more_may_be_no_trap_is_set() -> None:
    zebras = facts(thing("zebra", 5, 20, 25, 80), thing("zebra", 26, 20, 40, 80))
    rumoured = Facts(replace(zebras.scene, faint=("zebra",)))
    for trap in (too_few, not_in_that_place):
        assert any(trap(zebras, Random(seed)) is not None for seed in range(100))
        assert all(trap(rumoured, Random(seed)) is None for seed in range(100))


def test_dark_and_light_are_missing_only_where_nothing_goes_by_them() -> None:
    blue = facts(thing("bus", 10, 20, 90, 90, color="blue"))
    said = {draft.phrase for seed in range(600) if (draft := no_such_color(blue, Random(seed))) is not None}
    assert any("white" in phrase or "red" in phrase for phrase in said)
    assert not any("dark" in phrase.replace("dark brown", "") for phrase in said)


def test_traps_are_of_every_kind_and_answer_with_nothing() -> None:
    known = facts(
        thing("person", 5, 20, 30, 90, upper="red", lower="blue"),
        thing("dog", 60, 60, 90, 95, color="brown"),
        thing("bus", 55, 5, 95, 45, color="white"),
    )
    drafts = [draft for seed in range(600) if (draft := absent(known, Random(seed))) is not None]
    kinds = Counter(draft.detail for draft in drafts)
    assert set(kinds) == {"no such name", "no such colour", "no such company", "not in that place", "too few"}
    assert all(draft.targets == () for draft in drafts)
    assert len({draft.phrase for draft in drafts}) > 300
