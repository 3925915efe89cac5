"""What people call the 80 classes of COCO, what they may be taken for, and what kinds and places they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from types import MappingProxyType

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
    elusive: bool
    """Often there without being found: small, hidden behind others, or in crowds. Never said to be missing where it
    might be met."""


# A class and its words, the most usual first; then what it may be taken for / kinds / places / whether it is elusive.
_TABLE = """
person: person, man, woman
    ~ - / - / anywhere / elusive
bicycle: bike, bicycle, cycle, pushbike
    ~ motorcycle / vehicle / park street / elusive
car: car, auto, automobile, vehicle, sedan
    ~ bus, truck / vehicle / park parking street / elusive
motorcycle: motorcycle, bike, motorbike, motor bike, motor cycle, scooter, moped, chopper
    ~ bicycle / vehicle / street
airplane: plane, airplane, jet, aeroplane, aircraft, airliner, air plane
    ~ - / vehicle / airport sky
bus: bus, coach, double decker, city bus, tour bus
    ~ car, train, truck / vehicle / street
train: train, train car, locomotive, subway, tram, engine, train engine, railcar, trolley
    ~ bus, truck / vehicle / rails
truck: truck, pickup, pickup truck, lorry, van, pick up truck, semi
    ~ bus, car, train / vehicle / farm street / elusive
boat: boat, ship, sailboat, ferry, row boat, canoe, motorboat, vessel, rowboat, sail boat, kayak, yacht
    ~ surfboard / vehicle / water / elusive
traffic light: traffic light, light, stoplight, stop light, traffic signal, signal, street light, traffic lights
    ~ clock, parking meter / - / street / elusive
fire hydrant: hydrant, fire hydrant, fire plug, water hydrant
    ~ parking meter, vase / - / park street
stop sign: stop sign, sign, stopsign, road sign, street sign
    ~ clock, traffic light / - / street
parking meter: parking meter, meter, parking metre
    ~ fire hydrant, traffic light / - / street / elusive
bench: bench, park bench, seat, wooden bench
    ~ bed, chair, couch / furniture / park street / elusive
bird: bird, birdie, seagull, pigeon, duck, parrot, gull, goose, owl, swan, pelican, crow, eagle
    ~ airplane, kite / animal / farm park sky water / elusive
cat: cat, kitty, kitten, kitty cat, feline, tabby
    ~ dog, teddy bear / animal, pet / home
dog: dog, puppy, doggy, pup, pooch, doggie, hound, canine
    ~ bear, cat, cow, horse, sheep, teddy bear / animal, pet / beach home park street
horse: horse, pony, stallion, mare, steed, foal, colt
    ~ cow, dog, sheep, zebra / animal / farm street
sheep: sheep, lamb, ram, ewe, goat
    ~ bear, cow, dog, horse / animal / farm
cow: cow, bull, cattle, calf, steer, ox, heifer
    ~ bear, dog, elephant, horse, sheep / animal / farm street
elephant: elephant
    ~ bear, cow, horse / animal / zoo
bear: bear, grizzly, cub
    ~ cow, dog, elephant, sheep, teddy bear / animal / zoo
zebra: zebra
    ~ giraffe, horse / animal / zoo
giraffe: giraffe
    ~ horse, zebra / animal / zoo
backpack: backpack, back pack, bag, bookbag, rucksack, knapsack
    ~ handbag, suitcase / bag / airport park snow street / elusive
umbrella: umbrella, parasol, brolly, sunshade, beach umbrella
    ~ kite / - / beach park street / elusive
handbag: bag, purse, handbag, hand bag, tote, shoulder bag
    ~ backpack, suitcase / bag / airport home street / elusive
tie: tie, necktie, neck tie, bow tie
    ~ - / clothes / home office street / elusive
suitcase: suitcase, luggage, bag, suit case, case, piece of luggage, trunk, travel bag
    ~ backpack, handbag / bag, luggage / airport home street
frisbee: frisbee, disc, frisbie, disk, flying disc, frizbee
    ~ bowl, kite, sports ball / toy / beach field park
