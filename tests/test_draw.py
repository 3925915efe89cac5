"""Drawings: every region is seen, every label lies in the picture, and words stay words."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image

from grounding.boxes import as_boxes, iou
from grounding.draw import PALETTE, colors_of, draw, names_of, sheet, words
from grounding.draw.colors import INK, PAPER, against, contrast, rgb
from grounding.draw.labels import place_labels
from grounding.errors import ImageError, InputError
from grounding.masks import Mask
from grounding.result import Grounding, Problem, Region

GREY = (128, 128, 128)


def blank(width: int = 320, height: int = 240, color: tuple[int, int, int] = GREY) -> Image.Image:
    return Image.new("RGB", (width, height), color)


def found(*regions: Region, image: Image.Image | None = None, **fields) -> Grounding:
    width, height = (image or blank()).size
    return Grounding(
        **{"phrase": "the red star", "regions": regions, "text": "", "width": width, "height": height, **fields}
    )


def changed(before: Image.Image, after: Image.Image) -> np.ndarray:
    """(H, W) True where a pixel is not what it was."""
    return (np.asarray(before) != np.asarray(after)).any(axis=2)


def painted(image: Image.Image, color: str) -> np.ndarray:
    """(H, W) True where a pixel has that colour."""
    return (np.asarray(image) == rgb(color)).all(axis=2)


# ---- what is drawn


def test_the_picture_that_was_given_stays_as_it_was():
    image = blank()
    before = image.tobytes()
    draw(image, found(Region((10, 10, 50, 50), "a", mask=Mask.from_polygons([[(0, 0), (9, 0), (9, 9)]], 320, 240))))
    draw(image, found())
    assert image.tobytes() == before


def test_a_box_is_drawn_where_it_lies():
    drawn = draw(blank(), found(Region((100, 60, 200, 160))), show_labels=False)
    ys, xs = np.nonzero(painted(drawn, PALETTE[0]))
    assert (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1) == pytest.approx((100, 60, 200, 160), abs=3)
    assert not changed(blank(), drawn)[70:150, 110:190].any()


@pytest.mark.parametrize("box", [(0, 0, 320, 240), (-50, -50, 900, 900), (0, 0, 40, 30), (280, 210, 320, 240)])
def test_all_four_lines_of_a_box_at_the_edge_are_seen(box):
    drawn = painted(draw(blank(), found(Region(box)), show_labels=False), PALETTE[0])
    x1, y1, x2, y2 = np.clip(box, 0, [320, 240, 320, 240]).astype(int)
    middle_x, middle_y = (x1 + x2) // 2, (y1 + y2) // 2
    assert drawn[y1 : y1 + 4, middle_x].any()
    assert drawn[y2 - 4 : y2, middle_x].any()
    assert drawn[middle_y, x1 : x1 + 4].any()
    assert drawn[middle_y, x2 - 4 : x2].any()


def test_the_inside_of_a_small_box_stays_visible():
    drawn = draw(blank(1200, 900), found(Region((600, 450, 610, 460)), image=blank(1200, 900)), show_labels=False)
    assert not changed(blank(1200, 900), drawn)[453:457, 603:607].any()


def test_a_mask_tints_its_pixels_and_no_others():
    pytest.importorskip("pycocotools")
    mask = np.zeros((240, 320), bool)
    mask[80:160, 100:220] = True
    region = Region((100, 80, 220, 160), mask=Mask.from_array(mask))
    drawn = draw(blank(), found(region), show_labels=False)
    tinted = changed(blank(), drawn)
    assert tinted[mask].all()
    assert not tinted[:70].any()
    assert not tinted[:, :90].any()


def test_a_point_is_drawn_as_a_dot_of_its_colour():
    drawn = draw(
        blank(), found(Region((50, 50, 250, 200), "a", point=(150, 120)), Region((9, 9, 9, 9), "b", point=(9, 9)))
    )
    assert painted(drawn, PALETTE[0])[119:121, 149:151].all()
    assert painted(drawn, PALETTE[1])[8:10, 8:10].all()


def test_truth_is_drawn_as_dashes_of_black_and_white():
    truth = found(Region((40, 40, 200, 200)))
    line = np.asarray(draw(blank(), found(Region((60, 60, 180, 180))), truth=truth, show_labels=False))[40, 44:196]
    assert {tuple(pixel) for pixel in line.tolist()} == {INK, PAPER}


def test_nothing_found_is_said_in_words_at_the_foot():
    changes = changed(blank(), draw(blank(), found()))
    assert changes.any()
    assert not changes[:120].any()


def test_an_answer_that_could_not_be_read_is_told_from_nothing_found():
    unreadable = found(problems=(Problem("malformed", "x"),))
    assert draw(blank(), unreadable).tobytes() != draw(blank(), found()).tobytes()


def test_a_description_without_a_box_is_shown_in_words():
    described = found(phrase="", text="a red star", task="describe")
    other = found(phrase="", text="a blue ring", task="describe")
    assert draw(blank(), described).tobytes() != draw(blank(), other).tobytes()


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (64, 48), (2000, 10), (10, 2000)])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_pictures_of_any_size_can_be_drawn_on(size, count):
    image = blank(*size)
    regions = [Region((0, 0, *size), f"thing {n}", 0.5, point=(0, 0)) for n in range(count)]
    assert draw(image, found(*regions, image=image)).size == size


def test_boxes_of_a_tiny_picture_are_not_buried_under_labels():
    image = blank(64, 48)
    regions = [Region((2 + 9 * n, 10, 10 + 9 * n, 40), f"number {n}", 0.5) for n in range(6)]
    bare = draw(image, found(*regions, image=image), show_labels=False)
    labelled = draw(image, found(*regions, image=image))
    assert changed(bare, labelled).mean() <= 0.25


def test_longest_scales_the_drawing():
    drawn = draw(blank(64, 48), found(Region((16, 12, 48, 36)), image=blank(64, 48)), longest=640, show_labels=False)
    assert drawn.size == (640, 480)
    ys, xs = np.nonzero(painted(drawn, PALETTE[0]))
    assert (xs.min(), ys.min(), xs.max(), ys.max()) == pytest.approx((160, 120, 480, 360), abs=4)


def test_a_mask_is_scaled_with_the_drawing():
    pytest.importorskip("pycocotools")
    region = Region((16, 12, 48, 36), mask=Mask.from_polygons([[(16, 12), (48, 12), (48, 36), (16, 36)]], 64, 48))
    tinted = changed(blank(640, 480), draw(blank(64, 48), found(region, image=blank(64, 48)), longest=640))
    assert tinted[140:340, 180:460].all()


def test_sizes_can_be_given():
    region = Region((100, 60, 200, 160), "a")
    thin, thick = (draw(blank(), found(region), line_width=width, show_labels=False) for width in (1, 9))
    assert changed(blank(), thick).sum() > 3 * changed(blank(), thin).sum()
    small, large = (draw(blank(), found(region), font_size=size) for size in (10, 30))
    assert changed(blank(), large).sum() > changed(blank(), small).sum()


@pytest.mark.parametrize(
    "options", [{"longest": 0}, {"font_size": 0}, {"line_width": -1}, {"mask_opacity": 2}, {"longest": -5}]
)
def test_sizes_that_cannot_be_are_refused(options):
    with pytest.raises(InputError, match="seen"):
        draw(blank(), found(), **options)


def test_a_picture_of_another_size_is_refused_with_both_sizes():
    with pytest.raises(ImageError, match=r"320 x 240 pixels; seen one of 100 x 90"):
        draw(blank(100, 90), found())
    with pytest.raises(ImageError, match="pass the picture"):
        draw(blank(), found(), truth=found(image=blank(7, 7)))


# ---- colours

# Machado, Oliveira and Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency", 2009,
# severity 1.0, on linear RGB.
BLINDNESS = {
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    "full sight": np.eye(3),
}


def lab(colors: np.ndarray, seen_by: str) -> np.ndarray:
    """CIELAB (N, 3) of sRGB 0-255 (N, 3), as somebody sees them; D65."""
    unit = colors / 255
    linear = np.where(unit <= 0.04045, unit / 12.92, ((unit + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ np.transpose(BLINDNESS[seen_by]), 0, 1)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    ratio = linear @ to_xyz.T / [0.9505, 1.0, 1.089]
    f = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


@pytest.mark.parametrize("seen_by", BLINDNESS)
def test_colours_stay_apart_for_colour_blind_people(seen_by):
    seen = lab(np.array([rgb(color) for color in PALETTE]), seen_by)
    nearest = min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2))
    assert nearest > 15  # a difference of about 2 can just be seen


@pytest.mark.parametrize("color", PALETTE)
def test_words_can_be_read_on_every_colour(color):
    assert contrast(rgb(color), against(rgb(color))) > 4.5


def test_equal_labels_share_a_colour_and_regions_of_one_label_do_not():
    box = (0, 0, 9, 9)
    several = found(Region(box, "a"), Region(box, "b"), Region(box, "a"))
    assert colors_of(several) == [PALETTE[0], PALETTE[1], PALETTE[0]]
    assert colors_of(found(*[Region(box, "a")] * 3)) == list(PALETTE[:3])
    assert len(colors_of(found(*[Region(box)] * 20))) == 20


def test_regions_of_the_same_words_of_a_caption_share_a_colour():
    box = (0, 0, 9, 9)
    caption = found(*(Region(box, span=s) for s in ((0, 3), (5, 9), (0, 3))), text="two stars", task="caption")
    assert colors_of(caption) == [PALETTE[0], PALETTE[1], PALETTE[0]]


# ---- labels


def test_a_region_is_called_by_its_label_a_captions_words_the_phrase_or_its_number():
    box = (0, 0, 9, 9)
    assert names_of(found(Region(box, "cup"))) == ["cup"]
    assert names_of(found(Region(box))) == ["the red star"]
    assert names_of(found(Region(box), Region(box, "cup"))) == ["#1", "cup"]
    assert names_of(found(Region(box, span=(2, 6)), text="a star", task="caption")) == ["star"]


def test_scores_can_be_left_out():
    region = Region((100, 100, 200, 200), "star", 0.5)
    with_score = changed(blank(), draw(blank(), found(region))).sum()
    without = changed(blank(), draw(blank(), found(region), show_scores=False)).sum()
    assert without < with_score


@st.composite
def crowds(draw_value):
    """Sizes of labels, their boxes, and the picture that each of the labels fits into."""
    width, height = draw_value(st.integers(40, 700)), draw_value(st.integers(40, 700))
    part = st.floats(0, 1)
    rows = draw_value(st.lists(st.tuples(part, part, part, part), min_size=1, max_size=12))
    boxes = as_boxes([(min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d in rows])
    size = st.tuples(st.integers(1, width), st.integers(1, height))
    sizes = draw_value(st.lists(size, min_size=len(rows), max_size=len(rows)))
    return sizes, boxes * np.array([width, height, width, height]), (width, height)


def placed(sizes, boxes, picture, dots=()) -> np.ndarray:
    places = place_labels(sizes, range(len(sizes)), boxes, as_boxes(list(dots)), picture)
    return np.array([(x, y, x + w, y + h) for (x, y), (w, h) in zip(places, sizes, strict=True)], dtype=float)


@settings(max_examples=60)
@given(crowds())
def test_labels_lie_inside_the_picture(crowd):
    sizes, boxes, picture = crowd
    rects = placed(sizes, boxes, picture)
    assert (rects[:, :2] >= 0).all()
    assert (rects[:, 2:] <= picture).all()


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 600), st.integers(0, 440)), min_size=2, max_size=12))
def test_labels_lie_off_each_other_where_there_is_room(corners):
    boxes = as_boxes([(x, y, x + 40, y + 40) for x, y in corners])
    rects = placed([(90, 20)] * len(corners), boxes, (640, 480))
    overlap = iou(rects, rects) - np.eye(len(rects))
    assert overlap.max() <= 0


def test_a_label_stands_on_its_box_where_nothing_is_in_the_way():
    assert placed([(60, 20)], as_boxes([100, 100, 200, 200]), (640, 480)).tolist() == [[100, 80, 160, 100]]


def test_a_label_of_a_box_at_the_top_does_not_hide_it():
    (rect,) = placed([(60, 20)], as_boxes([100, 0, 200, 60]), (640, 480))
    assert iou([rect], [[100, 0, 200, 60]]).max() == 0


def test_a_label_keeps_off_points():
    dots = [(95, 75, 205, 105)]
    rects = placed([(60, 20)], as_boxes([100, 100, 200, 200]), (640, 480), dots)
    assert iou(rects, dots).max() == 0


def test_a_label_far_from_its_box_is_led_to_it():
    rows = [(300 + n, 200 + n, 330 + n, 230 + n) for n in range(12)]
    image = blank(640, 480)
    regions = [Region(row, "crowded", 0.5) for row in rows]
    drawn = draw(image, found(*regions, image=image))
    assert all(painted(drawn, color).any() for color in PALETTE)


# ---- words


def test_letters_beyond_ascii_are_not_replaced():
    shapes = {words._glyph(words._font(words._path_for(c), 24), c) for c in "éßжΔ≤?"}
    assert len(shapes) == 6


def test_a_label_is_drawn_in_its_own_letters():
    pictures = {draw(blank(), found(Region((100, 100, 200, 200), name))).tobytes() for name in ("кот", "сом", "???")}
    assert len(pictures) == 3


@settings(max_examples=60)
@given(st.text(max_size=60), st.integers(8, 30), st.integers(20, 400), st.integers(1, 3), st.sampled_from([0, 15]))
def test_lines_are_no_wider_than_they_may_be(text, size, width, most, tail):
    broken = words.lines(text, size, width, most, tail)
    assert len(broken) <= most + (1 if tail else 0)
    for line in broken:
        assert words.length(line, size) <= width or len(line) <= 2


def test_long_words_are_cut_with_an_ellipsis():
    (line,) = words.lines("the second chair from the left behind the table", 12, 100, 1)
    assert line.startswith("the sec")
    assert line.endswith("…")


def test_lines_are_about_equally_long():
    first, second = words.lines("the person on the left of the handbag", 14, 260, 2)
    assert abs(words.length(first, 14) - words.length(second, 14)) < 100


@pytest.mark.parametrize("text", ["a\nb", "a\tb", "\x00\x1b[31m", "\ud800", "\u202eabc", "x" * 100_000, ""])
def test_what_models_write_can_be_drawn(text):
    assert draw(blank(), found(Region((10, 50, 90, 90), text))).size == (320, 240)
    assert draw(blank(), found(phrase=text)).size == (320, 240)


def test_a_picture_without_matplotlibs_fonts_is_still_labelled(monkeypatch):
    monkeypatch.setattr(words.importlib.util, "find_spec", lambda name: None)
    caches = (words._font_paths, words._path_for)
    for cache in caches:
        cache.cache_clear()
    try:
        assert words.length("star", 20) > 20
    finally:
        monkeypatch.undo()
        for cache in caches:
            cache.cache_clear()


# ---- sheets


def test_a_sheet_shows_every_picture_under_its_title():
    image = blank(64, 48)
    items = [(image, found(Region((9, 9, 30, 30)), image=image), f"number {n}") for n in range(5)]
    whole = sheet(items, columns=3, cell=160)
    assert whole.width == 11 + 3 * (160 + 11)
    assert (np.asarray(whole) == GREY).all(axis=2).sum() > 5 * 160 * 120 * 0.6
    assert painted(whole, PALETTE[0]).sum() > 5 * 100
    assert tuple(np.asarray(whole)[-20, -20]) == PAPER  # the place of a sixth


def test_a_sheet_takes_pictures_of_different_shapes():
    items = [(i := blank(*size), found(image=i), "") for size in ((300, 20), (20, 300), (1, 1))]
    assert sheet(items, columns=2, cell=100).size[0] == 7 + 2 * 107


@pytest.mark.parametrize(("items", "options"), [([], {}), ([1], {"columns": 0}), ([1], {"cell": 3})])
def test_a_sheet_of_nothing_is_refused(items, options):
    with pytest.raises(InputError, match="seen"):
        sheet([(blank(), found(), "a") for _ in items], **options)
