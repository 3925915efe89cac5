"""What is not there: names, colours, places and company of nothing in the photograph, hard to tell from what is.

Detectors miss things. So a name is only said to be missing where nothing like it was seen even faintly; of the
classes drawn here about 226 photographs whose true boxes are known, one in a hundred is there nevertheless.
"""

from __future__ import annotations

from itertools import accumulate
from random import Random

from grounding.data.photos import ordering
from grounding.data.photos.clothes import color_word, loose_color
from grounding.data.photos.facts import Facts, indices, lacks, may_be
from grounding.data.photos.names import NAMES, readings, word_for
from grounding.data.photos.people import ANYONE, BOTTOMS, TOPS, Words
from grounding.data.photos.roles import MANNERS, may_be_tied
from grounding.data.photos.wording import Said, article, finished, placed
from grounding.data.scenes.phrases import Draft

_OTHERS = Words(
    "penguin, lion, tiger, monkey, kangaroo, camel, pig, deer, fox, rabbit, squirrel, turtle, frog, "
    "snake, shark, whale, dolphin, octopus, crocodile, dinosaur, dragon, unicorn, panda, koala, gorilla, "
    "llama, rhino, hippo, peacock, flamingo, lobster, crab, snail, spider, butterfly, submarine, "
    "spaceship, rocket, helicopter, hot air balloon, tank, tractor, forklift, bulldozer, excavator, "
    "crane truck, ambulance, fire truck, tuk tuk, canoe paddle, gondola, windmill, lighthouse, castle, "
    "pyramid, igloo, tent, ferris wheel, roller coaster, statue of liberty, waterfall, volcano, "
    "campfire, fireworks, rainbow, snowman, scarecrow, robot, skeleton, clown, astronaut, knight, "
    "mermaid, pirate, santa claus, mime, ballerina, nun, wedding dress, violin, piano, drum set, "
    "trumpet, saxophone, harp, accordion, guitar, microphone stand, chess board, pool table, "
    "ping pong table, trampoline, swing set, slide, seesaw, treadmill, barbell, boxing gloves, "
    "golf club, hockey stick, bowling ball, archery target, fishing rod, javelin, parachutist, sword, "
    "shield, cannon, rifle, bow and arrow, crown, throne, treasure chest, globe, telescope, microscope, "
    "typewriter, sewing machine, washing machine, lawn mower, chainsaw, wheelbarrow, ladder truck, "
    "anchor, birdcage, aquarium, fish tank, beehive, cactus, palm tree, sunflower, pumpkin, pineapple, "
    "watermelon, coconut, grapes, strawberry, sushi, lobster roll, hamburger, taco, ice cream cone, "
    "cotton candy, popcorn, pretzel, wheelchair, stroller, shopping cart, vending machine, phone booth, "
    "cash register, jack o lantern, christmas tree, disco ball"
)
"""Names beyond the 80 classes, of what would be noticed; few photographs hold any of them."""
_SAFE_WITHOUT: dict[str, frozenset[str]] = {
    "lobster roll": frozenset(("sandwich", "hot dog")),
    "hamburger": frozenset(("sandwich", "hot dog")),
    "taco": frozenset(("sandwich", "hot dog", "pizza")),
    "ambulance": frozenset(("truck", "car", "bus")),
    "fire truck": frozenset(("truck", "bus")),
    "ladder truck": frozenset(("truck", "bus")),
    "crane truck": frozenset(("truck",)),
    "tractor": frozenset(("truck",)),
    "bulldozer": frozenset(("truck",)),
    "excavator": frozenset(("truck",)),
    "tuk tuk": frozenset(("motorcycle", "car", "truck", "bicycle")),
    "gondola": frozenset(("boat",)),
    "canoe paddle": frozenset(("boat", "surfboard")),
    "tent": frozenset(("umbrella", "person")),
    "palm tree": frozenset(("potted plant", "surfboard", "person", "car", "boat", "umbrella", "bus", "airplane")),
    "cactus": frozenset(("potted plant",)),
    "sunflower": frozenset(("potted plant", "vase")),
    "stroller": frozenset(("person", "bicycle")),
    "wheelchair": frozenset(("person", "bicycle")),
    "pumpkin": frozenset(("orange", "apple")),
    "christmas tree": frozenset(("potted plant", "couch", "chair", "tv")),
    "grapes": frozenset(("apple", "banana", "orange")),
    "strawberry": frozenset(("apple", "cake", "donut")),
    "pineapple": frozenset(("apple", "banana", "orange")),
    "watermelon": frozenset(("apple", "banana", "orange")),
    "coconut": frozenset(("apple", "banana", "orange")),
    "microphone stand": frozenset(("person",)),
    "guitar": frozenset(("person", "couch", "bed")),
    "piano": frozenset(("couch", "tv", "chair", "keyboard")),
    "helicopter": frozenset(("airplane",)),
    "parachutist": frozenset(("kite", "airplane")),
    "wedding dress": frozenset(("person",)),
    "squirrel": frozenset(("bear",)),
    "deer": frozenset(("cow", "horse", "giraffe", "sheep")),
    "pig": frozenset(("cow", "sheep", "dog")),
    "llama": frozenset(("sheep", "giraffe", "cow")),
    "globe": frozenset(("sports ball", "clock")),
    "washing machine": frozenset(("oven", "refrigerator", "microwave", "sink")),
    "shopping cart": frozenset(("person", "car")),
    "drum set": frozenset(("person",)),
    "flamingo": frozenset(("bird",)),
    "peacock": frozenset(("bird",)),
    "penguin": frozenset(("bird",)),
    "panda": frozenset(("bear", "teddy bear")),
    "koala": frozenset(("bear", "teddy bear")),
    "monkey": frozenset(("teddy bear",)),
    "rabbit": frozenset(("teddy bear", "cat", "dog")),
}
"""A name -> classes beside which it is not said to be missing: it may be there, or one of them may be it."""
_SHOWN = Words(
    "person 497, bicycle 16, car 80, motorcycle 20, airplane 21, bus 30, train 27, truck 36, boat 16, traffic light "
    "21, fire hydrant 11, stop sign 12, parking meter 4, bench 14, bird 26, cat 30, dog 36, horse 27, sheep 14, cow "
    "22, elephant 17, bear 8, zebra 14, giraffe 24, backpack 9, umbrella 18, handbag 8, tie 11, suitcase 11, "
    "frisbee 13, skis 14, snowboard 6, sports ball 13, kite 17, baseball bat 6, baseball glove 11, skateboard 21, "
    "surfboard 18, tennis racket 12, bottle 60, wine glass 11, cup 52, fork 6, knife 6, spoon 4, bowl 41, banana "
    "13, apple 13, sandwich 17, orange 8, broccoli 24, carrot 12, hot dog 5, pizza 32, donut 13, cake 20, chair 34, "
    "couch 8, potted plant 24, bed 15, dining table 56, toilet 20, tv 29, laptop 15, mouse 6, remote 5, keyboard "
    "10, cell phone 11, microwave 8, oven 13, sink 18, refrigerator 16, book 14, clock 33, vase 22, scissors 2, "
    "teddy bear 9, toothbrush 1"
)
"""Of 1,000 photographs, how many show one, by the labels. What is often there is often asked for in vain as well: else
its name alone would tell that it is there (POPE's "popular" sampling, Li et al., EMNLP 2023)."""
_CANDIDATES = tuple(NAMES)
# What is rare is seldom asked for in vain too: else a model learns that there is no such thing.
_RARE = frozenset(
    (
        *("hair drier", "toaster", "toothbrush", "scissors", "spoon", "fork", "knife", "handbag", "backpack", "remote"),
        *("snowboard", "parking meter", "hot dog", "baseball bat", "mouse", "couch", "baseball glove", "microwave"),
    )
)
_BOUNDS = tuple(accumulate(0.35 if name in _RARE else 1.0 for name in _CANDIDATES))


