"""Who holds, rides and wears what, and what stands next to what: only where no other might be meant."""

from random import Random

from grounding.data.photos.relations import READINGS, relation, tail_of
from grounding.data.photos.roles import ties
from tests.photo_scenes import facts, scene, thing


def phrases(*things: object, seeds: int = 300) -> dict[str, tuple[int, ...]]:
    known = facts(*things)
    drafts = [relation(known, Random(seed)) for seed in range(seeds)]
    return {draft.phrase: draft.targets for draft in drafts if draft is not None}


def test_a_rider_is_above_the_horse_with_feet_on_its_flank() -> None:
    horse = thing("horse", 20, 40, 80, 95)
    rider, groom = thing("person", 40, 15, 58, 70), thing("person", 66, 30, 84, 98)
    assert [(tie.person, tie.thing) for tie in ties(facts(rider, horse))] == [(0, 1)]
    assert ties(facts(groom, horse)) == []


def test_the_one_beside_the_rider_makes_the_rider_no_less_certain_but_less_alone() -> None:
    """Who stands at the horse might be said to be "with" it: riding must be told from that by other words."""
    horse, rider = thing("horse", 20, 40, 80, 95), thing("person", 40, 15, 58, 70)
    groom = thing("person", 66, 30, 84, 98)
    (tie,) = ties(facts(rider, horse, groom))
    assert (tie.person, tie.people) == (0, 0b101)


def test_an_umbrella_between_two_people_belongs_to_neither() -> None:
    left, right = thing("person", 10, 30, 40, 95), thing("person", 42, 30, 72, 95)
    assert ties(facts(left, right, thing("umbrella", 25, 15, 57, 40))) == []
    apart = facts(left, thing("person", 70, 30, 95, 95), thing("umbrella", 12, 15, 36, 40))
    assert [(tie.person, tie.people) for tie in ties(apart)] == [(0, 0b1)]


def test_who_holds_the_umbrella_is_asked_for_in_many_words() -> None:
    asked = phrases(thing("person", 10, 30, 40, 95), thing("person", 70, 30, 95, 95), thing("umbrella", 12, 15, 36, 40))
    with_it = {phrase for phrase in asked if "umbrella" in phrase and asked[phrase] == (0,)}
    assert len(with_it) > 20
    assert any("holding" in phrase for phrase in with_it)
    assert {targets for phrase, targets in asked.items() if "holding" in phrase and "is holding" not in phrase} == {
        (0,)
    }


def test_a_bag_is_no_mark_of_one_of_two_people_who_each_may_have_one() -> None:
    """The suitcase stands beside the other, who does not hold it for certain, and may be called a bag as well."""
    carrier, bag = thing("person", 10, 10, 40, 95), thing("handbag", 30, 50, 42, 66)
    other, case = thing("person", 60, 10, 80, 95), thing("suitcase", 82, 70, 98, 95)
    known = facts(carrier, bag, other, case)
    assert [(tie.person, tie.thing) for tie in ties(known)] == [(0, 1)]
    said = [tail_of(known, ties(known)[0], Random(seed)) for seed in range(300)]
    wide = [everyone for words, everyone in said if words.split()[-1] in ("bag", "bags", "luggage")]
    assert wide
    assert set(wide) == {0b101}


def test_the_cup_next_to_the_laptop_is_the_only_one_near_it() -> None:
    laptop, beside, away = (
        thing("laptop", 10, 50, 40, 80),
        thing("cup", 43, 60, 53, 78),
        thing("cup", 85, 60, 95, 78),
    )
    known = facts(laptop, beside, away)
    strictly, perhaps, _ = READINGS["next"]
    assert strictly(known, 1, 0)
    assert not perhaps(known, 2, 0)
    both_near = facts(laptop, beside, thing("cup", 54, 60, 64, 78))
    assert perhaps(both_near, 2, 0)


def test_what_lies_in_a_bowl_makes_it_a_bowl_with_something() -> None:
    asked = phrases(thing("bowl", 5, 40, 45, 80), thing("broccoli", 12, 45, 35, 65), thing("bowl", 55, 40, 95, 80))
    assert any(targets == (0,) and "broc" in phrase for phrase, targets in asked.items())
    assert not any(targets == (2,) and " with " in phrase for phrase, targets in asked.items())


def test_relations_need_two_things() -> None:
    assert scene(thing("dog", 0, 0, 50, 50)).things[0].index == 0
    assert phrases(thing("dog", 0, 0, 50, 50)) == {}
