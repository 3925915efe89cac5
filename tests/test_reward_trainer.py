"""Learning from rewards: what is drawn and how likely it was, what moves, and that the rewards rise."""

import json

import pytest
import torch

import grounding
from grounding.data.lessons.lesson import Lesson
from grounding.data.lessons.mixture import Mixture
from grounding.data.lessons.sources import ListedSource
from grounding.data.pictures import FilePicture
from grounding.errors import ConfigError
from grounding.training.foreign import ForeignProcessor
from grounding.training.recipe_files import recipe_of
from grounding.training.reward_rows import questions_of
from grounding.training.reward_trainer import QuestionBook, RewardTrainer, until_end
from grounding.training.running import train_recipe
from tests import tiny
from tests.foreign_lessons import lesson, sample, talk, write_rows
from tests.test_foreign_training import QUICK, STAGE

FAMILIES = ("paligemma", "florence2", "qwen2_5_vl", "kosmos-2", "ours")
FEW = {"answers": 8, "max_new_tokens": 16}


def own_model(folder):
    """The model of tests/tiny.py as a checkpoint."""
    tiny.model().save_pretrained(folder)
    tiny.processor().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def taught(directory_of, tmp_path_factory):
    """A family's folder of a run that has half learned two pictures: its answers differ, and some are good."""
    made = {}

    def run(family, **stage):
        if family not in made:
            out = tmp_path_factory.mktemp(family)
            data = [{"source": str(write_rows(out / "data"))}]
            values = {**QUICK, "out": str(out), "data": data, "stages": [{**STAGE, **stage}], "location_sigma": 30.0}
            start = directory_of(family) if family != "ours" else own_model(out / "start")
            train_recipe(recipe_of({**values, "model": {"checkpoint": str(start)}}))
            made[family] = out
        return made[family]

    return run


def rewarded(before, out, steps, **changes):
    """The folder of a run of rewards from a checkpoint on, and the mean reward of each of its steps."""
    options = {**FEW, **changes.pop("options", {})}
    rate = changes.pop("lr", 1e-2)
    stage = {"name": "reward", "steps": steps, "lr": rate, "schedule": "constant", "objective": "rewards"}
    stage |= {"train": ["projector", "language", "embeddings"], "objective_options": options}
    values = {**QUICK, "out": str(out), "data": [{"source": str(before / "data" / "rows.jsonl")}], "log_every": 1}
    model = {"checkpoint": str(before / "model")}
    folder = train_recipe(recipe_of({**values, "model": model, "stages": [stage], **changes}))
    lines = map(json.loads, (out / "reward" / "log.jsonl").read_text(encoding="utf-8").splitlines())
    return folder, [line["reward"] for line in lines if "reward" in line]


def test_rewards_rise_and_frozen_parts_stay(taught, tmp_path):
    before = taught("paligemma", steps=60, schedule="constant")
    after, means = rewarded(before, tmp_path, 16)
    assert len(means) == 16
    assert sum(means[-5:]) > 1.4 * sum(means[:5])
    old, new = (grounding.load(folder, device="cpu").model.state_dict() for folder in (before / "model", after))
    moved = {name for name in old if not torch.equal(old[name], new[name])}
    assert moved
    assert not any("vision_tower" in name for name in moved)
    for name in ("config.json", "generation_config.json", "tokenizer_config.json", "preprocessor_config.json"):
        one, other = (folder / name for folder in (before / "model", after))
        assert one.exists() == other.exists()
        assert not one.exists() or json.loads(one.read_text()) == json.loads(other.read_text())


@pytest.mark.slow
@pytest.mark.parametrize(("family", "steps"), [("florence2", 45), ("qwen2_5_vl", 25)])
def test_rewards_rise_in_other_families(family, steps, taught, tmp_path):
    before = taught(family, steps=steps, schedule="constant", lr=2e-2)
    _, means = rewarded(before, tmp_path, 40, options={"max_new_tokens": 56})
    assert sum(means[-8:]) > 1.2 * sum(means[:8])