def missing_name(
    facts: Facts, rng: Random, *, kin: float = 0.5, usual: float = 0.5, beyond: float = 0.25, shown: float = 0.5
) -> str | None:
    """A name for nothing in the photograph, as a person would say it; None where none was found.

    `kin` is how often it is sought among what is met in the same places as what is there, `usual` how often people's
    words are taken for a class instead of its own name, `beyond` how often it is none of the 80 classes, `shown` how
    often one of them is drawn as often as photographs show it.
    """
    exotic = rng.random() < beyond
    for _ in range(14):
        if exotic:
            word = _OTHERS.draw(rng)
            if not _SAFE_WITHOUT.get(word, frozenset()) & facts.present:
                return word
            continue
        name = _SHOWN.draw(rng) if rng.random() < shown else rng.choices(_CANDIDATES, cum_weights=_BOUNDS)[0]
        if not may_be_missing(facts, name):
            continue
        near = bool(NAMES[name].places & facts.places)
        if near or rng.random() > kin:
            word = word_for(name, rng) if rng.random() < usual else name
            meant = readings(word, name)
            if not (meant.always | meant.unsure) & facts.present:
                return word
    return None


def may_be_missing(facts: Facts, name: str) -> bool:
    """Whether a class may be said not to be there: nothing of it or like it was seen even faintly."""
    return name not in facts.present and not NAMES[name].alike & facts.present


