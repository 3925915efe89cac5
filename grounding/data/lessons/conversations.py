"""Owns rows of conversations as LLaVA's files have them: 595K (chat.json), 158K (llava_instruct) and the 665K mix.

    {"id": "997", "image": "a.jpg", "conversations": [
        {"from": "human", "value": "<image>\\nWhat is on the desk?"}, {"from": "gpt", "value": "A cup."}]}

Rows without a picture are text alone. Source: docs/Finetune_Custom_Data.md and llava/train/train.py of
haotian-liu/LLaVA, of which a conversation that begins with an answer loses that answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from grounding.data.lessons.inline_boxes import FRAMES, has_boxes, without_boxes
from grounding.data.lessons.lesson import Lesson, Words
from grounding.data.lessons.row_pictures import FindPicture, picture_size, pictures_of
from grounding.data.lessons.wording import PICTURE_MARK
from grounding.data.plain import writable
from grounding.errors import InputError

ASKS = ("human", "user")
ANSWERS = ("gpt", "assistant", "chatgpt", "bing", "bard", "model", "bot")
BOXES = (*FRAMES, "text")
"""How `[0.12, 0.34, 0.56, 0.78]` is taken: shares of the padded square, of the picture, or words like any other."""


def conversation_lesson(
    row: Mapping[str, Any], id: str, find: FindPicture, source: str = "", boxes: str = "padded"
) -> Lesson:
    """The lesson of one row, its turns in sequence. Raises InputError for a row that is no conversation."""
    turns = pairs_of(messages_of(row.get("conversations") or row.get("conversation")))
    pictures = pictures_of(row, find, id)
    check_marks([prompt for prompt, _ in turns], [answer for _, answer in turns], len(pictures))
    words = tuple(_words(prompt, answer, pictures, boxes) for prompt, answer in turns)
    return Lesson(id, pictures, words, sequential=len(words) > 1, source=source)


def messages_of(entries: Any) -> list[tuple[str, str]]:
    """(role, words) of each message: role is "system", "user" or "assistant". Raises InputError."""
    if not isinstance(entries, list | tuple) or not entries:
        raise InputError(f"a conversation is a list of messages; seen {entries!r:.60}")
    messages = []
    for entry in entries:
        role = value = None
        if isinstance(entry, Mapping):
            role, value = entry.get("from", entry.get("role")), entry.get("value", entry.get("content"))
        if not isinstance(role, str) or not isinstance(value, str):
            raise InputError(f"a message has a role and words; seen {entry!r:.60}")
        role = role.lower()
        known = "user" if role in ASKS else "assistant" if role in ANSWERS else role
        if known not in ("system", "user", "assistant"):
            raise InputError(f"a message is from a human, an assistant or the system; seen {role!r:.40}")
        messages.append((known, writable(value)))
    return messages


def pairs_of(messages: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Questions with their answers; what the system says stands before the first question. Raises InputError."""
    system = "\n".join(words for role, words in messages if role == "system")
    spoken = [message for message in messages if message[0] != "system"]
    while spoken and spoken[0][0] == "assistant":
        spoken = spoken[1:]
    if len(spoken) % 2:
        spoken = spoken[:-1] if spoken[-1][0] == "user" else spoken
    if [role for role, _ in spoken] != ["user", "assistant"] * (len(spoken) // 2) or not spoken:
        raise InputError(f"questions and answers do not alternate: {', '.join(role for role, _ in messages)[:80]}")
    pairs = [(spoken[at][1], spoken[at + 1][1]) for at in range(0, len(spoken), 2)]
    if empty := [number for number, (_, answer) in enumerate(pairs, 1) if not answer.strip()]:
        raise InputError(f"answer {empty[0]} is empty: there is nothing to learn from it")
    if system:
        pairs[0] = (f"{system}\n{pairs[0][0]}", pairs[0][1])
    return pairs


def check_marks(prompts: Sequence[str], answers: Sequence[str], pictures: int) -> None:
    """Raises InputError where a picture's mark stands in an answer, or there are not as many as pictures, or none."""
    if any(PICTURE_MARK in answer for answer in answers):
        raise InputError(f"{PICTURE_MARK} stands in an answer: pictures belong to questions")
    marks = sum(prompt.count(PICTURE_MARK) for prompt in prompts)
    if marks and marks != pictures:
        raise InputError(f"{PICTURE_MARK} stands in it {marks} times, and it has {pictures} pictures")


def _words(prompt: str, answer: str, pictures: Sequence[Any], boxes: str) -> Words:
    if boxes == "text" or len(pictures) != 1 or not (has_boxes(prompt) or has_boxes(answer)):
        return Words(prompt, answer)
    size = picture_size(pictures[0])
    prompt, asked = without_boxes(prompt, size, boxes)
    answer, answered = without_boxes(answer, size, boxes)
    return Words(prompt, answer, asked, answered)
