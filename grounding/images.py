"""Owns the way in for pictures, and Canvas: where a picture's pixels lie in what a model sees.

`open_image` turns whatever holds a picture into an upright RGB picture, and refuses what is too large before decoding
it; `open_url` is the only function here that uses the network.
"""

from __future__ import annotations

import http.client
import io
import math
import os
import re
import stat
import time
import urllib.error
import urllib.parse
import urllib.request
import warnings
from dataclasses import dataclass
from typing import IO, Any, NoReturn, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from grounding.boxes import Boxes, as_boxes, as_points
from grounding.errors import ImageError, ImageTooLargeError, InputError, UnreadableImageError

ImageSource: TypeAlias = (
    "str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | Image.Image | NDArray[Any]"
)


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """How large a picture may be; both are checked before anything is decoded."""

    max_bytes: int = 100_000_000
    """Of the file or the download."""
    max_pixels: int = 100_000_000
    """Width times height; 100 million take 300 MB as RGB."""

    def __post_init__(self) -> None:
        if self.max_bytes < 1 or self.max_pixels < 1:
            raise InputError(f"limits must be over 0; seen {self.max_bytes} bytes, {self.max_pixels} pixels")


DEFAULT_LIMITS = ImageLimits()
_Bytes = TypeVar("_Bytes", bytes, bytearray)


def open_image(source: ImageSource, *, limits: ImageLimits = DEFAULT_LIMITS) -> Image.Image:
    """An upright RGB picture, without metadata, from a path, bytes, a binary file, a PIL picture or a numpy array.

    EXIF rotation is applied; what is see-through is laid on white; an animation gives its first frame; 16-bit values
    are scaled to 8 bits. Arrays are (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA: integers of 0-255, uint16 of
    0-65535, floats of 0-1, or bool. A PIL picture that is already RGB and upright is returned itself, not copied.

    Raises UnreadableImageError (not a picture, damaged, no such file) and ImageTooLargeError (over `limits`). A web
    address is refused, as fetching is a decision of the caller: use `open_url`.
    """
    if isinstance(source, Image.Image):
        _check_pixels(source.size, limits, "the picture")
        return _to_rgb(source, "the picture")
    if isinstance(source, np.ndarray):
        return _from_array(source, limits)
    if isinstance(source, (str, os.PathLike)):
        name = _quoted(os.fspath(source))
        return _decode(_read_path(source, name, limits), name, limits)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _decode(_within(bytes(source), limits, "the bytes"), "the bytes", limits)
    if hasattr(source, "read"):
        data = source.read(limits.max_bytes + 1)
        if not isinstance(data, bytes):
            raise UnreadableImageError('the file is open as text: open it with mode "rb"')
        return _decode(_within(data, limits, "the file"), "the file", limits)
    hint = ""
    if type(source).__module__.partition(".")[0] == "torch":
        hint = "; a tensor of (3, H, W) is given as tensor.permute(1, 2, 0).cpu().numpy()"
    raise UnreadableImageError(
        f"cannot take a picture from {type(source).__name__}: "
        f"give a path, bytes, a binary file, a PIL picture or an array{hint}"
    )


# ---- reading bytes


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 200 else text[:99] + "…" + text[-100:])


def _mega(number: int) -> str:
    return f"{number / 1e6:,.1f}"


def _read_path(path: str | os.PathLike[str], name: str, limits: ImageLimits) -> bytes:
    text = os.fspath(path)
    scheme = re.match(r"([a-zA-Z][a-zA-Z0-9+.-]+):", text)
    if scheme and scheme[1].lower() in ("http", "https"):
        raise UnreadableImageError(f"{name} is an address, not a file: fetch it with grounding.images.open_url")
    if scheme and (text.startswith(f"{scheme[1]}://") or scheme[1].lower() == "data"):
        raise UnreadableImageError(
            f"pictures are not read from {scheme[1]}: addresses; give a path or the bytes themselves"
        )
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise UnreadableImageError(f"{name} is not a regular file: read it yourself and pass the bytes")
            if status.st_size > limits.max_bytes:
                _too_many_bytes(name, f"has {_mega(status.st_size)} MB", limits)
            return _within(file.read(limits.max_bytes + 1), limits, name)
    except FileNotFoundError:
        raise UnreadableImageError(f"there is no file {name}; the working directory is {os.getcwd()}") from None
    except IsADirectoryError:
        raise UnreadableImageError(f"{name} is a directory: name one picture in it") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UnreadableImageError(f"{name} cannot be read: {reason}") from error


