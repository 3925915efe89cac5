"""What is known of each family: how locate is asked of it in tokens, and an answer with the boxes that it means."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec

import pytest
import transformers

from grounding.backends.families import BY_TYPE
from tests import tiny_families

WIDE, HIGH = 200, 100


@dataclass(frozen=True)
class Case:
    """What is known of a family: its locate prompt as tokens, and an answer with the boxes it means in 200 x 100 px."""

    prompt: str
    """Special tokens in angle brackets or bars as they are; `*3` behind one: three of them."""
    answer: str
    boxes: list[tuple[float, float, float, float]]
    labels: tuple[str | None, ...]
    codec: str
    tasks: str
    task: str = "locate"
    points: list[tuple[float, float]] = field(default_factory=list)


def whole(*numbers: float) -> tuple[float, ...]:
    """x1 y1 x2 y2 of a picture of 200 x 100 px, from fractions."""
    x1, y1, x2, y2 = numbers
    return (x1 * WIDE, y1 * HIGH, x2 * WIDE, y2 * HIGH)


CHAT = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
SENTENCE = "Please provide the bounding box coordinate of the region this sentence describes: {}"
JSON_PROMPT = (
    "Find in the picture everything that matches this description: the red cup. Answer with a JSON list and nothing "
)
QWEN_JSON = (
    'Locate every object that matches the description "the red cup" in the image. '
    "Report bbox coordinates in JSON format."
)
JSON_TASKS = "locate detect describe caption count"
CASES = {
    "paligemma": Case(
        "<image>*4<bos>detect the red cup\n",
        # recorded: Blaizzy/mlx-vlm, examples/object_detection.ipynb, of paligemma-3b-mix-224
        "<loc0046><loc0538><loc0795><loc1022> cat ; <loc0110><loc0000><loc1022><loc0512> cat",
        [whole(538 / 1023, 46 / 1023, 1022 / 1023, 795 / 1023), whole(0, 110 / 1023, 512 / 1023, 1022 / 1023)],
        ("cat", "cat"),
        "paligemma",
        "locate detect describe caption segment",
    ),
    "florence2": Case(
        "<image>*5<s>Locate the red cup in the image.</s>",
        "<s>red car<loc_53><loc_334><loc_932><loc_774><loc_711><loc_203><loc_906><loc_546>"
        "sky<loc_0><loc_0><loc_999><loc_300>",
        [
            whole(0.0535, 0.3345, 0.9325, 0.7745),
            whole(0.7115, 0.2035, 0.9065, 0.5465),
            whole(0.0005, 0.0005, 0.9995, 0.3005),
        ],
        ("red car", "red car", "sky"),
        "florence-2",
        "locate detect describe caption segment",
    ),
    "kosmos-2": Case(
        "<s><image>IMAGE</image><grounding><phrase> the red cup</phrase>",
        "<object><patch_index_0044><patch_index_0863></object>",
        [whole(12.5 / 32, 1.5 / 32, 31.5 / 32, 26.5 / 32)],
        (None,),
        "kosmos-2",
        "locate describe caption",
    ),
    "qwen2_vl": Case(
        CHAT.format(
            "<|vision_start|><|image_pad|>*28<|vision_end|>Output the bounding box of the red cup in the image."
        ),
        "<|object_ref_start|>dog<|object_ref_end|><|box_start|>(221,423),(569,886)<|box_end|>",
        [whole(0.221, 0.423, 0.569, 0.886)],
        ("dog",),
        "qwen2-vl",
        "locate detect caption",
    ),
    "qwen2_5_vl": Case(
        # 200 x 100 becomes 196 x 112: 7 x 4 cells of 28 px
        CHAT.format(f"<|vision_start|><|image_pad|>*28<|vision_end|>{QWEN_JSON}"),
        '```json\n[\n\t{"bbox_2d": [49, 28, 98, 84], "label": "man in orange"}\n]\n```',
        [(50, 25, 100, 75)],
        ("man in orange",),
        "qwen2.5-vl",
        "locate detect caption",
    ),
    "qwen2_5_vl with bins": Case(
        CHAT.format(
            "<|vision_start|><|image_pad|>*28<|vision_end|>Detect the red cup. Output the bounding box coordinates in "
            "[x0, y0, x1, y1] format."
        ),
        "<|object_ref_start|>person<|object_ref_end|><|box_start|><0><35><980><987>, <646><0><999><940><|box_end|>",
        [whole(0.5 / 999, 35.5 / 999, 980.5 / 999, 987.5 / 999), whole(646.5 / 999, 0.5 / 999, 1, 940.5 / 999)],
        ("person", "person"),
        "rex-omni",
        "locate detect segment",
    ),
    "qwen3_vl": Case(
        # 192 x 96: 6 x 3 cells of 32 px
        CHAT.format(f"<|vision_start|><|image_pad|>*18<|vision_end|>{QWEN_JSON}"),
        '```json\n[\n\t{"bbox_2d": [197, 347, 520, 999], "label": "時透無一郎"}\n]\n```',
        [whole(0.197, 0.347, 0.52, 0.999)],
        ("時透無一郎",),
        "qwen3-vl",
        "locate detect caption",
    ),
    "internvl": Case(
        CHAT.format(f"<img><IMG_CONTEXT>*3</img>\n{SENTENCE.format('<ref>the red cup</ref>')}"),
        "<ref>the dog</ref><box>[[226, 320, 576, 892], [32, 231, 977, 662]]</box>",
        [whole(0.226, 0.32, 0.576, 0.892), whole(0.032, 0.231, 0.977, 0.662)],
        ("the dog", "the dog"),
        "internvl",
        "locate detect caption",
    ),
    "llava": Case(
        f"<s> USER: <image>*4\n{SENTENCE.format('the red cup')} ASSISTANT:",
        "[0.25, 0.30, 0.75, 0.70]",
        [(50, 10, 150, 90)],  # shares of a square of 200 px, in which the picture begins at 50
        (None,),
        "llava-1.5",
        "locate detect describe caption",
    ),
    "llava_next": Case(
        f"<s> [INST] <image>*14\n{SENTENCE.format('the red cup')} [/INST]",
        "[0.25, 0.30, 0.75, 0.70]",
        [(50, 10, 150, 90)],
        (None,),
        "llava-1.5",
        "locate detect describe caption",
    ),
    "llava_onevision": Case(
        CHAT.format(f"<image>*14\n{SENTENCE.format('the red cup')}"),
        "[0.25, 0.30, 0.75, 0.70]",
        [(50, 10, 150, 90)],
        (None,),
        "llava-1.5",
        "locate detect describe caption",
    ),
    "deepseek_vl": Case(
        f"<s> User: <image_placeholder>*4{JSON_PROMPT}...\n\nAssistant:",
        '[{"label": "a red cup", "box": [120, 88, 240, 311]}]',
        [whole(0.12, 0.088, 0.24, 0.311)],
        ("a red cup",),
        "json",
        JSON_TASKS,
    ),
    "deepseek_vl with boxes": Case(
        "<s> User: <image_placeholder>*4<|ref|>the red cup<|/ref|>.\n\nAssistant:",
        "<|ref|>The giraffe at the back.<|/ref|><|det|>[[580, 270, 999, 900]]<|/det|>",
        [whole(580 / 999, 270 / 999, 1, 900 / 999)],
        ("The giraffe at the back.",),
        "deepseek-vl2",
        "locate detect caption",
    ),
    "molmo2": Case(
        CHAT.format("PICTUREPoint to the red cup\nPlease say 'There are none.' if it is not in the image."),
        '<points coords="1 1 308 305 2 752 377">curb ramp</points>',
        [whole(0.308, 0.305, 0.308, 0.305), whole(0.752, 0.377, 0.752, 0.377)],
        ("curb ramp", "curb ramp"),
        "molmo2",
        "locate detect caption count",
        points=[(61.6, 30.5), (150.4, 37.7)],
    ),
    "fuyu": Case(
        # 200 x 100 becomes 120 x 60: 4 x 2 patches of 30 px
        "|SPEAKER|*4|NEWLINE||SPEAKER|*4|NEWLINE|<s> When presented with a box, perform OCR to extract text contained "
        "within it. If provided with text, generate the corresponding bounding box.\\n the red cup<0x04>",
        "<box>6, 12, 30, 60</box>",  # y x y x, halved: 12 of 60 is 20 of 100
        [(40, 20, 200, 100)],
        (None,),
        "fuyu",
        "locate detect describe caption",
    ),
    "smolvlm": Case(
        f"<|im_start|>User:PICTURE{JSON_PROMPT}...<end_of_utterance>\nAssistant:",
        '[{"label": "a red cup", "box": [120, 88, 240, 311]}]',
        [whole(0.12, 0.088, 0.24, 0.311)],
        ("a red cup",),
        "json",
        JSON_TASKS,
    ),
}
CASES["qwen3_vl_moe"] = CASES["qwen3_vl"]
CASES["idefics3"] = CASES["smolvlm"]


def families(*names: str, but: tuple[str, ...] = ()):
    """Parametrizes `family` with these, or with all; skips those that this environment can't open."""
    chosen = [name for name in names or tiny_families.MAKERS if name not in but]
    return pytest.mark.parametrize("family", [pytest.param(name, marks=_skipped(name)) for name in chosen])


def _skipped(name: str):
    family = BY_TYPE[name.split()[0]]
    if missing := [package for package in family.needs if find_spec(package) is None]:
        return pytest.mark.skip(reason=f"{family.name} needs {', '.join(missing)}")
    if not all(hasattr(transformers, kind) for kind in family.models.values()):
        return pytest.mark.skip(reason=f"{family.name} needs transformers {family.since}")
    return ()
