"""Regions and Groundings: checked when made, whole again from JSON, readable to people and to other programs."""

from __future__ import annotations

import base64
import io
import json
import pickle
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image

from grounding.errors import BoxError, InputError
from grounding.masks import Mask
from grounding.result import PROBLEM_KINDS, Grounding, Problem, Region

MASK = Mask.from_polygons([[(10, 10), (30, 10), (30, 30)]], 100, 80)


def grounding(*regions: Region, **fields) -> Grounding:
    return Grounding(
        **{"phrase": "the red star", "regions": regions, "text": "raw", "width": 100, "height": 80, **fields}
    )


TWO = grounding(
    Region((10, 20, 30, 50), "star", 0.25, span=(0, 3)),
    Region((1.5, 2.5, 3.5, 4.5), "ring", 0.75, mask=MASK, point=(2, 3)),
    problems=(Problem("truncated", "the answer ends in the middle of a box", (7, 12)), Problem("prose", "words")),
    model="tiny",
    seconds=0.125,
    raw="<loc0001>",
)


# ---- what a region may be


@pytest.mark.parametrize(
    "box",
    [
        (3, 0, 1, 4),
        (0, 4, 4, 0),
        (0, 0, float("nan"), 1),
        (0, 0, float("inf"), 1),
        (0, 0, 1),
        (0, 0, 1, 1, 1),
        ("a", 0, 1, 1),
        None,
    ],
)
def test_a_box_that_cannot_be_one_is_refused(box):
    with pytest.raises(BoxError, match="box"):
        Region(box)


@pytest.mark.parametrize("field", [{"score": float("nan")}, {"score": "high"}, {"point": (1,)}, {"point": (1, None)}])
def test_a_score_or_point_that_is_no_number_is_refused(field):
    with pytest.raises(BoxError, match=r"score|point"):
        Region((0, 0, 1, 1), **field)


@pytest.mark.parametrize("span", [(-1, 4), (5, 4)])
def test_a_span_runs_forward_from_the_start_of_the_text(span):
    with pytest.raises(InputError, match="0 <= start <= end"):
        Region((0, 0, 1, 1), span=span)


def test_numbers_of_numpy_become_plain_ones():
    region = Region(
        np.array([1, 2, 3, 4], np.float32), score=np.float32(0.5), point=np.array([1, 2]), span=np.array([0, 2])
    )
    plain = Region((1.0, 2.0, 3.0, 4.0), score=0.5, point=(1.0, 2.0), span=(0, 2))
    assert region == plain
    assert {type(value) for value in (*region.box, region.score, *region.point)} == {float}
    json.dumps(region.to_json())


def test_a_box_without_area_is_a_region():
    assert Region((5, 5, 5, 5)).area == 0


def test_a_region_measures_itself():
    region = Region((10, 20, 40, 60))
    assert (region.xywh, region.area, region.center) == ((10, 20, 30, 40), 1200, (25, 40))


def test_a_problem_is_of_a_known_kind():
    with pytest.raises(InputError, match=f"known: {PROBLEM_KINDS[0]}"):
        Problem("odd", "message")


@pytest.mark.parametrize("size", [(0, 80), (100, -1), (1.5, 80), ("100", 80), (None, 80), (float("nan"), 80)])
def test_a_grounding_without_a_size_is_refused(size):
    with pytest.raises(InputError, match="whole number of pixels"):
        grounding(width=size[0], height=size[1])


def test_results_do_not_change_and_can_stand_in_sets():
    with pytest.raises(AttributeError):
        TWO.phrase = "else"
    assert len({TWO, TWO.replace(), TWO.replace(phrase="else")}) == 2


def test_lists_are_taken_and_kept_as_tuples():
    made = Grounding("x", [Region((0, 0, 1, 1))], "", 5, 5, problems=[Problem("prose", "y")])
    assert isinstance(made.regions, tuple)
    assert isinstance(made.problems, tuple)