def _within(data: _Bytes, limits: ImageLimits, name: str) -> _Bytes:
    if len(data) > limits.max_bytes:
        _too_many_bytes(name, f"has more than {_mega(limits.max_bytes)} MB", limits)
    return data


def _too_many_bytes(name: str, seen: str, limits: ImageLimits) -> NoReturn:
    raise ImageTooLargeError(
        f"{name} {seen}, over the limit of {_mega(limits.max_bytes)} MB: "
        "shrink it, or pass limits=ImageLimits(max_bytes=...)"
    )


def _check_pixels(size: tuple[int, int], limits: ImageLimits, name: str) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise UnreadableImageError(f"{name} has no pixels: {width} x {height}")
    if width * height > limits.max_pixels:
        raise ImageTooLargeError(
            f"{name} has {width} x {height} = {_mega(width * height)} million pixels, over the limit of "
            f"{_mega(limits.max_pixels)}: shrink it, or pass limits=ImageLimits(max_pixels=...)"
        )


# ---- decoding

# Only formats of pixels: PIL would hand EPS to Ghostscript and WMF to Windows, programs that a picture must not start.
_FORMATS = (
    *(
        "PNG",
        "JPEG",
        "WEBP",
        "GIF",
        "BMP",
        "DIB",
        "TIFF",
        "AVIF",
        "HEIF",
        "JPEG2000",
        "MPO",
        "ICO",
        "ICNS",
        "PPM",
        "TGA",
    ),
    *(
        "QOI",
        "PCX",
        "SGI",
        "DDS",
        "PSD",
        "MSP",
        "XBM",
        "SPIDER",
        "IM",
        "BLP",
        "CUR",
        "FLI",
        "FTEX",
        "SUN",
        "XPM",
        "PIXAR",
    ),
)