def absent(facts: Facts, rng: Random) -> Draft | None:
    """One of the traps, by how often each is asked."""
    trap = rng.choices(
        (no_such_name, no_such_color, no_such_company, not_in_that_place, too_few), (0.42, 0.24, 0.2, 0.09, 0.05)
    )[0]
    return trap(facts, rng) or trap(facts, rng) or trap(facts, rng)


_COLORS = ("red", "blue", "green", "yellow", "orange", "purple", "pink", "white", "black", "brown", "gray")


def no_such_name(facts: Facts, rng: Random) -> Draft | None:
    """For example "elephant", "the bus on the left", "red kite" where there is none."""
    word = missing_name(facts, rng, kin=0.6)
    if word is None:
        return None
    said = Said(word)
    roll = rng.random()
    if roll < 0.12:
        said.before.append(color_word(rng.choice(_COLORS), rng))
    elif roll < 0.17:
        said.before.append(rng.choice(("big", "small", "little", "biggest", "closest", "large", "old")))
    roll = rng.random()
    if roll < 0.2 and not (said.before and said.before[0].endswith("st")):
        text = placed(said, rng.choice((*ordering.SIDES, "left", "right", "middle", *ordering.CORNERS)), rng)
    elif roll < 0.27:
        index = facts.pick(rng, facts.everything)
        if index is None:
            return None
        other = article(facts.noun(index, rng).words, rng)
        text = f"{said.text()} {rng.choice(('next to', 'by', 'behind', 'in front of', 'near', 'left of'))} {other}"
    else:
        text = said.text()
    return Draft("locate", finished(text, rng, the=0.25), detail="no such name")


def no_such_color(facts: Facts, rng: Random) -> Draft | None:
    """For example "woman in green", "red car": what is there, in a colour that none of it might be called."""
    index = facts.pick(rng, facts.everything)
    if index is None or facts.area[index] < 0.01:
        return None
    name = facts.names[index]
    color = rng.choice(_COLORS)
    if name == "person":
        words = color_word(color, rng)
        if not _none_wears(facts, loose_color(words.removeprefix("all "), color)):
            return None
        garment = TOPS.draw(rng) if rng.random() < 0.75 else BOTTOMS.draw(rng)
        who = ANYONE.draw(rng)
        text = rng.choice(
            (f"{who} in {words}", f"{who} in {words} {garment}", f"{words} {garment}", f"{who} with {words} {garment}")
        )
        return Draft("locate", finished(text, rng), detail="no such colour")
    noun = facts.noun(index, rng, kinds=0.0)
    words = color_word(color, rng)
    called = facts.colored(loose_color(words, color), "color")
    if noun.mask & called or any(facts.area[i] < 0.004 for i in indices(noun.mask)):
        return None
    return Draft("locate", finished(f"{words} {noun.words}", rng), detail="no such colour")


def _none_wears(facts: Facts, color: str) -> bool:
    """Whether nobody might be said to wear the colour: hardly a pixel of anybody goes by it."""
    people = indices(facts.persons)
    if not people or len(people) > 6:
        return False
    for i in people:
        thing = facts.things[i]
        measured = tuple(part for part in (thing.upper, thing.lower) if part is not None)
        if any(may_be(color, part) for part in measured):
            return False
        # Of someone small or of whom only half is measured, nothing less than the pixels will do.
        if not lacks(thing, color) and (len(measured) < 2 or facts.area[i] < 0.03):
            return False
    return True


