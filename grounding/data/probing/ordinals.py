"""Ordinals on grids: the third item from the left in the second row, with other kinds all round it."""

from __future__ import annotations

from grounding.data.probing.stage import (
    COLORS,
    KINDS,
    SIZE,
    Asked,
    Plan,
    chance_of,
    painter,
    put,
    settled,
    upright,
)
from grounding.data.scenes.looks import Chance
from grounding.data.scenes.scene import Thing
from grounding.data.scenes.wording import ORDINALS

SIZES = (("one row", 1, 1, 3, 5), ("one row", 1, 1, 6, 8), ("rows", 2, 3, 3, 5), ("rows", 3, 5, 5, 7))
"""Name, fewest and most rows, fewest and most items in a row."""
KINDS_OF_QUESTION = (
    "row only, 3-5 items",
    "row only, 6-8 items",
    "row and column, 2-3 rows",
    "row and column, 3-5 rows",
)
ASKED = 2


def plan(seed: int) -> Plan:
    """The picture of a seed; four seeds in a row go through the sizes. Items need no names: only their order counts."""
    case = seed % len(SIZES)
    _, fewest_rows, most_rows, fewest, most = SIZES[case]
    chance = chance_of(seed)
    rows = chance.whole(fewest_rows, most_rows)
    columns = [chance.whole(fewest, most)] * rows
    if rows > 1 and chance.random() < 0.4:  # ragged: rows of different lengths
        columns = [chance.whole(fewest, most) for _ in range(rows)]
    grid = _grid(chance, columns)
    found = settled([thing for row in grid for thing in row])
    starts = [sum(columns[:row]) for row in range(rows)]
    asked: dict[str, Asked] = {}
    while len(asked) < ASKED:
        row = chance.whole(0, rows - 1)
        column = chance.whole(0, columns[row] - 1)
        phrase = _phrase(chance, row, rows, column, columns[row])
        meta = {"row": row + 1, "column": column + 1, "rows": rows, "columns": columns[row]}
        asked.setdefault(phrase, Asked(phrase, (found[starts[row] + column].box,), KINDS_OF_QUESTION[case], meta))
    return Plan(tuple(asked.values()), painter(found, seed))


def _grid(chance: Chance, columns: list[int]) -> list[list[Thing]]:
    """The items row by row: jittered, but no row or order in doubt."""
    tall = SIZE[1] / len(columns) if len(columns) > 1 else SIZE[1] * 0.6
    top = (SIZE[1] - tall * len(columns)) / 2
    grid = []
    for row, count in enumerate(columns):
        wide = SIZE[0] / count
        line = []
        for column in range(count):
            extent = min(wide, tall) * chance.between(0.46, 0.64)
            x = wide * (column + 0.5) + wide * chance.between(-0.09, 0.09)
            y = top + tall * (row + 0.5) + tall * chance.between(-0.08, 0.08)
            kind = chance.pick(KINDS)
            line.append(put(kind, chance.pick(COLORS), (x, y), min(extent, 110.0), rotation=upright(kind, chance)))
        grid.append(line)
    return grid


def _phrase(chance: Chance, row: int, rows: int, column: int, columns: int) -> str:
    right = chance.random() < 0.4
    place = ORDINALS[columns - 1 - column if right else column]
    item = f"the {place} item from the {'right' if right else 'left'}"
    if rows == 1:
        return item
    name = ORDINALS[row]
    if row in (0, rows - 1) and chance.random() < 0.4:
        name = "top" if row == 0 else "bottom"
    return f"{item} in the {name} row"
