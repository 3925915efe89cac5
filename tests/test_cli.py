"""The command `grounding`: what it prints and leaves behind; one sentence and an exit code for every mistake."""

import errno
import json
import os
import resource
import subprocess
import sys

import pytest
from PIL import Image, ImageDraw

from grounding.cli import main

BOX = "<loc0256><loc0000><loc0768><loc1023>"
SMALL = "<loc0100><loc0200><loc0300><loc0400>"
SCRIPT = [
    {"phrase": "the red star", "answer": BOX},
    {"phrase": "stars", "answer": f"{BOX} ; {SMALL}"},
    {"phrase": "a whale", "answer": "none"},
    {"phrase": "garble", "answer": f"{BOX} ; <loc0001>"},
    {"task": "detect", "names": ["star", "ring"], "answer": f"{BOX} star ; {SMALL} ring"},
    {"task": "describe", "point": [30, 40], "answer": f"{BOX} a red star"},
    {"task": "describe", "box": [1, 2, 30, 40], "answer": "a red star"},
    {"task": "caption", "answer": f"a <p>red star</p>{BOX} on white"},
    {"task": "count", "phrase": "stars", "answer": f"2 : {BOX} ; {SMALL}"},
    {
        "task": "segment",
        "phrase": "the red star",
        "answer": "<loc0000><loc0000><loc1023><loc0000><loc1023><loc0512><loc0000><loc0512>",
    },
]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A directory with a picture and a script, and in it the test runs."""
    picture = Image.new("RGB", (200, 100), "white")
    ImageDraw.Draw(picture).rectangle((50, 25, 120, 75), fill="red")
    picture.save(tmp_path / "scene.png")
    (tmp_path / "script.jsonl").write_text("\n".join(map(json.dumps, SCRIPT)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def ask(place, capsys):
    """Runs a command against the script and gives (exit code, standard output, standard error)."""

    def run(*arguments):
        model = () if "--model" in arguments else ("--model", "scripted:script.jsonl")
        code = main([*arguments, *model])
        return code, *capsys.readouterr()

    return run


def lines_of(output):
    return [line.split("\t") for line in output.splitlines()]


# ---- answers


def test_ground_prints_a_line_for_each_region(ask):
    code, out, err = ask("ground", "scene.png", "the red star")
    assert (code, err) == (0, "")
    assert lines_of(out) == [["0.0 25.0 200.0 75.1", "-", "the red star"]]


def test_nothing_there_is_answered_in_words(ask):
    assert ask("ground", "scene.png", "a whale") == (0, "nothing there\n", "")


def test_several_phrases_are_several_answers(ask):
    code, out, _ = ask("ground", "scene.png", "the red star", "a whale")
    assert code == 0
    assert out.splitlines()[0] == "# the red star"
    assert out.splitlines()[-2:] == ["# a whale", "nothing there"]


def test_detect_prints_names(ask):
    code, out, _ = ask("detect", "scene.png", "star", "ring")
    assert code == 0
    assert [line[-1] for line in lines_of(out)] == ["star", "ring"]


def test_describe_prints_words_and_place(ask):
    code, out, _ = ask("describe", "scene.png", "--point", "30", "40")
    assert (code, out.splitlines()[0]) == (0, "a red star")
    assert ask("describe", "scene.png", "--box", "1", "2", "30", "40")[:2] == (0, "a red star\n")


def test_caption_prints_the_sentence_and_what_it_points_at(ask):
    code, out, _ = ask("caption", "scene.png")
    assert (code, out.splitlines()[0]) == (0, "a red star on white")
    assert lines_of(out)[1][-1] == "red star"


def test_count_prints_the_number_first(ask):
    code, out, _ = ask("count", "scene.png", "stars")
    assert (code, out.splitlines()[0]) == (0, "2")
    assert len(out.splitlines()) == 3


def test_segment_gives_polygons_in_json(ask):
    code, out, _ = ask("segment", "scene.png", "the red star", "--json")
    assert code == 0
    assert json.loads(out)["regions"][0]["mask"]


def test_json_holds_what_is_promised(ask):
    code, out, err = ask("ground", "scene.png", "stars", "--json")
    answer = json.loads(out)
    assert (code, err, len(out.splitlines())) == (0, "", 1)
    promised = {"phrase", "regions", "text", "problems", "found", "width", "height", "model", "seconds"}
    assert promised <= set(answer)
    assert {"box", "label", "score"} <= set(answer["regions"][0])
    assert (answer["found"], answer["width"], answer["height"]) == (True, 200, 100)


def test_json_of_several_phrases_is_a_line_each(ask):
    _, out, _ = ask("ground", "scene.png", "stars", "a whale", "--json")
    assert [json.loads(line)["found"] for line in out.splitlines()] == [True, False]


def test_what_the_model_wrote_badly_is_told_and_still_an_answer(ask):
    code, out, _ = ask("ground", "scene.png", "garble", "--json")
    assert code == 0
    assert json.loads(out)["problems"][0]["kind"] == "truncated"


def test_out_draws_the_answer(ask, place):
    code, out, _ = ask("ground", "scene.png", "the red star", "--out", "answer.png")
    assert code == 0
    assert out.splitlines()[-1] == "drawn to answer.png"
    with Image.open(place / "answer.png") as drawn, Image.open(place / "scene.png") as scene:
        assert drawn.size == (200, 100)
        assert drawn.convert("RGB").tobytes() != scene.convert("RGB").tobytes()


def test_out_of_several_phrases_is_a_sheet(ask, place):
    assert ask("ground", "scene.png", "the red star", "a whale", "--out", "answer.jpg", "--json")[0] == 0
    with Image.open(place / "answer.jpg") as drawn:
        assert drawn.width > 300


def test_models_lists_every_kind_of_name(capsys):
    assert main(["models"]) == 0
    out = capsys.readouterr().out
    assert "scripted:FILE.jsonl" in out
    assert "DIRECTORY" in out


# ---- data sets


def test_data_draw_writes_pictures_and_what_is_true_of_them(place, capsys):
    assert main(["data", "draw", "--n", "3", "--out", "drawn", "--seed", "70", "--size", "96"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("3 pictures with ")
    assert err == ""
    rows = [json.loads(line) for line in (place / "drawn" / "samples.jsonl").read_text().splitlines()]
    promised = {"image", "width", "height", "task", "phrase", "prompt", "answer", "boxes", "labels", "point", "seed"}
    assert promised <= set(rows[0])
    assert {row["seed"] for row in rows} == {70, 71, 72}
    for row in rows:
        with Image.open(place / "drawn" / row["image"]) as picture:
            assert picture.size == (row["width"], row["height"]) == (96, 96)
    assert json.loads((place / "drawn" / "instances.json").read_text())["annotations"]
    assert (place / "drawn" / "refs.json").is_file()


def test_data_draw_uses_the_cut_outs_of_a_folder(place, capsys):
    (place / "stickers").mkdir()
    cut_out = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    ImageDraw.Draw(cut_out).ellipse((2, 2, 37, 37), fill=(200, 40, 40, 255))
    cut_out.save(place / "stickers" / "rubber_duck.png")
    line = ["data", "draw", "--n", "4", "--out", "drawn", "--sprites", "stickers", "--sprite-share", "1"]
    assert main(line) == 0
    assert "rubber duck" in (place / "drawn" / "samples.jsonl").read_text()


def test_drawn_answers_script_the_same_boxes(place, capsys):
    """What `data draw` writes can be asked back: prompts, answers and boxes belong together."""
    assert main(["data", "draw", "--n", "1", "--out", "drawn", "--seed", "5"]) == 0
    rows = [json.loads(line) for line in (place / "drawn" / "samples.jsonl").read_text().splitlines()]
    located = [row for row in rows if row["task"] == "locate"]
    (place / "answers.jsonl").write_text("\n".join(map(json.dumps, located)))
    for row in located:
        capsys.readouterr()
        line = ["ground", f"drawn/{row['image']}", row["phrase"], "--json", "--model", "scripted:answers.jsonl"]
        assert main(line) == 0
        regions = json.loads(capsys.readouterr().out)["regions"]
        seen = [edge for region in regions for edge in region["box"]]
        assert seen == pytest.approx([edge for box in row["boxes"] for edge in box], abs=row["width"] / 1023)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--n", "0", "--out", "drawn"], 2, "0 is not 1 or more"),
        (["--n", "few", "--out", "drawn"], 2, "invalid int value: 'few'"),
        (["--n", "1", "--out", "drawn", "--seed", "-1"], 2, "-1 is not 0 or more"),
        (["--n", "1", "--out", "drawn", "--sprite-share", "2"], 2, "2 is not 0 to 1"),
        (["--n", "1", "--out", "drawn", "--sprites", "none"], 2, "no folder 'none'"),
        (["--n", "1", "--out", "scene.png"], 1, "not a directory"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_data_draw_refuses_what_cannot_be_drawn(place, capsys, arguments, code, says):
    assert main(["data", "draw", *arguments]) == code
    assert says in capsys.readouterr().err


def test_data_draw_never_draws_over_a_data_set(place, capsys):
    assert main(["data", "draw", "--n", "1", "--out", "drawn"]) == 0
    before = (place / "drawn" / "samples.jsonl").read_bytes()
    assert main(["data", "draw", "--n", "2", "--out", "drawn"]) == 1
    assert "holds a data set already" in capsys.readouterr().err
    assert (place / "drawn" / "samples.jsonl").read_bytes() == before


# ---- training

TINY = "--batch-size 2 --phrases 4 --width 64 --vision-layers 1 --text-layers 1 --image-size 96 --vocab-size 2048"
TINY += " --eval-pictures 2 --workers 0 --dense-steps 1 --warmup-steps 1 --decay-steps 1"


@pytest.mark.slow
def test_train_scenes_trains_goes_on_and_leaves_a_model_to_ask(place, capsys):
    line = ["train", "scenes", "--out", "run", *TINY.split()]
    assert main([*line, "--steps", "2", "--save-every", "1"]) == 0
    assert "the model lies in run/model" in capsys.readouterr().out
    assert main([*line, "--steps", "3"]) == 0
    steps = [json.loads(row)["step"] for row in (place / "run" / "log.jsonl").read_text().splitlines()]
    assert max(steps) == 3
    assert steps == sorted(steps)
    capsys.readouterr()
    assert main(["ground", "scene.png", "the red star", "--model", "run/model", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["model"] == "run/model"


def test_train_scenes_explains_every_setting(capsys):
    from dataclasses import fields

    from grounding.training.config import TrainingConfig

    assert main(["train", "scenes", "--help"]) == 0
    told = capsys.readouterr().out
    for field in fields(TrainingConfig):
        assert f"--{field.name.replace('_', '-')} " in told


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--steps", "0"], "steps is 0"),
        (["--image-size", "100"], "multiple of 16"),
        (["--steps", "many"], "invalid int"),
    ],
)
def test_train_scenes_refuses_settings_that_make_no_sense(place, capsys, arguments, says):
    assert main(["train", "scenes", *arguments]) == 2
    assert says in capsys.readouterr().err
    assert not (place / "runs").exists()


# ---- mistakes: one sentence on standard error, and an exit code


@pytest.fixture(scope="module")
def huge(tmp_path_factory):
    """A picture over the limit of pixels."""
    path = tmp_path_factory.mktemp("huge") / "huge.png"
    Image.new("1", (15_000, 10_000)).save(path)
    return path


@pytest.fixture
def mistakes(place, huge):
    (place / "words.png").write_text("this is not a picture")
    (place / "cut.png").write_bytes((place / "scene.png").read_bytes()[:90])
    (place / "empty.png").write_bytes(b"")
    (place / "huge.png").symlink_to(huge)
    (place / "foreign").mkdir()
    (place / "foreign" / "config.json").write_text('{"model_type": "bert"}')
    (place / "bare").mkdir()
    return place


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["ground", "no.png", "a"], 2, "no.png"),
        (["ground", ".", "a"], 2, ""),
        (["ground", "words.png", "a"], 2, "words.png"),
        (["ground", "cut.png", "a"], 2, "cut.png"),
        (["ground", "empty.png", "a"], 2, "empty.png"),
        (["ground", "huge.png", "a"], 2, "pixels"),
        (["ground", "scene.png", ""], 2, "empty"),
        (["ground", "scene.png", "   "], 2, "empty"),
        (["detect", "scene.png", ""], 2, "empty"),
        (["detect", "scene.png", "a;b"], 2, "semicolon"),
        (["describe", "scene.png", "--point", "300", "40"], 2, "outside the picture of 200 x 100"),
        (["describe", "scene.png", "--point", "-5", "40"], 2, "outside the picture of 200 x 100"),
        (["describe", "scene.png", "--box", "10", "10", "250", "90"], 2, "clip it to (10, 10, 200, 90)"),
        (["ground", "scene.png", "a", "--model", "gpt-7"], 2, "known: "),
        (["ground", "scene.png", "a", "--model", "foreign"], 2, "'bert'"),
        (["ground", "scene.png", "a", "--model", "bare"], 1, "config.json"),
        (["ground", "scene.png", "a", "--model", "scripted:no.jsonl"], 2, "no.jsonl"),
        (["ground", "scene.png", "a cat"], 1, "no answer to locate a cat"),
        (["ground", "scene.png", "stars", "--out", "no/answer.png"], 1, "no directory no"),
        (["ground", "scene.png", "stars", "--out", "answer"], 2, ".png"),
        (["ground", "scene.png", "stars", "--out", "answer.txt"], 2, ".png"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_mistake_is_answered_in_one_sentence(ask, mistakes, arguments, code, says):
    seen, out, err = ask(*arguments)
    assert (seen, out) == (code, "")
    assert err.startswith("grounding: ")
    assert len(err.splitlines()) == 1
    assert len(err) < 400
    assert "Traceback" not in err
    assert says in err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["sing"],
        ["ground"],
        ["ground", "scene.png"],
        ["detect", "scene.png"],
        ["describe", "scene.png"],
        ["describe", "scene.png", "--point", "a", "b"],
        ["describe", "scene.png", "--point", "1", "2", "--box", "1", "2", "3", "4"],
        ["ground", "scene.png", "a", "--dtype", "int3"],
    ],
    ids=" ".join,
)
def test_wrong_use_is_exit_code_two(place, capsys, arguments):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "usage: grounding" in err


def test_debug_shows_where_it_failed(ask):
    with pytest.raises(Exception, match="a whale of a time"):
        ask("ground", "scene.png", "a whale of a time", "--debug")


def test_failed_writing_leaves_no_half_a_picture(ask, place):
    (place / "answer.png").mkdir()
    code, _, err = ask("ground", "scene.png", "stars", "--out", "answer.png")
    assert code == 1
    assert "answer.png can't be written" in err
    assert sorted(path.name for path in place.iterdir()) == ["answer.png", "scene.png", "script.jsonl"]


# ---- as a process


def command(*arguments, **options):
    line = [sys.executable, "-m", "grounding", *arguments]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False, **options)


def test_no_space_for_the_picture_is_one_sentence(place):
    def little_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    line = ["ground", "scene.png", "stars", "--model", "scripted:script.jsonl", "--out", "answer.png"]
    done = command(*line, cwd=place, preexec_fn=little_room, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"answer.png can't be written ({os.strerror(errno.EFBIG)})" in done.stderr
    assert not list(place.glob(".*part*"))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_no_space_for_the_json_is_one_sentence(place):
    line = f"{sys.executable} -m grounding ground scene.png stars --json --model scripted:script.jsonl > /dev/full"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60, check=False, cwd=place)
    assert done.returncode == 1
    assert done.stderr == f"grounding: can't write the output: {os.strerror(errno.ENOSPC)}\n"


def test_reader_that_leaves_early_is_no_complaint(place):
    line = f"{sys.executable} -m grounding ground scene.png stars --model scripted:script.jsonl | true"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60, check=False, cwd=place)
    assert done.stderr == ""


def test_help_takes_under_three_tenths_of_a_second():
    """In processor time, which is the time it takes on a machine that does nothing else."""

    def seconds():
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert command("--help").returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(seconds() for _ in range(5)) < 0.3


def test_version_is_printed():
    from grounding import __version__

    assert command("--version").stdout == f"grounding {__version__}\n"


def test_every_command_explains_itself(capsys):
    for name in ("ground", "detect", "describe", "caption", "count", "segment", "models"):
        assert main([name, "--help"]) == 0
        assert f"grounding {name}" in capsys.readouterr().out


def test_emoji_become_named_cut_outs(tmp_path, monkeypatch, capsys):
    from grounding.data.scenes.emoji import EMOJI_FONT
    from grounding.data.scenes.sprites import SpriteSet

    if not EMOJI_FONT.is_file():
        pytest.skip(f"there is no colour-emoji font at {EMOJI_FONT}")
    monkeypatch.chdir(tmp_path)
    assert main(["data", "emoji", "--out", "stickers"]) == 0
    assert "cut-outs in stickers" in capsys.readouterr().out
    assert {"pizza", "dog", "bicycle"} <= set(SpriteSet.from_folder(tmp_path / "stickers").names)


def test_emoji_without_a_font_say_what_to_install(tmp_path, capsys):
    assert main(["data", "emoji", "--out", str(tmp_path / "s"), "--font", str(tmp_path / "none.ttf")]) == 2
    assert "fonts-noto-color-emoji" in capsys.readouterr().err


def test_a_message_cannot_steer_the_terminal(place, capsys):
    assert main(["predict", "no\x1b[31m\nsuch", "--out", "x.jsonl"]) == 2
    err = capsys.readouterr().err
    assert "\x1b" not in err
    assert err.count("\n") == 1
