"""What people are called, and what they wear: words that labels cannot choose between, and so are drawn.

Labels say "person" only. Whether it is a man or a woman is drawn where the rest of the phrase tells who is meant, so
that these words come to mean a person; words for the small and the grown follow size where it shows.
"""

from __future__ import annotations

from itertools import accumulate
from random import Random


class Words:
    """Words with weights: written as "man 24, guy 22"; without a number 1."""

    def __init__(self, text: str) -> None:
        entries = [part.strip().rpartition(" ") for part in text.split(",")]
        pairs = [(head, float(tail)) if _number(tail) else (f"{head} {tail}".strip(), 1.0) for head, _, tail in entries]
        self.words = tuple(word for word, _ in pairs)
        self._bounds = list(accumulate(weight for _, weight in pairs))

    def draw(self, rng: Random) -> str:
        """One of them."""
        return rng.choices(self.words, cum_weights=self._bounds)[0]


def _number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()


ANYONE = Words(
    "man 26, guy 22, woman 15, lady 10, person 13, girl 9, boy 5, dude 2.5, kid 2, male 0.8, female 0.8, gal 0.7, "
    "gentleman 0.5, fella 0.3, individual 0.4, chick 0.6, young man 0.5, young woman 0.5, "
    "young lady 0.3, young girl 0.4, "
    "human 0.4, adult 0.4, young boy 0.3, older man 0.3, old man 0.3, older woman 0.3, teen 0.2, child 0.5"
)
"""Of someone whose size tells nothing."""
GROWN = Words(
    "man 26, guy 16, woman 20, lady 14, person 9, adult 8, mom 3, dad 3, mother 1.5, father 1.5, dude 1, grown up 1, "
    "parent 1.5, older person 0.5, male 0.5, female 0.5, older man 0.5, tall guy 1, taller person 1, grownup 0.5"
)
"""Of someone beside others who are clearly smaller."""
SMALL = Words(
    "kid 24, boy 18, girl 18, child 16, little girl 7, little boy 7, little kid 4, baby 4, toddler 4, young boy 2, "
    "young girl 2, small child 2, son 0.7, daughter 0.7, lil kid 0.4, youngster 0.5, person 3, small kid 1, "
    "little one 1, smaller person 0.7, kiddo 0.3, lil girl 0.4, lil boy 0.4, small boy 0.5, small girl 0.5"
)
"""Of someone clearly smaller than others who are no nearer."""
PEOPLE = Words("people 20, person 5, persons 1, everyone 1, humans 0.5, folks 0.3, peoples 0.2")
"""Several."""

TOPS = Words(
    "shirt 52, top 9, jacket 9, tee 2, t-shirt 4, tshirt 3, sweater 4, coat 4, jersey 3, hoodie 2, sweatshirt 1.5, "
    "blouse 1, tank top 1, polo 0.7, vest 0.7, tee shirt 1.5, t shirt 2, long sleeve 0.3, button down 0.2"
)
"""What is worn above the waist, when nothing is known of it."""
SPORT_TOPS = Words("shirt 40, jersey 22, uniform 16, top 7, jacket 2, tee 1, t-shirt 2, vest 1, sweatshirt 0.5")
SNOW_TOPS = Words(
    "jacket 50, coat 22, shirt 10, top 6, parka 3, snow suit 2, vest 2, outfit 1, sweater 2, ski jacket 1.5"
)
BOTTOMS = Words(
    "pants 45, shorts 30, jeans 4, trousers 3, skirt 5, bottoms 3, pant 1, slacks 0.5, leggings 1, shorts on 0.5"
)
"""What is worn below the waist."""
SUITS = Words(
    "outfit 12, dress 14, clothes 8, suit 12, uniform 10, clothing 3, attire 0.7, gear 1, robe 0.5, costume 0.3"
)
"""What is of one colour from neck to feet."""
