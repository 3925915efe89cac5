"""Owns the models that the operator allows, and lends each to so many answers at a time as it can write."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import grounding
from grounding.errors import UnknownModelError

from .settings import SHIPPED


class Models:
    """Models by the name that users see. The first is loaded at the start, others when they are first asked."""

    def __init__(self, names: Sequence[str], workers: int) -> None:
        self._loaded_by = shown_names(names)
        self.names, self.workers = tuple(self._loaded_by), workers
        self._free: dict[str, queue.SimpleQueue[Any]] = {}
        self._first: dict[str, Any] = {}
        self._loading = threading.Lock()

    def open(self, name: str) -> Any:
        """The model of that name, to be read, not asked. Raises UnknownModelError for one that is not allowed."""
        if name not in self.names:
            raise UnknownModelError(f"no model named {name[:60]!r} here; choose one of: {', '.join(self.names)}")
        if name in self._first:  # nobody waits for a model that is being loaded but who wants that one
            return self._first[name]
        with self._loading:
            if name not in self._first:
                wanted = self._loaded_by[name]
                model = grounding.load(None if wanted == SHIPPED else wanted)
                # One whose state must not be shared by threads, and has no twins, is lent to one answer at a time.
                twins = [model.twin() for _ in range(self.workers - 1)] if hasattr(model, "twin") else []
                free: queue.SimpleQueue[Any] = queue.SimpleQueue()
                for one in (model, *twins):
                    free.put(one)
                self._free[name] = free
                self._first[name] = model
        return self._first[name]

    @contextmanager
    def lent(self, name: str, check: Callable[[], None]) -> Iterator[Any]:
        """A model that nobody else asks until it is given back; waits for one, until `check` raises."""
        self.open(name)
        model = None
        while model is None:
            check()
            with suppress(queue.Empty):
                model = self._free[name].get(timeout=0.2)
        try:
            yield model
        finally:
            self._free[name].put(model)


def shown_names(names: Sequence[str]) -> dict[str, str]:
    """What users see of each name, to the name itself: of a path its last part, numbered where two are alike."""
    shown: dict[str, str] = {}
    for name in names:
        prefix, colon, rest = name.partition(":")
        short = f"{prefix}:{Path(rest).name}" if colon and rest.startswith(("/", ".", "~")) else name
        short = Path(name).name or name if Path(name).expanduser().is_dir() else short
        number = 2
        while (unique := short if short not in shown else f"{short} ({number})") in shown:
            number += 1
        shown[unique] = name
    return shown
