"""Pictures opened ahead: the right one for each question, the same one for the same picture, and in time."""

import threading

import pytest

from grounding.data.dataset import Dataset
from grounding.data.pictures import HeldPicture
from grounding.errors import ImageError
from grounding.predict.pictures_ahead import opened_ahead
from grounding.predict.plan import Plan
from tests.predicting import data, write_data


@pytest.fixture
def folder(tmp_path):
    write_data(tmp_path, pictures=5, phrases=2)
    return tmp_path


@pytest.mark.parametrize("ahead", [0, 1, 3, 99])
def test_every_question_gets_its_picture_and_a_picture_is_opened_once(folder, ahead):
    chunks = list(Plan(data(folder), 4))
    given = list(opened_ahead(chunks, ahead))
    assert [chunk for chunk, _ in given] == chunks
    for chunk, pictures in given:
        assert [picture.width for picture in pictures] == [60 + int(id[0]) for id in chunk.ids]
        assert all(first is second for first, second in zip(pictures[::2], pictures[1::2], strict=True))


@pytest.mark.parametrize("ahead", [0, 2])
def test_a_picture_that_cannot_be_opened_stands_there_as_its_error(folder, ahead):
    (folder / "pictures" / "3.png").write_bytes(b"no picture")
    pictures = [picture for _, opened in opened_ahead(Plan(data(folder), 4), ahead) for picture in opened]
    assert [isinstance(picture, ImageError) for picture in pictures] == [False] * 6 + [True] * 2 + [False] * 2


class Noting(HeldPicture):
    """Notes when it is opened."""

    opened: set = set()  # noqa: RUF012

    def open(self):
        self.opened.add(self.key)
        return super().open()


def test_the_next_chunk_is_opened_while_one_is_asked_and_no_further(folder):
    samples = []
    for sample in data(folder):
        noting = Noting(sample.picture.open(), sample.picture.key)
        samples.append(type(sample)(noting, sample.phrase, sample.truth, sample.id))
    Noting.opened.clear()
    stream = opened_ahead(Plan(Dataset("noting", samples), 2), 1)
    next(stream)
    for _ in range(1000):
        if len(Noting.opened) == 2:
            break
        threading.Event().wait(0.005)
    assert Noting.opened == {"pictures/0.png", "pictures/1.png"}
    stream.close()
