"""What is said of people that labels know nothing of, where boxes tell who is meant all the same: how they hold
themselves, what they do, what is written on them.
"""

from __future__ import annotations

from random import Random

from grounding.data.photos.facts import TINY, Facts, indices
from grounding.data.photos.people import ANYONE, Words
from grounding.data.photos.traits import trait
from grounding.data.photos.wording import finished
from grounding.data.scenes.phrases import Draft

_LOW = Words(
    "sitting 16, sitting down 5, seated 3, kneeling 8, kneeling down 2, squatting 5, crouching 5, crouched 2, "
    "crouching down 2, bending over 6, bending down 4, bent over 3, squatting down 2, on knees 1, on the ground 2, "
    "hunched over 0.7, ducking 0.4, lower 0.5, leaning down 1, in a squat 0.5"
)
"""Of someone much lower than others who are no farther away, and not slim as a child is."""
_UPRIGHT = Words("standing 20, standing up 6, upright 0.5")
"""Of someone beside nobody but such."""
_ROLES = Words(
    "umpire 5, ump 3, catcher 3, coach 2, referee 2, ref 1, player 6, athlete 1, bride 1, groom 1, chef 3, cook 2, "
    "waiter 1, waitress 1, bartender 0.5, officer 1, cop 1, soldier 1, worker 2, driver 1, singer 0.5, teacher 0.5, "
    "photographer 1, camera man 0.7, farmer 0.7, doctor 0.5, nurse 0.4, vendor 1, passenger 0.7, pedestrian 1, "
    "runner 1, dancer 0.5, performer 0.4, mom 2, dad 2, grandma 0.7, grandpa 0.7, bro 0.4, buddy 0.4, fatty 0.3, "
    "hipster 0.4, blondie 0.5, baldy 0.4, mr 0.2, him 1, her 1, himself 0.1, someone 0.5, she 0.3, he 0.4"
)
"""What somebody may be, which only eyes could tell."""
_PARTS = Words(
    "face 2, head 2, hair 1, back of head 1, hand 1, hands 0.7, legs 2, leg 1, arm 1, long hair 1, blonde hair 1, "
    "blonde 2, brunette 1, beard 1, mustache 0.5, glasses 3, hat 2, sunglasses 1, pony tail 0.5, apron 0.5, "
    "stripes 1, striped shirt 2, plaid shirt 1, plaid 1, suit 1, dress 1, jeans 1, uniform 1, vest 0.5, jersey 1, "
    "tie 0.4, scarf 0.4, shades 0.4, bald 1, bald head 0.5, smiling 2, laughing 1, walking 1, standing 1, falling 0.4, "
    "running 0.7, jumping 1, in air 0.7, looking at camera 1, facing us 0.7, facing away 0.7, mouth open 0.5, "
    "eyes closed 0.3, arms crossed 0.5, tall 1, short 0.7, old 1, older 1, young 0.7, skinny 0.4, big 0.5"
)
"""Words that stand alone for whom they are seen on."""
_LOWER, _SLIM, _WIDE, _FEET = 0.75, 1.8, 1.8, 0.2
"""Part of the other's height that who sits has at most; height over width of who stands, at least, and of who sits, at
most; how far apart their feet are at most, as a share of the picture's height."""


def pose(facts: Facts, rng: Random) -> Draft | None:
    """For example "kneeling guy", "woman standing": the only one who does, of people no farther away."""
    largest = max((facts.area[i] for i in indices(facts.persons)), default=0.0)
    people = [i for i in indices(facts.persons) if facts.area[i] >= TINY * largest]
    if len(people) < 2:
        return None
    low = {i for i in people if facts.h[i] < _WIDE * facts.w[i] and any(_beside(facts, i, j) for j in people)}
    tall = {j for j in people if any(_beside(facts, i, j) for i in low)}
    for members, words in rng.sample([(low, _LOW), (tall, _UPRIGHT)], 2):
        if len(members) == 1 and len(low) + len(tall) == len(people):
            (index,) = members
            if not facts.sure >> index & 1:
                continue
            who, how = ANYONE.draw(rng), words.draw(rng)
            text = rng.choice((f"{who} {how}", f"{who} {how}", f"{who} who is {how}", f"{how} {who}", how))
            return Draft("locate", finished(text, rng), (index,), detail="pose")
    return None


def _beside(facts: Facts, low: int, tall: int) -> bool:
    """Whether one is lower than another, slim one, whose feet are as near."""
    return (
        facts.h[low] < _LOWER * facts.h[tall]
        and facts.h[tall] > _SLIM * facts.w[tall]
        and abs(facts.y2[low] - facts.y2[tall]) < _FEET
    )


def anyone(facts: Facts, rng: Random) -> Draft | None:
    """For example "umpire", "number 24", "glasses": of the only one who is not background."""
    ruling = sum(1 << i for i in indices(facts.persons) if facts.rules(facts.persons, i))
    index = facts.pick(rng, ruling)
    if index is None or facts.area[index] < 0.03:
        return None
    roll = rng.random()
    if roll < 0.35:
        text = _ROLES.draw(rng)
    elif roll < 0.65:
        text = _PARTS.draw(rng)
    elif roll < 0.75:
        number = rng.randrange(1, 100)
        text = rng.choice((f"number {number}", f"#{number}", f"{number}", f"guy with number {number}"))
    else:
        words, before = trait(facts, index, rng)
        text = words if not before or rng.random() < 0.3 else f"{words} {ANYONE.draw(rng)}"
    return Draft("locate", finished(text, rng), (index,), detail="anyone")
