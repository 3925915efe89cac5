"""The licence of exported weights: what is said, else that of the parts, and never a guess."""

import pytest

from grounding.errors import ConfigError
from grounding.training.licences import licence_of, licence_of_part, parts_of
from grounding.training.recipe import ModelRecipe, Recipe


def card(folder, text):
    folder.mkdir(exist_ok=True)
    (folder / "README.md").write_text(text)
    return str(folder)


def recipe(**model):
    return Recipe(model=ModelRecipe(**model))


def test_what_is_said_goes_before_all_else_in_the_hubs_spelling():
    assert licence_of(" Apache-2.0 ", recipe(vision="efficientnet-lite0"), None) == "apache-2.0"
    with pytest.raises(ConfigError, match="is no licence's name"):
        licence_of("my own", None, None)


def test_parts_that_agree_give_theirs(tmp_path):
    parts = {"vision": card(tmp_path / "eyes", "---\nlicense: Apache-2.0\n---\n# Eyes"), "language": "smollm2"}
    assert licence_of(None, recipe(**parts), None) == "apache-2.0"
    assert licence_of(None, None, tmp_path / "eyes") == "apache-2.0"
    assert parts_of(recipe(vision=("a", "b"), language="c")) == ["a", "b", "c"]


def test_parts_that_disagree_or_say_nothing_leave_it_to_the_user(tmp_path):
    mit = card(tmp_path / "eyes", "---\nlicense: mit\n---\n")
    for model, says in (
        ({"vision": mit, "language": "smollm2"}, "eyes: mit, smollm2: apache-2.0"),
        ({"vision": str(tmp_path), "language": "smollm2"}, "not known, smollm2: apache-2.0"),
        ({}, "they were trained from nothing"),
    ):
        with pytest.raises(ConfigError, match=f"such as --licence apache-2.0 .*{says}"):
            licence_of(None, recipe(**model), None)


@pytest.mark.parametrize(
    "text", ["# none", "---\nlicense: [a]\n---\n", "---\nlicense: other\n---", "---\n: : :\n---", "---"]
)
def test_a_card_without_a_plain_licence_says_nothing(tmp_path, text):
    assert licence_of_part(card(tmp_path, text)) is None
