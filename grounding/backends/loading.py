"""Opens what transformers carries: the processor and the model of a family, as the options say."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch
import transformers

from grounding.backends.families import Family
from grounding.backends.hub import reason_of
from grounding.errors import CheckpointError, ConfigError, MissingExtraError


@dataclass(frozen=True, slots=True)
class HuggingFaceOptions:
    """How a model of transformers is loaded, and how it writes."""

    device: str | None = None
    """Where it computes, such as cpu or cuda; none: a GPU where there is one."""
    dtype: str | None = None
    """The type it computes in, such as float32 or bfloat16; none: bfloat16 on a GPU, float32 on a CPU."""
    codec: str | None = None
    """How boxes are written, where a fine-tuned checkpoint learned another way than its family's."""
    rounding: str | None = None
    """A named reader of the codec's numbers; the most accurate one where none is named."""
    quantization: Literal["4bit", "8bit"] | None = None
    """Weights in 4 or 8 bits, through bitsandbytes; slower than bfloat16, in a third or half of the memory."""
    attention: str | None = None
    """The attention implementation, such as sdpa, eager or flash_attention_2; else transformers chooses."""
    max_new_tokens: int | None = None
    """An answer is cut after so many tokens, and says so; each family has its own number."""
    batch_size: int = 8
    """Questions that are answered together."""
    min_pixels: int | None = None
    """Smaller pictures are enlarged to so many pixels (Qwen's families)."""
    max_pixels: int | None = None
    """Larger pictures are shrunk to so many pixels (Qwen's families)."""

    def __post_init__(self) -> None:
        for name in ("max_new_tokens", "batch_size", "min_pixels", "max_pixels"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value}; it must be 1 or more")
        if self.min_pixels and self.max_pixels and self.min_pixels > self.max_pixels:
            raise ConfigError(
                f"min_pixels is {self.min_pixels} and max_pixels {self.max_pixels}: give the smaller first"
            )
        if self.quantization not in (None, "4bit", "8bit"):
            raise ConfigError(f"quantization {self.quantization!r} is not one of: 4bit, 8bit")


def class_of(family: Family, name: str) -> Any:
    """The class of transformers called `name`. Raises MissingExtraError where this release has none."""
    found = getattr(transformers, name, None)
    if found is None:
        needed = f"transformers {family.since} or later" if family.since else "another transformers"
        raise MissingExtraError(
            f"{family.name} needs {needed}; this is {transformers.__version__}: pip install --upgrade transformers"
        )
    return found


def check_packages(family: Family) -> None:
    """Raises MissingExtraError where a package is not installed that the family's processor imports."""
    if missing := [name for name in family.needs if find_spec(name) is None]:
        raise MissingExtraError(f"{family.name} needs {' and '.join(missing)}: pip install {' '.join(missing)}")


def load_processor(directory: Path, family: Family, settings: HuggingFaceOptions) -> Any:
    """Makes tensors of pictures and prompts. Raises ConfigError, and CheckpointError where files are missing."""
    pixels = {name: getattr(settings, name) for name in ("min_pixels", "max_pixels")}
    limits = {name: value for name, value in pixels.items() if value is not None}
    if limits and not family.limited:
        raise ConfigError(f"{family.name} knows no {' and no '.join(limits)}: its processor resizes in its own way")
    processor = class_of(family, family.processor).from_pretrained(
        directory, local_files_only=True, trust_remote_code=False, **limits
    )
    if family.form == "chat" and not _template(processor):
        raise CheckpointError(
            f"{directory} has no chat template, so that it can't be asked as it was trained: copy chat_template.jinja "
            "too"
        )
    if family.sees == "square":
        _squash(processor.image_processor)
    return processor


def _squash(images: Any) -> None:
    """Makes an image processor that cuts the middle out of a picture squash the whole of it instead."""
    if getattr(images, "do_center_crop", False):
        side = dict(images.crop_size)
        images.size = {"height": side["height"], "width": side["width"]}
        images.do_center_crop = False


def _template(processor: Any) -> Any:
    return getattr(processor, "chat_template", None) or getattr(processor.tokenizer, "chat_template", None)


def load_model(
    directory: Path,
    family: Family,
    opened_with: Any,
    settings: HuggingFaceOptions,
    device: torch.device,
    dtype: torch.dtype,
) -> Any:
    """The model in eval mode on its device, from safetensors only, with nothing missing. Raises CheckpointError."""
    more: dict[str, Any] = {}
    if settings.attention:
        more["attn_implementation"] = settings.attention
    if settings.quantization:
        more["quantization_config"] = _quantized(settings.quantization, dtype)
        more["device_map"] = {"": device}
    try:
        model, report = opened_with.from_pretrained(
            directory,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=dtype,
            output_loading_info=True,
            **more,
        )
    except RuntimeError as error:
        if "mismatch" not in str(error):
            raise
        raise CheckpointError(
            f"the weights in {directory} have other shapes than transformers' {family.name} by its config.json: take a "
            f"checkpoint in its own layout, such as {family.example}"
        ) from error
    except (ValueError, ImportError) as error:
        if not settings.attention or not re.search("attention|attn", str(error), re.IGNORECASE):
            raise
        raise ConfigError(
            f"attention {settings.attention!r} can't be used ({reason_of(error)}): leave it to transformers, or take "
            "eager"
        ) from error
    if random := sorted(report.get("missing_keys") or ()):
        rest = f" and {len(random) - 1} more" if len(random) > 1 else ""
        raise CheckpointError(
            f"the weights in {directory} are of another model than transformers' {family.name}: {random[0]}{rest} "
            f"would be random; take a checkpoint in its own layout, such as {family.example}"
        )
    return (model if settings.quantization else model.to(device)).eval()


def _quantized(bits: str, dtype: torch.dtype) -> Any:
    """Raises MissingExtraError where what reads such weights is not installed."""
    if missing := [name for name in ("bitsandbytes", "accelerate") if find_spec(name) is None]:
        raise MissingExtraError(f"weights in {bits} need {' and '.join(missing)}: pip install {' '.join(missing)}")
    if bits == "8bit":
        return transformers.BitsAndBytesConfig(load_in_8bit=True)
    return transformers.BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype, bnb_4bit_use_double_quant=True
    )


def written_by(family: Family, processor: Any) -> str:
    """The codec's name: that of a token which only some checkpoints know, or the family's."""
    vocabulary = processor.tokenizer.get_vocab() if family.marks else {}
    return next((codec for token, codec in family.marks.items() if token in vocabulary), family.codec)
