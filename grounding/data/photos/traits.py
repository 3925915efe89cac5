"""What people add of which labels know nothing: hats, looks, poses. Said at random where the rest tells who is meant.

A model that never met "smiling" or "with glasses" is thrown off by it. Met beside words that do tell, on things for
which it may be so or not, such words come to change nothing, which is the best that can be learned without seeing it.
"""

from __future__ import annotations

from random import Random

from grounding.data.photos.facts import Facts
from grounding.data.photos.names import words_of
from grounding.data.photos.people import Words

_PERSON_BEFORE = Words(
    "old 3, young 3, older 2, younger 2, blonde 3, blond 1, bald 1, skinny 0.3, tall 1, brunette 0.3"
)
_PERSON_AFTER = Words(
    "with glasses 5, with hat 4, wearing hat 2, in hat 2, with the hat 1, wearing a hat 2, "
    "with cap 1, in baseball cap 1, "
    "wearing glasses 2, with sunglasses 2, wearing sunglasses 1, with helmet 1, wearing helmet 1, with beard 1.5, "
    "with a beard 1, with long hair 2, with short hair 1, with dark hair 1, with blonde hair 1, with ponytail 1, "
    "with brown hair 1, smiling 3, laughing 0.7, looking at camera 3, looking at the camera 1.5, looking at us 1, "
    "looking down 2, looking away 1, looking up 0.7, facing us 1.5, facing away 1.5, "
    "facing camera 0.7, back to us 1.5, "
    "with back to us 1.5, with back turned 0.7, walking 3, standing 4, sitting 3, running 1.5, "
    "leaning over 1, leaning 1, "
    "bending over 1.5, bent over 0.7, kneeling 1.5, crouching 1, squatting 0.7, with arms crossed 0.7, arms up 0.7, "
    "with hand up 0.7, with arm up 0.5, pointing 0.7, waving 0.5, talking 1, posing 0.5, in striped shirt 2, "
    "with striped shirt 1.5, wearing stripes 0.7, in plaid shirt 1, in plaid 0.7, in shorts 2, "
    "in jeans 1.5, in suit 1, "
    "in dress 1, in skirt 0.7, in hoodie 0.5, in jacket 1, in coat 0.7, in uniform 0.7, no shirt 1, shirtless 1, "
    "with no shirt 0.7, with hands in pockets 0.5, with bag 0.7, holding something 0.5, watching 1, with a watch 0.4, "
    "reaching 0.5, jumping 0.7, bending 0.5, hands on hips 0.5, in vest 0.5, with scarf 0.5, in tank top 0.5, "
    "looking to the side 0.4, with mouth open 0.4, wearing gloves 0.4, with apron 0.4, in apron 0.3, clapping 0.2"
)
_ANIMAL_AFTER = Words(
    "facing us 4, facing away 3, looking at camera 4, looking at us 3, looking at the camera 2, with head down 4, "
    "head down 2, eating grass 2, eating 4, drinking 1, laying down 4, lying down 2, standing 3, sitting 2, head up 1, "
    "with head up 1, walking 2, grazing 2, with horns 1, sleeping 1.5, with mouth open 0.5, "
    "looking away 1, bending down 1, "
    "with tail up 0.5, running 1, with its back to us 0.7, butt facing us 0.5, looking up 0.5, with collar 0.5, "
    "whose head is down 0.4, with spots 0.5, bent over 0.4, drinking water 0.5, with ears up 0.2, facing camera 1"
)
_VEHICLE_AFTER = Words(
    "parked 4, moving 1, with lights on 2, facing us 1.5, with writing on it 0.7, driving 0.7, with people 0.5, "
    "with headlights on 0.7, with open door 0.4, coming towards us 0.5, with stripes 0.7, "
    "with flag 0.3, on the road 0.7"
)
_FOOD_AFTER = Words(
    "cut in half 1, with cheese 1.5, with sauce 0.7, half eaten 1, with sprinkles 1, with frosting 0.7, with meat 0.7, "
    "with toppings 0.5, with icing 0.5, with bite taken out 0.5, on plate 1.5, on the plate 1, with chocolate 0.7"
)
_THING_BEFORE = Words("old 2, wooden 1, metal 1, plastic 0.7, empty 1, open 1, full 0.7, shiny 0.5, round 0.5, new 0.3")
_THING_AFTER = Words(
    "that is empty 0.5, with handle 0.4, that is open 0.4, with nothing on it 0.3, "
    "with stuff on it 0.5, you can see 0.3, "
    "that is on 0.3, against the wall 0.5, by the wall 0.4, by window 0.4, near the wall 0.3, "
    "on the ground 0.4, in view 0.3"
)


def trait(facts: Facts, index: int, rng: Random) -> tuple[str, bool]:
    """Words that may be true of the thing, and whether they stand before its noun."""
    name = facts.names[index]
    if name == "person":
        before = rng.random() < 0.15
        return (_PERSON_BEFORE if before else _PERSON_AFTER).draw(rng), before
    kinds = words_of(name).kinds
    if "animal" in kinds:
        return _ANIMAL_AFTER.draw(rng), False
    if "vehicle" in kinds:
        return _VEHICLE_AFTER.draw(rng), False
    if "food" in kinds:
        return _FOOD_AFTER.draw(rng), False
    before = rng.random() < 0.5
    return (_THING_BEFORE if before else _THING_AFTER).draw(rng), before