skis: skis, ski, pair of skis
    ~ skateboard, snowboard, surfboard / - / snow
snowboard: snowboard, board, snow board
    ~ skateboard, skis, surfboard / board / snow
sports ball: ball, soccer ball, tennis ball, baseball, football
    ~ apple, frisbee, orange / toy / beach court field park / elusive
kite: kite, sail, parachute, wind sail
    ~ airplane, bird, umbrella / toy / beach field park sky / elusive
baseball bat: bat, baseball bat, wooden bat, stick
    ~ - / - / field
baseball glove: glove, mitt, baseball glove, catchers mitt, baseball mitt
    ~ - / - / field / elusive
skateboard: skateboard, board, skate board, skate, longboard, deck
    ~ skis, snowboard, surfboard / board / park street
surfboard: surfboard, board, surf board, boogie board, paddle board, paddleboard
    ~ boat, skateboard, snowboard / board / beach water
tennis racket: racket, tennis racket, racquet, tennis racquet, raquet, paddle
    ~ - / - / court
bottle: bottle, water bottle, wine bottle, beer, beer bottle, soda, glass bottle, bottle of wine
    ~ cup, vase, wine glass / drink / bathroom dining home kitchen office / elusive
wine glass: wine glass, glass, wineglass, glass of wine, wine, goblet
    ~ bottle, cup, vase / drink / dining home kitchen / elusive
cup: cup, glass, mug, coffee cup, drink, coffee mug, coffee, plastic cup, glass of water, tea cup, cup of coffee
    ~ bottle, bowl, vase, wine glass / drink / dining home kitchen office / elusive
fork: fork, silver fork, silverware
    ~ knife, spoon / silverware, utensil / dining home kitchen / elusive
knife: knife, butter knife, blade, steak knife
    ~ fork, scissors, spoon / silverware, utensil / dining home kitchen / elusive
spoon: spoon, ladle, serving spoon, tablespoon
    ~ fork, knife / silverware, utensil / dining home kitchen / elusive
bowl: bowl, dish, plate, bowl of food, soup, container
    ~ cup, frisbee, sink, vase / dish / dining home kitchen / elusive
banana: banana, bananas, bunch of bananas, banana bunch, plantain
    ~ hot dog / fruit, food / dining home kitchen market
apple: apple, apples
    ~ donut, orange, sports ball / fruit, food / dining home kitchen market
sandwich: sandwich, sandwhich, burger, sub, half sandwich, panini, food, sandwich half, wrap, toast
    ~ cake, donut, hot dog, pizza / food / dining home kitchen
orange: orange, oranges, tangerine, orange fruit, orange slice
    ~ apple, carrot, sports ball / fruit, food / dining home kitchen market
broccoli: broccoli, brocoli, broccoli piece, piece of broccoli, green veggie, broccoli floret, brocolli
    ~ - / vegetable, veggie, food / dining home kitchen market
carrot: carrot, carrots, orange veggie, carrot slice, piece of carrot
    ~ hot dog, orange / vegetable, veggie, food / dining home kitchen market / elusive
hot dog: hot dog, hotdog, sausage, weiner, frank, hot dog bun
    ~ banana, carrot, pizza, sandwich / food / dining home kitchen
pizza: pizza, slice, pizza slice, slice of pizza, piece of pizza, pie, piece, whole pizza
    ~ bowl, cake, donut, sandwich / food / dining home kitchen
donut: donut, doughnut, pastry, donought, dount
    ~ apple, bowl, cake, pizza, sandwich / food, dessert / dining home kitchen
cake: cake, piece of cake, slice of cake, cupcake, birthday cake, dessert, slice, pastry
    ~ donut, pizza, sandwich / food, dessert / dining home kitchen
chair: chair, seat, armchair, wooden chair, office chair, stool, recliner, arm chair
    ~ bed, bench, couch, toilet / furniture / dining home kitchen office park / elusive
couch: couch, sofa, love seat, loveseat, settee, seat
    ~ bed, bench, chair / furniture / home
