"""Makes docs/architectures.md and its diagrams out of rows.yaml, with every count computed.

`python docs/architectures/draw.py`

Counts come of the real layout, encoder geometry and projector: an encoder stands in that has the published one's size,
patches and merging, and a width of 32. No weights are fetched.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from xml.sax.saxutils import escape

import yaml

from grounding.codecs import get_codec
from grounding.data.lessons.mixture import Mixture
from grounding.data.lessons.sources import ListedSource
from grounding.model.building import patch_rows
from grounding.model.tokenization import train_tokenizer
from grounding.result import Region
from grounding.training.box_tokens import box_tokens
from grounding.training.building import build, lesson_texts
from grounding.training.mixtures import open_mixture
from grounding.training.recipe import DataRecipe, Recipe
from grounding.training.recipe_files import recipe_of

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "architectures.md"
WIDTH, HEIGHT = 640, 480
"""The picture that is counted and drawn."""

TINY = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
DINO = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
STAND_INS: dict[str, dict[str, Any]] = {
    "openai/clip-vit-large-patch14-336": {
        "model_type": "clip_vision_model", **TINY, "image_size": 336, "patch_size": 14,
    },
    "google/siglip-so400m-patch14-384": {
        "model_type": "siglip_vision_model", **TINY, "image_size": 384, "patch_size": 14,
    },
    "google/siglip2-base-patch16-512": {
        "model_type": "siglip_vision_model", **TINY, "image_size": 512, "patch_size": 16,
    },
    "google/siglip2-base-patch16-naflex": {
        "model_type": "siglip2_vision_model", **TINY, "num_patches": 256, "patch_size": 16,
    },
    "facebook/dinov2-large": {"model_type": "dinov2", **DINO, "image_size": 518, "patch_size": 14},
    "facebook/dinov3-vitl16-pretrain-lvd1689m": {
        "model_type": "dinov3_vit", **TINY, "image_size": 224, "patch_size": 16,
    },
    "timm:eva02_large_patch14_clip_336.merged2b_s6b_b61k": {
        "model_type": "timm_wrapper", "architecture": "eva02_tiny_patch14_336", "image_size": 336,
    },
    "efficientnet-lite0": {"model_type": "timm_wrapper", "architecture": "tf_efficientnet_lite0", "image_size": 224},
    "Qwen/Qwen2-VL-2B-Instruct": {
        "model_type": "qwen2_vl_vision", "depth": 2, "embed_dim": 32, "num_heads": 2, "hidden_size": 32, "mlp_ratio": 2,
    },
}  # fmt: skip
"""Published encoders to ones of the same geometry and a width of 32."""


@dataclass(frozen=True)
class Architecture:
    """A row of the page."""

    name: str
    section: str
    about: str
    model: dict[str, Any]
    """What a recipe says under `model`."""
    shows: str = ""
    """Where pictures stand: "interleaved" or "several"; else one before the words."""

    @property
    def file(self) -> str:
        """Of its diagram."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-") + ".svg"


@dataclass(frozen=True)
class Counted:
    """What an architecture makes of the picture."""

    tokens: int
    """Features that the language model gets of it."""
    in_text: int
    """Tokens of the text that they take."""
    patches: tuple[int, int]
    """Rows and columns of patches of its first view."""
    features: tuple[int, int]
    """The same behind the projector; (latents, 0)."""
    views: list[tuple[float, float, float, float]] = field(default_factory=list)
    """Where each view lies, in pixels of the picture; it may reach out of it."""
    box: int = 0
    """Tokens of one box."""


def read_rows() -> list[tuple[str, str, list[Architecture]]]:
    """Section, its introduction, and its rows."""
    sections = yaml.safe_load((HERE / "rows.yaml").read_text(encoding="utf-8"))
    return [
        (one["section"], one["intro"], [Architecture(section=one["section"], **row) for row in one["rows"]])
        for one in sections
    ]


# ---- counting


def stand_in(model: dict[str, Any]) -> dict[str, Any]:
    """The same architecture without published weights: an encoder of the same geometry, a small decoder."""
    values = {**model, "language": None, "vision": None}
    vision = model.get("vision")
    if isinstance(vision, list):
        first, second = (STAND_INS[name] for name in vision)
        values["vision_config"] = {
            "model_type": "grounding_pair", "first": first, "second": second, **model.get("vision_config", {}),
        }  # fmt: skip
    elif vision:
        values["vision_config"] = {**STAND_INS[vision], **model.get("vision_config", {})}
        if "image_size" in model:
            values["vision_config"]["image_size"] = model["image_size"]
    values["language_config"] = {**TINY, "num_hidden_layers": 4}
    if values.get("projector") == "perceiver":
        values["projector_options"] = {**values.get("projector_options", {}), "heads": 2}
    return values


