"""Flickr30k Entities: which phrases are asked for, which boxes are theirs, and files that are none."""

import re

import pytest
from PIL import Image

from grounding.data.flickr30k import Phrase, read_caption, read_plain_xml
from grounding.data.opening import open_dataset
from grounding.errors import InputError


def box(names, *edges):
    tags = "".join(
        f"<{tag}>{value}</{tag}>" for tag, value in zip(("xmin", "ymin", "xmax", "ymax"), edges, strict=True)
    )
    return f"<object>{named(names)}<bndbox>{tags}</bndbox></object>"


def named(names):
    return "".join(f"<name>{name}</name>" for name in names.split())


def flags(names, scene, nobox):
    return f"<object>{named(names)}<scene>{scene}</scene><nobndbox>{nobox}</nobndbox></object>"


def annotation(*objects, size="<size><width>200</width><height>100</height><depth>3</depth></size>"):
    return f"<annotation><filename>11.jpg</filename>{size}{''.join(objects)}</annotation>"


XML = annotation(
    box("1", 1, 10, 50, 90),
    box("1 6", 60, 10, 120, 100),
    box("5", 20, 20, 40, 40),
    flags("8", 1, 0),
    flags("9", 0, 1),
)
TXT = """[/EN#1/people Two tall women] in [/EN#5/clothing/other a red hat] wave at [/EN#0/notvisual each other] .
[/EN#6/people A woman] stands outside [/EN#8/scene the yard] , enjoying [/EN#9/other time] [/EN#77/other together] .
"""


@pytest.fixture
def opened(tmp_path):
    def write(xml=XML, txt=TXT, listed="11\n", **options):
        for folder in ("Annotations", "Sentences", "flickr30k-images"):
            (tmp_path / folder).mkdir(exist_ok=True)
        for name, text in (("Annotations/11.xml", xml), ("Sentences/11.txt", txt), ("val.txt", listed)):
            if text is not None:
                (tmp_path / name).write_text(text)
        Image.new("RGB", (200, 100)).save(tmp_path / "flickr30k-images" / "11.jpg")
        return open_dataset("flickr30k:val", root=tmp_path, **options)

    return write


def test_a_phrase_is_asked_for_where_its_chain_has_a_box(opened):
    dataset = opened()
    assert dataset.scoring == "phrases"
    assert [(sample.id, sample.phrase, sample.kind) for sample in dataset] == [
        ("11/0/0", "Two tall women", "people"),
        ("11/0/1", "a red hat", "clothing"),
        ("11/1/0", "A woman", "people"),
    ]
    assert dataset.problems == ()


def test_its_truth_are_all_boxes_of_its_chain_as_they_stand(opened):
    women, hat, woman = opened()
    assert women.truth.boxes.tolist() == [[1, 10, 50, 90], [60, 10, 120, 100]]
    assert hat.truth.boxes.tolist() == [[20, 20, 40, 40]]
    assert woman.truth.boxes.tolist() == [[60, 10, 120, 100]], "a box can belong to several chains"
    assert (women.size, women.open().size) == ((200, 100), (200, 100))


def test_edges_can_be_moved_to_where_the_first_pixel_begins(opened):
    dataset = opened(one_based=True)
    assert dataset[0].truth.boxes.tolist()[0] == [0, 9, 50, 90]
    assert "one pixel before" in dataset.notes[-1]


def test_phrases_without_a_box_are_counted_by_their_reason(opened):
    dataset = opened()
    assert dataset.notes == (
        "flickr30k:val has 14,433 expressions as published; 3 were found here",
        "phrases without a box are not asked for: 1 notvisual, 1 scene, 1 no box, 1 no annotation",
    )
    assert dataset.meta["without_box"] == {"notvisual": 1, "scene": 1, "no box": 1, "no annotation": 1}


def test_meta_keeps_the_caption_and_where_the_phrase_stands_in_it(opened):
    _, hat, woman = opened()
    assert hat.meta == {
        "image_id": "11",
        "sentence": "Two tall women in a red hat wave at each other .",
        "first_word": 4,
        "chain": "5",
        "types": ["clothing", "other"],
    }
    assert hat.meta["sentence"].split()[4:7] == ["a", "red", "hat"]
    assert woman.meta["first_word"] == 0


@pytest.mark.parametrize(
    ("line", "sentence", "phrases"),
    [
        ("no phrase here", "no phrase here", []),
        ("[/EN#3/animals A dog]", "A dog", [Phrase("A dog", "3", ("animals",), 0)]),
        ("in [/EN#3/a/b/c x , y] !", "in x , y !", [Phrase("x , y", "3", ("a", "b", "c"), 1)]),
        (
            "[/EN#3 it] and [/EN#4/other that]",
            "it and that",
            [Phrase("it", "3", (), 0), Phrase("that", "4", ("other",), 2)],
        ),
        ("a [/EN#3/other dog runs", "a [/EN#3/other dog runs", []),
    ],
)
def test_a_caption_is_taken_apart(line, sentence, phrases):
    assert read_caption(line) == (sentence, phrases)


