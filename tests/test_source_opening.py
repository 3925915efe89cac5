"""One door to what is taught: every form, options that are checked, and orders that seed and ordinal decide."""

import json

import pytest

from grounding.data.augment import AugmentedSource
from grounding.data.lessons.lesson import Words
from grounding.data.lessons.mixture import Mixture
from grounding.data.lessons.opening import FORMS, open_source
from grounding.data.lessons.reading import BadLesson, try_lesson
from grounding.data.lessons.sources import ListedSource, SceneSource
from grounding.errors import ConfigError, InputError
from tests.lesson_files import jpeg, talk


@pytest.fixture
def files(tmp_path):
    for number in range(4):
        (tmp_path / f"{number}.png").write_bytes(jpeg(number))
    rows = [talk(number) for number in range(4)]
    (tmp_path / "chat.json").write_text(json.dumps(rows))
    (tmp_path / "chat.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    swift = {"messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "x"}], "images": ["0.png"]}
    (tmp_path / "swift.jsonl").write_text(json.dumps(swift) + "\n")
    ours = [{"image": "0.png", "phrase": f"cup {n}", "box": [1, 2, 30, 40]} for n in range(10)]
    ours += [{"image": "1.png", "phrase": "dog", "box": None}]
    (tmp_path / "ours.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ours))
    return tmp_path


def test_a_file_is_found_below_root_and_its_pictures_beside_it(files):
    source = open_source("llava:chat.json", root=files, shuffle=False)
    assert (source.name, source.size) == ("llava:chat.json", 4)
    assert [source.lesson(n).pictures[0].open().getpixel((0, 0))[0] for n in range(4)] == [0, 1, 2, 3]
    assert open_source(f"LLaVA:{files}/chat.jsonl", shuffle=False).lesson(2).id == "row-2"


def test_conversations_are_known_without_their_form(files):
    assert open_source(files / "chat.json").lesson(0).turns[0].prompt == "<image>\nWhich?"
    assert open_source(files / "swift.jsonl").name == "swift:swift.jsonl"


def test_samples_of_a_picture_are_taught_together(files):
    source = open_source(files / "ours.jsonl", shuffle=False)
    assert [len(source.lesson(n).turns) for n in range(3)] == [8, 2, 1]
    assert open_source(files / "ours.jsonl", shuffle=False, most=3).size == 5
    with pytest.raises(InputError, match="asks its own questions: leave out phrases"):
        open_source(files / "ours.jsonl", phrases=3)


def test_scenes_are_drawn_for_all_skills_or_some():
    assert open_source("scenes").size is None
    counts = open_source("scenes:count,absent", seed=2, phrases=3)
    assert {turn.kind for n in range(5) for turn in counts.lesson(n).turns} <= {"count", "absent"}
    assert open_source("scenes", seed=2).lesson(0) == SceneSource("scenes", 2).lesson(0)
    assert open_source("scenes", seed=1).lesson(0) != open_source("scenes", seed=2).lesson(0)


def test_augmentations_are_given_by_name(files):
    source = open_source(files / "ours.jsonl", augment=["flip:1"], shuffle=False)
    assert isinstance(source, AugmentedSource)
    assert source.lesson(2).turns[0].picture.key == "1.png+flip"
    with pytest.raises(ConfigError, match="no augmentation 'flop'"):
        open_source("scenes", augment=["flop"])


def test_problems_of_files_are_told(files):
    (files / "bad.jsonl").write_text(json.dumps(talk(0)) + "\nnonsense\n")
    assert [problem.line for problem in open_source(f"llava:{files}/bad.jsonl").problems] == [2]
    (files / "box.jsonl").write_text(
        '{"image": "0.png", "phrase": "a", "box": [900, 1, 950, 9]}\n{"image": "0.png", "phrase": "b", "box": null}\n'
    )
    assert [problem.kind for problem in open_source(files / "box.jsonl").problems] == ["box outside"]


def test_every_kind_of_file_is_found_below_root(files):
    for name, size in (("chat.json", 4), ("swift.jsonl", 1), ("ours.jsonl", 3)):
        source = open_source(name, root=files, shuffle=False)
        assert source.size == size
        assert source.lesson(0).pictures[0].open().size == (100, 80)


def test_a_bad_row_is_told_by_its_place_in_the_file_whatever_the_order(files):
    rows = [talk(number) for number in range(4)]
    rows[1], rows[2] = {"image": "0.png", "what": 1}, {"image": "none.png", "caption": "A cup."}
    (files / "chat.json").write_text(json.dumps(rows))
    source = open_source("llava:chat.json", root=files, seed=3)
    bad = [made for made in (try_lesson(source, ordinal) for ordinal in range(4)) if isinstance(made, BadLesson)]
    assert {made.message.partition(":")[0]: made.reason for made in bad} == {
        "row 2 of chat.json": "row unreadable",
        "row 3 of chat.json": "picture missing",
    }


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("llava:none.json", {}, "there is no file 'none.json'"),
        ("none.json", {}, "no lessons are called 'none.json', and there is no file of that name here or in "),
        (
            "lava:chat.json",
            {},
            "known: scenes .*, llava:FILE, swift:FILE, shards:PATTERN, hub:ORG/NAME:SPLIT, and what",
        ),
        ("llava:chat.json", {"names": "x"}, "no option 'names'; its options are boxes, shuffle"),
        ("llava:chat.json", {"boxes": "xywh"}, "boxes are taken as padded, picture, text; seen 'xywh'"),
        ("scenes:flying", {}, "no skill 'flying'"),
        ("scenes", {"colour": 1}, "scenes have no option 'colour'"),
        ("scenes:count", {"skills": {"count": 1}}, "leave out skills="),
    ],
)
def test_what_there_is_not_is_refused(files, name, options, reason):
    with pytest.raises(InputError, match=reason):
        open_source(name, root=files, **options)


def test_empty_files_are_refused(files):
    (files / "empty.json").write_text("[]")
    with pytest.raises(InputError, match="holds no row"):
        open_source(f"llava:{files}/empty.json")
    with pytest.raises(InputError, match="the source is empty"):
        ListedSource("x", [])


def test_every_form_says_what_it_is():
    assert set(FORMS) == {"scenes", "llava", "swift", "shards", "hub"}
    assert all(form.what and ":" in form.opener for form in FORMS.values())


def test_mixtures_of_files_resume_anywhere(files):
    def mixture():
        return Mixture([(3, open_source("llava:chat.json", root=files)), (1, open_source("scenes", phrases=2))], 5)

    whole = [lesson.id for _, lesson in mixture().lessons(iter(range(40)))]
    assert [lesson.id for _, lesson in mixture().lessons(iter(range(17, 40)))] == whole[17:]
    assert isinstance(mixture().lesson(next(n for n, id in enumerate(whole) if id.startswith("row"))).turns[0], Words)


def test_a_listed_source_has_each_lesson_once_an_epoch(files):
    source = open_source("llava:chat.json", root=files, seed=3)
    for epoch in range(3):
        assert sorted(source.lesson(4 * epoch + n).id for n in range(4)) == [f"row-{n}" for n in range(4)]
