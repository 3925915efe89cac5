"""Owns how a picture reaches an endpoint: made smaller, as a data URL, and what its pixels mean afterwards."""

from __future__ import annotations

import base64
import io
import threading
from collections import Counter
from collections.abc import Iterable

from PIL import Image

from grounding.backends.endpoint_options import EndpointOptions
from grounding.images import Canvas


def sent_size(width: int, height: int, max_side: int) -> tuple[int, int]:
    """Width and height at which a picture is sent: its own, or with its longer side at `max_side`."""
    scale = max_side / max(width, height)
    return (width, height) if scale >= 1 else (max(round(width * scale), 1), max(round(height * scale), 1))


def through(canvas: Canvas, width: int, height: int) -> Canvas:
    """A canvas made for the picture as it was sent, for the picture of `width` x `height` px that it was made of."""
    return Canvas(
        width,
        height,
        canvas.model_width,
        canvas.model_height,
        canvas.scale_x * canvas.width / width,
        canvas.scale_y * canvas.height / height,
        canvas.left,
        canvas.top,
    )


def data_url(image: Image.Image, options: EndpointOptions) -> str:
    """The picture, no larger than `max_side`, as `data:image/...;base64,...`."""
    size = sent_size(image.width, image.height, options.max_side)
    if size != image.size:
        image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    data = io.BytesIO()
    if options.image_format == "png":
        image.save(data, "PNG", compress_level=6)
    else:
        image.save(data, "JPEG", quality=options.jpeg_quality)
    return f"data:image/{options.image_format};base64,{base64.b64encode(data.getvalue()).decode()}"


class Pictures:
    """The data URLs of some requests: each made once, when it is first needed, and dropped after its last use."""

    def __init__(self, images: Iterable[Image.Image], options: EndpointOptions) -> None:
        self._options = options
        self._slots = {key: _Slot(uses) for key, uses in Counter(map(id, images)).items()}

    def url(self, image: Image.Image) -> str:
        """One use of the picture's data URL."""
        slot = self._slots[id(image)]
        with slot.lock:
            url = slot.url or data_url(image, self._options)
            slot.uses -= 1
            slot.url = url if slot.uses else None
        return url


class _Slot:
    def __init__(self, uses: int) -> None:
        self.uses = uses
        self.url: str | None = None
        self.lock = threading.Lock()
