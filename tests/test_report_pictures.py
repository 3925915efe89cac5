"""Pictures of a page: small, each once, found where they lie, and holding nothing but their pixels."""

import base64
import io
import json

import pytest
from PIL import Image, PngImagePlugin

from grounding import Grounding, Region
from grounding.data.dataset import StreamedDataset
from grounding.data.opening import open_dataset
from grounding.data.predictions import Header, Prediction
from grounding.errors import GroundingError, ImageError, InputError
from grounding.report.pictures import LONGEST_PX, Opener, address_of, album_of
from tests import report_cases

ROWS = report_cases.rec(4).rows


def picture_at(address):
    kind, _, content = address.partition(",")
    assert kind == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(content)))


def test_a_picture_is_made_small_and_keeps_its_shape():
    picture = picture_at(address_of(Image.new("RGB", (1200, 800), "#336699")))
    assert picture.size == (LONGEST_PX, LONGEST_PX * 2 // 3)
    assert max(abs(a - b) for a, b in zip(picture.getpixel((5, 5)), (0x33, 0x66, 0x99), strict=True)) < 6


def test_a_small_picture_is_not_made_larger():
    assert picture_at(address_of(Image.new("RGB", (64, 48)))).size == (64, 48)


def test_what_a_file_tells_of_itself_stays_out(tmp_path):
    path = tmp_path / "photo.jpg"
    exif = Image.Exif()
    exif[0x010F] = "SecretCamera"
    Image.new("RGB", (80, 60)).save(path, exif=exif, comment=b"SecretComment", icc_profile=b"SecretProfile")
    content = base64.b64decode(address_of(Image.open(path)).partition(",")[2])
    assert b"Secret" not in content
    assert b"Exif" not in content


def test_a_picture_with_alpha_or_text_in_it_becomes_a_plain_one(tmp_path):
    told = PngImagePlugin.PngInfo()
    told.add_text("Author", "SecretAuthor")
    Image.new("RGBA", (30, 30), (255, 0, 0, 128)).save(tmp_path / "a.png", pnginfo=told)
    picture = Image.open(tmp_path / "a.png")
    assert picture_at(address_of(picture)).mode == "RGB"
    assert b"Secret" not in base64.b64decode(address_of(picture).partition(",")[2])


def test_questions_about_one_picture_share_it():
    opened = []

    def open_picture(row):
        opened.append(row.picture)
        return report_cases.open_picture(row)

    album = album_of(ROWS, ROWS, open_picture)
    assert opened == [f"drawn/{number}.png" for number in range(4)]
    assert list(album.addresses) == opened


def test_pictures_end_where_the_page_is_full():
    one = len(address_of(report_cases.picture_of(0)))
    album = album_of(ROWS, (), report_cases.open_picture, most_bytes=int(2.5 * one))
    assert list(album.addresses) == ["drawn/0.png", "drawn/1.png"]
    assert sum(map(len, album.addresses.values())) <= 2.5 * one


def test_pictures_that_no_gallery_needs_come_only_while_there_is_room():
    wanted = album_of(ROWS[:3], ROWS, report_cases.open_picture, spare_bytes=10)
    assert list(wanted.addresses) == ["drawn/0.png"]


def header(dataset, **more):
    return Header(dataset, "rec", 1, "tiny", **more)


def row_of(key, size, id="a"):
    truth = Grounding("it", (Region((0, 0, 9, 9)),), "", *size)
    return Prediction(id, key, truth, truth)


def test_pictures_are_found_by_their_key_in_the_folder_of_pictures(tmp_path):
    (tmp_path / "deep").mkdir()
    Image.new("RGB", (40, 30), "#ff0000").save(tmp_path / "deep" / "COCO_val2014_000000000042.jpg")
    row = row_of("000000000042.jpg", (40, 30))
    for opened in (
        Opener(header("nothing.jsonl", images=str(tmp_path)), [row], ()),
        Opener(header("nothing.jsonl", images="/elsewhere"), [row], (), images=tmp_path),
    ):
        assert opened(row).getpixel((3, 3))[0] > 240


def test_stretched_copies_are_opened_in_the_shape_of_the_original(tmp_path):
    Image.new("RGB", (25, 25)).save(tmp_path / "a.png")
    row = row_of("a.png", (40, 30))
    given = header("x.jsonl", images=str(tmp_path), options={"stretched": True})
    assert Opener(given, [row], ())(row).size == (40, 30)


def test_a_picture_of_another_size_is_not_drawn_on(tmp_path):
    Image.new("RGB", (25, 25)).save(tmp_path / "a.png")
    row = row_of("a.png", (40, 30))
    with pytest.raises(InputError, match="another size"):
        Opener(header("x.jsonl", images=str(tmp_path)), [row], ())(row)


def header_opening(dataset):
    """A header that says how the data set was opened, as `grounding predict` writes it."""
    origin = dataset.origin
    return header(dataset.name, opened=origin.name, reader_options=origin.options)


def test_drawn_scenes_are_drawn_again_as_they_were():
    dataset = open_dataset("scenes:place", n=7, seed=12).take(6)
    sample = dataset[5]
    row = Prediction.of(sample, None, error="not asked")
    rows = [Prediction.of(one, None, error="not asked") for one in dataset]
    opener = Opener(header_opening(dataset), rows, ())
    assert opener(row).tobytes() == sample.open().tobytes()


@pytest.mark.parametrize("seed", [None, 5])
def test_scenes_of_several_skills_are_found_too(seed):
    dataset = open_dataset("scenes:one-box", n=12, seed=seed)
    rows = [Prediction.of(one, None, error="not asked") for one in dataset]
    opener = Opener(header_opening(dataset), rows, ())
    assert [opener(row).size for row in rows] == [sample.size for sample in dataset]


def test_pictures_beside_a_file_are_found_without_being_told_where(tmp_path, monkeypatch):
    Image.new("RGB", (40, 30), "white").save(tmp_path / "a.png")
    (tmp_path / "own.jsonl").write_text('{"image": "a.png", "phrase": "it", "box": [1, 2, 30, 20]}\n')
    monkeypatch.chdir(tmp_path)
    dataset = open_dataset("own.jsonl")
    monkeypatch.chdir("/")
    rows = [Prediction.of(one, None, error="not asked") for one in dataset]
    given = header(dataset.name, opened=dataset.origin.name, root=dataset.origin.root)
    assert Opener(given, rows, ())(rows[0]).size == (40, 30)


def test_rows_in_another_order_find_their_samples_by_id():
    dataset = open_dataset("scenes:place", n=6)
    rows = [Prediction.of(one, None, error="not asked") for one in dataset][::-1]
    opener = Opener(header("scenes:place"), rows, ())
    assert opener(rows[0]).tobytes() == dataset[5].open().tobytes()


def test_of_a_stream_only_what_is_wanted_is_kept_and_the_rest_is_not_read():
    samples, read = list(open_dataset("scenes:place", n=20)), []

    def stream(problems):
        for sample in samples:
            read.append(sample.id)
            yield sample

    rows = [Prediction.of(one, None, error="not asked") for one in samples]
    opener = Opener(header("scenes:place"), rows, [rows[2], rows[6]])
    opener._dataset = StreamedDataset("hub:x", stream)
    assert opener.streamed
    assert opener(rows[6]).size == samples[6].size
    assert opener(rows[2]).size == samples[2].size
    assert read == [sample.id for sample in samples[:7]]
    with pytest.raises(InputError, match="no sample"):
        opener(rows[0])


def test_a_sample_that_is_not_there_any_more_is_named():
    dataset = open_dataset("scenes:place", n=3)
    rows = [Prediction.of(one, None, error="not asked") for one in dataset]
    other = row_of("scene-1", (40, 30), id="gone")
    with pytest.raises(InputError, match="no sample 'gone'"):
        Opener(header("scenes:place"), [*rows, other], ())(other)


def test_a_file_of_samples_is_found_in_the_folder_given_as_root(tmp_path):
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    line = {"image": "a.png", "sent": "it", "bbox": [1, 2, 30, 20], "width": 40, "height": 30}
    (tmp_path / "refs.jsonl").write_text(json.dumps(line) + "\n")
    dataset = open_dataset(tmp_path / "refs.jsonl")
    row = Prediction.of(dataset[0], None, error="not asked")
    assert Opener(header("refs.jsonl"), [row], (), root=tmp_path)(row).size == (40, 30)


@pytest.mark.parametrize("name", ["no such data set", "refcoco:testA"])
def test_a_data_set_that_is_not_here_is_an_error_that_a_page_can_tell(name):
    with pytest.raises(GroundingError):
        Opener(header(name), ROWS, ())


def test_a_missing_picture_is_told_and_the_others_are_there():
    def open_picture(row):
        if row.picture == "drawn/1.png":
            raise ImageError("damaged")
        return report_cases.open_picture(row)

    album = album_of(ROWS, (), open_picture)
    assert album.unavailable == {"drawn/1.png": "damaged"}
    assert len(album.addresses) == 3
