"""Layouts: token counts as published, places that tile the picture, tokens that show what stands at their place, and
boxes that come back to the original pixels whatever is done to the picture."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import assume, example, given, settings, strategies as st
from PIL import Image
from transformers.models.got_ocr2.image_processing_got_ocr2 import get_optimal_tiled_canvas
from transformers.models.llava_next.processing_llava_next import LlavaNextProcessor
from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize
from transformers.models.siglip2.image_processing_pil_siglip2 import get_image_size_for_max_num_patches

from grounding.codecs import get_codec
from grounding.errors import ConfigError
from grounding.model import GroundingImageProcessor, GroundingProcessor
from grounding.model.tiling import LINE_END, PLANS, InternVL, LlavaNext, Native, View, pick_plan
from grounding.result import Region
from tests import tiny

SIDES = st.one_of(st.integers(1, 200), st.integers(1, 5000))
SIZES = st.tuples(SIDES, SIDES)
RESIZES = st.sampled_from(list(PLANS))
SMALL = View(64, (4, 4))


def within(shorter: int):
    """Sizes that the published processors take too."""
    return st.tuples(st.integers(shorter, 4000), st.integers(shorter, 4000))


# ---- (a) boxes come back


def of_layout(resize: str, codec: str = "location") -> GroundingProcessor:
    return GroundingProcessor(GroundingImageProcessor(64, resize, grid=(4, 4)), tiny.tokenizer(), codec=codec)


HALF_A_BIN = {"location": 0.5 / 1023, "kosmos-2": 0.5 / 32, "shikra": 0.5 / 1000, "llava-1.5": 0.5 / 100}
"""Of a side of what the codec counts along. Kosmos-2's are cells, and a box ends in the middles of its two."""
LABELLED = {"location": None, "kosmos-2": "star", "shikra": None, "llava-1.5": None}


@given(RESIZES, st.sampled_from(list(HALF_A_BIN)), SIZES, st.tuples(*[st.floats(0, 1)] * 4))
@example("llava_next", "shikra", (5000, 40), (0.1, 0.2, 0.7, 0.9))
@example("native", "kosmos-2", (1, 1), (0.0, 0.0, 1.0, 1.0))
def test_a_box_comes_back_to_the_original_pixels_within_half_a_bin(resize, codec, size, shares):
    processor = of_layout(resize, codec)
    width, height = size
    canvas = processor.canvas(width, height)
    x1, x2 = sorted((shares[0] * width, shares[2] * width))
    y1, y2 = sorted((shares[1] * height, shares[3] * height))
    bin_x, bin_y = (2 * HALF_A_BIN[codec] * side for side in (canvas.model_width, canvas.model_height))
    bin_x, bin_y = bin_x / canvas.scale_x, bin_y / canvas.scale_y
    if codec == "kosmos-2":  # the middles of two different cells
        assume(x2 - x1 > 2 * bin_x and y2 - y1 > 2 * bin_y)
    writer = processor.codec_object
    text = writer.encode("locate", regions=[Region((x1, y1, x2, y2), LABELLED[codec])], canvas=canvas)
    (region,) = writer.decode(text, canvas).regions
    for read, meant, bin_ in zip(region.box, (x1, y1, x2, y2), (bin_x, bin_y) * 2, strict=True):
        assert abs(read - meant) <= bin_ / 2 + 1e-6 * max(size)


@given(RESIZES, SIZES)
def test_coordinates_count_along_the_picture_however_it_is_shown(resize, size):
    box = (0.25 * size[0], 0.5 * size[1], 0.75 * size[0], float(size[1]))
    written = {
        get_codec("location").encode("locate", regions=[Region(box)], canvas=of_layout(one).canvas(*size))
        for one in (resize, "squash")
    }
    assert written == {"<loc0512><loc0256><loc1023><loc0767>"}


# ---- (b) a token shows what stands at its place


def token_at(layout, view, x, y):
    """Which tokens of a view have the point (x, y) px of the original in their place."""
    x1, y1, x2, y2 = layout.places.T
    mine = layout.tokens[:, 0] == view
    return np.flatnonzero(mine & (x1 <= x) & (x < x2) & (y1 <= y) & (y < y2))


