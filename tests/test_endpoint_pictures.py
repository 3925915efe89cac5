"""Pictures on their way to a server: within the limit, right in place, encoded once."""

import base64
import io

import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image

from grounding.backends.endpoint_options import EndpointOptions
from grounding.backends.endpoint_pictures import Pictures, data_url, sent_size, through
from grounding.images import Canvas

SIDES = st.integers(1, 8000)


def decoded(url):
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))


@given(SIDES, SIDES, st.integers(16, 4000))
def test_no_side_is_over_the_limit_and_none_is_nothing(width, height, limit):
    sent = sent_size(width, height, limit)
    assert max(sent) == min(max(width, height), limit)
    assert min(sent) >= 1


@given(SIDES, SIDES, st.integers(16, 4000), st.tuples(*[st.floats(0, 1)] * 4))
def test_resizing_twice_is_undone_in_one_go(width, height, limit, unit):
    """What a server sees of the picture sent is told in pixels of the original."""
    sent = sent_size(width, height, limit)
    for canvas in (
        Canvas.identity(*sent),
        Canvas.squash(*sent, 644, 476),
        Canvas.pad(*sent, max(sent)),
        Canvas.pad(*sent, (900, 700), where="corner"),
    ):
        whole = through(canvas, width, height)
        box = np.array([[unit[0] * width, unit[1] * height, unit[2] * width, unit[3] * height]])
        small = box * np.tile([sent[0] / width, sent[1] / height], 2)
        assert np.allclose(whole.to_model(box), canvas.to_model(small))
        assert np.allclose(whole.to_original(whole.to_model(box)), box, atol=1e-6 * max(width, height))


def test_jpeg_and_png_are_what_they_say():
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8))
    jpeg = data_url(picture, EndpointOptions(max_side=60))
    png = data_url(picture, EndpointOptions(image_format="png"))
    assert (decoded(jpeg).format, decoded(jpeg).size) == ("JPEG", (60, 45))
    assert (decoded(png).format, decoded(png).size) == ("PNG", (120, 90))
    assert np.array_equal(np.asarray(decoded(png)), np.asarray(picture))
    assert len(data_url(picture, EndpointOptions(jpeg_quality=30))) < len(data_url(picture, EndpointOptions()))


@pytest.mark.parametrize("size", [(1, 1), (3000, 1), (1, 3000)])
def test_thin_pictures_are_sent(size):
    sent = decoded(data_url(Image.new("RGB", size), EndpointOptions(max_side=500)))
    assert sent.size == (min(size[0], 500), min(size[1], 500))


def test_picture_of_many_questions_is_made_once_and_dropped_after_the_last():
    one, other = Image.new("RGB", (20, 20), "red"), Image.new("RGB", (20, 20), "blue")
    pictures = Pictures([one, other, one], EndpointOptions())
    first, second = pictures.url(one), pictures.url(one)
    assert first is second
    assert pictures.url(other) != first
    assert all(slot.url is None for slot in pictures._slots.values())