@cache
def words_of(codec: str) -> str:
    """A folder with a tokenizer of the scenes' texts in that box language."""
    tokens = box_tokens(codec)
    words = train_tokenizer(
        lesson_texts(scenes(), codec, 200),
        2048,
        marks=(*tokens.tags, *tokens.marks),
        places=tokens.places,
        single_digits=not tokens.places,
    )
    folder = mkdtemp()
    words.save_pretrained(folder)
    return folder


@lru_cache(maxsize=1)
def scenes() -> Mixture:
    """Drawn scenes, of whose texts a tokenizer is learned: two hundred of them, over and over."""
    drawn = open_mixture([DataRecipe("scenes")], Recipe())
    lessons = [drawn.lesson(position) for position in range(200)]
    return Mixture([(1.0, ListedSource("scenes", lessons, shuffle=False))])


def count(row: Architecture) -> Counted:
    """What the architecture makes of the picture, by its own processor."""
    words = words_of(row.model.get("codec", "location"))
    recipe = recipe_of({"model": {**stand_in(row.model), "tokenizer": words}, "most_tokens": 8192})
    model, processor = build(recipe, scenes())
    layout = processor.layout(WIDTH, HEIGHT)
    if layout.shapes:
        patches = layout.shapes[0]
        merge = int(getattr(model.config.vision_config, "spatial_merge_size", 1) or 1)
        features = (patches[0] // merge, patches[1] // merge)
    else:
        rows, columns = processor.image_processor.grid
        features = (rows, columns)
        patches = (patch_rows(model), patch_rows(model))
    views = [tuple(map(float, box)) for box in layout.canvas.to_original([list(view) for view in layout.views])]
    box = get_codec(row.model.get("codec", "location")).encode(
        "locate",
        regions=[Region((123.0, 45.0, 456.0, 378.0), label="star")],
        text="star",
        canvas=processor.canvas(WIDTH, HEIGHT),
    )
    tokens = len(layout.tokens)
    written = len(processor.encode_answers([box])[0]) - 1
    return Counted(tokens, processor.text_tokens(WIDTH, HEIGHT), patches, features, views, written)


# ---- drawing

INK, DIM, LINE, PAPER = "#1b1f24", "#57606a", "#d0d7de", "#ffffff"
BLUE, PALE, GREY, ORANGE, GREEN = "#0072b2", "#dbeaf5", "#e6e8eb", "#d55e00", "#009e73"
FONT = "ui-sans-serif, system-ui, 'Segoe UI', Helvetica, Arial, sans-serif"
PIC_W, PIC_H = 112.0, 84.0


def svg(row: Architecture, counted: Counted) -> str:
    """The diagram: the picture with its views, encoder, projector, and the row of tokens that the decoder reads."""
    parts: list[str] = []
    x, middle = 24.0, 71.0
    if row.shows:  # another picture behind it
        parts += _picture(x + 9, middle - PIC_H / 2 - 9, [])[:4]
        parts.append(_frame(x + 9, middle - PIC_H / 2 - 9, LINE))
    parts += _picture(x, middle - PIC_H / 2, counted.views, bool(row.shows))
    x += PIC_W + 40
    crossed = row.model.get("fusion") == "cross_attention"
    x = _arrow(parts, x - 26, middle, 20)
    x = _box(parts, x + 6, middle, 132, _encoder_words(row), _grid_words(counted), GREEN)
    x = _arrow(parts, x + 6, middle, 20)
    x = _box(parts, x + 6, middle, 116, _projector_words(row), _feature_words(counted), BLUE)
    x = _arrow(parts, x + 6, middle, 20)
    _decoder(parts, x + 6, row, counted, crossed)
    width = 800
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} 148" width="{width}" height="148" '
        f'font-family="{FONT}" role="img" aria-label="{escape(row.name, {chr(34): "&quot;"})}">'
    )
    card = f'<rect x="0.5" y="0.5" width="{width - 1}" height="147" rx="10" fill="{PAPER}" stroke="{LINE}"/>'
    return "\n".join([head, card, *parts, "</svg>"]) + "\n"


