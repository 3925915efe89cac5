"""Who holds, rides, wears or sits on what, as far as boxes make it all but certain, and what such a person is called.

A tie is read strictly for whom a phrase is about, and loosely for everyone else: whoever stands so close to a thing of
the class that the words might be meant of them too.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from grounding.data.photos.facts import Facts, Noun, Tie, indices
from grounding.data.photos.people import Words


@dataclass(frozen=True, slots=True)
class Manner:
    """How people have to do with things of one class."""

    how: str
    """"ride", "board", "hold", "sit" or "wear": which boxes make it certain."""
    tails: Words
    """What is said behind the noun of the person; O is the thing."""
    roles: Words | None = None
    """What such a person is called, as others beside may be too."""
    alone: Words | None = None
    """What only the one so tied is called."""


_HOLD = (
    "with O 30, holding O 22, carrying O 5, w O 0.7, w/ O 1.5, has O 1, holding onto O 0.5, "
    "that has O 0.5, using O 0.7, with O in hand 1"
)
_RIDE = "on O 36, riding O 24, riding 5, that is riding O 0.4, on top of O 1"
_SIT = "on O 20, sitting on O 24, sitting 6, seated on O 2, seated 1, sitting in O 5, sitting down 2"
_EAT = "eating 10, eating O 12, with O 10, holding O 8, having O 0.5, about to eat O 0.4"
_DRINK = "with O 14, holding O 12, drinking 5, with O in hand 1, drinking from O 1"
_BAG = "with O 24, carrying O 10, holding O 6, with O on 0.5"
MANNERS: dict[str, Manner] = {
    "horse": Manner(
        "ride",
        Words(_RIDE),
        Words("rider 10, horse rider 1, jockey 1, horseback rider 0.5"),
        Words("cowboy 1, rider 3, equestrian 0.2"),
    ),
    "elephant": Manner("ride", Words(_RIDE), Words("rider 1")),
    "bicycle": Manner(
        "ride", Words(_RIDE + ", biking 2, cycling 1"), Words("biker 5, cyclist 6, bicyclist 2, rider 4, bike rider 3")
    ),
    "motorcycle": Manner(
        "ride",
        Words(_RIDE),
        Words("biker 6, rider 6, motorcyclist 4, motorcycle rider 2, motorcycle driver 0.5, racer 1, cyclist 1"),
    ),
    "boat": Manner(
        "inside",
        Words("in O 20, on O 10, sitting in O 2, rowing 0.7, in the boat 2"),
        Words("rower 0.5, passenger 0.5, boater 0.5"),
    ),
    "skateboard": Manner(
        "board",
        Words(
            "on O 20, skateboarding 12, skating 5, riding O 4, with O 5, doing a trick 2, jumping 1, on skate board 1"
        ),
        Words("skater 8, skateboarder 8, skate boarder 1, skater dude 0.3, skateborder 0.2"),
    ),
    "surfboard": Manner(
        "board",
        Words("on O 20, surfing 14, riding the wave 3, with O 4, riding wave 2, riding O 2, on the wave 1"),
        Words("surfer 14, surfer dude 0.3"),
    ),
    "skis": Manner("board", Words("on O 12, skiing 14, wearing O 2, with O 4"), Words("skier 14")),
    "snowboard": Manner(
        "board", Words("on O 12, snowboarding 12, with O 4"), Words("snowboarder 14, snow boarder 2, boarder 2")
    ),
    "umbrella": Manner("hold", Words(_HOLD + ", under O 14, under the umbrella 2, beneath O 0.5")),
    "tennis racket": Manner(
        "hold",
        Words(_HOLD + ", playing tennis 10, swinging 3, swinging O 3, hitting the ball 1, hitting ball 1"),
        Words("tennis player 12, player 10"),
        Words("server 0.5, tennis player 1"),
    ),
    "baseball bat": Manner(
        "hold",
        Words(_HOLD + ", at bat 8, batting 10, swinging 5, swinging O 4, up to bat 2, swinging the bat 1"),
        Words("player 4, baseball player 5"),
        Words("batter 20, hitter 3, batsman 0.7, baseball player at bat 0.7"),
    ),
    "baseball glove": Manner(
        "hold",
        Words("with O 16, wearing O 4, with glove on 1, holding O 2, catching 1"),
        Words("player 4, baseball player 5"),
    ),
    "frisbee": Manner(
        "hold",
        Words(_HOLD + ", throwing O 5, catching O 4, playing frisbee 2, throwing frisbee 1"),
        Words("player 1, frisbee player 2"),
    ),
    "sports ball": Manner(
        "hold",
        Words("with O 16, with the ball 5, holding O 3, kicking O 3, closest to O 2, by the ball 1, going for O 0.5"),
        Words("player 1"),
    ),
    "cell phone": Manner(
        "hold",
        Words(
            _HOLD + ", on O 12, on the phone 5, talking on O 5, talking on the phone 2, looking at O 3, "
            "texting 2, taking picture 1, on phone 5"
        ),
    ),
    "remote": Manner(
        "hold", Words(_HOLD + ", playing wii 8, playing video game 2, playing 3, playing a game 1, playing game 1")
    ),
    "laptop": Manner(
        "hold",
        Words(
            "with O 20, on O 10, using O 10, working on O 4, typing 3, at O 3, looking at O 2, "
            "on computer 3, using computer 2"
        ),
    ),
    "book": Manner("hold", Words("with O 8, reading 8, reading O 6, holding O 5")),
    "teddy bear": Manner("hold", Words(_HOLD + ", hugging O 4")),
    "handbag": Manner("hold", Words(_BAG)),
    "backpack": Manner("hold", Words(_BAG + ", wearing O 10")),
    "suitcase": Manner("hold", Words(_BAG + ", pulling O 8, rolling O 1")),
    "tie": Manner(
        "wear",
        Words(
            "in O 8, with O 20, wearing O 16, in a suit 3, in suit 4, with O on 1, wearing suit 1, in suit and tie 1"
        ),
    ),
    "bottle": Manner("hold", Words(_DRINK)),
    "cup": Manner("hold", Words(_DRINK)),
    "wine glass": Manner("hold", Words(_DRINK + ", drinking wine 5")),
    "pizza": Manner("hold", Words(_EAT)),
    "sandwich": Manner("hold", Words(_EAT)),
    "hot dog": Manner("hold", Words(_EAT)),
    "donut": Manner("hold", Words(_EAT)),
    "banana": Manner("hold", Words(_EAT)),
    "apple": Manner("hold", Words(_EAT)),
    "cake": Manner("hold", Words(_EAT + ", cutting O 8")),
    "knife": Manner("hold", Words(_HOLD + ", cutting 8")),
    "fork": Manner("hold", Words(_HOLD + ", eating 5")),
    "spoon": Manner("hold", Words(_HOLD + ", eating 5")),
    "toothbrush": Manner("hold", Words(_HOLD + ", brushing teeth 14, brushing 3, brushing his teeth 3")),
    "dog": Manner("hold", Words("with O 20, holding O 8, petting O 3, with the dog 2"), None, Words("dog owner 1")),
    "cat": Manner("hold", Words("with O 16, holding O 14, petting O 2")),
    "chair": Manner("sit", Words(_SIT + ", in O 24")),
    "bench": Manner("sit", Words(_SIT)),
    "couch": Manner("sit", Words(_SIT)),
    "bed": Manner(
        "sit",
        Words(
            "on O 20, in O 14, sitting on O 10, laying on O 5, lying on O 4, laying in O 4, sleeping 3, laying down 2"
        ),
    ),
    "toilet": Manner("sit", Words(_SIT)),
}
"""Class of thing -> how people have to do with it."""


_LEAST_SCORE = 0.62
"""What someone stands on or holds in the right place is likelier to be there than its score alone says."""


def tied(facts: Facts, person: int, thing: int, how: str) -> bool:
    """Whether the boxes make it all but certain that this person rides, holds, wears or sits on this thing."""
    left, right = facts.x1[thing], facts.x2[thing]
    top, bottom = facts.y1[thing], facts.y2[thing]
    wide, high = facts.w[person], facts.h[person]
    x, foot = facts.cx[person], facts.y2[person]
    shared = facts.shared(person, thing)
    if how == "ride":
        return (
            left - 0.02 < x < right + 0.02
            and facts.cy[person] < facts.cy[thing] - 0.04
            and top + 0.2 * facts.h[thing] < foot < bottom - 0.03 * facts.h[thing]
            and shared > 0.2 * min(facts.area[person], facts.area[thing])
            and 0.12 < facts.area[person] / facts.area[thing] < 4
        )
    if how == "board":
        over = min(facts.x2[person], right) - max(facts.x1[person], left)
        level = foot - 0.3 * high < facts.cy[thing] < foot + 0.14 * high
        return over > 0.4 * min(wide, facts.w[thing]) and level and facts.area[thing] < facts.area[person]
    if how == "sit":
        return (
            shared > 0.42 * facts.area[person]
            and top < foot - 0.12 * high
            and bottom > facts.cy[person]
            and facts.y1[person] < top + 0.35 * facts.h[thing]
            and facts.area[person] < 3 * facts.area[thing]
        )
    if how == "inside":
        return shared > 0.7 * facts.area[person] and 0.02 < facts.area[person] / facts.area[thing] < 0.5
    if how == "wear":
        return shared > 0.8 * facts.area[thing] and facts.area[thing] < 0.2 * facts.area[person]
    inside = (
        facts.x1[person] - 0.15 * wide < facts.cx[thing] < facts.x2[person] + 0.15 * wide
        and facts.y1[person] - 0.15 * high < facts.cy[thing] < foot - 0.04 * high
    )
    enough = 0.1 if facts.names[thing] == "umbrella" else 0.35
    return inside and shared > enough * facts.area[thing] and facts.area[thing] < 1.2 * facts.area[person]


def may_be_tied(facts: Facts, person: int, thing: int) -> bool:
    """Whether the person is so close to the thing that they might have to do with it."""
    aside, over = 0.18 * facts.w[person] + 0.01, 0.12 * facts.h[person] + 0.01
    return (
        facts.x1[person] - aside < facts.x2[thing]
        and facts.x2[person] + aside > facts.x1[thing]
        and facts.y1[person] - over < facts.y2[thing]
        and facts.y2[person] + over > facts.y1[thing]
    )


def ties(facts: Facts) -> list[Tie]:
    """All ties of the photograph: no person twice with one class, no thing with two people who hold it alike."""
    if facts.ties_known is not None:
        return facts.ties_known
    found: list[Tie] = []
    people = indices(facts.persons)
    for name, members in facts.of_class.items():
        manner = MANNERS.get(name)
        if manner is None or not people:
            continue
        everyone = anything = 0
        strict: list[tuple[int, int]] = []
        for thing in indices(members):
            for person in people:
                if may_be_tied(facts, person, thing):
                    everyone |= 1 << person
                    anything |= 1 << thing
                    if (
                        facts.sure >> person & 1
                        and facts.things[thing].score >= _LEAST_SCORE
                        and tied(facts, person, thing, manner.how)
                    ):
                        strict.append((person, thing))
        for person, thing in strict:
            rivals = [other for other, same in strict if same == thing and other != person]
            if not rivals and sum(one == person for one, _ in strict) == 1:
                found.append(Tie(person, thing, everyone, anything))
    facts.ties_known = found
    return found


def role_of(facts: Facts, index: int, rng: Random) -> Noun | None:
    """What a person is called for what they do: "surfer", "batter"; None where nothing is certain."""
    mine = [tie for tie in ties(facts) if tie.person == index]
    if not mine:
        return None
    tie = rng.choice(mine)
    manner = MANNERS[facts.names[tie.thing]]
    if manner.alone is not None and rng.random() < 0.5:
        return Noun(manner.alone.draw(rng), tie.people)
    if manner.roles is not None:
        return Noun(manner.roles.draw(rng), facts.persons)
    return None
