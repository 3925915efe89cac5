"""Owns the pictures and shared conversations of this server's lifetime: in memory, bounded, under unguessable names."""

from __future__ import annotations

import io
import json
import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

import grounding
from grounding import ImageLimits
from grounding.errors import InputError

LOSSLESS_PIXELS = 1_500_000
"""Larger pictures are shown as JPEG."""
SHOWN_SIDE = 2400
"""The longer side of what the browser gets, px; questions are asked of the whole picture."""
LINKS_ROOM = 50_000_000
"""Characters of all conversations that are kept; the oldest goes first."""


class GoneError(InputError):
    """The name of a picture or a link that is not here, or no longer."""


@dataclass
class Picture:
    """One upright picture, and the bytes that a browser shows."""

    image: Image.Image
    shown: bytes
    kind: str
    used: float = field(default_factory=time.monotonic)

    @property
    def size_bytes(self) -> int:
        """What it holds in memory."""
        return self.image.width * self.image.height * 3 + len(self.shown)


class Pictures:
    """Pictures by name. The one that was used longest ago goes first when there is no room, or after an hour."""

    def __init__(self, limits: ImageLimits, *, room_bytes: int = 1_000_000_000, lifetime_s: float = 3600.0) -> None:
        self.limits, self.room_bytes, self.lifetime_s = limits, room_bytes, lifetime_s
        self._kept: OrderedDict[str, Picture] = OrderedDict()
        self._links: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, data: bytes) -> tuple[str, Picture]:
        """A new name for the picture in a file's bytes. Raises ImageError in words a person can use."""
        picture = _for_browsers(grounding.open_image(data, limits=self.limits))
        name = secrets.token_urlsafe(18)
        with self._lock:
            self._kept[name] = picture
            self._tidy()
        return name, picture

    def get(self, name: str) -> Picture:
        """The picture of that name. Raises GoneError."""
        with self._lock:
            self._tidy()
            picture = self._kept.get(name)
            if picture is None:
                raise GoneError("this picture is no longer on the server: give it again")
            picture.used = time.monotonic()
            self._kept.move_to_end(name)
            return picture

    def link(self, conversation: dict[str, Any]) -> str:
        """A name for a conversation, good while its picture is here and the server runs."""
        self.get(str(conversation.get("picture")))
        turns = conversation.get("turns")
        if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
            raise InputError("a conversation has a list of turns")
        written, name = json.dumps(conversation), secrets.token_urlsafe(16)
        with self._lock:
            self._links[name] = written
            held = sum(map(len, self._links.values()))
            while held > LINKS_ROOM:
                held -= len(self._links.popitem(last=False)[1])
        return name

    def linked(self, name: str) -> dict[str, Any]:
        """The conversation of that name. Raises GoneError."""
        with self._lock:
            found = self._links.get(name)
        if found is None:
            raise GoneError("this link is no longer good: the server keeps them while it runs, and their pictures too")
        conversation: dict[str, Any] = json.loads(found)
        self.get(conversation["picture"])
        return conversation

    def _tidy(self) -> None:
        held = sum(picture.size_bytes for picture in self._kept.values())
        oldest = time.monotonic() - self.lifetime_s
        while self._kept:
            name, first = next(iter(self._kept.items()))
            if first.used >= oldest and (held <= self.room_bytes or len(self._kept) == 1):
                return
            held -= first.size_bytes
            del self._kept[name]


def _for_browsers(image: Image.Image) -> Picture:
    shown = image
    if max(image.size) > SHOWN_SIDE:
        scale = SHOWN_SIDE / max(image.size)
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        shown = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    file = io.BytesIO()
    if shown.width * shown.height > LOSSLESS_PIXELS:
        shown.save(file, "JPEG", quality=90)
        return Picture(image, file.getvalue(), "image/jpeg")
    shown.save(file, "PNG")
    return Picture(image, file.getvalue(), "image/png")
