"""Owns the opening of pictures in the background, so that one chunk is decoded while another is asked."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby

from grounding.data.sample import Sample
from grounding.errors import ImageError
from grounding.predict.asking import Opened
from grounding.predict.plan import Chunk

THREADS = min(4, os.cpu_count() or 1)
"""More would only take the cores from the model."""


def opened_ahead(chunks: Iterable[Chunk], ahead: int) -> Iterator[tuple[Chunk, list[Opened]]]:
    """Each chunk with a picture for each of its questions, the same object for the same picture, or why there is none.

    The pictures of up to `ahead` further chunks are opened by threads meanwhile; 0: each chunk's when its turn comes.
    """
    pool = ThreadPoolExecutor(THREADS, "pictures")
    waiting: deque[tuple[Chunk, list[Future[list[Opened]]]]] = deque()
    try:
        for chunk in chunks:
            waiting.append((chunk, [pool.submit(open_all, samples) for samples in by_picture(chunk)]))
            if len(waiting) > ahead:
                yield _joined(*waiting.popleft())
        while waiting:
            yield _joined(*waiting.popleft())
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def by_picture(chunk: Chunk) -> list[list[Sample]]:
    """The chunk's samples, those of each picture together."""
    return [list(samples) for _, samples in groupby(chunk.samples, key=lambda sample: sample.picture.key)]


def open_all(samples: Iterable[Sample]) -> list[Opened]:
    """The one picture of these samples for each of them, opened once; where that fails, why."""
    opened: list[Opened] = []
    picture = None
    for sample in samples:
        if picture is None or picture.size != sample.size:
            try:
                picture = sample.open()
            except (ImageError, OSError) as error:
                opened.append(error)
                continue
        opened.append(picture)
    return opened


def _joined(chunk: Chunk, pictures: list[Future[list[Opened]]]) -> tuple[Chunk, list[Opened]]:
    return chunk, [picture for one in pictures for picture in one.result()]
