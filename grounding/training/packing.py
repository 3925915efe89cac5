"""Owns packing: which lessons of one pass share a row, so that little of it is padding."""

from __future__ import annotations

from collections.abc import Sequence


def pack(lengths: Sequence[int], most: int) -> list[list[int]]:
    """Numbers of the texts that share each row: the longest first, each into the first row with room (first-fit
    decreasing, which needs at most 11/9 of the fewest rows possible; Johnson, 1973).

    `most`: tokens of a row. A text that is longer has a row of its own. Within a row texts stand in their order, and
    the rows in that of their first text: the same lengths give the same rows on every machine.
    """
    rows: list[list[int]] = []
    left: list[int] = []
    for number in sorted(range(len(lengths)), key=lambda number: -lengths[number]):
        for place, room in enumerate(left):
            if lengths[number] <= room:
                rows[place].append(number)
                left[place] -= lengths[number]
                break
        else:
            rows.append([number])
            left.append(most - lengths[number])
    return sorted(sorted(row) for row in rows)
