"""Cut-outs from a folder: names, limits, exact boxes, and scenes made of them."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from grounding.data.scenes import layout
from grounding.data.scenes.scene import SceneOptions, draw_scene, make_scene, render
from grounding.data.scenes.sprites import SpriteSet, name_from_file
from grounding.errors import ConfigError, ImageTooLargeError, UnreadableImageError
from grounding.images import ImageLimits


def donut(color: tuple[int, int, int] = (220, 60, 40), side: int = 200) -> np.ndarray:
    """A ring with a separate bar over it, off centre on a clear canvas."""
    rgba = np.zeros((side + 60, side, 4), np.uint8)
    middle = (side // 2, side // 2 + 50)
    cv2.circle(rgba, middle, side * 2 // 5, (*color, 255), -1, cv2.LINE_AA)
    cv2.circle(rgba, middle, side // 6, (0, 0, 0, 0), -1)
    rgba[8:24, side // 4 : side // 2] = (0, 90, 200, 255)
    return rgba


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.fromarray(donut()).save(tmp_path / "red_panda-2.png")
    Image.fromarray(donut((20, 160, 60))).save(tmp_path / "red_panda.png")
    Image.fromarray(donut((40, 40, 200), 90)).save(tmp_path / "Ice-Cream.webp", lossless=True)
    (tmp_path / "notes.txt").write_text("not a picture")
    return tmp_path


@pytest.fixture(scope="module")
def sprites() -> SpriteSet:
    return SpriteSet([("wheel", donut()), ("donut", donut((230, 180, 200), 160)), ("donut", donut((90, 60, 40)))])


@pytest.mark.parametrize(
    ("file", "name"),
    [("red_panda-2.png", "red panda"), ("Pizza.webp", "pizza"), ("hot-dog_12.png", "hot dog"), ("7.png", "7")],
)
def test_name_comes_from_the_file_name(file: str, name: str) -> None:
    assert name_from_file(Path(file)) == name


def test_folder_gives_names_in_the_order_of_files(folder: Path) -> None:
    sprites = SpriteSet.from_folder(folder)
    assert [sprites.name(i) for i in range(len(sprites))] == ["ice cream", "red panda", "red panda"]
    assert sprites.names == ("ice cream", "red panda")


def test_names_json_overrules_file_names(folder: Path) -> None:
    (folder / "names.json").write_text(json.dumps({"Ice-Cream.webp": "frozen dessert"}))
    assert SpriteSet.from_folder(folder).names == ("frozen dessert", "red panda")
    (folder / "names.json").write_text("[1, 2")
    with pytest.raises(ConfigError, match=r"names\.json"):
        SpriteSet.from_folder(folder)


def test_folder_without_cut_outs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no PNG or WebP"):
        SpriteSet.from_folder(tmp_path)
    with pytest.raises(ConfigError, match="no folder"):
        SpriteSet.from_folder(tmp_path / "missing")


def test_file_over_the_limits_is_refused_before_it_is_decoded(folder: Path) -> None:
    with pytest.raises(ImageTooLargeError, match="bytes"):
        SpriteSet.from_folder(folder, limits=ImageLimits(max_bytes=10))
    with pytest.raises(ImageTooLargeError, match="pixels"):
        SpriteSet.from_folder(folder, limits=ImageLimits(max_pixels=100))


def test_file_that_is_no_cut_out_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n not really")
    with pytest.raises(UnreadableImageError, match=r"broken\.png"):
        SpriteSet.from_folder(tmp_path)
    (tmp_path / "broken.png").unlink()
    Image.new("RGB", (30, 30), "red").save(tmp_path / "photo.png")
    with pytest.raises(UnreadableImageError, match="'photo' has no transparent pixels"):
        SpriteSet.from_folder(tmp_path)
    Image.new("RGBA", (30, 30)).save(tmp_path / "photo.png")
    with pytest.raises(UnreadableImageError, match="next to no opaque pixels"):
        SpriteSet.from_folder(tmp_path)


def test_truncated_file_is_refused(folder: Path) -> None:
    data = (folder / "red_panda.png").read_bytes()
    (folder / "red_panda.png").write_bytes(data[: len(data) // 2])
    with pytest.raises(UnreadableImageError, match=r"red_panda\.png"):
        SpriteSet.from_folder(folder)


def test_names_are_picked_equally_often_whatever_their_number_of_cut_outs(sprites: SpriteSet) -> None:
    picked = [sprites.name(sprites.pick(i / 100)) for i in range(100)]
    assert picked.count("wheel") == picked.count("donut") == 50


def test_sprite_boxes_are_exact(sprites: SpriteSet) -> None:
    options = SceneOptions(sprites=sprites, sprite_share=1.0, overlap=1.0, noise=0, blur=0, jpeg=0)
    for seed in range(20):
        scene = make_scene(np.random.default_rng(seed), options)
        mask = layout.index_mask(scene, options)
        for thing in scene.things:
            assert thing.is_sprite
            assert (thing.kind, thing.color, thing.fill) == ("sprite", None, "solid")
            assert thing.name in sprites.names
            rows, columns = np.nonzero(mask == thing.index + 1)
            assert thing.box == (columns.min() / 2, rows.min() / 2, (columns.max() + 1) / 2, (rows.max() + 1) / 2)


def test_sprite_box_is_tight_in_the_picture_and_polygon_covers_its_parts(sprites: SpriteSet) -> None:
    options = SceneOptions(
        sprites=sprites, sprite_share=1.0, things=(1, 1), backgrounds=("plain",), noise=0, blur=0, jpeg=0
    )
    for seed in range(20):
        scene = make_scene(np.random.default_rng(seed), options)
        image = render(scene, np.random.default_rng(seed), options).astype(int)
        (thing,) = scene.things
        rows, columns = np.nonzero(np.abs(image - image[0, 0]).max(axis=2) > 12)
        seen = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        assert np.abs(seen - np.array(thing.box)).max() <= 1.0
        mask = layout.index_mask(scene, options)
        drawn = np.zeros_like(mask)
        cv2.fillPoly(drawn, [np.round(np.array(thing.polygon) * 2 - 0.5).astype(np.int32)], 1)
        assert np.count_nonzero(drawn & mask) / np.count_nonzero(drawn | mask) > 0.85


def test_sprites_mix_with_drawn_things_at_about_the_asked_share(sprites: SpriteSet) -> None:
    options = SceneOptions(sprites=sprites, sprite_share=0.4)
    found = [t for seed in range(300) for t in make_scene(np.random.default_rng(seed), options).things]
    assert sum(t.is_sprite for t in found) / len(found) == pytest.approx(0.4, abs=0.08)


def test_sprite_scenes_repeat_from_their_seed(sprites: SpriteSet) -> None:
    options = SceneOptions(sprites=sprites, sprite_share=0.5)
    fresh = replace(options, sprites=pickle.loads(pickle.dumps(sprites)))
    for seed in range(8):
        assert draw_scene(seed, options)[0].tobytes() == draw_scene(seed, fresh)[0].tobytes()


def test_scene_with_sprites_needs_the_set_it_was_made_with(sprites: SpriteSet) -> None:
    scene = make_scene(np.random.default_rng(0), SceneOptions(sprites=sprites, sprite_share=1.0))
    with pytest.raises(ConfigError, match="sprites"):
        render(scene, np.random.default_rng(0), SceneOptions())
