"""In a terminal a data set's summary is set for people, and no words of a file steer the terminal."""

import io

from rich.console import Console

from grounding.cli.datasets_shown import render, show_readers, show_summary
from grounding.data.dataset import DataProblem
from grounding.data.opening import READERS
from grounding.data.summary import Summary


def summary(**changes):
    made = Summary("refcoco:testA", "refs of the refer toolbox", "rec", 5_657, False, samples=5_655, pictures=750)
    made.regions, made.fingerprint = 5_655, "0123456789abcdef"
    made.sizes.update(small=5, medium=650, large=5_000)
    made.words.update({3: 5_000, 7: 655})
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def shown(made, width=100):
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None, highlight=False)
    render(made, console)
    return console.file.getvalue()


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_counts_stand_beside_the_published_ones():
    assert "5,655  5,657 published" in shown(summary())
    assert "5,657  ✓ as published" in shown(summary(samples=5_657))
    assert "published" not in shown(summary(expected=None))


def test_missing_pictures_are_counted_and_the_first_are_named():
    text = shown(summary(missing=[f"{number}.jpg" for number in range(12)]))
    assert "750  12 missing" in text
    assert "0.jpg, 1.jpg, 2.jpg and 9 more" in text
    assert "750  ✓ all there" in shown(summary())


def test_a_size_that_is_there_at_all_has_a_cell_of_the_bar():
    (line,) = (line for line in shown(summary()).splitlines() if "sizes" in line)
    assert line.count("█") == 24
    assert "small 0%  medium 11%  large 88%" in line


def test_problems_are_counted_by_kind_with_the_first_of_each():
    problems = tuple(DataProblem("empty box", f"number {n}", "refs.json", entry=n) for n in (4, 5))
    kept = DataProblem("overhanging box", "by 3 px", "refs.json", entry=9, kept=True)
    text = shown(summary(problems=(kept, *problems)))
    rows = [line.split() for line in text.splitlines() if "refs.json" in line and "box" in line]
    assert [row[:4] for row in rows] == [["empty", "box", "2", "–"], ["overhanging", "box", "1", "1"]]
    assert "refs.json, entry 4 number 4" in text


def test_notes_stand_last():
    assert "! the split is not the published one" in shown(summary(notes=("the split is not the published one",)))


def test_nothing_breaks_where_there_is_nothing_to_count():
    empty = Summary("a", "b", "rec", None, False)
    assert "samples" in shown(empty)
    assert "sizes" not in shown(empty)


def test_words_of_a_file_cannot_steer_the_terminal():
    text = shown(summary(name="a\x1b[2Jb", notes=("c\nd\x07",)))
    assert "\x1b[2J" not in text
    assert "c d\ufffd" in text


def test_a_narrow_terminal_folds_and_cuts_nothing():
    note = "a sentence that is much longer than the terminal is wide"
    text = " ".join(shown(summary(notes=(note,), missing=["x" * 60]), width=40).split())
    assert note in text
    assert text.replace(" ", "").count("x" * 60) == 1


def test_all_names_are_listed_in_a_terminal_and_in_a_pipe():
    terminal, pipe = Terminal(), io.StringIO()
    show_readers(terminal)
    show_readers(pipe)
    for name, reader in READERS.items():
        assert name in terminal.getvalue()
        assert f"{reader.form}\t{reader.what}\n" in pipe.getvalue()


def test_a_terminal_gets_the_designed_form_and_a_pipe_a_line_a_fact():
    terminal, pipe = Terminal(), io.StringIO()
    show_summary(summary(), terminal)
    show_summary(summary(), pipe)
    assert "\t" not in terminal.getvalue()
    assert pipe.getvalue().startswith("name\trefcoco:testA\nsource\trefs of the refer toolbox\nsamples\t5,655 (")
    assert "words a phrase\t3.5 (3 to 7)\n" in pipe.getvalue()
