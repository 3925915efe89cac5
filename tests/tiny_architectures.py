"""Every row of docs/architectures.md in a size that trains in a second: its `model:`, and where its pictures stand."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from tests import tiny

EYES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
DINO = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
CLIP = {"model_type": "clip_vision_model", **EYES, "image_size": 56, "patch_size": 14}
WORDS = {**EYES, "num_key_value_heads": 1}
VOCAB = 1500


@dataclass(frozen=True)
class Tiny:
    """A row in small."""

    model: dict[str, Any]
    """What its recipe says under `model`; "words" stands for a folder with a pretrained language model."""
    pictures: str = ""
    """"interleaved" or "several": lessons have two pictures; else they are drawn scenes."""
    parts: tuple[str, ...] = field(default=())
    """Parts that the architecture has and others lack."""


def clip(**model: Any) -> dict[str, Any]:
    return {"vision_config": CLIP, "language_config": EYES, **model}


def eyes(**vision: Any) -> dict[str, Any]:
    return {"vision_config": vision, "language_config": EYES}


def speaks(**language: Any) -> dict[str, Any]:
    return {"vision_config": CLIP, "language_config": language, "attention": "causal"}


ROWS: dict[str, Tiny] = {
    # vision encoders
    "CLIP ViT-L/14, 336 px": Tiny(clip(vision_feature_layer=-2, resize="pad")),
    "SigLIP So400m/14, 384 px": Tiny(eyes(model_type="siglip_vision_model", **EYES, image_size=60, patch_size=14)),
    "SigLIP 2 B/16, 512 px": Tiny(eyes(model_type="siglip_vision_model", **EYES, image_size=64, patch_size=16)),
    "DINOv2 ViT-L/14": Tiny(eyes(model_type="dinov2", **DINO, image_size=56, patch_size=14)),
    "DINOv3 ViT-L/16": Tiny({**eyes(model_type="dinov3_vit", **EYES, patch_size=16), "image_size": 64}),
    "EVA-02 ViT-L/14, 336 px": Tiny(
        {
            **eyes(
                model_type="timm_wrapper",
                architecture="eva02_tiny_patch14_224",
                model_args={"img_size": 56, "depth": 1, "embed_dim": 48, "num_heads": 2},
            ),
            "image_size": 56,
        }
    ),
    "EfficientNet-Lite0": Tiny(
        {**eyes(model_type="timm_wrapper", architecture="efficientnet_lite0"), "image_size": 64}
    ),
    "CLIP and DINOv2 side by side": Tiny(
        eyes(
            model_type="grounding_pair",
            first=CLIP,
            second={"model_type": "dinov2", **DINO, "image_size": 42, "patch_size": 14},
            first_layer=-2,
        )
    ),
    "No encoder, raw patches": Tiny(
        {
            **eyes(model_type="grounding_patches", image_size=60, patch_size=15),
            "resize": "native",
            "resize_options": {"max_patches": 40, "min_patches": 1},
            "projector": "linear",
            "line_ends": True,
        }
    ),
    "Our convolutional ViT": Tiny({**eyes(**EYES, stem_channels=[8, 16]), "image_size": 64, "projector": "linear"}),
    # projectors
    "Linear": Tiny(clip(projector="linear")),
    "MLP": Tiny(clip(projector="mlp")),
    "Pixel shuffle and MLP": Tiny(clip(projector="pixel_shuffle", projector_options={"factor": 2})),
    "Perceiver resampler": Tiny(clip(projector="perceiver", projector_options={"latents": 6, "depth": 1, "heads": 2})),
    # fusion
    "Concatenation": Tiny(clip(fusion="concatenation")),
    "Gated cross-attention": Tiny(
        clip(
            projector="perceiver",
            projector_options={"latents": 6, "depth": 1, "heads": 2},
            fusion="cross_attention",
            fusion_options={"every": 1},
        ),
        parts=("fusion",),
    ),
    "Interleaved pictures": Tiny(clip(attention="causal"), pictures="interleaved"),
    "Several pictures in one prompt": Tiny(clip(attention="causal"), pictures="several"),
    # resolution
    "Squash": Tiny(clip(resize="squash")),
    "Pad": Tiny(clip(resize="pad")),
    "LLaVA-NeXT tiles": Tiny(clip(vision_feature_layer=-2, resize="llava_next", line_ends=True)),
    "InternVL tiles with a thumbnail": Tiny(
        clip(resize="internvl", resize_options={"max_tiles": 4}, projector="pixel_shuffle")
    ),
    "Native shape, SigLIP 2 NaFlex": Tiny(
        {
            **eyes(model_type="siglip2_vision_model", **EYES, num_patches=36, patch_size=8),
            "resize": "native",
            "resize_options": {"max_patches": 36},
        }
    ),
    "Native shape and size, Qwen2-VL's tower": Tiny(
        {
            **eyes(model_type="qwen2_vl_vision", depth=1, embed_dim=32, num_heads=2, hidden_size=48, mlp_ratio=2),
            "resize": "native",
            "resize_options": {"min_patches": 4, "max_patches": 64},
            "projector": "linear",
        }
    ),
    # language models
    "Our decoder": Tiny(clip()),
    "Llama": Tiny(speaks(model_type="llama", **WORDS, tie_word_embeddings=False)),
    "Qwen3": Tiny(speaks(model_type="qwen3", **WORDS, head_dim=16, tie_word_embeddings=True)),
    "Gemma 3": Tiny(speaks(model_type="gemma3_text", **WORDS, head_dim=16, sliding_window=32)),
    "SmolLM2": Tiny({"vision_config": CLIP, "language": "words", "attention": "causal"}),
    "Phi": Tiny(speaks(model_type="phi", **EYES, tie_word_embeddings=False)),
    # box languages
    "Location tokens": Tiny(clip(codec="location")),
    "Kosmos-2's patch indices": Tiny(clip(codec="kosmos-2")),
    "Shikra's decimals": Tiny(clip(codec="shikra", resize="pad")),
}
"""By the name of the row."""


def write_pairs(folder: Path, interleaved: bool) -> Path:
    """A file of lessons about two drawn pictures each, in ms-swift's format: at their places, or before the words."""
    lines = []
    for number in range(8):
        shown = [tiny.pictures()[number], tiny.pictures()[(number + 1) % 8]]
        names = []
        for place, picture in enumerate(shown):
            names.append(f"{number}-{place}.png")
            Image.fromarray(picture.image).save(folder / names[-1])
        thing = shown[1].scene.things[0]
        asks = "here is <image> and here <image>: where is it?" if interleaved else "<image><image>where is it?"
        lines.append(
            {
                "messages": [{"role": "user", "content": asks}, {"role": "assistant", "content": "<bbox>"}],
                "images": names,
                "objects": {"ref": [], "bbox": [[round(float(edge), 1) for edge in thing.box]], "image_id": [1]},
            }
        )
    path = folder / "pairs.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path