def test_the_picture_is_no_part_of_the_value():
    with_picture = TWO.replace(image=Image.new("RGB", (100, 80)))
    assert with_picture == TWO
    assert "image" not in repr(with_picture)


def test_results_go_to_other_processes():
    assert pickle.loads(pickle.dumps(TWO)) == TWO


# ---- what it says


def test_regions_can_be_read_column_by_column():
    assert TWO.boxes.tolist() == [[10, 20, 30, 50], [1.5, 2.5, 3.5, 4.5]]
    assert TWO.boxes.dtype == np.float64
    assert TWO.labels == ("star", "ring")
    assert TWO.scores == (0.25, 0.75)
    assert (TWO.count, TWO.found) == (2, True)


def test_nothing_found_has_no_boxes_and_no_best():
    nothing = grounding()
    assert (nothing.count, nothing.found, nothing.best) == (0, False, None)
    assert nothing.boxes.shape == (0, 4)


def test_the_best_has_the_highest_score_and_any_score_beats_none():
    assert TWO.best.label == "ring"
    unscored, scored = Region((0, 0, 1, 1)), Region((0, 0, 2, 2), score=-5.0)
    assert grounding(unscored, scored).best is scored
    assert grounding(unscored, Region((0, 0, 3, 3))).best is unscored


def test_regions_above_a_score_stay_and_unscored_ones_too():
    unscored = Region((0, 0, 1, 1))
    filtered = TWO.replace(regions=(*TWO.regions, unscored)).above(0.75)
    assert filtered.regions == (TWO.regions[1], unscored)
    assert filtered.problems == TWO.problems


# ---- JSON

numbers = st.floats(-1e6, 1e6)
texts = st.text(max_size=20)


@st.composite
def regions(draw):
    a, b, c, d = (draw(numbers) for _ in range(4))
    start = draw(st.integers(0, 9))
    return Region(
        (min(a, c), min(b, d), max(a, c), max(b, d)),
        draw(st.none() | texts),
        draw(st.none() | numbers),
        draw(st.none() | st.just((start, start + 2))),
        draw(st.sampled_from([None, MASK])),
        draw(st.none() | st.tuples(numbers, numbers)),
    )


problems = st.builds(Problem, st.sampled_from(PROBLEM_KINDS), texts, st.none() | st.just((1, 4)))


@given(st.lists(regions(), max_size=3), st.lists(problems, max_size=2), texts, texts, st.none() | texts)
def test_json_gives_an_equal_grounding_back(found, troubles, phrase, text, raw):
    whole = Grounding(phrase, tuple(found), text, 640, 480, tuple(troubles), "count", raw, 0.5, raw)
    assert Grounding.from_json(json.loads(json.dumps(whole.to_json()))) == whole


def test_json_has_the_keys_that_programs_read():
    data = TWO.to_json()
    assert data["phrase"] == "the red star"
    assert data["found"] is True
    assert (data["width"], data["height"], data["model"], data["seconds"]) == (100, 80, "tiny", 0.125)
    assert data["regions"][0] == {"box": [10.0, 20.0, 30.0, 50.0], "label": "star", "score": 0.25, "span": [0, 3]}
    assert data["problems"][0]["kind"] == "truncated"


@pytest.mark.parametrize("key", ["phrase", "regions", "width", "height"])
def test_json_with_a_key_missing_is_refused_by_its_name(key):
    data = TWO.to_json()
    del data[key]
    with pytest.raises(InputError, match=f"needs '{key}'; seen "):
        Grounding.from_json(data)


@pytest.mark.parametrize("regions", [[{"label": "x"}], ["box"], 7, None])
def test_json_with_broken_regions_is_refused(regions):
    with pytest.raises(InputError):
        Grounding.from_json({**TWO.to_json(), "regions": regions})


def test_json_that_is_no_object_is_refused():
    with pytest.raises(InputError, match="seen list"):
        Grounding.from_json([1, 2])


