"""Owns what comes back from a server: a Reply, gathered from a whole chat completion or from a stream's chunks."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back from the server."""

    text: str
    """The answer's words, or those of a refusal."""
    finish: str | None
    """Why it ended, in the server's word; None where it broke off."""
    model: str
    """Which model the server says it was."""
    usage: Any
    """Its token counts, as sent."""
    seconds: float
    refused: bool = False
    """The model declined to answer."""
    silent: bool = False
    """There was no text at all, not even an empty one."""
    broken: str | None = None
    """Why a streamed answer has no end."""


@dataclass(slots=True)
class Told:
    """What a reply has told so far, whether it comes whole or in pieces."""

    model: str
    parts: list[str] = field(default_factory=list)
    refusal: str = ""
    finish: str | None = None
    usage: Any = None
    broken: str | None = None
    spoke: bool = False

    def take(self, data: Mapping[str, Any], message: Mapping[str, Any], finish: Any) -> str:
        """Adds a message or a part of one; its text."""
        self.usage = data.get("usage") or self.usage
        if isinstance(data.get("model"), str) and data["model"]:
            self.model = data["model"]
        if isinstance(finish, str):
            self.finish = finish
        if isinstance(message.get("refusal"), str):
            self.refusal += message["refusal"]
        content = message.get("content")
        if isinstance(content, list):  # some servers send parts, as in a question
            texts = [part.get("text") for part in content if isinstance(part, dict)]
            content = "".join(text for text in texts if isinstance(text, str))
        if not isinstance(content, str):
            return ""
        self.spoke = True
        if content:
            self.parts.append(content)
        return content

    def reply(self, start: float) -> Reply:
        text = "".join(self.parts)
        return Reply(
            text=text or self.refusal,
            finish=self.finish,
            model=self.model,
            usage=self.usage,
            seconds=time.perf_counter() - start,
            refused=bool(self.refusal),
            silent=not self.spoke,
            broken=self.broken,
        )


def message_in(body: Any) -> str:
    """The words in an error's body, which servers shape differently."""
    if isinstance(body, str):
        return body
    if isinstance(body, dict):
        for key in ("message", "error", "detail", "msg"):
            if words := message_in(body.get(key)):
                return words
    if isinstance(body, list) and body:
        return message_in(body[0])
    return ""
