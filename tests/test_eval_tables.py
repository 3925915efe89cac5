"""Tables of figures: Markdown that can be pasted, and nothing made up where nothing was measured."""

import io
import re

from eval.tables import Row, Table, markdown, percent, plain, print_table
from grounding.metrics.base import Figure

TABLE = Table(
    "RefCOCO",
    ["Acc@0.5", "val", "testA"],
    [Row("ours | mine", ["93.4 (92.9-93.9)", "–"], ours=True), Row("a paper", ["90.0", "92.5"])],
    ["protocol iou"],
)


def test_a_share_is_printed_in_percent_with_its_interval():
    assert percent(Figure(0.9344, 0.929, 0.9391, 100)) == "93.4 (92.9-93.9)"
    assert percent(Figure(0.9344)) == "93.4"


def test_what_was_not_measured_is_a_dash():
    assert percent(None) == percent(Figure(None)) == plain(None) == "–"


def test_a_value_that_is_no_share_is_printed_as_it_is():
    assert plain(Figure(1.234, 1.1, 1.35, 9)) == "1.23 (1.10-1.35)"


def test_markdown_has_a_line_a_row_and_no_broken_cells():
    lines = markdown(TABLE).splitlines()
    assert lines[0] == "## RefCOCO"
    assert lines[2:6] == [
        "| Acc@0.5 | val | testA |",
        "| --- | --- | --- |",
        "| **ours / mine** | 93.4 (92.9-93.9) | – |",
        "| a paper | 90.0 | 92.5 |",
    ]
    assert "- protocol iou" in lines


def test_a_terminal_gets_the_same_figures():
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    print_table(TABLE, stream)
    for figure in ("93.4", "92.9-93.9", "90.0", "92.5", "protocol iou"):
        assert figure in stream.getvalue()


def test_in_a_narrow_terminal_columns_stand_below_each_other_and_no_number_is_folded(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    columns = [f"RefCOCO{plus} {split}" for plus in ("", "+") for split in ("val", "testA", "testB")]
    figures = [f"{90 + n}.{n} (89.{n}-95.{n})" for n in range(6)]
    rows = [Row("grounding (this package)", figures, ours=True), Row("a paper of some years ago", ["70.25"] * 6)]
    for width in (60, 80, 120, 200):
        monkeypatch.setenv("COLUMNS", str(width))
        stream = Terminal()
        print_table(Table("acc@0.5", ["model", *columns], rows), stream)
        text = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())
        assert max(map(len, text.splitlines())) <= width
        words = text.split()
        for number in range(6):
            assert f"{90 + number}.{number}" in words
            assert f"89.{number}-95.{number}" in words
        assert words.count("70.25") == 6
    assert text.count("grounding (this package)") == 1
