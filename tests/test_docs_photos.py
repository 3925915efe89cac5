"""docs/photos.md: its commands parse, its lines are read, its flags and files are there."""

import re
import shlex
from pathlib import Path

import pytest

from grounding.cli import _parser
from grounding.data.photos.labels import read_labels
from grounding.training.photos.config import PhotosConfig

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs" / "photos.md").read_text(encoding="utf-8")
COMMANDS = [line[2:] for block in re.findall(r"```console\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines()]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_parse(command):
    program, *arguments = shlex.split(command)
    assert program == "grounding"
    if "--help" in arguments:
        with pytest.raises(SystemExit, match="0"):
            _parser(arguments).parse_args(arguments)
    else:
        _parser(arguments).parse_args(arguments)


def test_the_line_of_labels_is_read(tmp_path):
    (line,) = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)
    (tmp_path / "detections.jsonl").write_text(line)
    (labels,) = read_labels(tmp_path / "detections.jsonl").values()
    assert labels.boxes[0].name == "bowl"


def test_flags_and_files_are_there():
    fields = set(PhotosConfig.__dataclass_fields__)
    assert {flag.replace("-", "_") for flag in re.findall(r"`--([\w-]+)", TEXT)} <= fields
    for path in re.findall(r"`((?:grounding|benchmarks)/[\w/]+\.py)`", TEXT):
        assert (ROOT / path).is_file()
