"""Owns what the rule of nouns knows of English: which detector's names a noun may mean, and words of place and size.

The names are COCO's 80 classes, which most detectors speak. Every table is general knowledge, written without a look at
any evaluation set's phrases.
"""

from __future__ import annotations

from collections.abc import Mapping

PERSON = "person"


def words_of(text: str) -> list[str]:
    """The words of a table that is written as one text."""
    return text.split()


NAMES: tuple[str, ...] = tuple(
    name.replace("_", " ")
    for name in words_of(
        "person bicycle car motorcycle airplane bus train truck boat traffic_light fire_hydrant stop_sign "
        "parking_meter bench bird cat dog horse sheep cow elephant bear zebra giraffe backpack umbrella handbag "
        "tie suitcase frisbee skis snowboard sports_ball kite baseball_bat baseball_glove skateboard surfboard "
        "tennis_racket bottle wine_glass cup fork knife spoon bowl banana apple sandwich orange broccoli carrot "
        "hot_dog pizza donut cake chair couch potted_plant bed dining_table toilet tv laptop mouse remote keyboard "
        "cell_phone microwave oven toaster sink refrigerator book clock vase scissors teddy_bear hair_drier "
        "toothbrush"
    )
)
"""COCO's, in COCO's order."""

_SYNONYMS = {
    "person": "people human man men woman women guy dude gentleman gent lady girl boy kid child children baby infant "
    "toddler teen teenager adult male female bloke chick fella mom mum mother dad father son daughter brother sister "
    "grandma grandpa grandmother grandfather wife husband bride groom couple player batter hitter catcher pitcher "
    "umpire umpiremen ump referee ref fielder baseman goalie athlete runner skier snowboarder skater skateboarder "
    "surfer swimmer biker bicyclist cyclist motorcyclist rider jockey cowboy driver passenger pedestrian officer cop "
    "policeman policewoman soldier fireman worker chef cook waiter waitress server customer student teacher doctor "
    "nurse clown farmer spectator audience crowd fan coach bystander someone somebody anyone he she him her his body "
    "head face arm hand leg foot hair blonde blond brunette redhead bald beard mustache opponent team "
    "teammate friend individual patient performer musician dancer model shopper tourist vendor photographer "
    "businessman businessmen sailor pilot hiker",
    "bicycle": "bike cycle",
    "car": "sedan suv taxi cab automobile auto jeep hatchback convertible minivan van coupe limo wagon",
    "motorcycle": "motorbike bike moped scooter chopper cycle harley motor",
    "airplane": "plane aeroplane jet aircraft airliner biplane",
    "bus": "coach doubledecker",
    "train": "locomotive engine tram trolley railcar subway",
    "truck": "pickup lorry van semi trailer",
    "boat": "ship canoe kayak sailboat yacht raft gondola ferry dinghy rowboat barge vessel",
    "traffic light": "stoplight streetlight signal",
    "fire hydrant": "hydrant",
    "stop sign": "sign stopsign",
    "parking meter": "meter",
    "bench": "pew seat",
    "bird": "seagull gull duck pigeon goose geese parrot owl swan pelican chicken hen rooster crow sparrow flamingo "
    "ostrich peacock eagle hawk turkey duckling",
    "cat": "kitten kitty feline",
    "dog": "puppy pup doggy doggie canine poodle labrador lab terrier hound bulldog pug dalmatian",
    "horse": "pony stallion mare foal colt mule donkey",
    "sheep": "lamb ram goat ewe",
    "cow": "bull calf cattle ox oxen steer heifer bison buffalo",
    "elephant": "calf",
    "bear": "cub grizzly polar panda",
    "giraffe": "giraff",
    "backpack": "bag knapsack rucksack pack bookbag",
    "umbrella": "parasol",
    "handbag": "purse bag tote pocketbook",
    "tie": "necktie bowtie",
    "suitcase": "luggage bag briefcase case trunk baggage",
    "frisbee": "disc disk",
    "skis": "ski",
    "snowboard": "board",
    "sports ball": "ball baseball basketball soccerball football volleyball",
    "kite": "parasail",
    "baseball bat": "bat",
    "baseball glove": "glove mitt",
    "skateboard": "board longboard",
    "surfboard": "board bodyboard",
    "tennis racket": "racket racquet paddle",
    "bottle": "beer ketchup mustard wine soda jar flask shampoo",
    "wine glass": "glass wineglass goblet champagne stemware wine",
    "cup": "mug glass coffee drink tumbler beverage latte tea juice milk water beer soda",
    "knife": "blade cutter",
    "bowl": "dish soup salad basin cereal",
    "sandwich": "burger hamburger sub panini wrap toast hoagie bun bread burrito",
    "orange": "tangerine mandarin clementine citrus",
    "broccoli": "brocolli broccolli floret vegetable veggie greens",
    "carrot": "veggie vegetable",
    "hot dog": "hotdog sausage wiener frank bratwurst weiner",
    "pizza": "slice pie",
    "donut": "doughnut bagel pastry cruller",
    "cake": "cupcake dessert pastry pie muffin frosting brownie",
    "chair": "seat stool armchair recliner rocker highchair",
    "couch": "sofa loveseat settee futon sectional seat",
    "potted plant": "plant flower houseplant tree bush shrub fern pot planter",
    "bed": "mattress bunk cot bedspread blanket comforter",
    "dining table": "table desk counter countertop tabletop tablecloth",
    "toilet": "urinal commode potty",
    "tv": "television monitor screen telly display computer",
    "laptop": "computer macbook notebook screen",
    "mouse": "mice",
    "remote": "controller wiimote wii control",
    "cell phone": "phone cellphone mobile smartphone iphone",
    "oven": "stove range cooker",
    "sink": "basin faucet washbasin",
    "refrigerator": "fridge freezer frig icebox",
    "book": "novel magazine notebook textbook",
    "clock": "watch timer",
    "vase": "pot urn jug pitcher pottery",
    "scissors": "scissor shears",
    "teddy bear": "teddy bear stuffed toy plush doll",
    "hair drier": "hairdryer blowdryer dryer",
    "toothbrush": "brush",
}