_COMPANY = Words(
    "with O 20, holding O 12, on O 4, riding O 3, carrying O 2, next to O 8, by O 3, wearing O 0.5, beside O 1"
)


def no_such_company(facts: Facts, rng: Random) -> Draft | None:
    """For example "man with umbrella", "cat on the couch": what is there, with what is not, or who has it not."""
    index = facts.pick(rng, facts.everything)
    if index is None:
        return None
    noun = facts.noun(index, rng, kinds=0.0)
    if facts.names[index] == "person":
        here = [name for name in facts.of_class if name in MANNERS and MANNERS[name].how in ("hold", "ride", "board")]
        name = rng.choice(here) if here and rng.random() < 0.3 else rng.choice(tuple(MANNERS))
        if name in here:
            # It is there, but nobody is anywhere near it.
            members = indices(facts.of_class[name])
            if any(may_be_tied(facts, person, thing) for person in indices(facts.persons) for thing in members):
                return None
            if any(NAMES[name].alike & {facts.names[i]} for i in range(facts.count)):
                return None
        elif not may_be_missing(facts, name):
            return None
        pattern = MANNERS[name].tails.draw(rng)
        if " O" not in pattern:
            return None
        word = word_for(name, rng)
        if any(
            facts.meant_by(word, other) for other in facts.of_class if other != name and other in _READ_AS.get(word, ())
        ):
            return None
        text = f"{noun.words} {pattern.replace(' O', ' ' + article(word, rng))}"
        return Draft("locate", finished(text, rng), detail="no such company")
    lost = missing_name(facts, rng, kin=0.7, beyond=0.06)
    if lost is None:
        return None
    pattern = rng.choice(
        ("next to O", "by O", "with O", "behind O", "in front of O", "near O", "beside O", "left of O")
    )
    text = f"{noun.words} {pattern.replace('O', article(lost, rng))}"
    return Draft("locate", finished(text, rng), detail="no such company")


_READ_AS: dict[str, tuple[str, ...]] = {}
for _name, _known in NAMES.items():
    for _word in _known.words:
        _READ_AS[_word] = (*_READ_AS.get(_word, ()), _name)


def not_in_that_place(facts: Facts, rng: Random) -> Draft | None:
    """For example "dog on the right", where every dog is far on the left."""
    index = facts.pick(rng, facts.everything)
    if index is None or facts.area[index] < 0.015 or facts.names[index] == "person":
        return None
    if facts.names[index] in facts.scene.faint:
        return None
    noun = facts.noun(index, rng, kinds=0.0)
    side = rng.choice(("left", "right", "left", "right", "top", "bottom"))
    away = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}[side]
    members = indices(noun.mask)
    if all(ordering.wholly_on(facts, i, away, -0.08) for i in members) and len(members) < 3:
        said = Said(noun.words, plural=noun.plural)
        after = {"top": "at the top", "bottom": "at the bottom"}.get(side) or rng.choice(
            (f"on the {side}", f"on {side}", f"on the far {side}", f"on {side} side", f"far {side}")
        )
        return Draft("locate", finished(f"{said.text()} {after}", rng), detail="not in that place")
    return None


def too_few(facts: Facts, rng: Random) -> Draft | None:
    """For example "third zebra from the left", where there are two."""
    index = facts.pick(rng, facts.everything)
    if index is None or facts.area[index] < 0.02:
        return None
    if facts.names[index] in facts.scene.faint:
        return None
    noun = facts.noun(index, rng, kinds=0.0)
    number = noun.mask.bit_count()
    if number > 3 or noun.mask & ~facts.sure or facts.names[index] in ("chair", "car", "cup", "bottle", "book"):
        return None
    if facts.names[index] == "person" and min(facts.area[i] for i in indices(noun.mask)) < 0.05:
        return None
    word = ("second", "third", "fourth", "fifth")[number - 1 + rng.choice((0, 0, 1))]
    side = rng.choice(("left", "right"))
    text = rng.choice((f"{word} {noun.words} from {side}", f"{word} {noun.words} from the {side}"))
    return Draft("locate", finished(text, rng), detail="too few")
