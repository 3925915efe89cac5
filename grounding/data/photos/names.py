"""What people call the 80 classes of COCO, what they may be taken for, and what kinds and places they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from types import MappingProxyType

from grounding.data.photos.class_table import CLASSES
from grounding.data.scenes.wording import plural


@dataclass(frozen=True, slots=True)
class ClassNames:
    """How one class is spoken of."""

    words: tuple[str, ...]
    """What people say, the most usual first."""
    alike: frozenset[str]
    """Classes that a detector or a person may call this, or that hold it as a part; never itself."""
    kinds: tuple[str, ...]
    """What it is a kind of: "animal", "fruit"."""
    places: frozenset[str]
    """Where it is met; what is met in other places only is not here."""


def _read(table: str) -> dict[str, ClassNames]:
    lines = table.strip().split("\n")
    found = {}
    for said, rest in zip(lines[::2], lines[1::2], strict=True):
        name, _, words = said.partition(": ")
        alike, kinds, places = (part.strip(" ~-") for part in rest.split(" / "))
        found[name] = ClassNames(_parts(words), frozenset(_parts(alike)), _parts(kinds), frozenset(places.split()))
    return found


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


NAMES: MappingProxyType[str, ClassNames] = MappingProxyType(_read(CLASSES))
"""COCO's class -> how it is spoken of."""

KINDS: MappingProxyType[str, tuple[str, ...]] = MappingProxyType(
    {
        "animal": ("animal", "animal", "critter", "creature"),
        "pet": ("pet",),
        "vehicle": ("vehicle",),
        "furniture": ("piece of furniture",),
        "fruit": ("fruit", "fruit", "piece of fruit"),
        "vegetable": ("vegetable", "veggie"),
        "food": ("food", "food", "food item"),
        "dessert": ("dessert", "sweet", "treat"),
        "appliance": ("appliance",),
        "bag": ("bag", "bag", "luggage"),
        "toy": ("toy",),
        "board": ("board",),
        "electronics": ("device", "gadget", "electronics"),
        "drink": ("drink", "beverage"),
    }
)
"""A kind -> words for one of it."""

# Words whose reading is wider than the class they were said of: everything that might be meant by them.
_WIDECLASSES = """
bike: bicycle, motorcycle
scooter: motorcycle, skateboard, bicycle
vehicle: bicycle, car, motorcycle, bus, train, truck, boat, airplane
van: car, truck, bus
engine: train, truck
light: traffic light
sign: stop sign, traffic light, clock
meter: parking meter
seat: chair, bench, couch, toilet, motorcycle
stool: chair, bench
glass: cup, wine glass, bottle, vase
drink: cup, wine glass, bottle
coffee: cup
wine: wine glass, bottle
beer: bottle, cup, wine glass
soda: bottle, cup
bowl: bowl, cup, vase, sink
plate: bowl, pizza, sandwich, cake, donut, dining table, broccoli, hot dog, carrot
dish: bowl, pizza, sandwich, cake, broccoli, cup, carrot
soup: bowl, cup
bowl of food: bowl
container: bowl, cup, vase, bottle, suitcase
food: banana, apple, sandwich, orange, broccoli, carrot, hot dog, pizza, donut, cake, bowl
dessert: cake, donut
pastry: cake, donut, sandwich, hot dog
slice: pizza, cake, sandwich, orange, carrot
piece: pizza, cake, sandwich, broccoli, carrot, banana, donut
pie: pizza, cake
toast: sandwich, pizza
fruit: banana, apple, orange
dog: dog
frank: hot dog
bag: backpack, handbag, suitcase
luggage: backpack, handbag, suitcase
case: suitcase, handbag
trunk: suitcase, elephant, car
board: snowboard, skateboard, surfboard, skis
deck: skateboard
skate: skateboard
stick: baseball bat, skis
paddle: tennis racket, surfboard, boat
ball: sports ball, orange, apple
baseball: sports ball
disc: frisbee
disk: frisbee
pot: potted plant, vase, bowl, cup
jar: vase, bottle, cup
jug: vase, bottle, cup
pitcher: vase, bottle, cup
flowers: potted plant, vase
bush: potted plant
plant: potted plant, vase, broccoli
screen: tv, laptop, cell phone
monitor: tv, laptop
computer: tv, laptop, keyboard
computer screen: tv, laptop
computer monitor: tv, laptop
notebook: laptop, book
keys: keyboard, laptop
controller: remote
mobile: cell phone
desk: dining table
counter: dining table, sink, oven
table: dining table
watch: clock
bear: bear, teddy bear
cub: bear
brush: toothbrush
toy: teddy bear, frisbee, kite, sports ball
stuffed animal: teddy bear
pair of skis: skis
silverware: fork, knife, spoon, scissors
blade: knife, scissors
sail: kite, boat, umbrella
covers: bed
trolley: train, bus
tram: train, bus
goat: sheep, dog, cow
cupcake: cake, donut
wrap: sandwich, hot dog
sub: sandwich, hot dog
birdie: bird
"""
_WIDE = {word: _parts(classes) for word, _, classes in (line.partition(": ") for line in _WIDECLASSES.split("\n"))}
# Pairs that people name alike even where both are clearly seen.
_INTERCHANGED = frozenset(
    frozenset(pair.split("/"))
    for pair in (
        *(
            "car/truck",
            "bus/truck",
            "bench/chair",
            "chair/couch",
            "bed/couch",
            "cup/wine glass",
            "bowl/cup",
            "cup/vase",
        ),
        *("bottle/vase", "backpack/handbag", "handbag/suitcase", "potted plant/vase", "cake/donut", "hot dog/sandwich"),
        *("laptop/tv", "keyboard/laptop", "fork/knife", "fork/spoon", "microwave/oven", "bicycle/motorcycle"),
    )
)
_MORE_OF_KIND = {
    "food": ("bowl", "dining table"),
    "toy": ("remote", "surfboard", "skateboard", "tennis racket", "baseball bat"),
    "drink": ("bowl", "vase"),
    "electronics": ("microwave", "oven", "clock"),
    "appliance": ("tv", "sink", "hair drier"),
}
_PLURAL_WORDS = frozenset(
    ("skis", "scissors", "flowers", "bananas", "apples", "oranges", "carrots", "books", "cattle", "keys", "covers")
)
_RANKED = (0.55, 0.2, 0.12, 0.09, 0.06, 0.05, 0.04, 0.03, 0.03, 0.02, 0.02, 0.02, 0.02)


