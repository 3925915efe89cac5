"""predict(): a run that is stopped anywhere and started again gives what an uninterrupted one gives, to the line."""

import random
import signal
import time

import pytest

import grounding
from grounding.backends.base import Question
from grounding.backends.scripted import Scripted, open_script
from grounding.data.dataset import Dataset, StreamedDataset
from grounding.data.opening import open_dataset
from grounding.data.predictions import read_predictions
from grounding.errors import BackendError, ConfigError, InputError, OutputError
from grounding.predict import predict
from tests.predicting import Moody, data, lines_in, rows, run, start, wait_for, write_data


@pytest.fixture
def folder(tmp_path):
    write_data(tmp_path)
    return tmp_path


def script(folder):
    return f"scripted:{folder / 'script.jsonl'}"


def plain(folder, **options):
    """The rows of an uninterrupted run."""
    out = folder / "plain.jsonl"
    predict(data(folder), script(folder), out, **{"batch": 4, **options})
    return rows(out)


def errors(path):
    return {row.id: row.error for row in read_predictions(path).rows if row.answer is None}


# ---- a run


def test_every_question_has_its_line_in_the_order_of_the_plan(folder):
    out = folder / "out.jsonl"
    summary = predict(data(folder), script(folder), out, batch=4)
    read = read_predictions(out)
    assert [row.id for row in read.rows] == [f"{picture}-{phrase}" for picture in range(10) for phrase in range(3)]
    assert [row.chunk for row in read.rows][:9] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert read.finished
    assert read.problems == ()
    assert (summary.samples, summary.answered, summary.failed, summary.empty) == (30, 30, 0, 6)
    assert (summary.asked, summary.unreadable, summary.first_error, summary.path) == (30, 0, None, str(out))


def test_answers_are_those_of_asking_by_hand(folder):
    plain(folder)
    model = open_script(folder / "script.jsonl")
    for row in read_predictions(folder / "plain.jsonl").rows:
        by_hand = model.ground(folder / row.picture, row.phrase)
        assert (row.answer.regions, row.answer.text) == (by_hand.regions, by_hand.text)


def test_the_header_says_all_that_a_figure_has_to_state(folder):
    header, *_ = plain(folder, seed=3)
    dataset = data(folder)
    assert header["dataset"] == dataset.name
    assert (header["samples"], header["fingerprint"], header["scoring"]) == (30, dataset.fingerprint, "rec")
    assert (header["codec"], header["rounding"], header["seed"]) == ("location", "official", 3)
    assert header["model"] == script(folder)
    assert header["prompt"] == "locate thing 0 of 0"
    assert header["options"] == {"batch": 4}
    assert set(header["versions"]) == {"python", "grounding", "torch", "transformers"}


def test_a_run_that_is_done_asks_nothing_when_it_is_started_again(folder):
    out = folder / "out.jsonl"
    model = Moody(folder)
    predict(data(folder), model, out)
    before = out.read_bytes()
    model.calls.clear()
    assert predict(data(folder), model, out).asked == 0
    assert (model.calls, out.read_bytes()) == ([], before)


def test_a_file_cut_anywhere_is_gone_on_with_to_the_same_file(folder):
    expected = plain(folder)
    whole = (folder / "plain.jsonl").read_bytes()
    out = folder / "out.jsonl"
    for end in sorted({*range(0, len(whole), 997), *(at for at, byte in enumerate(whole, 1) if byte == 10)}):
        out.write_bytes(whole[:end])
        predict(data(folder), script(folder), out, batch=4)
        assert rows(out) == expected


def test_killed_at_any_moment_it_finishes_with_the_same_file(folder):
    expected = plain(folder)
    out = folder / "out.jsonl"
    arguments = ("predict", folder / "data.jsonl", "--model", f"slow:{folder / 'script.jsonl'}", "--out", out)
    chance, kills, seen = random.Random(7), 0, [0]
    while lines_in(out) < 31:
        process = start(*arguments, "--batch", 4)
        before = lines_in(out)
        wait_for(lambda grown=before, process=process: lines_in(out) > grown or process.poll() is not None)
        time.sleep(chance.random() * 0.1)
        if process.poll() is None and kills < 4:
            process.send_signal(signal.SIGKILL)
            kills += 1
            seen.append(lines_in(out))
        process.wait()
    assert kills == 4
    assert seen == sorted(seen), "what was written stays written"
    assert rows(out) == expected
    assert sorted(path.name for path in folder.iterdir()) == [
        "data.jsonl",
        "out.jsonl",
        "pictures",
        "plain.jsonl",
        "script.jsonl",
    ]