def test_annotations_are_found_one_folder_down(tmp_path, opened):
    opened()
    (tmp_path / "up").mkdir()
    for name in ("Annotations", "Sentences"):
        (tmp_path / "up" / "annotations").mkdir(exist_ok=True)
        (tmp_path / name).rename(tmp_path / "up" / "annotations" / name)
    (tmp_path / "val.txt").rename(tmp_path / "up" / "val.txt")
    dataset = open_dataset("flickr30k:val", root=tmp_path / "up", images=tmp_path / "flickr30k-images")
    assert (len(dataset), dataset.missing_pictures()) == (3, [])


# ---- what is wrong in the files


@pytest.mark.parametrize(
    ("xml", "kinds", "where", "said"),
    [
        (annotation(box("5", 20, 20, 20, 40)), ["empty box", "no box"], "object 1", "no area"),
        (annotation(box("5", 300, 20, 310, 40)), ["box outside", "no box"], "object 1", "outside its picture"),
        (annotation(box("5", "x", 20, 310, 40)), ["not a number", "no box"], "object 1", "are not the four numbers"),
        (annotation(box("5", "", 20, 310, 40)), ["not a number", "no box"], "object 1", "are not the four numbers"),
    ],
)
def test_a_box_that_cannot_be_one_is_named_and_so_is_the_phrase_that_has_no_other(opened, xml, kinds, where, said):
    dataset = opened(xml.replace("</annotation>", box("1", 1, 1, 9, 9) + "</annotation>"))
    assert [problem.kind for problem in dataset.problems] == kinds
    first, second = dataset.problems
    assert (first.file, first.entry) == ("11.xml", where)
    assert said in first.message
    assert (second.where, second.message) == ("11.txt, line 1", "none of the boxes of 'a red hat' can be one")
    assert [sample.phrase for sample in dataset] == ["Two tall women"]


def test_a_bad_box_beside_a_good_one_costs_itself_only(opened):
    dataset = opened(XML.replace("<xmin>60</xmin>", "<xmin>120</xmin>"))
    assert [problem.kind for problem in dataset.problems] == ["empty box", "no box"]
    assert dataset[0].truth.boxes.tolist() == [[1, 10, 50, 90]]


@pytest.mark.parametrize(
    ("files", "file", "said"),
    [
        ({"xml": XML[:-30]}, "11.xml", "is not XML .* damaged or cut off"),
        ({"xml": None}, "11.xml", "can't be read: No such file"),
        ({"xml": annotation(size="")}, "11.xml", "a picture of None x None pixels"),
        ({"txt": None}, "11.txt", "can't be read: No such file"),
    ],
)
def test_a_picture_that_cannot_be_read_is_named_and_the_others_are_read(opened, tmp_path, files, file, said):
    opened()
    for folder, end in (("Annotations", "xml"), ("Sentences", "txt")):
        (tmp_path / folder / f"12.{end}").write_text((tmp_path / folder / f"11.{end}").read_text())
        (tmp_path / folder / f"11.{end}").unlink()
    dataset = opened(**files, listed="11\n12\n")
    (problem,) = dataset.problems
    assert problem.file == file
    assert re.search(said, problem.message)
    assert len(dataset) == 3


@pytest.mark.parametrize(
    ("listed", "kind", "said"),
    [
        ("11\n11\n", "duplicate id", "stands twice"),
        ("11\n../../etc/passwd\n", "unreadable line", "no picture's number"),
    ],
)
def test_the_list_of_pictures_is_judged(opened, listed, kind, said):
    dataset = opened(listed=listed)
    (problem,) = dataset.problems
    assert problem.kind == kind
    assert said in problem.message
    assert len(dataset) == 3


def test_a_phrase_that_is_not_closed_is_named(opened):
    dataset = opened(txt="[/EN#1/people Two women] see [/EN#5/other a hat .\n")
    assert [(problem.where, problem.kind, problem.kept) for problem in dataset.problems] == [
        ("11.txt, line 1", "unreadable line", True)
    ]
    assert [sample.phrase for sample in dataset] == ["Two women"]


LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    + "]><annotation>&j;</annotation>"
)
FROM_DISK = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><annotation><size>&x;</size></annotation>'


@pytest.mark.parametrize("text", [LAUGHS, FROM_DISK, "<!DOCTYPE a><annotation/>"])
def test_xml_with_a_document_type_is_refused_before_anything_of_it_is_expanded(tmp_path, text):
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(InputError, match=r"a.xml declares a document type"):
        read_plain_xml(tmp_path / "a.xml")


@pytest.mark.parametrize(
    ("name", "root", "said"),
    [
        ("flickr30k:testA", ".", "no split 'testA'; known: train, val, test"),
        ("flickr30k:val", None, "needs root="),
        ("flickr30k:val", ".", "there are no folders Annotations and Sentences in"),
    ],
)
def test_a_split_or_folder_that_is_not_there_is_refused(tmp_path, name, root, said):
    with pytest.raises(InputError, match=said):
        open_dataset(name, root=root and tmp_path)


def test_a_missing_list_and_a_split_without_any_phrase_are_refused(opened, tmp_path):
    opened()
    with pytest.raises(InputError, match=r"there is no test.txt, the list of the split's pictures"):
        open_dataset("flickr30k:test", root=tmp_path)
    with pytest.raises(InputError, match=r"no phrase of val could be read from .*: 11.xml: 11.xml is not XML"):
        opened(xml="<a>")