def _picture(x: float, y: float, views: list[tuple[float, float, float, float]], each: bool = False) -> list[str]:
    scale = PIC_W / WIDTH
    parts = [
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{PIC_W}" height="{PIC_H}" fill="#eaf1f7"/>',
        f'<path d="M{x:.1f} {y + PIC_H:.1f} v-26 q28 -22 56 -4 t56 -6 v36 z" fill="#b9d7c6"/>',
        f'<circle cx="{x + 82:.1f}" cy="{y + 24:.1f}" r="10" fill="#f2c14e"/>',
        f'<rect x="{x + 22:.1f}" y="{y + 30:.1f}" width="26" height="26" rx="3" fill="{ORANGE}" opacity="0.85"/>',
    ]
    whole = (0.0, 0.0, float(WIDTH), float(HEIGHT))
    for view in views:
        x1, y1, x2, y2 = (value * scale for value in view)
        beyond = min(x1, y1) < -1 or x2 > PIC_W + 1 or y2 > PIC_H + 1
        if len(views) > 1 and all(abs(a - b) < 2 for a, b in zip(view, whole, strict=True)):
            continue  # the whole picture, shown by its edge
        dash = ' stroke-dasharray="3 3"' if beyond else ""
        top, high = max(y1, -22.0), min(y2, PIC_H + 22.0) - max(y1, -22.0)
        parts.append(
            f'<rect x="{x + x1:.1f}" y="{y + top:.1f}" width="{x2 - x1:.1f}" height="{high:.1f}" fill="none" '
            f'stroke="{BLUE}" stroke-width="1.4"{dash}/>'
        )
    if len(views) > 1:
        parts.append(_frame(x - 2, y - 2, INK, 4))
    said = f"{len(views)} views" if len(views) > 1 else "a view each" if each else "1 view"
    parts.append(_text(x + PIC_W / 2, 141, said, DIM, 10.5, "middle"))
    return parts


def _frame(x: float, y: float, colour: str, more: float = 0) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{PIC_W + more}" height="{PIC_H + more}" fill="none" stroke="{colour}" '
        f'stroke-width="1.4"/>'
    )


def _box(parts: list[str], x: float, middle: float, width: float, title: str, below: str, colour: str) -> float:
    """A part of the model; where it ends."""
    parts.append(
        f'<rect x="{x:.1f}" y="{middle - 27:.1f}" width="{width}" height="54" rx="7" fill="{PAPER}" stroke="{colour}" '
        f'stroke-width="1.6"/>'
    )
    lines = _wrapped(title, int(width / 6.6))
    top = middle - 6 - 6.5 * (len(lines) - 1)
    for number, line in enumerate(lines):
        parts.append(_text(x + width / 2, top + 13 * number, line, INK, 11.5, "middle", 600))
    parts.append(_text(x + width / 2, middle + 18, below, DIM, 10.5, "middle"))
    return x + width


def _decoder(parts: list[str], x: float, row: Architecture, counted: Counted, crossed: bool) -> None:
    """The decoder, with the tokens that it reads under it."""
    width = 784 - x
    name = _language_words(row)
    parts.append(
        f'<rect x="{x:.1f}" y="34" width="{width:.1f}" height="34" rx="7" fill="{GREY}" stroke="{DIM}" '
        f'stroke-width="1.2"/>'
    )
    parts.append(_text(x + width / 2, 55, name, INK, 11.5, "middle", 600))
    runs = {
        "": [("image", 9), ("word", 4), ("box", 4)],
        "interleaved": [("word", 2), ("image", 5), ("word", 2), ("image", 5), ("word", 1), ("box", 3)],
        "several": [("image", 5), ("gap", 0), ("image", 5), ("word", 3), ("box", 3)],
    }[row.shows]
    if crossed:
        runs = [("image", 1), ("word", 5), ("box", 4)]
        for at in (0.25, 0.5, 0.75):
            parts.append(
                f'<rect x="{x + at * width - 9:.1f}" y="24" width="18" height="10" rx="3" fill="{PALE}" '
                f'stroke="{BLUE}" stroke-width="1.2"/>'
            )
        parts.append(
            f'<path d="M{x - 9:.1f} 68 v-39 h{0.25 * width - 2:.1f}" fill="none" stroke="{BLUE}" stroke-width="1.3"/>'
        )
        parts.append(_text(x + width / 2, 18, "layers that look at the features", BLUE, 10, "middle"))
    cells = sum(max(number, 0) for _, number in runs) + 0.6 * sum(kind == "gap" for kind, _ in runs)
    cell = min(14.0, width / cells)
    at = x + (width - cell * cells) / 2
    colours = {"image": (PALE, BLUE), "word": (GREY, DIM), "box": ("#fbe3d3", ORANGE)}
    for kind, number in runs:
        if kind == "gap":
            at += 0.6 * cell
            continue
        fill, edge = colours[kind]
        for _ in range(number):
            parts.append(
                f'<rect x="{at + 0.8:.1f}" y="82" width="{cell - 1.6:.1f}" height="16" rx="2.5" fill="{fill}" '
                f'stroke="{edge}" stroke-width="1"/>'
            )
            at += cell
    parts.append(f'<path d="M{x + width / 2:.1f} 80 v-9 m-3.5 3.5 l3.5 -3.5 l3.5 3.5" fill="none" stroke="{DIM}"/>')
    number = counted.tokens if not crossed else counted.in_text
    each = " each" if row.shows else ""
    told = (
        f"{counted.tokens:,} image tokens{each}"
        if not crossed
        else f"{number} in the text, {counted.tokens:,} looked at"
    )
    parts.append(_text(x, 116, told, BLUE, 11, "start", 600))
    parts.append(_text(x + width, 116, f"{counted.box} a box", ORANGE, 11, "end", 600))
    parts.append(_text(x + 0.62 * width, 116, "words", DIM, 11, "middle"))