_PAIRS = {
    "hot dog": "hot dog",
    "teddy bear": "teddy bear",
    "stuffed animal": "teddy bear",
    "stuffed bear": "teddy bear",
    "cell phone": "cell phone",
    "fire hydrant": "fire hydrant",
    "stop sign": "stop sign",
    "stop light": "traffic light",
    "street light": "traffic light",
    "traffic light": "traffic light",
    "traffic signal": "traffic light",
    "parking meter": "parking meter",
    "wine glass": "wine glass",
    "sports ball": "sports ball",
    "soccer ball": "sports ball",
    "tennis ball": "sports ball",
    "baseball bat": "baseball bat",
    "baseball glove": "baseball glove",
    "tennis racket": "tennis racket",
    "tennis racquet": "tennis racket",
    "potted plant": "potted plant",
    "dining table": "dining table",
    "coffee table": "dining table",
    "coffee cup": "cup",
    "coffee mug": "cup",
    "tea cup": "cup",
    "hair drier": "hair drier",
    "hair dryer": "hair drier",
    "polar bear": "bear",
    "ice box": "refrigerator",
    "surf board": "surfboard",
    "skate board": "skateboard",
    "snow board": "snowboard",
    "motor cycle": "motorcycle",
    "motor bike": "motorcycle",
    "dirt bike": "motorcycle",
    "pick up": "truck",
    "fire truck": "truck",
    "love seat": "couch",
    "arm chair": "chair",
    "high chair": "chair",
    "back pack": "backpack",
    "hand bag": "handbag",
    "suit case": "suitcase",
    "sail boat": "boat",
    "street car": "train",
    "water bottle": "bottle",
    "wine bottle": "bottle",
    "beer bottle": "bottle",
    "computer mouse": "mouse",
    "computer screen": "tv",
    "computer monitor": "tv",
    "tennis player": PERSON,
    "baby elephant": "elephant",
    "baby bear": "bear",
    "baby giraffe": "giraffe",
    "baby zebra": "zebra",
    "baby cow": "cow",
    "baby sheep": "sheep",
    "old man": PERSON,
}
"""Two words that mean one name; they go before what the second means alone."""

