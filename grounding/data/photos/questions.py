"""From a photograph's things to questions about them, each with its prompt and certain answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import accumulate
from random import Random

from grounding.codecs import get_codec
from grounding.data.photos import absence, groups, long, phrases, relations, telling
from grounding.data.photos.facts import Facts
from grounding.data.photos.things import PhotoScene
from grounding.data.scenes.generate import SceneSample, written
from grounding.data.scenes.phrases import Draft
from grounding.errors import InputError
from grounding.images import Canvas

Builder = Callable[[Facts, Random], Draft | None]

SKILLS: dict[str, Builder] = {
    "name": phrases.name,
    "side": phrases.side,
    "ordinal": phrases.ordinal,
    "size": phrases.size_order,
    "near": phrases.near,
    "color": phrases.color,
    "relation": relations.relation,
    "long": long.sentence,
    "all": groups.all_instances,
    "absent": absence.absent,
    "detect": groups.detect,
    "count": groups.count,
    "describe_box": groups.describe_box,
    "describe_point": telling.describe_point,
    "caption": telling.caption,
    "answer": telling.answer,
}
"""Skill to what asks for it; the names of the accuracy table."""

MIXTURE: dict[str, float] = {
    "name": 0.09,
    "side": 0.17,
    "ordinal": 0.07,
    "size": 0.06,
    "near": 0.06,
    "color": 0.22,
    "relation": 0.16,
    "long": 0.08,
    "all": 0.03,
    "absent": 0.13,
    "detect": 0.08,
    "count": 0.02,
    "describe_box": 0.02,
    "describe_point": 0.03,
    "caption": 0.03,
    "answer": 0.02,
}
"""How often each skill is tried; what people use most to tell things apart in photographs is asked most."""


_ALWAYS = ("absent", "detect", "count", "describe_box", "describe_point", "caption", "answer")
"""Skills that something can be asked of in any photograph: kept to their share where others find little."""
_SAME = 6
"""Phrases that mean one thing, at most, among 16: where there is little to ask, less is asked."""


def ask(
    scene: PhotoScene, rng: Random, phrases: int, mixture: Mapping[str, float] | None = None
) -> tuple[SceneSample, ...]:
    """Up to `phrases` questions about a photograph, no prompt twice; () where nothing certain can be asked.

    Skills are drawn by `mixture` (MIXTURE where it is None). A photograph in which nothing was found is asked nothing:
    what a detector sees nothing in may hold anything. Raises InputError for a count below 1 or an unknown skill.
    """
    mixture = MIXTURE if mixture is None else mixture
    if phrases < 1:
        raise InputError(f"phrases is {phrases}; ask at least 1 of each picture")
    unknown = [skill for skill in mixture if skill not in SKILLS]
    if unknown:
        raise InputError(f"no skill named {unknown[0]!r}; known: {', '.join(SKILLS)}")
    if any(weight < 0 for weight in mixture.values()) or not sum(mixture.values()) > 0:
        raise InputError("the weights of the mixture must not be negative, and one must be above zero")
    facts = Facts(scene)
    if not facts.sure:
        return ()
    codec = get_codec("location")
    canvas = Canvas.identity(scene.width, scene.height)
    asked: dict[tuple[str, ...], SceneSample] = {}
    skills, bounds = list(mixture), list(accumulate(mixture.values()))
    # Skills that always find something keep to their share of what is asked, wherever that begins.
    due = {skill: rng.random() for skill in _ALWAYS if mixture.get(skill, 0.0) > 0}
    most = max(_SAME, round(phrases * _SAME / 16))
    about: dict[int, int] = {}
    barren: dict[str, int] = {}
    for skill in rng.choices(skills, cum_weights=bounds, k=phrases * 4):
        if len(asked) == phrases:
            break
        if skill in due and due[skill] >= 1.2 * mixture[skill] / bounds[-1] * (len(asked) + 1):
            continue
        if barren.get(skill, 0) > 1:
            continue
        build = SKILLS[skill]
        draft = build(facts, rng) or build(facts, rng)
        if draft is None:
            barren[skill] = barren.get(skill, 0) + 1
            continue
        if draft.task == "locate" and len(draft.targets) == 1 and about.get(draft.targets[0], 0) >= most:
            continue
        # "the red car" and "Red car" are one question; a thing is described once.
        words = draft.phrase.lower().removeprefix("the ").rstrip(".")
        key = (draft.task, f"{draft.detail} {draft.targets}" if draft.task == "describe" else words)
        if key in asked:
            continue
        asked[key] = written(draft, skill, scene, codec, canvas)
        if skill in due:
            due[skill] += 1
        for target in draft.targets:
            about[target] = about.get(target, 0) + 1
    return tuple(asked.values())
