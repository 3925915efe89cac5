"""Pictures come in upright and RGB whatever they were, or are refused in one sentence; the canvas undoes itself."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image, TiffImagePlugin

from grounding import boxes
from grounding.errors import ImageError, ImageTooLargeError, InputError, UnreadableImageError
from grounding.images import Canvas, ImageLimits, image_size, open_image, open_url

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def saved(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def corners() -> Image.Image:
    """Wider than high, with three corners of their own colours."""
    image = Image.new("RGB", (6, 4), WHITE)
    image.putpixel((0, 0), RED)
    image.putpixel((5, 0), GREEN)
    image.putpixel((0, 3), BLUE)
    return image


def at(image: Image.Image, x: int, y: int) -> tuple[int, ...]:
    return image.getpixel((x, y))


# ---- where pictures come from


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "ein Bild – 猫.png"
    corners().save(path)
    return path


def test_a_path_its_text_its_bytes_and_an_open_file_give_the_same_picture(file):
    data = file.read_bytes()
    with file.open("rb") as opened:
        pictures = [open_image(source) for source in (file, str(file), data, bytearray(data), io.BytesIO(data), opened)]
    assert all(picture.mode == "RGB" and picture.tobytes() == corners().tobytes() for picture in pictures)


def test_a_plain_picture_is_returned_itself():
    image = corners()
    assert open_image(image) is image
    assert open_image(open_image(image)) is image


def test_a_picture_from_pil_that_is_not_decoded_yet_is_decoded(file):
    with Image.open(file) as lazy:
        assert open_image(lazy).tobytes() == corners().tobytes()


@pytest.mark.parametrize(
    ("array", "pixel"),
    [
        (np.full((2, 3), 7, np.uint8), (7, 7, 7)),
        (np.full((2, 3, 1), 7, np.uint8), (7, 7, 7)),
        (np.full((2, 3, 3), (1, 2, 3), np.uint8), (1, 2, 3)),
        (np.full((2, 3, 4), (1, 2, 3, 0), np.uint8), WHITE),
        (np.full((2, 3, 3), 0.5, np.float32), (128, 128, 128)),
        (np.full((2, 3), 1.0, np.float16), WHITE),
        (np.full((2, 3), 65535, np.uint16), WHITE),
        (np.full((2, 3), 257, np.uint16), (1, 1, 1)),
        (np.full((2, 3, 3), 200, np.int64), (200, 200, 200)),
        (np.full((2, 3), True), WHITE),
        (np.full((3, 2, 3), (1, 2, 3), np.uint8).transpose(1, 0, 2), (1, 2, 3)),
    ],
)
def test_an_array_is_height_by_width_by_colours(array, pixel):
    image = open_image(array)
    assert image.size == (3, 2)
    assert image.mode == "RGB"
    assert at(image, 0, 0) == pixel


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((3, 20, 30), np.uint8), r"\(3, 20, 30\).*transpose\(1, 2, 0\)"),
        (np.zeros((2, 20, 30, 3), np.uint8), "one picture"),
        (np.full((2, 2), 255.0), "divide it by 255"),
        (np.full((2, 2), np.nan), "0-1; seen nan"),
        (np.full((2, 2), -1), "0-255; seen -1"),
        (np.full((2, 2), "x"), "uint8, or floats"),
        (np.zeros((0, 4, 3), np.uint8), "no pixels: 4 x 0"),
    ],
)
def test_an_array_that_is_no_picture_is_refused_with_a_remedy(array, said):
    with pytest.raises(UnreadableImageError, match=said):
        open_image(array)


def test_a_tensor_is_refused_with_the_line_that_makes_an_array_of_it():
    torch = pytest.importorskip("torch")
    with pytest.raises(UnreadableImageError, match=r"permute\(1, 2, 0\)"):
        open_image(torch.zeros(3, 4, 5))


@pytest.mark.parametrize("source", [None, 7, [corners()], ("a", "b")])
def test_what_holds_no_picture_is_refused(source):
    with pytest.raises(UnreadableImageError, match="give a path, bytes"):
        open_image(source)


def test_a_file_opened_as_text_is_refused(file):
    with file.open(encoding="latin-1") as opened, pytest.raises(UnreadableImageError, match='mode "rb"'):
        open_image(opened)


@pytest.mark.parametrize("address", ["http://example.org/a.png", "HTTPS://example.org/a.png"])
def test_an_address_is_refused_with_the_call_that_fetches(address):
    with pytest.raises(UnreadableImageError, match="open_url"):
        open_image(address)


@pytest.mark.parametrize("address", ["s3://bucket/a.png", "file:///etc/passwd", "data:image/png;base64,AAAA"])
def test_other_addresses_are_refused(address):
    with pytest.raises(UnreadableImageError, match="pictures are not read from"):
        open_image(address)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UnreadableImageError, match=r"no file '.*gone\.png'; the working directory is"):
        open_image(tmp_path / "gone.png")


def test_a_directory_is_refused(tmp_path):
    with pytest.raises(UnreadableImageError, match="is a directory: name one picture"):
        open_image(tmp_path)


def test_a_path_that_cannot_be_one_is_refused():
    with pytest.raises(UnreadableImageError, match="cannot be read"):
        open_image("a\0b.png")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes by name here")
def test_a_pipe_is_refused_without_waiting_for_it(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UnreadableImageError, match="not a regular file"):
        open_image(tmp_path / "pipe")


# ---- limits


def test_too_many_bytes_are_refused_unread(tmp_path):
    path = tmp_path / "huge.png"
    with path.open("wb") as sparse:
        sparse.truncate(10**12)
    with pytest.raises(ImageTooLargeError, match=r"1,000,000\.0 MB, over the limit of 100\.0 MB"):
        open_image(path)


def test_bytes_and_files_are_held_to_the_limit_of_bytes():
    data = saved(corners())
    limits = ImageLimits(max_bytes=len(data) - 1)
    for source in (data, io.BytesIO(data)):
        with pytest.raises(ImageTooLargeError, match="max_bytes"):
            open_image(source, limits=limits)
    assert open_image(data, limits=ImageLimits(max_bytes=len(data))).size == (6, 4)


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header promises that size, with hardly any pixels."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(b"\0" * 99))]
    parts = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("size", [(10001, 10000), (13000, 13000), (60000, 60000)])
def test_too_many_pixels_are_refused_before_decoding(size, recwarn):
    began = time.monotonic()
    with pytest.raises(ImageTooLargeError, match="shrink it"):
        open_image(bomb(*size))
    assert time.monotonic() - began < 1
    assert not recwarn.list  # PIL's own remark on large pictures would only confuse


def test_the_limit_of_pixels_holds_for_pictures_and_arrays_too():
    limits = ImageLimits(max_pixels=23)
    for source in (corners(), np.asarray(corners()), saved(corners())):
        with pytest.raises(ImageTooLargeError, match="6 x 4"):
            open_image(source, limits=limits)
    assert open_image(corners(), limits=ImageLimits(max_pixels=24)).size == (6, 4)


def test_limits_of_nothing_are_refused():
    with pytest.raises(InputError, match="over 0"):
        ImageLimits(max_bytes=0)


@pytest.mark.parametrize("size", [(1, 1), (20000, 10), (10, 20000)])
def test_odd_sizes_are_taken(size):
    assert open_image(saved(Image.new("L", size, 9))).size == size


# ---- damaged or no pictures


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
def test_a_picture_cut_off_is_refused_saying_so(kind):
    data = saved(Image.effect_noise((40, 30), 90).convert("RGB"), kind)
    for end in (len(data) // 2, len(data) * 4 // 5):
        with pytest.raises(UnreadableImageError, match="damaged") as caught:
            open_image(data[:end])
        assert "get it again" in str(caught.value)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty: 0 bytes"),
        (b"hello, this is text\n" * 9, "begins with 'hello, this is t'"),
        (b"\x07\xff\xd0 etc", "begins with the bytes 07 ff d0"),
        (b"<!DOCTYPE html><html>", "a web page: save the picture itself"),
        (b'<?xml version="1.0"?>\n<svg xmlns="x">', "SVG.*export it as PNG"),
        (b"%PDF-1.7", "a PDF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0", "a video"),
        (b"PK\x03\x04zip", "an archive"),
        (b"data:image/png;base64,iVBOR", "base64"),
        (b"\x89PNG\r\n\x1a\n", "begins like a picture but is damaged"),
    ],
)
def test_what_is_no_picture_is_named_with_a_remedy(data, said):
    with pytest.raises(UnreadableImageError, match=said):
        open_image(data)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_picture_or_refused(data):
    with contextlib.suppress(ImageError):
        assert open_image(data, limits=ImageLimits(max_pixels=10_000)).mode == "RGB"


@given(st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "ICO"]), st.data())
def test_any_damage_gives_a_picture_or_is_refused(kind, data):
    whole = bytearray(saved(Image.linear_gradient("L").resize((16, 16)).convert("RGB"), kind))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ImageError):
        assert open_image(bytes(whole), limits=ImageLimits(max_pixels=1_000_000)).mode == "RGB"


# ---- any picture becomes RGB


def test_sixteen_bit_grey_is_scaled_not_cut():
    values = np.array([[0, 257, 32768, 65535]], np.uint16)
    for kind in ("PNG", "TIFF"):
        image = open_image(saved(Image.fromarray(values), kind))
        assert [at(image, x, 0)[0] for x in range(4)] == [0, 1, 128, 255]


def test_big_endian_sixteen_bit_grey_is_scaled_too():
    image = Image.frombytes("I;16B", (2, 1), np.array([0, 65535], ">u2").tobytes())
    assert [at(open_image(image), x, 0)[0] for x in range(2)] == [0, 255]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0, 65535]], np.int32), [0, 255]),
        (np.array([[-100, 0, 100]], np.int32), [0, 128, 255]),
        (np.array([[0.0, 0.5, 1.0]], np.float32), [0, 128, 255]),
        (np.array([[0.0, 51.0, 255.0]], np.float32), [0, 51, 255]),
        (np.array([[np.nan, 1000.0]], np.float32), [0, 255]),
        (np.array([[-7.0, -7.0]], np.float32), [0, 0]),
    ],
)
def test_wide_grey_values_are_brought_into_range(values, expected):
    image = open_image(Image.fromarray(values))
    assert [at(image, x, 0)[0] for x in range(len(expected))] == pytest.approx(expected, abs=1)


def test_cmyk_becomes_rgb():
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    red = at(open_image(saved(image, "JPEG", quality=100)), 4, 4)
    assert red[0] > 245
    assert max(red[1:]) < 10


@pytest.mark.parametrize("mode", ["RGBA", "LA", "RGBa", "La"])
def test_what_is_see_through_lies_on_white(mode):
    base = Image.new("RGBA", (2, 1), (0, 0, 0, 255))
    base.putpixel((1, 0), (0, 0, 0, 0))
    image = base.convert("LA").convert("La") if mode == "La" else base.convert(mode)
    assert [at(open_image(image), x, 0) for x in range(2)] == [(0, 0, 0), WHITE]


def test_half_see_through_is_mixed_with_white():
    image = open_image(saved(Image.new("RGBA", (1, 1), (255, 0, 0, 128))))
    assert at(image, 0, 0) == pytest.approx((255, 127, 127), abs=1)


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_a_palette_with_a_see_through_colour_lies_on_white(kind):
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.putpixel((1, 0), 1)
    assert [at(open_image(saved(image, kind, transparency=1)), x, 0) for x in range(2)] == [RED, WHITE]


def test_a_see_through_colour_of_grey_and_rgb_lies_on_white():
    assert at(open_image(saved(Image.new("L", (1, 1), 5), transparency=5)), 0, 0) == WHITE
    assert at(open_image(saved(Image.new("RGB", (1, 1), RED), transparency=RED)), 0, 0) == WHITE


@pytest.mark.parametrize("mode", ["1", "L", "P", "YCbCr", "HSV", "LAB", "RGBX"])
def test_other_modes_become_rgb(mode):
    image = open_image(Image.new(mode, (3, 2)))
    assert (image.mode, image.size) == ("RGB", (3, 2))


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_an_animation_gives_its_first_frame(kind):
    frames = [Image.new("RGB", (4, 4), color) for color in (RED, GREEN, BLUE)]
    data = saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)
    assert at(open_image(data), 1, 1) == pytest.approx(RED, abs=3)


# ---- size alone


def test_the_size_is_told_from_the_header_without_the_pixels(file):
    assert image_size(file) == image_size(str(file)) == (6, 4)
    cut = saved(Image.effect_noise((300, 200), 50), "JPEG")[:2000]
    assert image_size(cut) == (300, 200)
    with pytest.raises(UnreadableImageError, match="cut off"):
        open_image(cut)


def test_the_size_of_what_is_no_picture_or_too_large_is_refused(tmp_path):
    for source in (b"", b"%PDF-1.7", tmp_path / "none.png"):
        with pytest.raises(UnreadableImageError):
            image_size(source)
    with pytest.raises(ImageTooLargeError, match="6 x 4"):
        image_size(saved(corners()), limits=ImageLimits(max_pixels=23))


# ---- upright


def turned(orientation: int) -> Image.Image:
    """The corners as a camera would store them that writes this EXIF orientation."""
    undo = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_90"}
    undo |= {7: "TRANSVERSE", 8: "ROTATE_270"}
    return corners().transpose(Image.Transpose[undo[orientation]]) if orientation in undo else corners()


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_comes_upright(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    data = saved(turned(orientation), kind, exif=exif, **options)
    assert open_image(data).tobytes() == corners().tobytes()
    assert image_size(data) == (6, 4)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_jpeg_comes_upright(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    large = turned(orientation)
    large = large.resize((large.width * 16, large.height * 16), Image.Resampling.NEAREST)
    image = open_image(saved(large, "JPEG", exif=exif, quality=95))
    assert image.size == (96, 64)
    assert at(image, 8, 8) == pytest.approx(RED, abs=12)
    assert at(image, 88, 8) == pytest.approx(GREEN, abs=12)
    assert at(image, 8, 56) == pytest.approx(BLUE, abs=12)


def test_a_picture_is_turned_only_once():
    exif = Image.Exif()
    exif[0x0112] = 6
    once = open_image(saved(turned(6), exif=exif))
    assert once.info == {}
    assert open_image(once) is once
    assert open_image(saved(once)).tobytes() == corners().tobytes()


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_ignored(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert open_image(saved(corners(), exif=exif)).tobytes() == corners().tobytes()


def test_unreadable_exif_does_not_spoil_the_picture():
    image = Image.new("RGB", (16, 16), RED)
    data = saved(image, "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff garbage")
    assert open_image(data).size == (16, 16)


def test_what_was_given_is_not_changed():
    image = corners()
    image.info["exif"] = TiffImagePlugin.ImageFileDirectory_v2().tobytes()
    result = open_image(image)
    assert result is not image
    assert "exif" in image.info


# ---- the web


class Web(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    picture = saved(corners())

    def log_message(self, *_):
        pass

    def answer(self, body: bytes, status: int = 200, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        name = self.path.strip("/").split("?")[0]
        if name in ("picture.png", "%E7%8C%AB.png"):
            self.answer(self.picture, Content_Type="image/png")
        elif name == "untyped":
            self.answer(self.picture)
        elif name == "page":
            self.answer(b"<!doctype html><title>hello</title>", Content_Type="text/html")
        elif name == "promised":
            self.answer(b"", length=10**12)
            self.close_connection = True
        elif name == "endless":
            self.send_response(200)
            self.send_header("Connection", "close")
            self.end_headers()
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(b"x" * 65536)
        elif name == "cut":
            self.answer(self.picture[:40], length=len(self.picture))
            self.close_connection = True
        elif name == "silent":
            time.sleep(1.5)
        elif name == "dripping":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            with contextlib.suppress(OSError):
                for _ in range(30):
                    self.wfile.write(b"x")
                    time.sleep(0.05)
        elif name == "moved":
            self.answer(b"", 302, Location="/picture.png")
        elif name == "circle":
            self.answer(b"", 302, Location="/circle")
        elif name == "to-file":
            self.answer(b"", 302, Location=f"file://{__file__}")
        elif name == "to-ftp":
            self.answer(b"", 302, Location="ftp://127.0.0.1/picture.png")
        else:
            self.answer(b"gone", 404)


@pytest.fixture(scope="module")
def web():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Web)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("name", ["picture.png", "untyped", "moved", "猫.png", "picture.png?size=large"])
def test_a_picture_is_fetched(web, name):
    assert open_url(f"{web}/{name}").tobytes() == corners().tobytes()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nothing", "answered 404 Not Found"),
        ("page", "a web page"),
        ("cut", r"ended after 40 of \d+ bytes"),
        ("circle", "answered 302 .*infinite loop"),
        ("to-file", "Redirection to url .*file:.* is not allowed"),
        ("to-ftp", "ftp:.*not an http: or https: address"),
    ],
)
def test_what_is_no_picture_on_the_web_is_refused_with_the_reason(web, name, said):
    with pytest.raises(UnreadableImageError, match=said):
        open_url(f"{web}/{name}")


def test_a_download_over_the_limit_is_not_begun(web):
    with pytest.raises(ImageTooLargeError, match=r"1,000,000\.0 MB"):
        open_url(f"{web}/promised")


def test_a_download_without_a_length_stops_at_the_limit(web):
    with pytest.raises(ImageTooLargeError, match="more than"):
        open_url(f"{web}/endless", limits=ImageLimits(max_bytes=300_000))


@pytest.mark.parametrize("name", ["silent", "dripping"])
def test_a_slow_server_is_left_after_the_timeout(web, name):
    began = time.monotonic()
    with pytest.raises(UnreadableImageError, match=r"longer than 0\.3 s"):
        open_url(f"{web}/{name}", timeout=0.3)
    assert time.monotonic() - began < 1.2


def test_pixels_of_a_download_are_limited_too(web):
    with pytest.raises(ImageTooLargeError, match="6 x 4"):
        open_url(f"{web}/picture.png", limits=ImageLimits(max_pixels=5))


@pytest.mark.parametrize("address", ["file:///etc/passwd", "picture.png", "ftp://x/y", "http://", "http://[::1", ""])
def test_only_http_and_https_are_fetched(address):
    with pytest.raises(UnreadableImageError, match="not an http: or https: address"):
        open_url(address)


def test_a_password_in_an_address_is_not_repeated():
    with pytest.raises(UnreadableImageError) as caught:
        open_url("https://name:secret@example.org/a.png")
    assert "secret" not in str(caught.value)


def test_a_server_that_is_not_there_is_named():
    with pytest.raises(UnreadableImageError, match=r"127\.0\.0\.1:9.*cannot be fetched"):
        open_url("http://127.0.0.1:9/a.png", timeout=2)


# ---- canvas

sides = st.integers(1, 8000)


@st.composite
def canvases(draw):
    width, height = draw(sides), draw(sides)
    if draw(st.booleans()):
        return Canvas.squash(width, height, draw(st.integers(1, 2048)), draw(st.integers(1, 2048)))
    size = draw(st.one_of(st.integers(1, 2048), st.tuples(st.integers(1, 2048), st.integers(1, 2048))))
    return Canvas.pad(width, height, size, where=draw(st.sampled_from(["center", "corner"])))


fractions = st.lists(st.tuples(*[st.floats(-0.5, 1.5)] * 4), max_size=4)


@given(canvases(), fractions)
def test_boxes_come_back_to_the_original_at_any_size(canvas, rows):
    original = boxes.denormalize(rows, canvas.width, canvas.height)
    np.testing.assert_allclose(canvas.to_original(canvas.to_model(original)), original, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(canvas.unit_to_original(canvas.original_to_unit(original)), original, atol=1e-6)


@given(canvases(), fractions)
def test_points_go_the_way_of_boxes(canvas, rows):
    original = boxes.denormalize(rows, canvas.width, canvas.height)
    moved = canvas.points_to_model(original[:, :2])
    np.testing.assert_array_equal(moved, canvas.to_model(original)[:, :2])
    np.testing.assert_allclose(canvas.points_to_original(moved), original[:, :2], rtol=1e-9, atol=1e-6)


@given(canvases())
def test_the_whole_picture_lies_within_the_models_canvas(canvas):
    x1, y1, x2, y2 = canvas.to_model([0, 0, canvas.width, canvas.height])[0]
    assert x1 == canvas.left >= 0
    assert y1 == canvas.top >= 0
    assert x2 <= canvas.model_width + 1e-6
    assert y2 <= canvas.model_height + 1e-6


@given(canvases())
def test_a_padded_picture_fills_one_side_and_keeps_its_shape_to_a_pixel(canvas):
    wide, high = canvas.inner_size
    assert wide == canvas.model_width or high == canvas.model_height
    if (canvas.left, canvas.top) != (0, 0):
        scale = min(canvas.model_width / canvas.width, canvas.model_height / canvas.height)
        assert abs(wide - canvas.width * scale) <= 1
        assert abs(high - canvas.height * scale) <= 1


def test_the_ways_of_fitting_written_out():
    squash = Canvas.squash(640, 480, 224, 224)
    center, corner = Canvas.pad(640, 480, 224), Canvas.pad(640, 480, 224, where="corner")
    box = [0, 0, 640, 480]
    assert squash.to_model(box).tolist() == [[0, 0, 224, 224]]
    assert center.to_model(box).tolist() == [[0, 28, 224, 196]]
    assert corner.to_model(box).tolist() == [[0, 0, 224, 168]]
    assert Canvas.identity(640, 480).to_model(box).tolist() == [box]
    np.testing.assert_allclose(corner.unit_to_original([0, 0, 1, 0.75]), [box])


def test_no_boxes_stay_no_boxes():
    assert Canvas.squash(640, 480, 224, 224).to_original([]).shape == (0, 4)


@pytest.mark.parametrize(
    "canvas", [Canvas.squash(60, 40, 32, 32), Canvas.pad(60, 40, 32), Canvas.pad(40, 60, (50, 32))]
)
def test_a_thing_in_the_applied_picture_lies_where_the_canvas_says(canvas):
    image = Image.new("RGB", (canvas.width, canvas.height))
    image.paste(WHITE, (10, 10, 30, 30))
    applied = canvas.apply(image, fill=(0, 0, 0), resample=Image.Resampling.BOX)
    assert applied.size == (canvas.model_width, canvas.model_height)
    ys, xs = np.nonzero(np.asarray(applied)[..., 0] > 127)
    seen = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
    np.testing.assert_allclose(seen, canvas.to_model([10, 10, 30, 30])[0], atol=0.5)


def test_padding_has_the_colour_that_was_asked_for():
    applied = Canvas.pad(4, 2, 8).apply(Image.new("RGB", (4, 2), RED), fill=BLUE)
    assert at(applied, 0, 0) == BLUE
    assert at(applied, 4, 4) == RED


def test_a_picture_that_fits_already_is_passed_on_itself():
    image = corners()
    assert Canvas.identity(6, 4).apply(image) is image


def test_a_picture_of_another_size_is_refused():
    with pytest.raises(ImageError, match=r"6 x 4.*7 x 4"):
        Canvas.identity(6, 4).apply(Image.new("RGB", (7, 4)))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Canvas.identity(0, 4),
        lambda: Canvas.squash(0, 4, 5, 5),
        lambda: Canvas.squash(5, 4, 5, 0),
        lambda: Canvas.pad(5, 0, 5),
        lambda: Canvas.pad(5, 5, 0),
        lambda: Canvas.pad(5, 5, 5, where="left"),
    ],
)
def test_a_canvas_without_size_or_place_is_refused(make):
    with pytest.raises(ImageError, match="seen"):
        make()


def test_a_very_long_picture_keeps_at_least_a_pixel_of_height():
    canvas = Canvas.pad(20000, 10, 224)
    assert canvas.inner_size == (224, 1)
    assert canvas.apply(Image.new("RGB", (20000, 10))).size == (224, 224)