_HYPERNYMS = {
    "animal creature beast pet critter": "bird cat dog horse sheep cow elephant bear zebra giraffe",
    "vehicle transport": "car truck bus motorcycle train bicycle airplane boat",
    "fruit": "banana apple orange",
    "food meal snack dish plate": "sandwich pizza hot_dog cake donut broccoli carrot banana apple orange bowl",
    "furniture": "chair couch bed dining_table bench",
    "appliance": "oven refrigerator microwave toaster sink",
    "utensil silverware cutlery": "fork knife spoon",
    "container": "cup bowl bottle vase",
    "electronics device gadget": "laptop cell_phone remote tv keyboard mouse",
    "bag": "backpack handbag suitcase",
    "dessert sweet": "cake donut",
    "thing object one item stuff part piece": "",
}
"""Words to the names they cover; none: anything."""

_ALIKE = (
    ("cup", "bowl", "wine glass", "bottle", "vase"),
    ("chair", "couch", "bench", "bed"),
    ("car", "truck", "bus", "train"),
    ("bicycle", "motorcycle"),
    ("horse", "cow", "sheep", "dog", "bear", "elephant"),
    ("cat", "dog", "teddy bear"),
    ("zebra", "giraffe", "horse"),
    ("tv", "laptop", "microwave"),
    ("keyboard", "laptop", "remote", "cell phone", "mouse"),
    ("backpack", "handbag", "suitcase"),
    ("donut", "cake", "sandwich", "hot dog", "pizza"),
    ("apple", "orange"),
    ("carrot", "broccoli", "banana"),
    ("fork", "knife", "spoon", "toothbrush"),
    ("skateboard", "surfboard", "snowboard", "skis"),
    ("oven", "microwave", "refrigerator", "sink", "toaster"),
    ("dining table", "bench", "bed"),
    ("bird", "kite", "airplane"),
    ("teddy bear", "bear"),
    ("sports ball", "frisbee"),
)
"""What detectors take for one another."""

CLOTHES = frozenset(
    words_of(
        "shirt tshirt tee top jacket coat sweater sweatshirt hoodie hoody vest blouse suit tux tuxedo dress "
        "gown robe pants shorts jeans skirt trousers leggings slacks hat cap helmet beanie bandana hood "
        "headband glasses sunglasses goggles shades shoes shoe boots sneakers socks scarf apron uniform "
        "jersey outfit clothes clothing bikini swimsuit wetsuit swimtrunks trunks tank tanktop overalls "
        "kimono sari plaid stripes striped stripe checkered polo cardigan bra bracelet necklace earring mask "
        "wig ponytail braid tattoo backwards number"
    )
)
"""What people wear: alone it means who wears it."""
LOWER_CLOTHES = frozenset(
    words_of("pants shorts jeans skirt trousers leggings slacks shoes shoe boots sneakers socks trunks")
)
HEAD_WEAR = frozenset(words_of("hat cap helmet beanie bandana hood headband hair wig ponytail blond blonde brunette"))
BODY_PARTS = frozenset(words_of("head face arm hand leg foot hair body beard mustache"))
"""Nouns that mean the person they are part of."""
YOUNG = frozenset(
    words_of("kid child children baby infant toddler boy girl son daughter calf cub foal puppy kitten lamb")
)

COLORS: Mapping[str, str] = {
    **{name: name for name in words_of("red orange yellow green blue purple pink brown black white gray")},
    "grey": "gray",
    "silver": "gray",
    "violet": "purple",
    "lavender": "purple",
    "maroon": "red",
    "teal": "blue",
    "navy": "blue",
    "turquoise": "blue",
    "aqua": "blue",
    "tan": "brown",
    "beige": "brown",
    "khaki": "brown",
    "blond": "yellow",
    "blonde": "yellow",
    "golden": "yellow",
    "gold": "yellow",
    "cream": "white",
    "lime": "green",
    "dark": "dark",
    "darker": "dark",
    "darkest": "dark",
    "light": "light",
    "lighter": "light",
    "lightest": "light",
    "reddish": "red",
    "magenta": "pink",
    "burgundy": "red",
    "brunette": "brown",
    "blk": "black",
    "wht": "white",
}
"""What people call colours, as the colours that `noun_colors` measures."""

