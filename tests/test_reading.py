"""Answers that a model wrote elsewhere: text and sizes in, a Grounding out, in Python and on the command line."""

import io
import json

import pytest
from PIL import Image

from grounding.cli import main
from grounding.codecs import CODECS, get_codec
from grounding.codecs.reading import read
from grounding.errors import ConfigError, InputError, UnknownCodecError
from grounding.result import Grounding

PIXELS = '```json\n[{"bbox_2d": [161, 119, 322, 238], "label": "cat"}]\n```'


def test_pixels_of_the_input_become_pixels_of_the_picture():
    answer = read(PIXELS, "qwen2.5-vl", (640, 480), input_size=(644, 476))
    assert answer.regions[0].box == pytest.approx((160, 120, 320, 240))
    assert (answer.width, answer.height, answer.task) == (640, 480, "detect")
    assert answer.text == PIXELS
    assert answer.raw is None


def test_the_limits_of_the_input_do_as_well_as_its_size():
    limits = read(PIXELS, "qwen2.5-vl", (640, 480), min_pixels=3136, max_pixels=12845056)
    assert limits.regions == read(PIXELS, "qwen2.5-vl", (640, 480), input_size=(644, 476)).regions


def test_a_reader_is_chosen_by_name():
    text = "cat<loc_100><loc_250><loc_500><loc_750>"
    assert read(text, "florence-2", (1000, 1000)).regions[0].box == pytest.approx((100.5, 250.5, 500.5, 750.5))
    assert read(text, "florence-2", (1000, 1000), rounding="supervision").regions[0].box == pytest.approx(
        (100, 250, 500, 750)
    )
    with pytest.raises(ConfigError, match="no rounding 'banker'"):
        read(text, "florence-2", (1000, 1000), rounding="banker")


def test_words_with_boxes_keep_their_markup_beside_them():
    text = "<grounding> A<phrase> cat</phrase><object><patch_index_0259><patch_index_0751></object>."
    answer = read(text, get_codec("kosmos-2"), (640, 480), task="caption")
    assert (answer.text, answer.raw) == ("A cat.", text)
    assert answer.text[slice(*answer.regions[0].span)] == "cat"


def test_what_makes_no_sense_is_told():
    with pytest.raises(UnknownCodecError, match="yolo"):
        read("", "yolo", (640, 480))
    with pytest.raises(InputError, match="knows no task 'fly'"):
        read("", "gemini", (640, 480), task="fly")


# ---- on the command line


def decode(monkeypatch, capsys, text, *arguments):
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    code = main(["decode", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_a_text_from_stdin_is_printed_as_json(monkeypatch, capsys):
    code, out, _ = decode(
        monkeypatch, capsys, PIXELS, "--family", "qwen2.5-vl", "--size", "640x480", "--input-size", "644x476"
    )
    assert code == 0
    answer = json.loads(out)
    assert answer["regions"][0]["box"] == pytest.approx([160, 120, 320, 240])
    assert (answer["found"], answer["family"], answer["problems"]) == (True, "qwen2.5-vl", [])
    assert Grounding.from_json(answer).regions[0].label == "cat"


def test_boxes_are_drawn_onto_the_picture(monkeypatch, capsys, tmp_path):
    Image.new("RGB", (200, 100), "white").save(tmp_path / "photo.png")
    code, out, _ = decode(
        monkeypatch,
        capsys,
        '[{"box_2d": [250, 250, 750, 750], "label": "cat"}]',
        *("--family", "gemini", "--image", str(tmp_path / "photo.png"), "--out", str(tmp_path / "drawn.png")),
    )
    assert code == 0
    assert json.loads(out)["regions"][0]["box"] == [50, 25, 150, 75]
    drawn = Image.open(tmp_path / "drawn.png").convert("RGB")
    assert drawn.size == (200, 100)
    assert drawn.getpixel((100, 75)) != (255, 255, 255)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--family", "gemini"], "--size 640x480"),
        (["--family", "gemini", "--size", "640"], "640 is no size"),
        (["--family", "gemini", "--size", "0x480"], "0x480 is no size"),
        (["--family", "yolo", "--size", "640x480"], "no codec named 'yolo'"),
        (["--family", "qwen2.5-vl", "--size", "640x480"], "input_size"),
        (["--family", "gemini", "--size", "640x480", "--out", "drawn.png"], "--out needs the picture"),
        (["--family", "gemini", "--size", "640x480", "--rounding", "banker"], "no rounding 'banker'"),
        (["--family", "gemini", "--size", "640x480", "--task", "fly"], "no task 'fly'"),
    ],
)
def test_wrong_use_is_told_in_one_line(monkeypatch, capsys, arguments, said):
    code, out, err = decode(monkeypatch, capsys, "[]", *arguments)
    assert code == 2
    assert said in err
    assert not out


def test_a_size_that_is_not_the_pictures_is_refused(monkeypatch, capsys, tmp_path):
    Image.new("RGB", (200, 100)).save(tmp_path / "photo.png")
    code, _, err = decode(
        monkeypatch, capsys, "", "--family", "gemini", "--size", "20x10", "--image", str(tmp_path / "photo.png")
    )
    assert code == 2
    assert "20x10 is not the size" in err
    assert "200x100" in err


def test_the_list_shows_every_family_with_its_text(capsys):
    assert main(["codecs"]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [row[0] for row in rows] == list(CODECS)
    assert all("cat" in row[1] and row[2] and row[3] for row in rows)
