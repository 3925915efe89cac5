"""Flickr30k Entities: recall of phrases, where any of a phrase's boxes counts and where its boxes are merged.

    python -m eval.flickr30k --model M --data DIR --images DIR --splits val,test

`--data` holds Annotations/, Sentences/ and the lists of the splits.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from eval.program import Part, Settings, chosen_splits, run


@dataclass(frozen=True)
class Flickr30kSettings(Settings):
    """Settings of this program."""

    splits: str = "val,test"
    """Which splits."""


def parts(settings: Flickr30kSettings) -> list[Part]:
    """What is measured: each split. Raises InputError."""
    settings.need_data("flickr30k")
    splits = chosen_splits(settings.splits, ("val", "test"))
    return [Part(f"flickr30k:{split}", f"Flickr30k {split}") for split in splits]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program."""
    title = "Phrases of captions: Flickr30k Entities"
    return run(__doc__, parts, argv, title=title, settings=Flickr30kSettings, program="eval.flickr30k")


if __name__ == "__main__":
    sys.exit(main())
