"""Owns CATALOG: which published data sets can be fetched, from where, how large, under which licence, and what not.

A checksum stands here only where somebody published it; the others are None, and what came is recorded instead.
"""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass

from grounding.errors import InputError

ANNOTATIONS, PICTURES = "annotations", "pictures"


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file as it is published."""

    name: str
    """What it is called here, the only file of that name in the catalog."""
    addresses: tuple[str, ...]
    """The same bytes at each, in the order to try them."""
    place: str
    """Below the folder of data: the folder an archive is unpacked in ("" for that folder itself), else its path."""
    what: str = ANNOTATIONS
    """ANNOTATIONS or PICTURES."""
    bytes: int | None = None
    """Its exact length, where it is published."""
    about_bytes: int | None = None
    """Its length as people give it, for display; None where nobody does."""
    sha256: str | None = None
    """As published; None where it is not."""

    @property
    def size(self) -> int | None:
        """Bytes to reckon with; None where nobody says."""
        return self.bytes if self.bytes is not None else self.about_bytes

    def at(self, base: str) -> str:
        """Its address on a mirror of one's own: under the name it is published as, below `base`."""
        published = urllib.parse.urlsplit(self.addresses[0]).path.rpartition("/")[2]
        return f"{base.rstrip('/')}/{published}"


@dataclass(frozen=True, slots=True)
class Published:
    """A data set that can be fetched."""

    name: str
    title: str
    files: tuple[RemoteFile, ...]
    licence: str
    """Of the annotations."""
    photo_licence: str
    """Of the pictures."""
    about: str
    """Where to read about it."""
    dataset: str
    """What to open it as, such as "refcoco:val", with the folder of data as root."""
    images: str
    """The folder of its pictures below the folder of data."""
    beside: str = ""
    """A file in whose folder the annotations lie, where an archive brings folders of its own."""
    by_hand: str = ""
    """What can't be fetched, and how to get it; "" where nothing is missing."""

    def chosen(self, only: str | None) -> tuple[RemoteFile, ...]:
        """The files, or only its annotations or its pictures."""
        return tuple(file for file in self.files if only in (None, file.what))


_COCO_HOSTS = ("https://s3.amazonaws.com/images.cocodataset.org", "http://images.cocodataset.org")
"""The same bucket; over https its own name does not match the certificate."""


def _coco(path: str, what: str, bytes: int, sha256: str, *more: str) -> RemoteFile:
    """A file of COCO's; length and checksum from tensorflow/datasets, url_checksums/coco.txt."""
    addresses = (*(f"{host}/{path}" for host in _COCO_HOSTS), *more)
    return RemoteFile(path.rpartition("/")[2], addresses, "coco", what, bytes, None, sha256)


_TRAIN2014 = _coco(
    "zips/train2014.zip",
    PICTURES,
    13_510_573_713,
    "ede4087e640bddba550e090eae701092534b554b42b05ac33f0300b984b31775",
    # a model's raw data; its page on the hub states the same checksum
    "https://huggingface.co/lucasjin/chinese_ocr_llava/resolve/main/raw_zips/refcoco_train2014.zip",
)
_FLICKR = "each photo's own, on Flickr"


def _refer(name: str, snapshot: str, bytes: int, sha256: str) -> RemoteFile:
    """An archive of the refer toolbox. Its host has been gone since 2022 (lichengunc/refer, issue 14).

    Length and checksum: published by several who fetched the Internet Archive's copies, which agree.
    """
    home = f"https://bvisionweb1.cs.unc.edu/licheng/referit/data/{name}.zip"
    copy = f"https://web.archive.org/web/{snapshot}id_/{home}"
    return RemoteFile(f"{name}.zip", (copy, home), "", bytes=bytes, sha256=sha256)


def _hub(name: str, repository: str, path: str, place: str, revision: str = "main", **more: object) -> RemoteFile:
    address = f"https://huggingface.co/datasets/{repository}/resolve/{revision}/{path}"
    return RemoteFile(name, (address,), place, **more)  # type: ignore[arg-type]