def test_rewards_rise_in_our_own_model(taught, tmp_path):
    before = taught("ours", steps=16, schedule="constant", lr=3e-3)
    _, means = rewarded(before, tmp_path, 20, lr=1e-3)
    assert sum(means[-5:]) > 1.1 * sum(means[:5])


# ---- the two places where the model is run


def trainer_of(directory, out, lessons, **options):
    """A stage's trainer over a checkpoint, which has not begun."""
    from grounding.training.building import build
    from grounding.training.failures import Signals
    from grounding.training.parts import freeze
    from grounding.training.running import arguments_of, collator_of

    stage = {"name": "reward", "steps": 2, "objective": "rewards", "objective_options": {**FEW, **options}}
    values = {**QUICK, "out": str(out), "data": [{"source": "scenes"}], "stages": [stage]}
    recipe = recipe_of({**values, "model": {"checkpoint": str(directory)}})
    mixture = Mixture([(1.0, ListedSource("few", lessons, shuffle=False))])
    model, processor = build(recipe, mixture)
    (stage,) = recipe.stages
    moving = freeze(model, stage.train)
    args = arguments_of(recipe, stage, out)
    collator = collator_of(recipe, processor)
    return RewardTrainer(recipe, stage, mixture, collator, moving, 0, Signals(), model, args)


@pytest.fixture
def checkpoint_of(directory_of, tmp_path):
    def checkpoint(family):
        return directory_of(family) if family != "ours" else own_model(tmp_path / "ours")

    return checkpoint


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_drawn_is_as_likely_as_what_is_learned_says(family, checkpoint_of, tmp_path):
    """Nearly without chance, the likeliest tokens are drawn, and training sees each of them as certain."""
    few = [lesson(sample()), lesson(sample("dog", (10, 30, 70, 95), colour="blue"))]
    trainer = trainer_of(checkpoint_of(family), tmp_path / "out", few, temperature=1e-4, answers=2)
    trainer.book.turn_to([0, 1])
    asked = [trainer.book.open[0]] * 2 + [trainer.book.open[1]] * 2
    answers = trainer.draw(asked)
    assert answers[0] == answers[1]
    assert all(len(ids) == 16 or ids[-1] in trainer.eos_token_ids for ids in answers)
    logs, entropies = trainer.probabilities(trainer.model, [question.row for question in asked], answers)
    assert logs.shape == (4, max(map(len, answers)))
    assert logs.abs().max() < 0.05
    assert entropies.max() < 0.2


def test_answers_to_one_question_differ_and_no_picture_is_drawn_into_them(checkpoint_of, tmp_path):
    trainer = trainer_of(checkpoint_of("qwen2_5_vl"), tmp_path, [lesson(sample())], max_new_tokens=64)
    trainer.book.turn_to([0])
    answers = trainer.draw([trainer.book.open[0]] * 8)
    assert len({tuple(ids) for ids in answers}) == 8
    pictures = {trainer.model.config.image_token_id, trainer.model.config.video_token_id}
    assert not pictures & {id_ for ids in answers for id_ in ids}


def test_a_group_that_is_cut_is_drawn_row_by_row(checkpoint_of, tmp_path):
    few = [lesson(sample()), lesson(sample("dog"))]
    trainer = trainer_of(checkpoint_of("ours"), tmp_path / "out", few)
    trainer.book.turn_to([0, 1])
    first, second = trainer.book.open[0], trainer.book.open[1]
    assert len(trainer.draw([first, second, second])) == 3


def test_the_answer_is_rewarded_as_it_was_written(checkpoint_of, tmp_path):
    trainer = trainer_of(checkpoint_of("paligemma"), tmp_path, [lesson(sample())])
    trainer.book.turn_to([0])
    tokenizer = trainer.book.questions.tokenizer
    ids = tokenizer("<loc0205><loc0205><loc0818><loc0614> the red cup", add_special_tokens=False).input_ids
    worth = {name: trainer.reward_function(name)([[*ids, 1], ids], position=[0, 0]) for name in ("boxes", "form")}
    assert worth == {"boxes": [pytest.approx(1, abs=0.01)] * 2, "form": [1.0, 0.0]}


