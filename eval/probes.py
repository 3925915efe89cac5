"""Four probes that language-vision models are known to fail: counting in clutter, small text, relations, ordinals.

    python -m eval.probes --model M

Everything is drawn, with known answers; no data is needed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from eval.program import Part, Settings, run

HEADINGS = {
    "clutter": "counting in clutter",
    "small-text": "small text",
    "spatial": "spatial relations",
    "ordinals": "ordinals",
}


@dataclass(frozen=True)
class ProbeSettings(Settings):
    """Settings of this program."""

    n: int = 1000
    """Questions of each probe."""


def parts(settings: ProbeSettings) -> list[Part]:
    """What is measured: each probe."""
    told = {"n": settings.n}
    return [Part(f"probes:{name}", heading, options=told, drawn=True) for name, heading in HEADINGS.items()]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program."""
    return run(__doc__, parts, argv, title="Probes", settings=ProbeSettings, program="eval.probes")


if __name__ == "__main__":
    sys.exit(main())
