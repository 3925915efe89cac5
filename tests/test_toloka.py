"""Toloka's questions: a row a question with the box of its answer, and rows that cannot be used, named by line."""

import pytest
from PIL import Image

from grounding.data.opening import open_dataset
from grounding.data.toloka import read_csv
from grounding.errors import InputError

HEAD = "image,width,height,left,top,right,bottom,question\n"
# The first row of the data card of toloka/WSDMCup2023, CC BY 4.0.
URL = "https://toloka-cdn.azureedge.net/wsdmcup2023/000000000013.jpg"
BREATH = f"{URL},640,427,129,192,155,212,What does it use to breath?\n"
COMMA = '"https://a.b/c/000000000020.jpg",100,80,1,2,30,40,"What is sharp, long\nand ""thin""?"\n'


@pytest.fixture
def read(tmp_path):
    def reader(*lines, head=HEAD, name="test_public.csv", **options):
        (tmp_path / name).write_text(head + "".join(lines))
        return read_csv(tmp_path / name, **options)

    return reader


def test_a_row_is_a_question_and_the_box_of_its_answer(read):
    dataset = read(BREATH)
    (sample,) = dataset
    assert (dataset.scoring, dataset.problems) == ("rec", ())
    assert (sample.phrase, sample.size) == ("What does it use to breath?", (640, 427))
    assert sample.truth.boxes.tolist() == [[129, 192, 155, 212]]
    assert (sample.picture.key, sample.id) == ("000000000013.jpg", "000000000013/2")
    assert sample.meta["image"].startswith("https://toloka-cdn")


def test_commas_quotes_and_line_ends_in_a_question_are_its_own(read):
    assert [sample.phrase for sample in read(COMMA, BREATH)] == [
        'What is sharp, long and "thin"?',
        "What does it use to breath?",
    ]


def test_a_split_is_found_with_its_pictures_and_its_expected_count(read, tmp_path):
    read(COMMA)
    (tmp_path / "images").mkdir()
    Image.new("RGB", (100, 80)).save(tmp_path / "images" / "COCO_train2014_000000000020.jpg")
    dataset = open_dataset("toloka:test_public", root=tmp_path)
    assert (dataset.name, dataset.expected, dataset.missing_pictures()) == ("toloka:test_public", 1705, [])
    assert dataset[0].open().size == (100, 80)
    assert len(open_dataset(tmp_path / "test_public.csv")) == 1


@pytest.mark.parametrize(
    ("line", "kind", "said"),
    [
        ("a.jpg,100,80,,,,,what?\n", "no box", "no box"),
        ("a.jpg,100,80,1,2,30,,what?\n", "not a number", "None"),
        ("a.jpg,100,80,1,2,nan,40,what?\n", "not a number", "nan"),
        ("a.jpg,100,80,1,2,x,40,what?\n", "not a number", "'x'"),
        ("a.jpg,100,80,1,2,1,40,what?\n", "empty box", "no area"),
        ("a.jpg,100,80,100,2,130,40,what?\n", "box outside", "outside its picture of 100 x 80"),
        ("a.jpg,,80,1,2,30,40,what?\n", "no size", "None x 80"),
        ("a.jpg,100,80.5,1,2,30,40,what?\n", "no size", "80.5"),
        (",100,80,1,2,30,40,what?\n", "unreadable line", "no image or no question"),
        ("a.jpg,100,80,1,2,30,40, \n", "unreadable line", "no image or no question"),
        ("a.jpg,100,80,1,2,30,40,what,now?\n", "unreadable line", "more fields than the 8 columns"),
        ("a.jpg,100,80,1,2", "unreadable line", "fewer fields than the 8 columns"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_and_the_others_are_read(read, line, kind, said):
    dataset = read(BREATH, line)
    (problem,) = dataset.problems
    assert (problem.kind, problem.where) == (kind, "test_public.csv, line 3")
    assert said in problem.message
    assert len(dataset) == 1


def test_a_quote_that_is_not_closed_takes_what_follows_with_it_and_is_named(read):
    dataset = read(BREATH, 'a.jpg,100,80,1,2,30,40,"what?\n')
    assert [problem.kind for problem in dataset.problems] == ["unreadable line"]
    assert "not CSV" in dataset.problems[0].message


@pytest.mark.parametrize(
    ("head", "lines", "said"),
    [
        (HEAD, ["a.jpg,100,80,,,,,what?\n"], "has no boxes: it is the file that was published during the contest"),
        ("image,width\n", ["a.jpg,100\n"], "lacks the column 'height'; it has image, width"),
        ("", [], "lacks the column 'image'; it has nothing"),
        (HEAD, [], "holds no question that can be read"),
        (HEAD, ["a.jpg,100,80,1,2,1,40,what?\n"], "holds no question that can be read: test_public.csv, line 2"),
    ],
)
def test_a_file_without_questions_is_refused_in_one_sentence(read, head, lines, said):
    with pytest.raises(InputError, match=said):
        read(*lines, head=head)


@pytest.mark.parametrize(
    ("name", "root", "said"),
    [
        ("toloka:test", ".", "no split 'test'; known: train, train_sample, test_public, test_private"),
        ("toloka:train", ".", "there is no train.csv in"),
        ("toloka:train", None, "needs root="),
    ],
)
def test_a_split_or_file_that_is_not_there_is_refused(tmp_path, name, root, said):
    with pytest.raises(InputError, match=said):
        open_dataset(name, root=root and tmp_path)