potted plant: plant, potted plant, flower pot, pot, planter, house plant, flowers, bush, fern
    ~ broccoli, vase / plant / bathroom dining home kitchen office street / elusive
bed: bed, mattress, bunk, bunk bed, covers
    ~ bench, chair, couch, dining table / furniture / home
dining table: table, dining table, table top, tabletop, desk, counter, dinner table, wooden table
    ~ bed, bench, couch / furniture / dining home kitchen office / elusive
toilet: toilet, commode, potty, toilet bowl, toilet seat, urinal, loo
    ~ bowl, chair, sink / - / bathroom
tv: tv, television, screen, monitor, computer screen, computer monitor, tv screen, computer, t.v.
    ~ cell phone, laptop, microwave, oven / electronics, device / home office
laptop: laptop, computer, lap top, laptop computer, screen, macbook, notebook
    ~ book, cell phone, keyboard, tv / computer, electronics, device / home office
mouse: mouse, computer mouse, wireless mouse
    ~ cell phone, remote / electronics, device / home office / elusive
remote: remote, remote control, controller, wii remote, wii controller, wiimote, tv remote
    ~ cell phone, keyboard, mouse / electronics, device / home / elusive
keyboard: keyboard, keys, computer keyboard, key board, keypad
    ~ laptop, remote / electronics, device / home office
cell phone: phone, cell phone, cellphone, cell, mobile, smartphone, iphone, mobile phone
    ~ book, laptop, mouse, remote, tv / electronics, device / dining home office street / elusive
microwave: microwave, microwave oven, micro wave, microwve
    ~ oven, refrigerator, tv / appliance / kitchen
oven: oven, stove, range, cooker, stove top, stovetop, oven door
    ~ microwave, refrigerator, sink, tv / appliance / kitchen
toaster: toaster, toaster oven
    ~ microwave, oven / appliance / kitchen / elusive
sink: sink, basin, bathroom sink, wash basin, kitchen sink, washbasin
    ~ bowl, oven, toilet / - / bathroom kitchen
refrigerator: fridge, refrigerator, refridgerator, freezer, frig, ice box
    ~ microwave, oven / appliance / kitchen
book: book, books, notebook, magazine, stack of books, textbook, novel
    ~ cell phone, laptop / - / home office / elusive
clock: clock, clock face, clock tower, watch, wall clock, dial
    ~ parking meter, stop sign, traffic light / - / home kitchen office street / elusive
vase: vase, pot, jar, pitcher, urn, jug, flower vase, vase of flowers, flowers
    ~ bottle, bowl, cup, potted plant, wine glass / - / dining home
scissors: scissors, pair of scissors, shears, scissor, sissors
    ~ knife / tool / home office / elusive
teddy bear: teddy bear, teddy, bear, stuffed animal, stuffed bear, toy bear, plush, stuffed toy, toy
    ~ bear, cat, dog / toy / home
hair drier: hair dryer, blow dryer, hair drier, dryer, hairdryer
    ~ cell phone / - / bathroom / elusive
toothbrush: toothbrush, tooth brush, brush
    ~ - / - / bathroom / elusive
"""


def _read(table: str) -> dict[str, ClassNames]:
    lines = table.strip().split("\n")
    found = {}
    for said, rest in zip(lines[::2], lines[1::2], strict=True):
        name, _, words = said.partition(": ")
        alike, kinds, places, *more = (part.strip(" ~-") for part in rest.split(" / "))
        found[name] = ClassNames(
            _parts(words), frozenset(_parts(alike)), _parts(kinds), frozenset(places.split()), "elusive" in more
        )
    return found


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


NAMES: MappingProxyType[str, ClassNames] = MappingProxyType(_read(_TABLE))
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
_WIDE_TABLE = """
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
_WIDE = {word: _parts(classes) for word, _, classes in (line.partition(": ") for line in _WIDE_TABLE.split("\n"))}
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
    return known if known is not None else ClassNames((name.lower(),), frozenset(), (), frozenset(("anywhere",)), True)


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
