"""Pictures at addresses: listed once, found like those of a folder, and what goes wrong is named."""

import pickle
from io import BytesIO

import fsspec
import pytest
from PIL import Image

from grounding.data.addresses import is_address, list_pictures, open_address
from grounding.data.folders import Folder
from grounding.data.opening import open_dataset
from grounding.data.pictures import NoPicture
from grounding.errors import InputError, MissingExtraError, UnreadableImageError


@pytest.fixture
def bucket():
    """An address with two pictures and a file that is none."""
    files = fsspec.filesystem("memory")
    for name, color in (("COCO_train2014_000000000009.jpg", "red"), ("deep/er/blue.png", "blue")):
        written = BytesIO()
        Image.new("RGB", (40, 30), color).save(written, "PNG")
        files.pipe_file(f"/bucket/{name}", written.getvalue())
    files.pipe_file("/bucket/list.txt", b"no picture")
    yield "memory://bucket"
    files.rm("/bucket", recursive=True)


def test_pictures_are_found_by_path_stem_and_coco_number(bucket):
    folder = Folder(bucket)
    for name in ("deep/er/blue.png", "blue.jpg", "000000000009.jpg", "train2014/COCO_train2014_000000000009.jpg"):
        picture = folder.find(name)
        assert (picture.key, picture.missing(), picture.open().size) == (name, False, (40, 30))
    assert folder.find("green.png") == NoPicture("green.png")


def test_a_picture_that_travelled_is_opened_elsewhere_in_the_size_its_boxes_are_in(bucket):
    picture = pickle.loads(pickle.dumps(Folder(bucket, stretched=True).find("blue.png", (80, 20))))
    assert picture.open().size == (80, 20)


def test_only_pictures_are_listed_and_none_is_an_error(bucket):
    assert [str(path) for path in list_pictures(bucket, (".jpg", ".png"), 3)] == [
        "COCO_train2014_000000000009.jpg",
        "deep/er/blue.png",
    ]
    with pytest.raises(InputError, match="no pictures at memory://nowhere"):
        Folder("memory://nowhere")


def test_a_picture_that_is_gone_or_damaged_is_named(bucket):
    folder = Folder(bucket)
    files = fsspec.filesystem("memory")
    files.pipe_file("/bucket/deep/er/blue.png", b"damaged")
    with pytest.raises(UnreadableImageError):
        folder.find("blue.png").open()
    files.rm("/bucket/deep/er/blue.png")
    with pytest.raises(UnreadableImageError, match=r"blue\.png can't be fetched"):
        folder.find("blue.png").open()


def test_an_address_is_told_from_a_path():
    assert is_address("s3://bucket/a")
    assert not any(map(is_address, ("a/b.jsonl", "C:\\a", "refcoco:testA")))


def test_an_address_of_no_known_kind_and_one_whose_package_is_missing_are_told_apart():
    with pytest.raises(InputError, match="nosuchkind"):
        open_address("nosuchkind://a")
    with pytest.raises(MissingExtraError, match="another package"):
        open_address("oci://bucket@name/a")  # nobody installs ocifs by chance


def test_annotations_at_an_address_are_refused_in_words():
    with pytest.raises(InputError, match="annotations are read from this machine"):
        open_dataset("refcoco:val", root="s3://bucket/refer")


def test_a_data_set_is_asked_about_pictures_at_an_address(tmp_path, bucket):
    path = tmp_path / "cups.jsonl"
    path.write_text('{"image": "blue.png", "phrase": "it", "box": [1, 2, 30, 20], "width": 40, "height": 30}\n')
    (sample,) = open_dataset(path, images=bucket)
    assert sample.open().getpixel((5, 5)) == (0, 0, 255)