SIDES: Mapping[str, tuple[str, float]] = {
    **dict.fromkeys(words_of("left leftmost lefthand leftside lft lt leftest"), ("x", -1.0)),
    **dict.fromkeys(words_of("right rightmost righthand rightside rt rght rightest"), ("x", 1.0)),
    **dict.fromkeys(words_of("top upper topmost uppermost highest up higher"), ("y", -1.0)),
    **dict.fromkeys(words_of("bottom lower bottommost lowest lowermost btm down"), ("y", 1.0)),
    **dict.fromkeys(words_of("middle center centre mid central centered middlemost"), ("middle", 1.0)),
    **dict.fromkeys(
        words_of("front closest nearest foreground closer nearer close frontmost forefront"), ("near", 1.0)
    ),
    **dict.fromkeys(words_of("back background far farthest furthest rear distance distant backmost"), ("near", -1.0)),
    **dict.fromkeys(words_of("farther further away backround behind"), ("near", -1.0)),
    **dict.fromkeys(words_of("big bigger biggest large larger largest huge giant main whole full"), ("size", 1.0)),
    **dict.fromkeys(words_of("small smaller smallest little tiny littlest tiniest mini"), ("size", -1.0)),
    **dict.fromkeys(words_of("tall taller tallest standing stands"), ("height", 1.0)),
    **dict.fromkeys(words_of("short shorter shortest sitting seated crouching squatting kneeling"), ("height", -1.0)),
}
"""Word to the axis it chooses along, and to which end of it."""
SUPERLATIVES = frozenset(word for word in SIDES if word.endswith("st")) | {"far"}

ORDINALS: Mapping[str, int] = {
    **{word: number for number, word in enumerate(words_of("first second third fourth fifth sixth seventh"), 1)},
    **{word: number for number, word in enumerate(words_of("1st 2nd 3rd 4th 5th 6th 7th"), 1)},
}

FILLERS = frozenset(
    words_of(
        "a an the this that these those is are was be being of it its there here picture pic photo image my "
        "your our their very most really just only please side sided corner edge end row and to at as "
        "who which whose has have had"
    )
)

_IRREGULAR = {"men": "man", "women": "woman", "people": "person", "children": "child", "knives": "knife"}
_IRREGULAR |= {"geese": "goose", "mice": "mouse", "feet": "foot", "buses": "bus", "calves": "calf", "oxen": "ox"}
_IRREGULAR |= {"glasses": "glasses", "skis": "skis", "scissors": "scissors", "persons": "person", "ppl": "person"}


def singular(word: str) -> str:
    """The word in the singular, as far as the tables need it; a word that is none of theirs may come out wrong."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word in MEANINGS or len(word) < 4 or word.endswith("ss"):
        return word
    for ending, instead in (("ies", "y"), ("ches", "ch"), ("shes", "sh"), ("sses", "ss"), ("xes", "x"), ("s", "")):
        if word.endswith(ending):
            return word[: -len(ending)] + instead
    return word


def _meanings() -> dict[str, dict[str, float]]:
    table: dict[str, dict[str, float]] = {}
    for words, covered in _HYPERNYMS.items():
        for word in words.split():
            table[word] = {name.replace("_", " "): 0.9 for name in covered.split()}
    for name, words in _SYNONYMS.items():
        for word in words.split():
            table.setdefault(word, {})[name] = 0.95
    for pair, name in _PAIRS.items():
        table[pair] = {name: 1.0}
    for name in NAMES:
        table[name] = {name: 1.0}
    return {word: _with_alike(fits) for word, fits in table.items()}


def _with_alike(fits: dict[str, float]) -> dict[str, float]:
    """The names with those that a detector may have taken for them, at a quarter of their weight."""
    more: dict[str, float] = {}
    for group in _ALIKE:
        weight = max((fits.get(name, 0.0) for name in group), default=0.0) / 4
        for name in group:
            more[name] = max(more.get(name, 0.0), weight)
    found = {name: max(fits.get(name, 0.0), more.get(name, 0.0)) for name in (*fits, *more)}
    return {name: fit for name, fit in found.items() if fit}


MEANINGS: Mapping[str, Mapping[str, float]] = _meanings()
"""A noun in the singular, or two words, to the names it may mean and how well each fits, 0 to 1."""