# ---- other programs' forms


def test_coco_annotations_hold_x_y_width_height_and_polygons():
    first, second = TWO.to_coco(7, {"star": 3, "ring": 4}, first_id=10)
    assert first == {
        "id": 10,
        "image_id": 7,
        "category_id": 3,
        "bbox": [10.0, 20.0, 20.0, 30.0],
        "area": 600.0,
        "iscrowd": 0,
        "segmentation": [],
        "score": 0.25,
    }
    assert second["segmentation"] == [[10.0, 10.0, 30.0, 10.0, 30.0, 30.0]]
    json.dumps([first, second])


def test_coco_annotations_of_pixels_hold_run_lengths_and_their_area():
    pytest.importorskip("pycocotools")
    mask = Mask.from_array(np.eye(5))
    (annotation,) = Grounding("x", (Region((0, 0, 5, 5), mask=mask),), "", 5, 5).to_coco(1)
    assert annotation["segmentation"] == mask.rle
    assert annotation["area"] == 5
    assert annotation["category_id"] == 1
    assert "score" not in annotation


def test_a_label_without_a_category_is_refused():
    with pytest.raises(InputError, match="'ring'; known: star"):
        TWO.to_coco(1, {"star": 3})


def test_pycocotools_reads_the_annotations():
    coco = pytest.importorskip("pycocotools.coco").COCO()
    coco.dataset = {
        "images": [{"id": 7, "width": 100, "height": 80}],
        "categories": [{"id": 1, "name": "thing"}],
        "annotations": TWO.to_coco(7),
    }
    coco.createIndex()
    assert coco.annToMask(coco.loadAnns(2)[0]).sum() == MASK.area


def test_supervision_gets_boxes_names_scores_and_masks():
    detections = TWO.to_supervision()
    assert detections.xyxy.tolist() == TWO.boxes.tolist()
    assert detections.data["class_name"].tolist() == ["star", "ring"]
    assert detections.class_id.tolist() == [0, 1]
    assert detections.confidence.tolist() == [0.25, 0.75]
    assert detections.mask.shape == (2, 80, 100)
    assert not detections.mask[0].any()
    assert detections.mask[1].sum() == MASK.area


def test_supervision_gets_no_scores_that_nobody_gave():
    unscored = grounding(Region((0, 0, 1, 1)))
    assert unscored.to_supervision().confidence is None
    mixed = grounding(Region((0, 0, 1, 1), score=0.5), Region((0, 0, 1, 1))).to_supervision()
    assert mixed.confidence[0] == 0.5
    assert np.isnan(mixed.confidence[1])


def test_supervision_gets_equal_numbers_for_equal_labels():
    labels = ["a", "b", "a", None]
    detections = grounding(*(Region((0, 0, 1, 1), label) for label in labels)).to_supervision()
    assert detections.class_id.tolist() == [0, 1, 0, 2]


def test_supervision_gets_an_empty_set_for_nothing_found():
    assert len(grounding().to_supervision()) == 0


# ---- to look at


def test_drawing_without_a_picture_says_what_to_do():
    with pytest.raises(InputError, match="pass it"):
        TWO.draw()


def test_drawing_uses_the_picture_at_hand():
    image = Image.new("RGB", (100, 80), "white")
    assert TWO.replace(image=image).draw().tobytes() == TWO.draw(image).tobytes() != image.tobytes()


