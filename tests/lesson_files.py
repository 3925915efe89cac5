"""Small files of lessons for tests: pictures that can be told apart, shards, rows of conversations."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

from PIL import Image


def jpeg(number: int = 0, size: tuple[int, int] = (100, 80)) -> bytes:
    """A picture of one colour that says its number."""
    data = io.BytesIO()
    Image.new("RGB", size, (number % 256, number // 256, 128)).save(data, "PNG")
    return data.getvalue()


def talk(number: int, **more: Any) -> dict[str, Any]:
    """A row of LLaVA's."""
    said = [{"from": "human", "value": "<image>\nWhich?"}, {"from": "gpt", "value": f"Number {number}."}]
    return {"id": f"row-{number}", "image": f"{number}.png", "conversations": said, **more}


def write_tar(path: Path, members: list[tuple[str, bytes]], form: int = tarfile.USTAR_FORMAT) -> Path:
    """A tar of these files."""
    with tarfile.open(path, "w", format=form) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def write_shards(folder: Path, counts: list[int], first: int = 0) -> list[Path]:
    """Shards a-000.tar ... of conversations numbered from `first`."""
    folder.mkdir(parents=True, exist_ok=True)
    paths, number = [], first
    for place, count in enumerate(counts):
        members = []
        for _ in range(count):
            members += [(f"{number:06d}.png", jpeg(number)), (f"{number:06d}.json", json.dumps(talk(number)).encode())]
            number += 1
        paths.append(write_tar(folder / f"a-{place:03d}.tar", members))
    return paths