def test_an_answer_ends_with_its_first_end():
    assert until_end([5, 6, 1, 0, 0], [1]) == [5, 6, 1]
    assert until_end([5, 6, 7], [1, 2]) == [5, 6, 7]
    assert until_end([1, 1], [1]) == [1]


# ---- questions


def test_lessons_that_can_not_be_rewarded_are_passed_over(model_of, caplog):
    questions = questions_of(ForeignProcessor(model_of("paligemma")))
    words = talk(("a cat?", "yes"))
    book = QuestionBook(Mixture([(1.0, ListedSource("two", [words, lesson(sample())], shuffle=False))]), questions)
    book.turn_to([0, 1])
    assert {question.sample.phrase for question in book.open.values()} == {"the red cup"}
    assert "the lesson talk is passed over" in caplog.text
    with pytest.raises(ConfigError, match="50 lessons in turn can't be rewarded, such as 'talk'"):
        QuestionBook(Mixture([(1.0, ListedSource("one", [words]))]), questions).turn_to([0])


def test_each_turn_of_a_lesson_is_asked_in_its_turn(model_of):
    two = Lesson("two", (sample().picture,), (sample(), sample("dog")))
    mixture = Mixture([(1.0, ListedSource("one", [two]))])
    book = QuestionBook(mixture, questions_of(ForeignProcessor(model_of("paligemma"))))
    book.turn_to(range(4))
    assert [question.sample.phrase for question in book.open.values()] == ["the red cup", "dog"] * 2


def test_bad_lessons_are_counted_with_the_step_that_passed_them_over(checkpoint_of, tmp_path):
    lost = Lesson("lost", (FilePicture(tmp_path / "nowhere.png"),), (sample(),))
    trainer = trainer_of(checkpoint_of("paligemma"), tmp_path / "out", [lost, lesson(sample())])
    trainer.book.turn_to([0, 1])
    assert {question.sample.phrase for question in trainer.book.open.values()} == {"the red cup"}
    assert [bad.id for bad in trainer.book.bad] == ["lost"]


# ---- runs


def test_a_run_that_stopped_goes_on_as_if_it_had_not(directory_of, tmp_path):
    data = [{"source": str(write_rows(tmp_path / "data"))}]
    stage = {"name": "reward", "lr": 1e-3, "schedule": "constant", "objective": "rewards", "objective_options": FEW}
    values = {**QUICK, "data": data, "model": {"checkpoint": str(directory_of("paligemma"))}, "save_every": 1}
    for out, steps in (("cut", 2), ("cut", 4), ("whole", 4)):
        train_recipe(recipe_of({**values, "out": str(tmp_path / out), "stages": [{**stage, "steps": steps}]}))
    cut, whole = (grounding.load(tmp_path / out / "model", device="cpu").model.state_dict() for out in ("cut", "whole"))
    assert all(torch.allclose(value, whole[name], atol=1e-6) for name, value in cut.items())


def test_the_model_of_the_beginning_is_kept_where_the_distance_to_it_counts(directory_of, tmp_path):
    data = [{"source": str(write_rows(tmp_path / "data"))}]
    options = {**FEW, "answers": 4, "beta": 0.1, "iterations": 2}
    stage = {"name": "r", "steps": 4, "lr": 1e-2, "objective": "rewards", "objective_options": options}
    stage |= {"schedule": "constant"}
    values = {**QUICK, "out": str(tmp_path / "out"), "data": data, "stages": [stage], "log_every": 1}
    train_recipe(recipe_of({**values, "model": {"checkpoint": str(directory_of("paligemma"))}}))
    lines = map(json.loads, (tmp_path / "out" / "r" / "log.jsonl").read_text(encoding="utf-8").splitlines())
    distances = [line["kl"] for line in lines if "kl" in line]
    assert distances[0] == pytest.approx(0, abs=1e-6)
    assert distances[-1] > 1e-4


def test_unknown_options_are_refused_by_name(directory_of, tmp_path):
    with pytest.raises(ConfigError, match="has no setting 'answer'; did you mean 'answers'"):
        trainer_of(directory_of("paligemma"), tmp_path, [lesson(sample())], answer=3)