def test_answers_of_the_shipped_model_do_not_depend_on_where_a_run_was_stopped(tmp_path):
    drawn = open_dataset("scenes:attribute").take(12)
    whole, cut = tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    model = grounding.load(device="cpu")
    predict(drawn, model, whole, batch=3)
    text = whole.read_bytes()
    cut.write_bytes(text[: len(text) * 2 // 3])
    assert 0 < predict(drawn, model, cut, batch=3).asked < 12
    assert rows(cut) == rows(whole)
    assert all(row.answer.found for row in read_predictions(whole).rows[:3])


def test_a_checkpoint_that_was_trained_on_is_another_model(tmp_path, folder):
    from tests import tiny

    def save(seed):
        tiny.model(seed).save_pretrained(tmp_path / "tiny")
        tiny.processor().save_pretrained(tmp_path / "tiny")

    save(0)
    first = data(folder).take(3)
    predict(first, tmp_path / "tiny", tmp_path / "out.jsonl", device="cpu")
    header = rows(tmp_path / "out.jsonl")[0]
    assert (header["options"]["device"], header["options"]["dtype"]) == ("cpu", "float32")
    save(1)
    with pytest.raises(InputError, match=r"options\.weights was .* and is "):
        predict(first, tmp_path / "tiny", tmp_path / "out.jsonl", device="cpu")


def test_half_a_character_in_an_answer_survives(folder):
    model = Scripted([(Question("locate"), "what? \ud83d")])
    out = folder / "out.jsonl"
    assert predict(data(folder), model, out).unreadable == 30
    assert {row.answer.text for row in read_predictions(out).rows} == {"what? \ud83d"}
    assert predict(data(folder), model, out).asked == 0


# ---- other runs, other places


def test_another_batch_size_is_another_run(folder):
    plain(folder)
    with pytest.raises(InputError, match=r"options\.batch was 4 and is 5.*give another --out, or --restart"):
        predict(data(folder), script(folder), folder / "plain.jsonl", batch=5)
    assert predict(data(folder), script(folder), folder / "plain.jsonl", batch=5, restart=True).asked == 30


def test_another_data_set_is_another_run(folder):
    plain(folder)
    with pytest.raises(InputError, match="fingerprint was"):
        predict(data(folder).take(5), script(folder), folder / "plain.jsonl", batch=4)


@pytest.mark.parametrize(
    ("out", "said"), [("nowhere/out.jsonl", "there is no directory"), ("pictures", "is a directory: name a file")]
)
def test_a_place_to_write_is_looked_at_before_anything_is_asked(folder, out, said):
    model = Moody(folder)
    with pytest.raises(OutputError, match=said):
        predict(data(folder), model, folder / out)
    assert model.calls == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"batch": 0}, "batch is 0"),
        ({"restart": True, "retry_failed": True}, "give one of them"),
        ({"ray_workers": 2}, "only beside ray"),
    ],
)
def test_settings_that_make_no_sense_are_named(folder, options, said):
    with pytest.raises(ConfigError, match=said):
        predict(data(folder), script(folder), folder / "out.jsonl", **options)


# ---- failures


def test_a_failed_question_is_written_down_and_retried_alone(folder):
    out = folder / "out.jsonl"
    model = Moody(folder, bad=("thing 1 of 2", "thing 0 of 7"))
    summary = predict(data(folder), model, out, batch=4)
    assert (summary.answered, summary.failed, summary.first_error) == (28, 2, "it is in a mood")
    assert errors(out) == {"2-1": "it is in a mood", "7-0": "it is in a mood"}
    assert predict(data(folder), model, out, batch=4).asked == 0

    model.bad, model.calls = (), []
    summary = predict(data(folder), model, out, batch=4, retry_failed=True)
    assert model.calls == [["thing 1 of 2"], ["thing 0 of 7"]]
    assert (summary.asked, summary.answered, summary.failed) == (2, 30, 0)
    assert rows(out)[1:] == plain(folder)[1:]
    assert list(folder.glob("out.jsonl?*")) == []


def test_a_question_that_fails_again_has_the_newer_reason(folder):
    out = folder / "out.jsonl"
    model = Moody(folder, bad=("thing 1 of 2",))
    predict(data(folder), model, out)
    model.error = BackendError("it is in another mood")
    predict(data(folder), model, out, retry_failed=True)
    assert errors(out) == {"2-1": "it is in another mood"}
    assert len(rows(out)) == 31


def test_retrying_also_asks_what_is_missing(folder):
    out = folder / "out.jsonl"
    model = Moody(folder, bad=("thing 1 of 2",))
    predict(data(folder), model, out, batch=4)
    lines = out.read_bytes().splitlines(keepends=True)
    out.write_bytes(b"".join(lines[:20]))
    model.bad = ()
    predict(data(folder), model, out, batch=4, retry_failed=True)
    assert rows(out)[1:] == plain(folder)[1:]