def shown_mark(pixels, size, side):
    """(x, y) px of the centre of what is white in a view (S, S, 3), or None."""
    weight = pixels.astype(float).mean(2)
    weight[weight < 100] = 0
    if not weight.any():
        return None
    rows, columns = np.indices(weight.shape) + 0.5
    return (weight * columns).sum() / weight.sum(), (weight * rows).sum() / weight.sum()


MARKED = st.tuples(st.integers(130, 700), st.integers(130, 700))


@given(RESIZES, MARKED, st.tuples(st.floats(0, 1), st.floats(0, 1)), st.booleans())
@settings(max_examples=60)
@example("llava_next", (600, 600), (0.5, 0.5), True)
@example("internvl", (600, 300), (0.5, 0.5), False)
@example("internvl", (600, 300), (0.499, 0.25), False)
@example("native", (700, 131), (0.93, 0.02), True)
def test_the_token_whose_place_holds_a_point_is_the_one_that_shows_it(resize, size, share, line_ends):
    width, height = size
    processor = GroundingImageProcessor(64, resize, grid=(4, 4), line_ends=line_ends)
    layout = processor.layout(width, height)
    reach = max(2, round(max(size) / 90))  # half a mark's side: one that is seen in the smallest view
    x, y = (round(reach + part * (side - 2 * reach)) for part, side in zip(share, size, strict=True))
    picture = np.zeros((height, width, 3), np.uint8)
    picture[y - reach : y + reach, x - reach : x + reach] = 255
    views = processor.views(Image.fromarray(picture))
    if resize == "native":
        (rows, columns), patch = layout.shapes[0], 16
        views = views[0].reshape(rows, columns, patch, patch, 3).transpose(0, 2, 1, 3, 4)
        views = views.reshape(1, rows * patch, columns * patch, 3)
        grids = [(rows, columns)]
    else:
        grids = [(4, 4)] * len(views)
    found = 0
    for number, (pixels, (rows, columns)) in enumerate(zip(views, grids, strict=True)):
        seen = shown_mark(pixels, size, reach)
        if seen is None:
            continue
        high, wide = pixels.shape[0] / rows, pixels.shape[1] / columns
        feature = int(seen[1] // high) * columns + int(seen[0] // wide)
        where = np.flatnonzero((layout.tokens == (number, feature)).all(1))
        if not len(where):
            continue  # in a row beside a bar that LLaVA-NeXT leaves out
        found += 1
        x1, y1, x2, y2 = layout.places[where[0]]
        slack_x, slack_y = reach + 0.2 * (x2 - x1), reach + 0.2 * (y2 - y1)
        assert x1 - slack_x <= x <= x2 + slack_x
        assert y1 - slack_y <= y <= y2 + slack_y
        for token in token_at(layout, number, x, y):  # a mark at a seam shows in both tiles, each with its own part
            x1, y1, x2, y2 = layout.places[token]
            on_edge = min(x - x1, x2 - x, y - y1, y2 - y) < max(slack_x, slack_y)
            assert layout.tokens[token, 1] == feature or on_edge
    assert found


# ---- (c) nothing of the picture is left out


@given(RESIZES, SIZES, st.booleans())
def test_views_cover_the_picture_and_places_tile_it_without_gaps(resize, size, line_ends):
    width, height = size
    layout = pick_plan(resize).layout(width, height, View(64, (4, 4), line_ends))
    seen = layout.canvas.to_original(np.array(layout.views, float))
    assert seen[:, :2].min() <= 1e-6
    assert (seen[:, 2:].max(0) >= np.array(size) - 1e-6).all()
    assert set(layout.tokens[:, 0]) == set(range(len(layout.views)))
    lines = layout.tokens[:, 1] == LINE_END
    assert np.isnan(layout.places[lines]).all()
    assert not np.isnan(layout.places[~lines]).any()
    x1, y1, x2, y2 = layout.places[~lines].T
    views = layout.tokens[~lines, 0]
    # a level is what is seen at one scale: the whole picture, or all tiles together
    thumbnail = {"llava_next": 0, "internvl": len(layout.views) - 1 if len(layout.views) > 1 else None}.get(resize)
    for level in (views == thumbnail, views != thumbnail):
        if not level.any():
            continue
        area = ((x2 - x1) * (y2 - y1))[level].sum()
        left, top, right, bottom = x1[level].min(), y1[level].min(), x2[level].max(), y2[level].max()
        assert area == pytest.approx((right - left) * (bottom - top))  # no overlap, no gap
        edges = np.unique(np.round(np.concatenate([x1[level], x2[level]]), 6))
        assert np.isin(np.round(x2[level], 6), edges).all()
        spare = 0.51 if resize == "llava_next" and level[0] != (views == thumbnail)[0] else 0
        cell_x, cell_y = (x2 - x1)[level].max(), (y2 - y1)[level].max()
        assert left <= spare * cell_x + 1e-6
        assert top <= spare * cell_y + 1e-6
        assert right >= width - spare * cell_x - 1e-6 * width
        assert bottom >= height - spare * cell_y - 1e-6 * height


@given(st.sampled_from(["llava_next", "internvl", "squash", "pad"]), SIZES)
def test_views_are_whole_squares_of_the_plane(resize, size):
    layout = pick_plan(resize).layout(*size, SMALL)
    for x1, y1, x2, y2 in layout.views:
        assert 0 <= x1 < x2 <= layout.canvas.model_width
        assert 0 <= y1 < y2 <= layout.canvas.model_height


# ---- (d) as many tokens as published models take


def test_llava_takes_576_tokens_a_picture():
    """LLaVA-1.5: CLIP ViT-L/14 at 336 px (transformers, docs of Llava: 24 x 24 patches)."""
    layout = pick_plan("pad").layout(640, 480, View(336, (24, 24)))
    assert len(layout.tokens) == 576
    assert layout.plain


def published_next(width, height, side=336, patch=14):
    """The count of transformers' LlavaNextProcessor, class token left out."""
    pinpoints = [[rows * side, columns * side] for columns, rows in LlavaNext().grids]
    facts = SimpleNamespace(
        image_processor=SimpleNamespace(image_grid_pinpoints=pinpoints),
        patch_size=patch,
        num_additional_image_tokens=0,
    )
    facts._get_unpadded_features = lambda *numbers: LlavaNextProcessor._get_unpadded_features(facts, *numbers)
    return LlavaNextProcessor._get_number_of_features(facts, height, width, side, side)


def test_llava_next_takes_its_tokens_with_line_ends_and_without_bars():
    view = View(336, (24, 24), True)
    assert len(LlavaNext().layout(672, 672, view).tokens) == 576 + 48 * 48 + 48
    assert len(LlavaNext().layout(1000, 500, view).tokens) == 576 + 24 * 48 + 24
    tokens = LlavaNext().layout(900, 300, view).tokens
    assert len(tokens) == 576 + 24 * 72 + 24
    assert (tokens[:576, 1] >= 0).all()  # the whole picture has no line ends
    assert np.flatnonzero(tokens[:, 1] == LINE_END).tolist() == list(range(576 + 72, len(tokens), 73))


@given(within(40))
def test_llava_next_takes_as_many_tokens_as_transformers_counts(size):
    assume(max(size) < 40 * min(size))  # beyond, lines of no feature are left, of which we leave out the ends too
    assert len(LlavaNext().layout(*size, View(336, (24, 24), True)).tokens) == published_next(*size)


def test_rows_of_llava_next_run_across_its_tiles():
    layout = LlavaNext().layout(128, 128, SMALL)  # 2 x 2 tiles of 4 x 4 features
    views = layout.tokens[16:, 0].reshape(8, 8)
    assert views[0].tolist() == [1] * 4 + [2] * 4
    assert views[:, 0].tolist() == [1] * 4 + [3] * 4
    assert layout.tokens[16:, 1].reshape(8, 8)[5].tolist() == [4, 5, 6, 7, 4, 5, 6, 7]
    x1 = layout.places[16:, 0].reshape(8, 8)[0]
    assert x1.tolist() == [16 * number for number in range(8)]


def test_internvl_takes_256_tokens_a_tile():
    """InternVL at 448 px, patches of 14, pixel shuffle by 2 (transformers, docs of InternVL: image_seq_length 256)."""
    view = View(448, (16, 16))
    one = InternVL().layout(448, 448, view)
    assert (len(one.views), len(one.tokens)) == (1, 256)
    wide = InternVL().layout(1792, 896, view)
    assert len(wide.views) == 9
    assert len(wide.tokens) == 9 * 256
    assert wide.plain
    assert len(InternVL(thumbnail=False).layout(1792, 896, view).views) == 8


@given(SIZES, st.integers(1, 12))
def test_internvl_chooses_the_grid_that_transformers_chooses(size, most):
    theirs = get_optimal_tiled_canvas((size[1], size[0]), (448, 448), 1, most)
    assert InternVL(max_tiles=most).grid(*size, 448) == theirs


def test_native_pictures_take_256_patches():
    """SigLIP 2 NaFlex: max_num_patches 256 (transformers, docs of Siglip2)."""
    layout = Native().layout(500, 500, SMALL)
    assert layout.shapes == ((16, 16),)
    assert len(layout.tokens) == 256


@given(within(16), st.sampled_from([64, 256, 729, 1024]))
def test_native_sides_are_those_of_siglip_2(size, most):
    high, wide = get_image_size_for_max_num_patches(size[1], size[0], 16, most)
    assert Native(max_patches=most).shape(*size) == (high // 16, wide // 16)


@given(within(16))
def test_between_limits_native_sides_are_those_of_qwen2_vl(size):
    assume(max(size) < 200 * min(size))
    high, wide = smart_resize(size[1], size[0], 28, 56 * 56, 28 * 28 * 1280)
    assume(high * wide <= 28 * 28 * 1280)  # theirs may be over the limit for a picture of one patch's height
    plan = Native(max_patches=4 * 1280, min_patches=16, patch_size=14, merge=2)
    assert plan.shape(*size) == (high // 28, wide // 28)


@given(SIZES, st.integers(1, 3), st.integers(9, 300), st.one_of(st.none(), st.integers(1, 9)))
def test_native_pictures_never_take_more_than_they_may(size, merge, most, fewest):
    plan = Native(max_patches=most, min_patches=fewest, patch_size=4, merge=merge)
    layout = plan.layout(*size, SMALL)
    ((rows, columns),) = layout.shapes
    assert rows * columns <= most
    assert rows % merge == columns % merge == 0
    assert len(layout.tokens) == rows * columns // merge**2
    assert (layout.canvas.model_height, layout.canvas.model_width) == (4 * rows, 4 * columns)


# ---- features that are no grid of the view


@pytest.mark.parametrize("resize", PLANS)
def test_latents_stand_for_no_place(resize):
    layout = pick_plan(resize).layout(300, 100, View(64, (7, 0)))
    assert len(layout.tokens) == 7 * len(layout.views)
    assert np.isnan(layout.places).all()
    assert layout.plain or resize == "native"


def test_the_last_of_uneven_features_stand_for_what_is_left():
    """Pixel shuffle by 2 of a grid of 7 gives 4: three of two patches, one of one."""
    layout = pick_plan("squash").layout(224, 224, View(224, (4, 4), cell=64))
    assert layout.places[:4, 0].tolist() == [0, 64, 128, 192]
    assert layout.places[:4, 2].tolist() == [64, 128, 192, 224]
    tiles = LlavaNext().layout(448, 448, View(224, (4, 4), cell=64))
    assert tiles.places[16:24, 0].tolist() == [0, 64, 128, 192, 224, 288, 352, 416]


def test_lines_may_end_in_every_layout():
    for resize in PLANS:
        layout = pick_plan(resize).layout(640, 640, View(64, (4, 4), True))
        assert not layout.plain
        ends = np.flatnonzero(layout.tokens[:, 1] == LINE_END)
        assert len(ends) > 3
        before = layout.tokens[ends - 1]
        assert (before[:, 1] >= 0).all()
        assert (layout.tokens[ends, 0] == before[:, 0]).all()


# ---- what can't work


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("crop", {}, "'crop' is not known: squash, pad"),
        ("internvl", {"max_tile": 3}, r"no option 'max_tile': did you mean 'max_tiles'\?"),
        ("squash", {"tiles": 3}, "it has none"),
        ("internvl", {"max_tiles": 2, "min_tiles": 3}, "min_tiles 3, max_tiles 2"),
        ("llava_next", {"grids": []}, "at least one pair"),
        ("llava_next", {"grids": [[0, 2]]}, "at least one pair"),
        ("llava_next", {"grids": 3}, "at least one pair"),
        ("native", {"patch_size": 0}, "patch_size 0"),
        ("native", {"max_patches": 3, "merge": 2}, "room for one feature"),
        ("native", {"min_patches": 300}, "min_patches 300"),
    ],
)
def test_options_that_can_not_work_are_refused(name, options, said):
    with pytest.raises(ConfigError, match=said):
        pick_plan(name, options)
