"""Owns open_image: limits first, then decoding, then one form for every kind of picture: RGB, 8 bits, upright."""

from __future__ import annotations

import io
import os
import re
import stat
import threading
import warnings
from dataclasses import dataclass
from typing import IO, Any, NoReturn, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from grounding.errors import ImageTooLargeError, InputError, UnreadableImageError

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
        path = os.fsdecode(source)
        return decode(_read_path(path, quoted(path), limits), quoted(path), limits)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return decode(within(bytes(source), limits, "the data"), "the data", limits)
    if hasattr(source, "read"):
        data = source.read(limits.max_bytes + 1)
        if not isinstance(data, bytes):
            raise UnreadableImageError('the file is open as text: open it with mode "rb"')
        return decode(within(data, limits, "the file"), "the file", limits)
    hint = ""
    if type(source).__module__.partition(".")[0] == "torch":
        hint = "; a tensor of (3, H, W) is given as tensor.permute(1, 2, 0).cpu().numpy()"
    raise UnreadableImageError(
        f"cannot take a picture from {type(source).__name__}: "
        f"give a path, bytes, a binary file, a PIL picture or an array{hint}"
    )


# ---- reading bytes


def quoted(text: str) -> str:
    """A path or an address for a message, its middle left out when it is long."""
    return repr(text if len(text) <= 200 else text[:99] + "…" + text[-100:])


def mega(number: int) -> str:
    """In millions."""
    return f"{number / 1e6:,.1f}"


def _read_path(path: str, name: str, limits: ImageLimits) -> bytes:
    scheme = re.match(r"([a-zA-Z][a-zA-Z0-9+.-]+):", path)  # two letters or more: C: is a drive
    if scheme and scheme[1].lower() in ("http", "https"):
        raise UnreadableImageError(f"{name} is an address, not a file: fetch it with grounding.open_url")
    if scheme and (path.startswith(f"{scheme[1]}://") or scheme[1].lower() == "data"):
        raise UnreadableImageError(
            f"pictures are not read from {scheme[1]}: addresses; give a path or the bytes themselves"
        )
    try:
        status = os.stat(path)  # before opening it: opening a pipe waits for somebody to write
        if stat.S_ISDIR(status.st_mode):
            raise UnreadableImageError(f"{name} is a directory: name one picture in it")
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableImageError(f"{name} is not a regular file: read it yourself and pass the bytes")
        if status.st_size > limits.max_bytes:
            too_many_bytes(name, f"has {mega(status.st_size)} MB", limits)
        with open(path, "rb") as file:
            return within(file.read(limits.max_bytes + 1), limits, name)
    except FileNotFoundError:
        raise UnreadableImageError(f"there is no file {name}; the working directory is {os.getcwd()}") from None
    except InputError:
        raise
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UnreadableImageError(f"{name} cannot be read: {reason}") from error


def within(data: _Bytes, limits: ImageLimits, name: str) -> _Bytes:
    """The data itself. Raises ImageTooLargeError when there is more than the limit."""
    if len(data) > limits.max_bytes:
        too_many_bytes(name, f"has more than {mega(limits.max_bytes)} MB", limits)
    return data


def too_many_bytes(name: str, seen: str, limits: ImageLimits) -> NoReturn:
    """Raises ImageTooLargeError."""
    raise ImageTooLargeError(
        f"{name} {seen}, over the limit of {mega(limits.max_bytes)} MB: "
        "shrink it, or pass limits=ImageLimits(max_bytes=...)"
    )


def _check_pixels(size: tuple[int, int], limits: ImageLimits, name: str) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise UnreadableImageError(f"{name} has no pixels: {width} x {height}")
    if width * height > limits.max_pixels:
        raise ImageTooLargeError(
            f"{name} has {width} x {height} = {mega(width * height)} million pixels, over the limit of "
            f"{mega(limits.max_pixels)}: shrink it, or pass limits=ImageLimits(max_pixels=...)"
        )


# ---- decoding