_REF_L4 = "a155a94abcdb31a08b451351eb0aae5359806ded"
_ENTITIES = "https://raw.githubusercontent.com/BryanPlummer/flickr30k_entities/master"
_REFER_PAGE = "https://github.com/lichengunc/refer"

CATALOG: dict[str, Published] = {
    entry.name: entry
    for entry in (
        Published(
            "refcoco",
            "RefCOCO (UNC)",
            (
                _refer(
                    "refcoco",
                    "20220413011718",
                    53_993_993,
                    "7f924bb7ed8dc4568058e4ff626281918d56e5206f4c868c5a80f088f38c8bf0",
                ),
                _TRAIN2014,
            ),
            "Apache-2.0",
            _FLICKR,
            _REFER_PAGE,
            "refcoco:val",
            "coco/train2014",
        ),
        Published(
            "refcoco+",
            "RefCOCO+ (UNC)",
            (
                _refer(
                    "refcoco+",
                    "20220413011656",
                    45_613_210,
                    "5f1238112d63199e68da54a28f201471909b21ded7ed79a57d51b4c1443c6b45",
                ),
                _TRAIN2014,
            ),
            "Apache-2.0",
            _FLICKR,
            _REFER_PAGE,
            "refcoco+:val",
            "coco/train2014",
        ),
        Published(
            "refcocog",
            "RefCOCOg (UMD, Google)",
            (
                _refer(
                    "refcocog",
                    "20220413012904",
                    56_712_951,
                    "3d1f7e5b2ff2205940bf59de55f861f5f2cc1403fb980669933a7f9af1aa8211",
                ),
                _TRAIN2014,
            ),
            "CC BY 4.0",
            _FLICKR,
            _REFER_PAGE,
            "refcocog:val",
            "coco/train2014",
        ),
        Published(
            "mdetr",
            "RefCOCO, +, g, MDETR json",
            (
                RemoteFile(
                    "mdetr_annotations.tar.gz",
                    (
                        "https://zenodo.org/records/5519755/files/mdetr_annotations.tar.gz?download=1",
                        "https://zenodo.org/record/5519755/files/mdetr_annotations.tar.gz?download=1",
                        "https://zenodo.org/record/4729015/files/mdetr_annotations.tar.gz?download=1",
                    ),
                    "mdetr",
                ),
                _TRAIN2014,
            ),
            "as of each data set",
            _FLICKR,
            "https://github.com/ashkamath/mdetr",
            "refcoco:val",
            "coco/train2014",
            "finetune_refcoco_val.json",
        ),
        Published(
            "grefcoco",
            "gRefCOCO",
            (
                _hub(
                    "grefs(unc).json",
                    "FudanCVL/gRefCOCO",
                    "grefs(unc).json",
                    "grefcoco/grefs(unc).json",
                    about_bytes=59_000_000,
                ),
                _hub(
                    "grefcoco-instances.json",
                    "FudanCVL/gRefCOCO",
                    "instances.json",
                    "grefcoco/instances.json",
                    about_bytes=120_000_000,
                ),
                _TRAIN2014,
            ),
            "not stated",
            _FLICKR,
            "https://github.com/henghuiding/gRefCOCO",
            "grefcoco:val",
            "coco/train2014",
            by_hand="if the hub's copy is gone, that page links the authors' own drives, which only a browser opens",
        ),
        Published(
            "ref-l4",
            "Ref-L4",
            (
                _hub(
                    "ref-l4-val.parquet",
                    "JierunChen/Ref-L4",
                    "ref-l4-val.parquet",
                    "Ref-L4/ref-l4-val.parquet",
                    _REF_L4,
                    about_bytes=1_740_000,
                    sha256="7aef079b3fa1ec5de7548774ae6206f375f4b189fd5acecae86741a452da1926",
                ),
                _hub(
                    "ref-l4-test.parquet",
                    "JierunChen/Ref-L4",
                    "ref-l4-test.parquet",
                    "Ref-L4/ref-l4-test.parquet",
                    _REF_L4,
                    about_bytes=3_470_000,
                ),
                _hub(
                    "ref-l4-images.tar.gz",
                    "JierunChen/Ref-L4",
                    "images.tar.gz",
                    "Ref-L4",
                    _REF_L4,
                    what=PICTURES,
                    about_bytes=3_510_000_000,
                    sha256="a07c7b85e94d3dcd1f7847ba85d670590b86d6000ffa3c8dd11e988b2af2a7b7",
                ),
            ),
            "CC BY-NC 4.0",
            "of COCO and Objects365, CC BY 4.0",
            "https://github.com/JierunChen/Ref-L4",
            "ref-l4:val",
            "Ref-L4",
        ),
        Published(
            "flickr30k",
            "Flickr30k Entities",
            (
                RemoteFile(
                    "flickr30k-annotations.zip",
                    (
                        "https://github.com/BryanPlummer/flickr30k_entities/raw/master/annotations.zip",
                        f"{_ENTITIES}/annotations.zip",
                        "https://huggingface.co/datasets/594zyc/GROUNDHOG-RAW/resolve/main/"
                        "flickr30k/flickr30k_entities/annotations.zip",
                    ),
                    "flickr30k",
                ),
                *(
                    RemoteFile(f"flickr30k-{split}.txt", (f"{_ENTITIES}/{split}.txt",), f"flickr30k/{split}.txt")
                    for split in ("val", "test", "train")
                ),
            ),
            "research and education",
            "non-commercial research and education, under Flickr's terms of use",
            "https://github.com/BryanPlummer/flickr30k_entities",
            "flickr30k:val",
            "flickr30k/flickr30k-images",
            by_hand="its pictures are given out on request only: fill in the form at "
            "https://shannon.cs.illinois.edu/DenotationGraph/ and unpack what you get into flickr30k/flickr30k-images",
        ),
        Published(
            "toloka",
            "Toloka, WSDM Cup 2023",
            tuple(
                _hub(
                    f"toloka-{split}.csv",
                    "toloka/WSDMCup2023",
                    f"data/{split}-00000-of-00001.csv",
                    f"toloka/{split}.csv",
                )
                for split in ("test_public", "test_private")
            ),
            "CC BY 4.0",
            "CC BY, as each photo on Flickr",
            "https://github.com/Toloka/WSDMCup2023",
            "toloka:test_public",
            "toloka/images",
            by_hand="its pictures are COCO photos under COCO's numbers: any folder that holds them serves as images; "
            "the column `image` has each one's own address",
        ),
        Published(
            "coco",
            "COCO val2017",
            (
                _coco(
                    "annotations/annotations_trainval2017.zip",
                    ANNOTATIONS,
                    252_907_541,
                    "113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268",
                ),
                _coco(
                    "zips/val2017.zip",
                    PICTURES,
                    815_585_330,
                    "4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05",
                ),
            ),
            "CC BY 4.0",
            _FLICKR,
            "https://cocodataset.org",
            "coco:val2017",
            "coco/val2017",
        ),
        Published(
            "coco2014",
            "COCO val2014",
            (
                _coco(
                    "annotations/annotations_trainval2014.zip",
                    ANNOTATIONS,
                    252_872_794,
                    "031296bbc80c45a1d1f76bf9a90ead27e94e99ec629208449507a4917a3bf009",
                ),
                _coco(
                    "zips/val2014.zip",
                    PICTURES,
                    6_645_013_297,
                    "fe9be816052049c34717e077d9e34aa60814a55679f804cd043e3cbee3b9fde0",
                ),
            ),
            "CC BY 4.0",
            _FLICKR,
            "https://cocodataset.org",
            "coco:val2014",
            "coco/val2014",
        ),
    )
}


def published(name: str) -> Published:
    """The entry of that name. Raises InputError naming those there are."""
    try:
        return CATALOG[name.lower()]
    except KeyError:
        raise InputError(f"there is no data set {name!r} to fetch; there are {', '.join(CATALOG)}") from None
