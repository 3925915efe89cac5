"""Sprites from a colour-emoji font: names that are their own, cut-outs with alpha, and scenes made of them."""

import numpy as np
import pytest
from PIL import Image

from grounding.data.scenes.emoji import EMOJI, EMOJI_FONT, write_emoji_sprites
from grounding.data.scenes.generate import PictureOptions, draw_picture
from grounding.data.scenes.scene import SceneOptions
from grounding.data.scenes.sprites import SpriteSet
from grounding.errors import InputError

needs_font = pytest.mark.skipif(
    not EMOJI_FONT.is_file(), reason=f"there is no font at {EMOJI_FONT} (Debian: fonts-noto-color-emoji)"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("emoji")
    assert write_emoji_sprites(out) == len(list(out.iterdir()))
    return out


def test_every_name_is_plain_english_and_its_own():
    names = list(EMOJI.values())
    assert len(set(names)) == len(names)
    assert all(name == name.lower().strip() and name.replace(" ", "").isalpha() for name in names)


def test_every_emoji_is_one_character_without_variants():
    assert all(len(character) == 1 for character in EMOJI)


def test_without_a_font_there_is_a_sentence_that_names_the_package(tmp_path):
    with pytest.raises(InputError, match="fonts-noto-color-emoji"):
        write_emoji_sprites(tmp_path, tmp_path / "no.ttf")
    assert list(tmp_path.iterdir()) == []


@needs_font
def test_nearly_every_emoji_becomes_a_cut_out(folder):
    names = {path.stem.replace("_", " ") for path in folder.iterdir()}
    assert names <= set(EMOJI.values())
    assert len(names) > 0.95 * len(EMOJI)


@needs_font
def test_cut_outs_have_alpha_colours_and_no_margin(folder):
    for name in ("dog", "pizza", "bicycle", "hot_dog"):
        picture = Image.open(folder / f"{name}.png")
        assert picture.mode == "RGBA"
        pixels = np.asarray(picture)
        solid = pixels[..., 3] > 127
        assert 0.15 < solid.mean() < 1
        assert min(solid.any(0)[0], solid.any(0)[-1], solid.any(1)[0], solid.any(1)[-1])
        assert pixels[solid][:, :3].std(0).max() > 10


@needs_font
def test_scenes_are_made_of_them(folder):
    sprites = SpriteSet.from_folder(folder)
    options = PictureOptions(SceneOptions(sprites=sprites, sprite_share=1.0, sides=(160, 200)))
    shown = {thing.name for seed in range(6) for thing in draw_picture(seed, options).scene.things}
    assert shown <= {name.lower() for name in EMOJI.values()}
    assert len(shown) > 5