def words_of(name: str) -> ClassNames:
    """How the class `name` is spoken of; a class that is not COCO's goes by its own name, and is taken for no other."""
    known = NAMES.get(name)
    return known if known is not None else ClassNames((name.lower(),), frozenset(), (), frozenset(("anywhere",)))


def word_for(name: str, rng: Random) -> str:
    """What someone calls a thing of this class: mostly the usual word."""
    words = words_of(name).words
    return words[0] if len(words) == 1 else rng.choices(words, _RANKED[: len(words)])[0]


@dataclass(frozen=True, slots=True)
class Readings:
    """Classes that a word might mean."""

    always: frozenset[str]
    """Whose things the word might be said of in any case."""
    unsure: frozenset[str]
    """Whose things it might be said of where these are themselves unsure: a "horse" may be a cow after all."""


def readings(word: str, name: str) -> Readings:
    """What `word` might mean when it is said of a thing of class `name`."""
    key = (word, name)
    found = _READINGS.get(key)
    if found is None:
        alike = words_of(name).alike
        always = {name, *_WIDE.get(word, ()), *(other for other in alike if frozenset((name, other)) in _INTERCHANGED)}
        always.update(other for other, names in NAMES.items() if word in names.words)
        found = _READINGS[key] = Readings(frozenset(always), alike - always)
    return found


def kind_readings(kind: str) -> Readings:
    """What a word for the kind might mean: the classes that belong to it, and those that may be taken for one."""
    key = ("", kind)
    found = _READINGS.get(key)
    if found is None:
        members = {name for name, names in NAMES.items() if kind in names.kinds}
        members.update(_MORE_OF_KIND.get(kind, ()))
        alike = frozenset(other for name in members for other in words_of(name).alike)
        found = _READINGS[key] = Readings(frozenset(members), alike - members)
    return found


def is_plural(word: str) -> bool:
    """Whether `word` stands for several, so that "a", "one" and "this" do not go with it."""
    return word in _PLURAL_WORDS


def many(word: str) -> str:
    """The plural of a word of this file: "people", "skis", "slices of pizza"."""
    return word if is_plural(word) else (plural(word) or word)


_READINGS: dict[tuple[str, str], Readings] = {}