# Only formats of pixels: PIL would hand EPS to Ghostscript and WMF to Windows, programs that a picture must not start.
# Formats without a signature stand last, as their decoders take much for their own.
_FORMATS = (
    *("PNG", "JPEG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "AVIF", "HEIF", "JPEG2000", "MPO"),
    *("ICO", "ICNS", "PPM", "QOI", "PSD", "DDS", "SGI", "PCX", "TGA"),
)

# What people pass by mistake, told by its first bytes: (pattern, what it is, what to do).
_NOT_PICTURES = (
    (rb"\s*(<!doctype html|<html|<head)", "a web page", "save the picture itself, not the page around it"),
    (rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?(<!doctype svg|<svg)", "SVG, which has no pixels", "export it as PNG"),
    (rb"%PDF", "a PDF", "export the page as PNG"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", "PostScript", "export it as PNG"),
    (rb"version https://git-lfs", "a Git LFS pointer", "run git lfs pull to get the picture"),
    (rb"....ftyp(hei|hev|mif|msf)", "HEIC", "save it as JPEG, or call pillow_heif.register_heif_opener() first"),
    (rb"....ftyp|\x1aE\xdf\xa3", "a video", "save one frame of it as PNG"),
    (rb"PK\x03\x04|\x1f\x8b|7z\xbc\xaf", "an archive", "unpack it first"),
    (rb"\x93NUMPY", "a numpy file", "pass numpy.load(...) of it"),
    (rb"data:image/", "a data address", "decode its base64 and pass the bytes"),
)

# PIL warns of large pictures, which are judged here by the caller's limits. Python keeps its warning filters for all
# threads together, so they are changed by one thread at a time, and only for that warning.
_HEADER = threading.Lock()


def decode(data: bytes, name: str, limits: ImageLimits) -> Image.Image:
    """The picture in a file's bytes; `name` is what an error calls it."""
    with _opened(data, name, limits) as image:
        return _to_rgb(image, name)


def image_size(source: str | os.PathLike[str] | bytes, *, limits: ImageLimits = DEFAULT_LIMITS) -> tuple[int, int]:
    """Width and height, px, that `open_image` would give for a path or bytes, told from the header (but TIFF's).

    Raises UnreadableImageError and ImageTooLargeError; damage behind the header is not seen.
    """
    if isinstance(source, bytes):
        data, name = within(source, limits, "the data"), "the data"
    else:
        path = os.fsdecode(source)
        data, name = _read_path(path, quoted(path), limits), quoted(path)
    with _opened(data, name, limits) as image:
        if image.format == "TIFF":  # PIL turns it by itself, in some versions only when it is decoded
            return _to_rgb(image, name).size
        width, height = image.size
        return (height, width) if _orientation(image) in _ON_THEIR_SIDE else (width, height)


def _opened(data: bytes, name: str, limits: ImageLimits) -> Image.Image:
    """The picture with its header read, its pixels not yet."""
    if not data:
        raise UnreadableImageError(f"{name} is empty: 0 bytes")
    Image.init()
    known = [kind for kind in _FORMATS if kind in Image.OPEN]
    try:
        with _HEADER, warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=known)  # reads the header only
    except Image.DecompressionBombError as error:
        raise ImageTooLargeError(
            f"{name} is a decompression bomb to PIL ({error}): shrink it, or raise PIL.Image.MAX_IMAGE_PIXELS"
        ) from error
    except Exception as error:  # decoders raise anything on hostile bytes: struct.error, SyntaxError, KeyError ...
        raise UnreadableImageError(_what_is_it(data, name)) from error
    try:
        _check_pixels(image.size, limits, name)
    except InputError:
        image.close()
        raise
    return image


def _what_is_it(data: bytes, name: str) -> str:
    for pattern, kind, remedy in _NOT_PICTURES:
        if re.match(pattern, data[:512], re.IGNORECASE | re.DOTALL):
            return f"{name} is {kind}: {remedy}"
    if re.match(rb"\x89PNG|\xff\xd8\xff|GIF8|RIFF....WEBP|BM|II\*\0|MM\0\*", data, re.DOTALL):
        return f"{name} begins like a picture but is damaged ({len(data):,} bytes): get it again from where it came"
    start = data[:16].decode("latin-1")
    seen = repr(start) if start.isascii() and start.isprintable() else f"the bytes {data[:8].hex(' ')}"
    return f"{name} is no picture that can be read: it begins with {seen}; give a PNG, JPEG or WebP"


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    plain = image.mode == "RGB" and not image.info.keys() & {"transparency", "exif", "xmp", "XML:com.adobe.xmp"}
    if plain and type(image) is Image.Image and image.getexif().get(_ORIENTATION, 1) == 1:
        return image
    try:
        image.load()
        rgb = _flatten(_upright(image))
    except Exception as error:  # as in decode: decoding happens here
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
_ON_THEIR_SIDE = (5, 6, 7, 8)


def _upright(image: Image.Image) -> Image.Image:
    turn = _TURNS.get(_orientation(image))
    return image if turn is None else image.transpose(turn)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # unreadable EXIF says nothing about the pixels, which are fine
        return 1


def _flatten(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        return Image.fromarray(_to_8_bits(np.asarray(image))).convert("RGB")
    if image.mode in ("I", "F"):
        return _from_wide_grey(np.asarray(image), 1.0 if image.mode == "F" else 65535.0)
    if image.mode == "La":
        image = image.convert("LA")
    if image.mode in ("RGBA", "LA", "PA", "RGBa") or "transparency" in image.info:
        over = image.convert("RGBA")
        white = Image.new("RGBA", over.size, "white")
        return Image.alpha_composite(white, over).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _to_8_bits(values: NDArray[np.uint16]) -> NDArray[np.uint8]:
    # 65535 is 255 * 257. A table: a picture of the largest size would take 800 MB as floats.
    table: NDArray[np.uint8] = np.rint(np.arange(65536) / 257.0).astype(np.uint8)
    return table[values.astype(np.uint16, copy=False)]


def _from_wide_grey(array: NDArray[Any], top: float) -> Image.Image:
    """32-bit values do not say their range: 0 to `top` if all lie in it, else 0-255, else from least to most."""
    values = np.nan_to_num(array.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if low >= 0:
        low, high = 0.0, top if high <= top else max(high, 255.0)
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
        array = _to_8_bits(array)
    elif np.issubdtype(array.dtype, np.floating):
        array = np.rint(_in_range(array, 1).astype(np.float64) * 255.0).astype(np.uint8)
    elif np.issubdtype(array.dtype, np.integer):
        array = array if array.dtype == np.uint8 else _in_range(array, 255).astype(np.uint8)
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
