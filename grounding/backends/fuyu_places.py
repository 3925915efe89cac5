"""What transformers leaves to its users of Fuyu: places in prompts and in answers, where each number is one token.

A box is `<0x00>` top left bottom right `<0x01>`, a point `<0x02>` x y `<0x03>`, in halved pixels of the scaled picture.
The processor of transformers (5.17 to 5.23) works the numbers of a prompt's <box> out and drops them, so that the model
would be given the text of the tags. And numbers that are decoded together can't be told apart. Both are seen to here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from grounding.errors import BackendError
from grounding.images import Canvas

_OPEN, _CLOSE, _HELD = "<0x00>", "<0x01>", "<0x02>"
_BOX = re.compile(r"<box>([^<]*)</box>")
_TAGS = {"<0x00>": "<box>", "<0x01>": "</box>", "<0x02>": "<point>", "<0x03>": "</point>"}


def hold_places(prompt: str, canvas: Canvas) -> tuple[str, list[str]]:
    """The prompt with a token in place of each number of its boxes, and the numbers, as the model counts."""
    numbers: list[str] = []

    def hold(match: re.Match[str]) -> str:
        scales = (canvas.scale_y, canvas.scale_x, canvas.scale_y, canvas.scale_x)
        pixels = map(float, match[1].split(","))
        numbers.extend(str(round(pixel / 2 * scale)) for pixel, scale in zip(pixels, scales, strict=True))
        return f"{_OPEN}{_HELD * 4}{_CLOSE}"

    return _BOX.sub(hold, prompt), numbers


def put_numbers(tokenizer: Any, row: Any, numbers: Sequence[str]) -> None:
    """Puts the tokens of `numbers` where `hold_places` held places in the row of ids, in place."""
    if not numbers:
        return
    held = (row == tokenizer.convert_tokens_to_ids(_HELD)).nonzero().flatten()
    vocabulary = tokenizer.get_vocab()
    ids = [vocabulary.get(number) for number in numbers]
    if len(held) != len(numbers) or None in ids:
        raise BackendError(
            f"Fuyu's tokenizer has no tokens for the numbers {', '.join(numbers)} of a box: the tokenizer.json of the "
            "checkpoint is not the family's"
        )
    row[held] = row.new_tensor(ids)


def spell(tokenizer: Any, ids: Sequence[int]) -> str:
    """The text of tokens, with the numbers of places parted by commas."""
    marks = {tokenizer.convert_tokens_to_ids(tag): text for tag, text in _TAGS.items()}
    pieces: list[str] = []
    words: list[int] = []
    numbers: list[int] | None = None
    for id_ in ids:
        if id_ not in marks:
            (words if numbers is None else numbers).append(id_)
            continue
        pieces.append(_decoded(tokenizer, words))
        pieces.append(_between(tokenizer, numbers))
        pieces.append(marks[id_])
        words, numbers = [], None if marks[id_].startswith("</") else []
    return "".join([*pieces, _decoded(tokenizer, words), _between(tokenizer, numbers)])


def _decoded(tokenizer: Any, ids: Sequence[int]) -> str:
    if not ids:
        return ""
    text: str = tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return text


def _between(tokenizer: Any, ids: Sequence[int] | None) -> str:
    return ", ".join(str(token).strip("▁") for token in tokenizer.convert_ids_to_tokens(ids)) if ids else ""
