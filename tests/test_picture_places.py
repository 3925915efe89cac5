"""Pictures are found beside their annotations, in the places people keep them."""

import pytest

from grounding.data.referring.picture_places import PLACES, pictures_near
from grounding.errors import InputError


@pytest.mark.parametrize("place", PLACES)
def test_pictures_are_looked_for_below_the_annotations(tmp_path, place):
    (tmp_path / place).mkdir(parents=True)
    (tmp_path / place / "a.jpg").touch()
    assert pictures_near(tmp_path, None).find("a.jpg").path.name == "a.jpg"
    assert pictures_near(tmp_path, None).path == tmp_path / place


def test_they_may_lie_beside_the_annotations(tmp_path):
    (tmp_path / "a.jpg").touch()
    assert pictures_near(tmp_path, None).find("a.jpg").path == tmp_path / "a.jpg"


def test_a_folder_that_is_given_is_the_only_one(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "mine").mkdir()
    assert pictures_near(tmp_path, tmp_path / "mine").path == tmp_path / "mine"
    with pytest.raises(InputError, match="there is no folder of pictures"):
        pictures_near(tmp_path, tmp_path / "gone")