# What people pass by mistake, told by its first bytes: (pattern, what it is, what to do).
_NOT_PICTURES = (
    (rb"\s*(<!doctype html|<html|<head)", "a web page", "save the picture itself, not the page around it"),
    (
        rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?(<!doctype svg|<svg)",
        "SVG, a drawing without pixels",
        "export it as PNG",
    ),
    (rb"%PDF", "a PDF", "export the page as PNG"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", "PostScript", "export it as PNG"),
    (rb"version https://git-lfs", "a Git LFS pointer", "run git lfs pull to get the picture"),
    (rb"....ftyp(hei|hev|mif|msf)", "HEIC", "save it as JPEG, or call pillow_heif.register_heif_opener() first"),
    (rb"....ftyp|\x1aE\xdf\xa3", "a video", "save one frame of it as PNG"),
    (rb"PK\x03\x04|\x1f\x8b|7z\xbc\xaf", "an archive", "unpack it first"),
    (rb"\x93NUMPY", "a numpy file", "pass numpy.load(...) of it"),
    (rb"data:image/", "a data address", "decode its base64 and pass the bytes"),
)


def _decode(data: bytes, name: str, limits: ImageLimits) -> Image.Image:
    if not data:
        raise UnreadableImageError(f"{name} is empty: 0 bytes")
    Image.init()
    known = [kind for kind in _FORMATS if kind in Image.OPEN]
    with warnings.catch_warnings():
        # PIL's remarks on size, which is checked here, and on odd metadata, which is dropped here.
        warnings.simplefilter("ignore")
        try:
            image = Image.open(io.BytesIO(data), formats=known)  # reads the header only
        except Image.DecompressionBombError as error:
            raise ImageTooLargeError(
                f"{name} is a decompression bomb to PIL ({error}): shrink it, or raise PIL.Image.MAX_IMAGE_PIXELS"
            ) from error
        except Exception as error:  # decoders raise anything on hostile bytes: struct.error, SyntaxError, KeyError ...
            raise UnreadableImageError(_what_is_it(data, name)) from error
        with image:
            _check_pixels(image.size, limits, name)
            return _to_rgb(image, name)


def _what_is_it(data: bytes, name: str) -> str:
    for pattern, kind, remedy in _NOT_PICTURES:
        if re.match(pattern, data[:512], re.IGNORECASE | re.DOTALL):
            return f"{name} is {kind}: {remedy}"
    if re.match(rb"\x89PNG|\xff\xd8\xff|GIF8|RIFF....WEBP|BM|II\*\0|MM\0\*", data, re.DOTALL):
        return f"{name} begins like a picture but is damaged ({len(data):,} bytes): get it again from where it came"
    start = data[:12].decode("ascii", errors="replace").replace("\ufffd", "?")
    return f"{name} is no picture that can be read: it begins with {start!r}; give a PNG, JPEG or WebP"


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    plain = image.mode == "RGB" and not image.info.keys() & {"transparency", "exif", "xmp", "XML:com.adobe.xmp"}
    if plain and type(image) is Image.Image and image.getexif().get(_ORIENTATION, 1) == 1:
        return image
    try:
        image.load()
        rgb = _flatten(_upright(image))
    except Exception as error:  # as in _decode: decoding happens here
        reason = str(error).rstrip(".") or type(error).__name__
        raise UnreadableImageError(
            f"{name} is damaged or cut off ({reason}): get it again from where it came"
        ) from error
    if rgb is image:
        rgb = image.copy()
    rgb.info = {}  # its EXIF would turn the picture a second time when it is opened again
    return rgb


_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _upright(image: Image.Image) -> Image.Image:
    try:
        turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # unreadable EXIF says nothing about the pixels, which are fine
        turn = None
    return image if turn is None else image.transpose(turn)


def _flatten(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        return _from_grey(np.asarray(image).astype(np.float64), 0.0, 65535.0)
    if image.mode in ("I", "F"):
        return _from_wide_grey(np.asarray(image).astype(np.float64), 1.0 if image.mode == "F" else 65535.0)
    if image.mode == "La":
        image = image.convert("LA")
    if image.mode in ("RGBA", "LA", "PA", "RGBa") or "transparency" in image.info:
        over = image.convert("RGBA")
        white = Image.new("RGBA", over.size, "white")
        return Image.alpha_composite(white, over).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _from_wide_grey(values: NDArray[np.float64], top: float) -> Image.Image:
    """32-bit values do not say their range: 0 to `top` if all lie in it, else 0-255, else from least to most."""
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    least, most = float(values.min()), float(values.max())
    if least >= 0 and most <= top:
        return _from_grey(values, 0.0, top)
    if least >= 0 and most <= 255:
        return _from_grey(values, 0.0, 255.0)
    return _from_grey(values, least, most)


def _from_grey(values: NDArray[np.float64], low: float, high: float) -> Image.Image:
    scaled = (values - low) * (255.0 / (high - low)) if high > low else np.zeros_like(values)
    return Image.fromarray(np.rint(scaled).astype(np.uint8)).convert("RGB")


def _from_array(array: NDArray[Any], limits: ImageLimits) -> Image.Image:
    shape = array.shape
    if array.ndim == 3 and shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim != 2 and not (array.ndim == 3 and shape[2] in (3, 4)):
        turned = array.ndim == 3 and shape[0] in (1, 3, 4)
        hint = "turn it with array.transpose(1, 2, 0)" if turned else "give one picture, height x width x 3"
        raise UnreadableImageError(f"an array of shape {shape} is no picture: {hint}")
    _check_pixels((shape[1], shape[0]), limits, "the array")
    if array.dtype == np.bool_:
        array = array.astype(np.uint8) * np.uint8(255)
    elif array.dtype == np.uint16:
        array = np.rint(array.astype(np.float64) / 257.0).astype(np.uint8)
    elif np.issubdtype(array.dtype, np.floating):
        array = np.rint(_in_range(array, 1).astype(np.float64) * 255.0).astype(np.uint8)
    elif np.issubdtype(array.dtype, np.integer):
        array = _in_range(array, 255).astype(np.uint8)
    else:
        raise UnreadableImageError(f"an array of {array.dtype} is no picture: give uint8, or floats of 0-1")
    return _to_rgb(Image.fromarray(np.ascontiguousarray(array)), "the array")


def _in_range(array: NDArray[Any], top: int) -> NDArray[Any]:
    least, most = array.min(), array.max()
    if not (least >= 0 and most <= top):  # False for NaN as well
        remedy = "divide it by 255" if top == 1 and least >= 0 and most <= 255 else "scale it first"
        raise UnreadableImageError(
            f"an array of {array.dtype} must hold values of 0-{top}; seen {least:g} to {most:g}: {remedy}"
        )
    return array


# ---- the web


class _WebOnly(urllib.request.HTTPRedirectHandler):
    max_redirections = 5

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        _check_address(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    # Not build_opener: that one also opens ftp:, file: and data: addresses.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _WebOnly(),
    ):
        opener.add_handler(handler)
    return opener


def _check_address(url: str) -> None:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        raise UnreadableImageError(f"{_quoted(url)} is not an http: or https: address; for a file use open_image")


def open_url(url: str, *, limits: ImageLimits = DEFAULT_LIMITS, timeout: float = 20.0) -> Image.Image:
    """The picture at an http or https address, as `open_image` gives it.

    `timeout` is for the whole download, in seconds; reading stops at the limit of bytes. Redirects are followed five
    times, and only to http and https. Any address this machine can reach is fetched, those of its own network as well:
    do not pass on what strangers type.

    Raises UnreadableImageError (unreachable, refused, too slow, no picture) and ImageTooLargeError.
    """
    _check_address(url)
    name = _quoted(url)
    until = time.monotonic() + timeout
    request = urllib.request.Request(url, headers={"User-Agent": "grounding-vlm", "Accept": "image/*"})
    try:
        with _opener().open(request, timeout=timeout) as response:
            data = _download(response, name, limits, until, timeout)
    except urllib.error.HTTPError as error:
        error.close()
        raise UnreadableImageError(f"{name} answered {error.code} {error.reason}: check the address") from error
    except TimeoutError as error:
        _too_slow(name, timeout, error)
    except (OSError, http.client.HTTPException, ValueError) as error:
        if isinstance(error, InputError):
            raise
        reason = getattr(error, "reason", None) or error
        if isinstance(reason, TimeoutError):
            _too_slow(name, timeout, error)
        raise UnreadableImageError(f"{name} cannot be fetched: {reason}") from error
    return _decode(data, name, limits)


def _too_slow(name: str, timeout: float, error: Exception | None = None) -> NoReturn:
    raise UnreadableImageError(f"{name} took longer than {timeout:g} s: try again, or pass timeout=...") from error


def _download(
    response: http.client.HTTPResponse, name: str, limits: ImageLimits, until: float, timeout: float
) -> bytes:
    length = response.headers.get("Content-Length", "")
    expected = int(length) if length.isdecimal() else None
    if expected is not None and expected > limits.max_bytes:
        _too_many_bytes(name, f"has {_mega(expected)} MB", limits)
    data = bytearray()
    # read1 returns what has come; read would wait for a server that sends a byte a second, past any timeout.
    while piece := response.read1(65536):
        data += piece
        _within(data, limits, name)
        if time.monotonic() > until:
            _too_slow(name, timeout)
    if expected is not None and len(data) < expected:
        raise UnreadableImageError(f"{name} ended after {len(data):,} of {expected:,} bytes: try again")
    return bytes(data)


# ---- canvas


@dataclass(frozen=True, slots=True)
class Canvas:
    """Where the pixels of a picture lie in what a model sees: model = original * scale + (left, top).

    Made by `identity`, `squash` or `pad`. Coordinates are continuous and nothing is rounded or clipped on the way, so
    both directions undo each other; the scales are those of the resized picture in whole pixels, as `apply` makes it.
    """

    width: int
    height: int
    model_width: int
    model_height: int
    scale_x: float = 1.0
    scale_y: float = 1.0
    left: int = 0
    top: int = 0

    def __post_init__(self) -> None:
        if min(self.width, self.height, self.model_width, self.model_height) < 1 or not (
            0 < self.scale_x < math.inf and 0 < self.scale_y < math.inf
        ):
            raise ImageError(
                f"a canvas needs sizes over 0; seen a picture of {self.width} x {self.height} "
                f"in {self.model_width} x {self.model_height}"
            )

    @classmethod
    def identity(cls, width: int, height: int) -> Canvas:
        """Model pixels are the picture's pixels."""
        return cls(width, height, width, height)

    @classmethod
    def squash(cls, width: int, height: int, model_width: int, model_height: int) -> Canvas:
        """The picture stretched to the model's size, whatever its shape."""
        cls.identity(width, height)
        return cls(width, height, model_width, model_height, model_width / width, model_height / height)

    @classmethod
    def pad(cls, width: int, height: int, size: int | tuple[int, int], *, where: str = "center") -> Canvas:
        """The picture in its own shape, as large as fits into `size`, the rest padding.

        `size`: the side of a square, or width and height. `where`: "center", or "corner" for the picture at the top
        left and padding at the right or the bottom.
        """
        if where not in ("center", "corner"):
            raise ImageError(f'where must be "center" or "corner"; seen {where!r}')
        cls.identity(width, height)
        model_width, model_height = (size, size) if isinstance(size, int) else size
        scale = min(model_width / width, model_height / height)
        # A picture of 20000 x 10 would round to no height at all.
        inner_width = min(max(round(width * scale), 1), model_width)
        inner_height = min(max(round(height * scale), 1), model_height)
        center = where == "center"
        left = (model_width - inner_width) // 2 if center else 0
        top = (model_height - inner_height) // 2 if center else 0
        return cls(width, height, model_width, model_height, inner_width / width, inner_height / height, left, top)

    @property
    def inner_size(self) -> tuple[int, int]:
        """Width and height of the resized picture within the model's canvas, in model pixels."""
        return round(self.width * self.scale_x), round(self.height * self.scale_y)

    def to_model(self, boxes_px: ArrayLike) -> Boxes:
        """(N, 4) boxes in model pixels, from pixels of the original."""
        return as_boxes(boxes_px) * np.tile(self._scale, 2) + np.tile(self._offset, 2)

    def to_original(self, boxes_model: ArrayLike) -> Boxes:
        """(N, 4) boxes in pixels of the original, from model pixels; parts in the padding lie outside the picture."""
        return (as_boxes(boxes_model) - np.tile(self._offset, 2)) / np.tile(self._scale, 2)

    def points_to_model(self, points_px: ArrayLike) -> Boxes:
        """(N, 2) points x, y in model pixels, from pixels of the original."""
        return as_points(points_px) * self._scale + self._offset

    def points_to_original(self, points_model: ArrayLike) -> Boxes:
        """(N, 2) points x, y in pixels of the original, from model pixels."""
        return (as_points(points_model) - self._offset) / self._scale

    def unit_to_original(self, boxes_unit: ArrayLike) -> Boxes:
        """(N, 4) boxes in pixels of the original, from fractions of the model's whole canvas, padding included."""
        return self.to_original(as_boxes(boxes_unit) * np.tile(self._model_size, 2))

    def original_to_unit(self, boxes_px: ArrayLike) -> Boxes:
        """(N, 4) boxes as fractions of the model's whole canvas, padding included."""
        return self.to_model(boxes_px) / np.tile(self._model_size, 2)

    def apply(
        self,
        image: Image.Image,
        *,
        fill: tuple[int, int, int] = (0, 0, 0),
        resample: Image.Resampling = Image.Resampling.BICUBIC,
    ) -> Image.Image:
        """What the model sees: the picture resized, with padding of colour `fill`; itself when nothing changes."""
        if image.size != (self.width, self.height):
            raise ImageError(
                f"this canvas is for a picture of {self.width} x {self.height}; seen {image.width} x {image.height}"
            )
        inner = image if image.size == self.inner_size else image.resize(self.inner_size, resample)
        if inner.size == (self.model_width, self.model_height) and not (self.left or self.top):
            return inner
        whole = Image.new(image.mode, (self.model_width, self.model_height), fill)
        whole.paste(inner, (self.left, self.top))
        return whole

    @property
    def _scale(self) -> NDArray[np.float64]:
        return np.array([self.scale_x, self.scale_y])

    @property
    def _offset(self) -> NDArray[np.float64]:
        return np.array([self.left, self.top], dtype=np.float64)

    @property
    def _model_size(self) -> NDArray[np.float64]:
        return np.array([self.model_width, self.model_height], dtype=np.float64)
