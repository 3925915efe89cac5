"""A few made-up photographs with labels, a published network of random weights, and a model of scenes to start from."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from grounding.model import (
    GroundingConfig,
    GroundingForConditionalGeneration,
    GroundingImageProcessor,
    GroundingProcessor,
)
from grounding.model.nano_vit import NanoNetwork
from grounding.model.tokenization import train_tokenizer

THINGS = (("dog", (200, 40, 40)), ("cat", (40, 40, 200)))


def write_photos(folder: Path, count: int = 12, side: int = 64) -> None:
    """A tar of pictures with a red "dog" and a blue "cat", and detections.jsonl with where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    lines = []
    with tarfile.open(folder / "photos-00.tar", "w") as tar:
        for number in range(count):
            name = f"COCO_train2014_{number + 1:012d}.jpg"
            lines.append(json.dumps({"image": name, "boxes": _draw(tar, name, side, random)}))
    (folder / "detections.jsonl").write_text("\n".join(lines) + "\n")


def _draw(tar: tarfile.TarFile, name: str, side: int, random: np.random.Generator) -> list[dict]:
    picture = np.full((side, side, 3), 128, np.uint8)
    boxes = []
    for half, (label, color) in enumerate(THINGS):
        x1, y1 = half * side // 2 + int(random.integers(2, 8)), int(random.integers(4, side // 3))
        x2, y2 = x1 + side // 3, y1 + side // 2
        picture[y1:y2, x1:x2] = color
        edges = [x1 / side, y1 / side, x2 / side, y2 / side]
        boxes.append({"label": label, "score": 0.9, "box_unit_xyxy": edges})
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG")
    info = tarfile.TarInfo(name)
    info.size = stream.tell()
    stream.seek(0)
    tar.addfile(info, stream)
    return boxes


def write_labelled(folder: Path, photos: Path, count: int = 2) -> None:
    """The first pictures of `photos` again, under other names, with their boxes as the truth."""
    (folder / "images").mkdir(parents=True)
    lines = []
    given = [json.loads(line) for line in (photos / "detections.jsonl").read_text().splitlines()][:count]
    with tarfile.open(photos / "photos-00.tar") as tar:
        for row in given:
            name = row["image"].rpartition("_")[2]
            stream = tar.extractfile(row["image"])
            assert stream is not None
            (folder / "images" / name).write_bytes(stream.read())
            lines.append(json.dumps({"image": name, "boxes": row["boxes"]}))
    (folder / "boxes.jsonl").write_text("\n".join(lines) + "\n")


def write_nanodet(folder: Path, seed: int = 0) -> NanoNetwork:
    """nanodet.json and nanodet.bin as TensorFlow.js writes them, of random weights; the network that has them."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    network = NanoNetwork()
    entries: list[dict] = [{"name": "unknown_63", "shape": [3], "dtype": "int32"}]
    values = [np.zeros(3, np.int32).tobytes()]
    half = {"dtype": "float16", "original_dtype": "float32"}
    with torch.no_grad():
        for number, conv in reversed(list(enumerate(network.convolutions()))):
            for tensor in (conv.weight, conv.bias):
                tensor.copy_(tensor.half().float())
            name = f"PartitionedCall/split_{number}" if number else "PartitionedCall/split"
            weight = conv.weight.permute(2, 3, 1, 0).contiguous()
            for called, tensor in ((name, weight), (f"unknown_{2 * number + (number > 31)}", conv.bias)):
                entries.append({"name": called, "shape": list(tensor.shape), "dtype": "float32", "quantization": half})
                values.append(tensor.half().numpy().tobytes())
    (folder / "nanodet.json").write_text(json.dumps({"weightsManifest": [{"weights": entries}]}))
    (folder / "nanodet.bin").write_bytes(b"".join(values))
    return network


def write_scene_model(folder: Path) -> None:
    """A tiny model of drawn scenes with fresh weights, 64 px, 16 image tokens."""
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, "num_hidden_layers": 1}
    words = ["locate the red star", "the dog on the left", "none", "describe", "detect a ; b", "count cats"]
    tokenizer = train_tokenizer(words, 1400)
    model = GroundingForConditionalGeneration(
        GroundingConfig(
            vision_config={"model_type": "grounding_vision", "image_size": 64, "stem_channels": [8, 16], **shape},
            text_config={"vocab_size": 1400, "max_position_embeddings": 16 + 200, **shape},
        )
    )
    model.save_pretrained(folder)
    GroundingProcessor(GroundingImageProcessor(64), tokenizer, image_tokens=16).save_pretrained(folder)
