"""People of whom is said what labels do not know: only where boxes tell who is meant all the same."""

from __future__ import annotations

from random import Random

from grounding.data.photos.facts import Facts
from grounding.data.photos.poses import anyone, pose
from tests.photo_scenes import facts, row_of_people, thing

STANDING, ALSO, KNEELING, CHILD = (10, 10, 30, 90), (40, 12, 60, 92), (65, 50, 95, 90), (65, 50, 78, 90)


def said(build, known: Facts, seeds: int = 300):
    return [draft for seed in range(seeds) if (draft := build(known, Random(seed))) is not None]


def test_who_is_much_lower_and_no_child_kneels_and_the_other_stands() -> None:
    drafts = said(pose, facts(thing("person", *STANDING), thing("person", *KNEELING)))
    by_target = {target: {d.phrase for d in drafts if d.targets == (target,)} for target in (0, 1)}
    assert any("kneeling" in phrase for phrase in by_target[1])
    assert any("standing" in phrase for phrase in by_target[0])
    assert not any("standing" in phrase for phrase in by_target[1])
    assert not said(pose, facts(thing("person", *STANDING), thing("person", *CHILD)))


def test_of_two_who_stand_neither_is_meant_and_of_the_unsure_nobody() -> None:
    both = facts(thing("person", *STANDING), thing("person", *ALSO), thing("person", *KNEELING))
    assert {draft.targets for draft in said(pose, both)} == {(2,)}
    unsure = facts(thing("person", *STANDING, sure=False), thing("person", *KNEELING))
    assert {draft.targets for draft in said(pose, unsure)} == {(1,)}
    farther = facts(thing("person", *STANDING), thing("person", 65, 20, 95, 55))
    assert not said(pose, farther)


def test_what_only_eyes_could_tell_is_said_of_the_only_one_in_front() -> None:
    alone = facts(thing("person", *STANDING), thing("person", 80, 40, 85, 60))
    drafts = said(anyone, alone)
    assert {draft.targets for draft in drafts} == {(0,)}
    phrases = {draft.phrase.removeprefix("the ") for draft in drafts}
    assert phrases & {"umpire", "player"}
    assert phrases & {"glasses", "face", "hat"}
    assert any(phrase.startswith(("number ", "#")) for phrase in phrases)
    assert not said(anyone, Facts(row_of_people()))
