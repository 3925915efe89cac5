"""What a recipe learns from: sources by their names, so many turns of each, and scenes held out of training."""

import json

import pytest
from PIL import Image

from grounding.data.lessons.lesson import Lesson, Words
from grounding.errors import ConfigError
from grounding.training.mixtures import (
    HELD_OUT_SEED,
    Shortened,
    everything,
    held_out_data,
    open_mixture,
    watched_lessons,
)
from grounding.training.recipe import DataRecipe, Recipe, StageRecipe
from grounding.training.recipe_files import recipe_of
from tests.tiny_training import Boxes

SCENES = DataRecipe("scenes")


def recipe(**values):
    return Recipe(stages=(StageRecipe("ground", 1),), **values)


@pytest.fixture
def cups(tmp_path):
    """Our own jsonl: five questions about one picture."""
    Image.new("RGB", (100, 80)).save(tmp_path / "a.png")
    line = {"image": "a.png", "phrase": "red cup", "box": [12, 30, 96, 70]}
    path = tmp_path / "cups.jsonl"
    path.write_text("".join(json.dumps({**line, "id": str(n)}) + "\n" for n in range(5)))
    return str(path)


def test_scenes_and_data_sets_have_as_many_turns_as_the_recipe_wants(cups):
    for source, lessons in (("scenes", 20), (cups, 3)):
        mixture = open_mixture([DataRecipe(source)], recipe(most_turns=2))
        assert max(len(mixture.lesson(n).turns) for n in range(lessons)) == 2
    mixture = open_mixture([DataRecipe(cups)], recipe(most_turns=2))
    ids = {turn.id for n in range(3) for turn in mixture.lesson(n).turns}
    assert ids == {"0", "1", "2", "3", "4"}  # none is lost: the picture has three lessons


def test_turns_of_conversations_are_cut_behind_the_most(tmp_path):
    Image.new("RGB", (100, 80)).save(tmp_path / "a.png")
    says = [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": "This."}] * 3
    says[2:] = [{**turn, "value": turn["value"].replace("<image>\n", "")} for turn in says[2:]]
    (tmp_path / "chat.json").write_text(json.dumps([{"id": "1", "image": "a.png", "conversations": says}]))
    mixture = open_mixture([DataRecipe(f"llava:{tmp_path / 'chat.json'}")], recipe(most_turns=2))
    lesson = mixture.lesson(0)
    assert len(lesson.turns) == 2
    assert lesson.sequential


def test_a_conversation_that_is_cut_loses_the_pictures_behind():
    pictures = tuple(Boxes().lesson(number).pictures[0] for number in range(2))
    turns = tuple(Words(prompt, "red") for prompt in ("<image> who?", "and?", "<image> who?"))

    class Talks(Boxes):
        def lesson(self, ordinal):
            return Lesson("two", pictures, turns, sequential=True)

    for most, shown in ((3, 2), (2, 1)):
        lesson = Shortened(Talks(), most).lesson(0)
        assert (len(lesson.turns), len(lesson.pictures)) == (most, shown)


def test_weights_decide_the_shares():
    mixture = open_mixture([DataRecipe("scenes", 3.0), DataRecipe("scenes:absent", 1.0)], recipe())
    absent = sum(mixture.place(position)[0] for position in range(2000))
    assert absent == 500


@pytest.mark.parametrize(
    ("part", "says"),
    [
        (DataRecipe("nowhere.json"), "the data 'nowhere.json' can't be opened"),
        (
            DataRecipe("scenes", options={"colour": 1}),
            "the data 'scenes' can't be opened: scenes have no option 'colour'",
        ),
        (DataRecipe("scenes", augment=("flop",)), "the data 'scenes' can't be opened"),
    ],
)
def test_data_that_cannot_be_opened_is_told_by_its_name(part, says):
    with pytest.raises(ConfigError) as error:
        open_mixture([part], recipe())
    assert says in str(error.value)


def test_what_is_held_out_is_what_the_recipe_says_or_scenes_that_are_never_trained_on():
    assert held_out_data(recipe(data=(SCENES,), held_out=(DataRecipe("refcoco:val"),))) == (DataRecipe("refcoco:val"),)
    (scenes,) = held_out_data(recipe(data=(DataRecipe("scenes", options={"style": "training"}),)))
    assert scenes.options == {"style": "training", "first_seed": HELD_OUT_SEED}
    assert held_out_data(recipe(data=(DataRecipe("mine.json"),))) == ()


def test_watched_lessons_are_called_what_they_are(cups):
    called, lessons = watched_lessons(recipe(data=(SCENES,), eval_lessons=5))
    trained = open_mixture([SCENES], recipe())
    assert called == "held_out"
    assert len(lessons) == 5
    assert not {lesson.id for lesson in lessons} & {trained.lesson(n).id for n in range(50)}
    called, lessons = watched_lessons(recipe(data=(DataRecipe(cups),), eval_lessons=1))
    assert (called, len(lessons)) == ("trained_on", 1)


def test_everything_is_each_source_once():
    values = {
        "data": [{"source": "a"}, {"source": "b", "weight": 2}],
        "stages": [
            {"name": "x", "steps": 1, "data": [{"source": "a", "weight": 3}, {"source": "c"}]},
            {"name": "y", "steps": 1, "data": [{"source": "a", "options": {"words": True}}]},
        ],
    }
    parts = everything(recipe_of(values))
    assert [(part.source, part.weight) for part in parts] == [("a", 3.0), ("b", 2.0), ("c", 1.0), ("a", 1.0)]
