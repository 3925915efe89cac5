"""docs/box-languages.md: the box of its table as each language writes it, a row for each, a command that there is."""

import re
import runpy
from pathlib import Path

import pytest

from grounding.codecs import get_codec
from grounding.images import Canvas
from grounding.result import Region

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs" / "box-languages.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in TEXT.splitlines() if line.startswith("|")][2:]


@pytest.mark.parametrize(("language", "row"), [("location", 0), ("kosmos-2", 2), ("shikra", 3)])
def test_the_box_is_written_as_the_table_says(language: str, row: int) -> None:
    box = Region((0.0, 256.0, 1023.0, 768.0))
    text = get_codec(language).encode("locate", regions=[box], text="the ring", canvas=Canvas.identity(1023, 1023))
    assert ROWS[row][1] == f"`{text}`"


def test_every_language_has_a_row_and_accuracy_falls_with_the_threshold() -> None:
    path = ROOT / "benchmarks" / "box_languages.py"
    languages = runpy.run_path(str(path))["LANGUAGES"]
    assert len(ROWS) == len(languages)
    for _, _, *cells in ROWS:
        shares = [float(cell.partition(" ")[0]) for cell in cells[:3]]
        assert shares == sorted(shares, reverse=True)
    (command,) = re.findall(r"^    python (\S+)(.*)$", TEXT, re.MULTILINE)
    assert command[0] == "benchmarks/box_languages.py"
    assert set(re.findall(r"--[\w-]+", command[1])) <= set(re.findall(r'"(--[\w-]+)"', path.read_text()))
