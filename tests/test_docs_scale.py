"""docs/scale.md runs, and prints what stands there."""

import re
from pathlib import Path

TEXT = (Path(__file__).resolve().parents[1] / "docs" / "scale.md").read_text()


def test_its_code_prints_what_stands_behind_it(capsys):
    names: dict = {}
    pairs = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", TEXT, re.S)
    assert len(pairs) == 2
    for code, printed in pairs:
        exec(code, names)
        assert capsys.readouterr().out == printed
