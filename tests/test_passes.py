"""What a pass learns from: bad lessons give way to the next readable ones and are named; processes share steps out."""

import json

import pytest
from PIL import Image

from grounding.data.lessons.mixture import Mixture
from grounding.data.lessons.opening import open_source
from grounding.errors import ConfigError, InputError
from grounding.training.lesson_rows import LessonCollator
from grounding.training.passes import NOTES, MixtureDataset, PassCollator, Positions, share_of
from tests import tiny


def mixture(folder, bad=()):
    """Eight pictures with a box each; of those numbered in `bad` the file is cut off."""
    lines = []
    for number in range(8):
        path = folder / f"{number}.png"
        Image.new("RGB", (60, 40), (30 * number, 90, 120)).save(path)
        if number in bad:
            path.write_bytes(path.read_bytes()[:40])
        line = {"image": path.name, "phrase": "square", "boxes": [[5, 5, 20, 20]], "width": 60, "height": 40}
        lines.append(json.dumps({"id": str(number), **line}))
    (folder / "boxes.jsonl").write_text("\n".join(lines))
    return Mixture([(1.0, open_source(folder / "boxes.jsonl", images=folder))])


def passed(mixed, positions):
    dataset, collate = MixtureDataset(mixed), PassCollator(LessonCollator(tiny.processor()))
    batch = collate([dataset[position] for position in positions])
    return batch, batch.pop(NOTES)


def test_an_unreadable_picture_gives_way_to_the_next_and_is_named(tmp_path):
    batch, notes = passed(mixture(tmp_path, bad=(2, 5)), range(8))
    assert notes.positions == list(range(8))
    assert len(notes.ids) == len(batch["input_ids"]) == 8
    assert {bad.id for bad in notes.bad} == {"2", "5"}
    assert not {"2", "5"} & set(notes.ids)
    assert {(bad.reason, bad.file) for bad in notes.bad} == {
        ("picture unreadable", "2.png"),
        ("picture unreadable", "5.png"),
    }


def test_the_same_positions_teach_the_same_in_any_order(tmp_path):
    mixed = mixture(tmp_path, bad=(1,))
    _, whole = passed(mixed, range(8))
    _, later = passed(mixed, range(4, 8))
    assert later.ids == whole.ids[4:]


def test_a_source_that_gives_nothing_leaves_the_pass_empty_and_names_what_was_tried(tmp_path):
    batch, notes = passed(mixture(tmp_path, bad=range(8)), [0])
    assert notes.ids == []
    assert {bad.id for bad in notes.bad} == {str(number) for number in range(8)}
    assert bool((batch["labels"] == -100).all())


def test_what_cannot_be_worded_is_left_out_with_its_reason(tmp_path):
    class Silent(LessonCollator):
        def prepare(self, lesson, images=None):
            raise InputError(f"nothing to say of {lesson.id}")

    dataset = MixtureDataset(mixture(tmp_path))
    notes = PassCollator(Silent(tiny.processor()))([dataset[0], dataset[1]])[NOTES]
    assert [bad.reason for bad in notes.bad] == ["can't be worded: InputError"] * 2


def test_processes_and_passes_share_a_steps_positions_out():
    one = [position for step in Positions(3, 5, 8, 8, 0, 1) for position in step]
    two = sorted(p for process in (0, 1) for some in Positions(3, 5, 8, 2, process, 2) for p in some)
    assert one == two == list(range(24, 40))
    assert len(Positions(3, 5, 8, 2, 0, 2)) == 4


@pytest.mark.parametrize(("batch", "micro", "processes"), [(8, 0, 3), (8, 3, 1)])
def test_steps_that_do_not_divide_are_refused(batch, micro, processes):
    with pytest.raises(ConfigError, match="give it a"):
        share_of(batch, micro, processes)
