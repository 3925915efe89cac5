"""Owns the licence of exported weights: what the user says, or what the parts say that they came from."""

from __future__ import annotations

from pathlib import Path

import yaml

from grounding.backends.hub import is_hub_name
from grounding.errors import ConfigError
from grounding.training.recipe import Recipe

PACKAGED = {"efficientnet-lite0": "apache-2.0", "smollm2": "apache-2.0"}
"""Parts that packages carry, to the licence that these state."""


def licence_of(said: str | None, recipe: Recipe | None, folder: Path | None) -> str:
    """`said`, in lower case as the hub writes licences; else that of the parts, where all have the same.

    `folder`: of a model without a recipe. Raises ConfigError where nobody says it.
    """
    if said is not None:
        name = said.strip().lower()
        if not name or any(letter.isspace() for letter in name):
            raise ConfigError(f"--licence {said!r} is no licence's name: write it as the hub does, such as apache-2.0")
        return name
    parts = parts_of(recipe) if recipe is not None else [str(folder)]
    found = {part: licence_of_part(part) for part in parts}
    known = set(found.values())
    if len(known) == 1 and None not in known:
        return str(known.pop())
    told = ", ".join(f"{Path(part).name}: {licence or 'not known'}" for part, licence in found.items())
    raise ConfigError(
        f"say under which licence these weights are, such as --licence apache-2.0 "
        f"({f'their parts: {told}' if told else 'they were trained from nothing'})"
    )


def parts_of(recipe: Recipe) -> list[str]:
    """What a recipe begins with: a finished model, or encoders and a language model."""
    wanted = recipe.model
    vision = (wanted.vision,) if isinstance(wanted.vision, str) else wanted.vision or ()
    return [name for name in (wanted.checkpoint, *vision, wanted.language) if name]


def licence_of_part(name: str) -> str | None:
    """The licence that a part's card names: of a folder, or of the copy of the hub's that is on this machine."""
    if name in PACKAGED:
        return PACKAGED[name]
    card = Path(name).expanduser() / "README.md"
    if not card.is_file() and is_hub_name(name):
        from huggingface_hub import try_to_load_from_cache

        cached = try_to_load_from_cache(name, "README.md")
        card = Path(cached) if isinstance(cached, str) else card
    if not card.is_file():
        return None
    text = card.read_text(encoding="utf-8", errors="replace")
    if not text.startswith("---"):
        return None
    try:
        facts = yaml.safe_load(text.split("---", 2)[1])
    except (yaml.YAMLError, IndexError):
        return None
    licence = facts.get("license") if isinstance(facts, dict) else None
    return licence.lower() if isinstance(licence, str) and licence.lower() != "other" else None
