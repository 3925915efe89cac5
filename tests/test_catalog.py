"""The catalog names each file once, gives it an address that can be fetched, and a checksum only as one is written."""

import re

import pytest

from grounding.data.fetching.addresses import check_address
from grounding.data.fetching.catalog import ANNOTATIONS, CATALOG, PICTURES, published
from grounding.data.fetching.unpack import is_archive
from grounding.data.opening import READERS
from grounding.errors import InputError

FILES = {file.name: file for entry in CATALOG.values() for file in entry.files}


@pytest.mark.parametrize("file", FILES.values(), ids=lambda file: file.name)
def test_a_file_can_be_fetched_from_every_address_it_has(file):
    assert file.addresses
    for address in file.addresses:
        assert check_address(address).startswith(("https://", "http://images.cocodataset.org/"))
    assert file.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", file.sha256)
    assert file.what in (ANNOTATIONS, PICTURES)
    assert not file.place.startswith("/")
    assert ".." not in file.place
    if not is_archive(file.name):
        assert file.place.rpartition(".")[2] == file.name.rpartition(".")[2]


def test_files_over_http_alone_have_a_checksum():
    for file in FILES.values():
        if any(address.startswith("http:") for address in file.addresses):
            assert file.sha256


def test_a_name_stands_for_one_file():
    for entry in CATALOG.values():
        for file in entry.files:
            assert FILES[file.name] == file


def test_every_data_set_opens_under_a_name_that_readers_know():
    for entry in CATALOG.values():
        assert entry.dataset.partition(":")[0] in READERS
        assert entry.licence
        assert entry.about.startswith("https://")
        assert entry.chosen(PICTURES) or entry.by_hand


def test_an_own_mirror_holds_files_under_their_published_names():
    assert FILES["refcoco+.zip"].at("https://mirror.example/a/") == "https://mirror.example/a/refcoco+.zip"
    assert FILES["mdetr_annotations.tar.gz"].at("file:///m") == "file:///m/mdetr_annotations.tar.gz"
    assert FILES["flickr30k-annotations.zip"].at("file:///m") == "file:///m/annotations.zip"


def test_an_unknown_name_is_told_the_known_ones():
    assert published("RefCOCO").name == "refcoco"
    with pytest.raises(InputError, match="no data set 'imagenet' to fetch; there are refcoco, "):
        published("imagenet")