class Page(HTMLParser):
    """Collects tags and texts, and fails on a tag that is closed wrongly."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def test_the_notebook_shows_the_picture_with_its_regions():
    page = Page(TWO.replace(image=Image.new("RGB", (100, 80), "white"))._repr_html_())
    ((_, attributes),) = [tag for tag in page.tags if tag[0] == "img"]
    kind, data = attributes["src"].split(",", 1)
    picture = Image.open(io.BytesIO(base64.b64decode(data)))
    assert kind == "data:image/jpeg;base64"
    assert max(picture.size) == 640  # larger than the picture, so that labels are sharp
    assert len(picture.getcolors(1 << 20)) > 10


def test_the_notebook_names_what_was_found():
    page = Page(TWO._repr_html_())
    words = " ".join(page.words)
    assert "the red star" in words
    assert "locate · 2 regions · 100 × 80 px · tiny · 125 ms" in words
    assert "10.0, 20.0, 30.0, 50.0" in words
    assert "truncated: the answer ends in the middle of a box" in words
    assert not [tag for tag in page.tags if tag[0] == "img"]


def test_the_notebook_says_when_nothing_was_found():
    assert "nothing found" in grounding()._repr_html_()


def test_what_a_model_wrote_is_no_html():
    evil = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
    whole = grounding(
        Region((0, 0, 9, 9), evil, span=(0, 9)),
        phrase=evil,
        text=evil,
        model=evil,
        task=evil,
        problems=(Problem("prose", evil),),
        image=Image.new("RGB", (100, 80)),
    )
    page = Page(whole._repr_html_())
    assert {tag for tag, _ in page.tags} <= {"div", "span", "table", "tr", "th", "td", "img", "ul", "li"}
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert [attributes["alt"] for tag, attributes in page.tags if tag == "img"] == [f"{evil}: 1 drawn"]


def test_the_words_of_a_caption_are_marked_in_the_colours_of_their_boxes():
    caption = grounding(
        Region((0, 0, 9, 9), span=(2, 6)),
        Region((0, 0, 9, 9), span=(15, 19)),
        Region((5, 5, 9, 9), span=(15, 19)),  # the same words again
        Region((5, 5, 9, 9), span=(17, 99)),  # beyond the text
        phrase="",
        text="a star above a ring",
        task="caption",
    )
    html = caption._repr_html_()
    marked = re.findall(r"border-bottom:2px solid (#\w+)[^>]*>(\w+)</span>", html)
    assert [words for _, words in marked] == ["star", "ring"]
    assert marked[0][0] != marked[1][0]
    assert "a star above a ring" in "".join(Page(html).words)


def test_the_notebook_sets_no_colour_that_a_dark_page_would_swallow():
    html = TWO._repr_html_()
    assert "color:inherit" in html
    assert not re.search(r"(?<!-)\bcolor:(?!inherit)", html)


# ---- what importing it costs


def test_importing_results_loads_no_heavy_package():
    code = "import sys, grounding.result, grounding.draw; print([m for m in HEAVY if m in sys.modules])"
    heavy = ["torch", "transformers", "supervision", "pycocotools", "matplotlib", "cv2"]
    run = subprocess.run(
        [sys.executable, "-c", f"HEAVY = {heavy}; {code}"], capture_output=True, text=True, check=True, timeout=60
    )
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("blocked", "code", "said"),
    [
        (
            "supervision",
            "Grounding('x', (Region((0, 0, 1, 1)),), '', 5, 5).to_supervision()",
            "pip install supervision",
        ),
        ("pycocotools", "Mask.from_array([[1]])", "grounding-vlm[eval]"),
    ],
)
def test_a_package_that_is_not_installed_is_named_with_its_extra(blocked, code, said):
    script = f"""
import sys
sys.modules[{blocked!r}] = None
from grounding.errors import MissingExtraError
from grounding.masks import Mask
from grounding.result import Grounding, Region
try:
    {code}
except MissingExtraError as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert said in run.stdout


def test_without_supervision_the_notebook_still_shows_the_picture():
    script = """
import sys
sys.modules["supervision"] = None
from PIL import Image
from grounding.result import Grounding, Region
html = Grounding("x", (Region((0, 0, 1, 1)),), "", 5, 5, image=Image.new("RGB", (5, 5)))._repr_html_()
print("<img" in html, "pip install supervision" in html)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.split() == ["True", "True"]
