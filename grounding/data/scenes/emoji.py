"""Owns the making of a sprite folder from a colour-emoji font, such as Debian's fonts-noto-color-emoji (OFL-1.1)."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from grounding.errors import InputError

EMOJI_FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
"""Where Debian's package puts the font."""

BITMAP_SIZE = 109
"""The one size, px, at which Noto's bitmaps exist."""

EMOJI: dict[str, str] = {
    "🐕": "dog", "🐈": "cat", "🐎": "horse", "🐄": "cow", "🐖": "pig", "🐑": "sheep", "🐘": "elephant",
    "🦒": "giraffe", "🦓": "zebra", "🐅": "tiger", "🦁": "lion", "🐻": "bear", "🐼": "panda",
    "🐰": "rabbit", "🐿": "squirrel", "🦊": "fox", "🐒": "monkey", "🐪": "camel", "🐊": "crocodile",
    "🐢": "turtle", "🐍": "snake", "🐸": "frog", "🐬": "dolphin", "🐳": "whale", "🐙": "octopus",
    "🦀": "crab", "🦋": "butterfly", "🐝": "bee", "🐞": "ladybug", "🕷": "spider", "🐌": "snail",
    "🐔": "chicken", "🐧": "penguin", "🦉": "owl", "🦆": "duck", "🦅": "eagle", "🦜": "parrot",
    "🍕": "pizza", "🍔": "hamburger", "🌭": "hot dog", "🥪": "sandwich", "🍟": "french fries",
    "🌮": "taco", "🍩": "donut", "🍪": "cookie", "🎂": "cake", "🍦": "ice cream", "🍫": "chocolate",
    "🍞": "bread", "🧀": "cheese", "🥚": "egg", "🍌": "banana", "🍊": "orange fruit", "🍓": "strawberry",
    "🍇": "grapes", "🍉": "watermelon", "🍍": "pineapple", "🍒": "cherries", "🍑": "peach", "🍋": "lemon",
    "🥝": "kiwi", "🥥": "coconut", "🥑": "avocado", "🥕": "carrot", "🌽": "corn", "🥦": "broccoli",
    "🍅": "tomato", "🍆": "eggplant", "🥒": "cucumber", "🌶": "pepper", "🥔": "potato", "🍄": "mushroom",
    "🚲": "bicycle", "🏍": "motorcycle", "🚌": "bus", "🚂": "train", "🚚": "truck", "🚜": "tractor",
    "🚁": "helicopter", "✈": "airplane", "🚀": "rocket", "🚢": "ship", "⛵": "sailboat", "🛴": "scooter",
    "🚑": "ambulance", "🚒": "fire engine", "🚦": "traffic light", "🛑": "stop sign",
    "⚽": "soccer ball", "🏀": "basketball", "🎾": "tennis racket", "🏈": "football", "⚾": "baseball",
    "🎸": "guitar", "🎹": "piano", "🥁": "drum", "🎺": "trumpet", "🎻": "violin", "📱": "phone",
    "💻": "laptop", "⌨": "keyboard", "🖱": "computer mouse", "📺": "television", "📷": "camera",
    "💡": "light bulb", "🔦": "flashlight", "🕯": "candle", "🛏": "bed", "🪑": "chair", "🛋": "couch",
    "🚪": "door", "🚽": "toilet", "🛁": "bathtub", "🧸": "teddy bear", "🎁": "gift", "🎒": "backpack",
    "👜": "handbag", "🧳": "suitcase", "👑": "crown", "🎩": "top hat", "👓": "glasses", "👟": "shoe",
    "👢": "boot", "🧦": "socks", "👕": "shirt", "👖": "jeans", "👗": "dress", "🧤": "gloves",
    "🧣": "scarf", "👔": "shirt with tie", "🔨": "hammer", "🔧": "wrench", "✂": "scissors",
    "🖌": "paintbrush", "✏": "pencil", "📚": "books", "⏰": "alarm clock", "⌚": "watch", "🔔": "bell",
    "🗑": "trash can", "🧹": "broom", "🪣": "bucket", "🥄": "spoon", "🍴": "fork and knife",
    "🔪": "knife", "🍾": "bottle", "🍷": "wine glass", "🍺": "beer", "🫖": "teapot", "🌵": "cactus",
    "🌻": "sunflower", "🌹": "rose", "🌷": "tulip", "🌴": "palm tree", "⛄": "snowman", "🌈": "rainbow",
    "🔥": "fire", "🌙": "yellow moon", "🎈": "red balloon", "🪁": "kite", "🎃": "pumpkin", "👻": "ghost",
    "🤖": "robot", "💀": "skull", "🦷": "tooth", "👁": "eye", "✋": "hand", "🏰": "castle", "⛺": "tent",
    "🗼": "tower", "🌍": "globe", "🧭": "compass", "⚓": "anchor", "🏆": "trophy", "🎲": "die",
    "🧩": "puzzle piece", "🪴": "potted plant", "🛒": "shopping cart", "🦖": "dinosaur", "🦈": "shark",
    "🦩": "flamingo", "🦔": "hedgehog", "🍿": "popcorn", "🥨": "pretzel", "🍣": "sushi", "🥞": "pancakes",
}  # fmt: skip
"""The emoji that mean one thing that can be seen, with its plain name."""


def write_emoji_sprites(out: Path, font: Path = EMOJI_FONT) -> int:
    """How many sprites were written to `out`, one PNG with alpha for each name of EMOJI the font can draw."""
    if not font.is_file():
        raise InputError(f"there is no font at {font}: install a colour-emoji font (Debian: fonts-noto-color-emoji)")
    face = ImageFont.truetype(str(font), BITMAP_SIZE)
    out.mkdir(parents=True, exist_ok=True)
    written = 0
    for character, name in EMOJI.items():
        picture = Image.new("RGBA", (160, 160), (255, 255, 255, 0))
        ImageDraw.Draw(picture).text((10, 10), character, font=face, embedded_color=True)
        box = picture.getchannel("A").point(lambda a: 255 if a > 127 else 0).getbbox()
        if box is None or min(box[2] - box[0], box[3] - box[1]) < 20:
            continue
        picture.crop(box).save(out / f"{name.replace(' ', '_')}.png")
        written += 1
    return written
