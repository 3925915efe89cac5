"""Reads lines of the samples.jsonl that `grounding data draw` writes, into lines of our own jsonl."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_TAG = re.compile(r"<loc\d+>|</?p>")


def is_scene_line(row: Mapping[str, Any]) -> bool:
    """Whether the line is one of a drawn picture: it has a skill, a prompt and an answer."""
    return {"image", "task", "skill", "prompt", "answer", "boxes", "seed"} <= set(row)


def plain_line(row: Mapping[str, Any], line: int) -> tuple[dict[str, Any] | None, str | None]:
    """The line in our form, and what a reader must know of it; no line for a question that is answered in words.

    `skill` becomes `kind`; the answer's words become the label of what was described, or the text of a caption.
    """
    task, boxes, answer = row["task"], row["boxes"], str(row["answer"])
    if task == "answer":
        return None, None
    words = " ".join(_TAG.sub(" ", answer).split())
    made: dict[str, Any] = {key: row[key] for key in ("image", "width", "height", "task", "phrase") if key in row}
    made |= {"id": f"{row['seed']}/{line}", "kind": row["skill"]}
    made["meta"] = {"seed": row["seed"], "prompt": row["prompt"], "answer": answer}
    if not isinstance(boxes, list):
        return {**made, "boxes": boxes}, None  # whoever makes samples of lines says what is wrong with it
    if task == "describe":
        point = row.get("point")
        made["about"] = {"box": boxes[0]} if point is None and boxes else {"point": point}
        made |= {"boxes": boxes[:1], "labels": [words] * len(boxes[:1]), "text": words}
        return made, None
    made |= {"boxes": boxes, "labels": row.get("labels") or [None] * len(boxes)}
    if task == "caption":
        made["text"] = words
    elif task == "detect":
        made["names"] = [name.strip() for name in str(row["phrase"]).split(" ; ")]
    elif task == "segment":
        return made, "outlines of drawn things stand in instances.json; questions to segment have boxes only here"
    return made, None