def _arrow(parts: list[str], x: float, y: float, length: float) -> float:
    end = x + length
    parts.append(
        f'<path d="M{x:.1f} {y:.1f} H{end:.1f} m-4.5 -4 l4.5 4 l-4.5 4" fill="none" stroke="{DIM}" stroke-width="1.3"/>'
    )
    return end


def _text(x: float, y: float, words: str, colour: str, size: float, anchor: str = "start", weight: int = 400) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" text-anchor="{anchor}" '
        f'font-weight="{weight}">{escape(words)}</text>'
    )


def _wrapped(words: str, most: int) -> list[str]:
    lines = [""]
    for word in words.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > most:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines[:2]


def _encoder_words(row: Architecture) -> str:
    if row.section == "Vision encoders":
        return row.name.split(",")[0].replace(" and ", " + ").removesuffix(" side by side")
    vision = row.model.get("vision", "our ViT")
    known = {"openai/clip": "CLIP ViT-L/14", "google/siglip2": "SigLIP 2 B/16", "Qwen/Qwen2-VL": "Qwen2-VL's tower"}
    return next((words for start, words in known.items() if str(vision).startswith(start)), str(vision))


def _grid_words(counted: Counted) -> str:
    rows, columns = counted.patches
    return f"{rows} × {columns} patches"


def _projector_words(row: Architecture) -> str:
    names = {"linear": "linear", "mlp": "MLP", "pixel_shuffle": "pixel shuffle, MLP", "perceiver": "resampler"}
    return names[row.model.get("projector", "mlp")]


def _feature_words(counted: Counted) -> str:
    rows, columns = counted.features
    return f"{rows} × {columns} tokens" if columns else f"{rows} latents"


def _language_words(row: Architecture) -> str:
    language = row.model.get("language")
    if row.section == "Language models":
        return row.name
    return str(language).rsplit("/", 1)[-1] if language else "language model"


# ---- the page


def page(sections: list[tuple[str, str, list[Architecture]]], counts: dict[str, Counted]) -> str:
    """The whole page."""
    parts = [(HERE / "opening.md").read_text(encoding="utf-8")]
    for section, intro, rows in sections:
        last = "tokens of a box" if section == "Box languages" else "image tokens"
        parts.append(f"## {section}\n{intro.strip()}\n\n| | {last} | `model:` |\n| --- | --- | --- |")
        lines = []
        for row in rows:
            counted = counts[row.name]
            number = f"{counted.box}" if section == "Box languages" else f"{counted.tokens:,}"
            if row.model.get("fusion") == "cross_attention":
                number += ", 1 in the text"
            if row.shows:
                number += " each"
            code = "<br>".join(f"`{line}`" for line in code_of(row.model))
            lines.append(
                f"| **{row.name}**: {row.about}<br>![{row.name}](architectures/{row.file}) | {number} | {code} |"
            )
        parts[-1] += "\n" + "\n".join(lines) + "\n"
    return "\n".join(parts)


def code_of(model: dict[str, Any]) -> list[str]:
    """The YAML of a row's model, a setting a line."""
    return [
        f"{name}: "
        + yaml.safe_dump(value, default_flow_style=True, width=10**6, sort_keys=False).removesuffix("...\n").strip()
        for name, value in model.items()
    ]


def main() -> None:
    """Writes the page and its diagrams."""
    sections = read_rows()
    counts = {row.name: count(row) for _, _, rows in sections for row in rows}
    for _, _, rows in sections:
        for row in rows:
            (HERE / row.file).write_text(svg(row, counts[row.name]), encoding="utf-8")
    PAGE.write_text(page(sections, counts), encoding="utf-8")
    print(f"{sum(len(rows) for _, _, rows in sections)} rows in {PAGE.name}")


if __name__ == "__main__":
    main()