def test_a_retry_killed_in_the_middle_loses_nothing(folder):
    out = folder / "out.jsonl"
    slow = ("predict", folder / "data.jsonl", "--model", f"slow:{folder / 'script.jsonl'}", "--out", out)
    away = folder.with_name(f"{folder.name}-away")
    away.mkdir()
    for number in range(5):
        (folder / "pictures" / f"{number}.png").rename(away / f"{number}.png")
    assert run(*slow, "--batch", 3).returncode == 0
    assert len(errors(out)) == 15
    for number in range(5):
        (away / f"{number}.png").rename(folder / "pictures" / f"{number}.png")
    part = folder / "out.jsonl.part-retry"
    process = start(*slow, "--batch", 3, "--retry-failed", SLOW_SECONDS="0.3")
    wait_for(lambda: lines_in(part) > 3)
    process.kill()
    process.wait()
    assert len(errors(out)) == 15, "the file itself is as it was"
    assert run(*slow, "--batch", 3).returncode == 0
    assert 0 < len(errors(out)) < 15, "what was asked again is taken in"
    assert run(*slow, "--batch", 3, "--retry-failed").returncode == 0
    assert rows(out)[1:] == plain(folder, batch=3)[1:]
    assert not part.exists()


def test_a_model_that_fails_from_the_start_leaves_no_garbage(folder):
    out = folder / "out.jsonl"
    model = Moody(folder, bad=("thing",))
    with pytest.raises(BackendError, match=r"8 questions in a row failed.*holds 0 of 30 questions.*--give-up-after 0"):
        predict(data(folder), model, out, batch=3, give_up_after=8)
    assert rows(out)[1:] == []
    model.bad = ()
    predict(data(folder), model, out, batch=3, give_up_after=8)
    assert rows(out)[1:] == plain(folder, batch=3)[1:]


def test_a_model_that_breaks_in_the_middle_keeps_what_it_answered(folder):
    out = folder / "out.jsonl"
    model = Moody(folder, bad=("of 4", "of 5", "of 6", "of 7", "of 8"))
    with pytest.raises(BackendError, match=r"8 questions in a row failed; the last: .*holds 12 of 30 questions"):
        predict(data(folder), model, out, batch=3, give_up_after=8)
    assert [row["id"] for row in rows(out)[1:]] == [
        f"{picture}-{phrase}" for picture in range(4) for phrase in range(3)
    ]
    assert errors(out) == {}


def test_failures_between_answers_are_written_down_in_order(folder):
    out = folder / "out.jsonl"
    predict(data(folder), Moody(folder, bad=("of 4", "of 5")), out, batch=3, give_up_after=8)
    assert [row["id"] for row in rows(out)[1:]] == [row["id"] for row in plain(folder, batch=3)[1:]]
    assert len(errors(out)) == 6


def test_missing_pictures_are_told_beforehand_and_fail_by_name(folder, capsys):
    (folder / "pictures" / "4.png").unlink()
    out = folder / "out.jsonl"
    summary = predict(data(folder), script(folder), out, progress=True)
    assert "1 of 10 pictures are not there ('pictures/4.png')" in capsys.readouterr().err
    assert (summary.header.missing_pictures, summary.failed) == (1, 3)
    assert "'pictures/4.png' is not here" in summary.first_error


def test_nothing_is_asked_where_all_pictures_are_missing(folder):
    for path in (folder / "pictures").iterdir():
        path.unlink()
    model = Moody(folder)
    with pytest.raises(InputError, match=r"none of the 10 pictures of .* is there .*give --images"):
        predict(data(folder), model, folder / "out.jsonl")
    assert model.calls == []
    assert not (folder / "out.jsonl").exists()


def test_a_model_that_knows_no_such_task_is_told_before_anything_is_asked(folder):
    model = Moody(folder)
    counting = Dataset("counting", [type(s)(s.image, s.phrase, s.truth, s.id, task="segment") for s in data(folder)])
    model.codec = grounding.get_codec("kosmos2")
    with pytest.raises(InputError, match="moody knows no task 'segment', which is all that counting asks"):
        predict(counting, model, folder / "out.jsonl")


def test_an_empty_data_set_is_refused(folder):
    with pytest.raises(InputError, match="holds no question"):
        predict(Dataset("nothing", []), script(folder), folder / "out.jsonl")


def test_ctrl_c_leaves_a_file_to_go_on_with(folder):
    out = folder / "out.jsonl"
    model = Moody(folder, bad=("of 5",), error=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        predict(data(folder), model, out, batch=3)
    assert len(rows(out)) == 16
    model.bad = ()
    predict(data(folder), model, out, batch=3)
    assert rows(out)[1:] == plain(folder, batch=3)[1:]


# ---- streams


def streamed(folder):
    samples = sorted(data(folder), key=lambda sample: int(sample.id[0]))
    return StreamedDataset("hub:a/b:val", lambda problems: iter(samples), identity="r1")


def test_a_stream_is_asked_to_its_end_and_the_header_then_says_how_long_it_was(folder):
    out = folder / "out.jsonl"
    model = Moody(folder, bad=("of 6",), error=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        predict(streamed(folder), model, out, batch=4)
    assert read_predictions(out).header.samples is None
    assert not read_predictions(out).finished
    model.bad = ()
    assert predict(streamed(folder), model, out, batch=4).asked == 12
    read = read_predictions(out)
    assert (read.header.samples, read.finished) == (30, True)
    assert rows(out)[1:] == plain(folder)[1:]
    assert predict(streamed(folder), model, out, batch=4).asked == 0
