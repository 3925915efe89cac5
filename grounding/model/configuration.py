"""Owns the configuration of our model: vision encoder, projector, fusion and language decoder, each a choice."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from transformers import CONFIG_MAPPING, AutoConfig, PreTrainedConfig

from grounding.errors import ConfigError
from grounding.model.coordinates import check_channels

RESIZES = ("squash", "pad", "llava_next", "internvl", "native")
"""Ways in which a picture becomes what a vision encoder sees; `tiling` has them."""


class GridVisionConfig(PreTrainedConfig):
    """What the configurations of our vision encoders share: the ViT blocks over a grid of tokens."""

    base_config_key = "vision_config"

    image_size: int = 224
    patch_size: int = 16
    num_channels: int = 3
    hidden_size: int = 256
    intermediate_size: int = 1024
    num_hidden_layers: int = 3
    num_attention_heads: int = 4
    initializer_range: float = 0.02

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        check_heads(self.hidden_size, self.num_attention_heads)

    @property
    def grid(self) -> int:
        """Tokens along one side."""
        return int(self.image_size // self.patch_size)


class GroundingVisionConfig(GridVisionConfig):
    """Our small vision encoder: convolutions down to one token for `patch_size` pixels, then a few ViT blocks."""

    model_type = "grounding_vision"

    stem_channels: list[int] | tuple[int, ...] = (64, 128)
    """Widths at strides 4 and 8; the last stage, at stride 16, has `hidden_size`."""

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        if self.patch_size != 16 or self.image_size % self.patch_size:
            raise ConfigError(
                f"image_size {self.image_size}, patch_size {self.patch_size}: the stem halves four times, so the patch "
                "is 16 pixels and the image a multiple of 16"
            )


class GroundingLiteVisionConfig(GridVisionConfig):
    """Our encoder for photographs: EfficientNet-Lite's convolutions at strides 8, 16 and 32, then a few ViT blocks."""

    model_type = "grounding_lite_vision"

    variant: str = "lite0"
    """A name of LITE_SCALES."""
    image_size: int = 256

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        if self.variant not in LITE_SCALES:
            raise ConfigError(f"no EfficientNet-Lite named {self.variant!r}; known: {', '.join(LITE_SCALES)}")
        if self.patch_size != 16 or self.image_size % 32:
            raise ConfigError(
                f"image_size {self.image_size}, patch_size {self.patch_size}: a token is 16 px and the coarsest "
                "features are at stride 32, so the image is a multiple of 32"
            )


COCO_CLASSES = 80


class GroundingNanoVisionConfig(GridVisionConfig):
    """Our encoder for photographs: NanoDet's convolutions at strides 8, 16 and 32, joined at 32, then ViT blocks."""

    model_type = "grounding_nano_vision"

    image_size: int = 448
    patch_size: int = 32
    level_widths: list[int] | tuple[int, ...] = (32, 64, 128)
    """Channels kept of each cell at strides 8, 16 and 32; a token has sixteen, four and one of them."""
    proposals: int = 0
    """Boxes of the network's own, the surest of a picture, that are told to the tokens in which their middles lie: to
    the blocks, and once more behind them."""

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        if self.proposals < 0:
            raise ConfigError(f"proposals is {self.proposals}; it is a number of boxes, 0 or more")
        if self.patch_size != 32 or self.image_size % self.patch_size:
            raise ConfigError(
                f"image_size {self.image_size}, patch_size {self.patch_size}: a token is 32 px, the coarsest stride of "
                "the convolutions, and the image a multiple of 32"
            )
        if len(self.level_widths) != 3:
            raise ConfigError(f"level_widths is {self.level_widths}: there are three levels, at strides 8, 16 and 32")

    @property
    def out_hidden_size(self) -> int:
        """Width of the features: the blocks' and, with `proposals`, what is told of boxes."""
        from grounding.model.proposals import told_width

        return int(self.hidden_size + (told_width(COCO_CLASSES) if self.proposals else 0))


LITE_SCALES = {"lite0": (1.0, 1.0), "lite1": (1.0, 1.1), "lite2": (1.1, 1.2), "lite3": (1.2, 1.4), "lite4": (1.4, 1.8)}
"""Variants of EfficientNet-Lite: how many times the channels and the blocks of EfficientNet-B0."""


class GroundingPatchesConfig(PreTrainedConfig):
    """No vision encoder: the projector takes the pixels of each patch, as Fuyu's linear layer does (there of 30 px)."""

    model_type = "grounding_patches"
    base_config_key = "vision_config"

    image_size: int = 224
    """Side of a square picture, px; those that keep their shape are of any size."""
    patch_size: int = 16
    num_channels: int = 3

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        if self.patch_size < 1 or self.image_size % self.patch_size:
            raise ConfigError(
                f"image_size {self.image_size}, patch_size {self.patch_size}: a square picture is a whole number of "
                "patches wide"
            )

    @property
    def hidden_size(self) -> int:
        """How many values a patch has."""
        return int(self.patch_size**2 * self.num_channels)


class GroundingPairConfig(PreTrainedConfig):
    """Two vision encoders side by side, such as CLIP and DINOv2: their features are joined patch by patch.

    Pixels come in normalized by `mean` and `std` and are normalized anew to what each encoder was trained with. The
    first sees them as they come; the second at `second_size`; its features are interpolated to the first one's grid.
    """

    model_type = "grounding_pair"
    base_config_key = "vision_config"
    sub_configs: ClassVar[Any] = {"first": AutoConfig, "second": AutoConfig}

    first: Any = None
    """A configuration, or its values as a dict with `model_type`; None and a dict without one mean our own encoder."""
    second: Any = None
    """The same of the other."""
    first_layer: int | list[int] = -1
    """Which hidden state is taken, as `vision_feature_layer` of a single encoder; LLaVA-1.5 takes -2 of its CLIP."""
    second_layer: int | list[int] = -1
    mean: list[float] | tuple[float, ...] = (0.5, 0.5, 0.5)
    """By which the pixels that come in were normalized: red, green, blue, of values in 0 to 1."""
    std: list[float] | tuple[float, ...] = (0.5, 0.5, 0.5)
    first_mean: list[float] | tuple[float, ...] = (0.5, 0.5, 0.5)
    """By which the first encoder wants them."""
    first_std: list[float] | tuple[float, ...] = (0.5, 0.5, 0.5)
    second_mean: list[float] | tuple[float, ...] = (0.5, 0.5, 0.5)
    second_std: list[float] | tuple[float, ...] = (0.5, 0.5, 0.5)
    second_size: int | None = None
    """Side of the square that the second encoder sees, px; None: the `image_size` of its configuration, or the first's
    where it has none."""

    def __post_init__(self, **kwargs: Any) -> None:
        self.first = _sub_config(self.first, "grounding_vision")
        self.second = _sub_config(self.second, "grounding_vision")
        for name in ("mean", "std", "first_mean", "first_std", "second_mean", "second_std"):
            values = getattr(self, name)
            if len(values) != 3 or (name.endswith("std") and min(values) <= 0):
                raise ConfigError(f"{name} is {values}: it takes three numbers, those of std over 0")
        with attention_kept(self.first, self.second):
            super().__post_init__(**kwargs)

    @property
    def image_size(self) -> int:
        """Side of the square that comes in, px: the first encoder's."""
        return square_side(self.first) or 224

    @property
    def second_side(self) -> int:
        """Side of the square that the second encoder sees, px."""
        return self.second_size or square_side(self.second) or self.image_size


class GroundingTextConfig(PreTrainedConfig):
    """Our small language decoder: pre-norm blocks with learned positions and query-key normalization.

    The vocabulary ends with `num_locations` location tokens, whose embeddings are a learned linear map of the Fourier
    features of their coordinate: 1,024 bins share one small matrix, so that what is learned of one serves the next.
    """

    model_type = "grounding_text"
    base_config_key = "text_config"

    vocab_size: int = 5120
    num_locations: int = 1024
    location_frequencies: int = 32
    hidden_size: int = 256
    intermediate_size: int = 1024
    num_hidden_layers: int = 5
    num_attention_heads: int = 4
    max_position_embeddings: int = 512
    initializer_range: float = 0.02
    tie_word_embeddings: bool = True
    bos_token_id: int | None = 1
    eos_token_id: int | None = 2
    pad_token_id: int | None = 0

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        check_heads(self.hidden_size, self.num_attention_heads)
        if self.num_locations >= self.vocab_size:
            raise ConfigError(f"vocab_size {self.vocab_size} must be over num_locations {self.num_locations}")


class GroundingConfig(PreTrainedConfig):
    """The whole model. `vision_config` and `text_config` may be of any architecture that transformers knows."""

    model_type = "grounding"
    sub_configs: ClassVar[Any] = {"vision_config": AutoConfig, "text_config": AutoConfig}
    """Where transformers passes on the precision and the attention that whoever loads a model asks for."""

    vision_config: Any = None
    """A configuration, or its values as a dict with `model_type`; None and a dict without one mean our own encoder."""
    text_config: Any = None
    """The same for the decoder."""
    projector: str = "linear"
    """A name of `projectors.PROJECTORS`."""
    projector_options: dict[str, Any] | None = None
    """What that projector takes besides the widths, such as `{"latents": 64}`."""
    fusion: str = "concatenation"
    """A name of `fusion.FUSIONS`."""
    fusion_options: dict[str, Any] | None = None
    """What that fusion takes, such as `{"every": 4}`."""
    attention: str = "prefix"
    """Who sees whom: "prefix" (pictures and the prompt see themselves whole, the answer what is before it) or "causal"
    (everything what is before it, as a language model was pretrained)."""
    patch_coordinates: int = 0
    """Channels with each patch's row and column beside its features, for encoders whose features don't tell; four
    divides them."""
    line_ends: bool = False
    """Whether a learned token may end a line of image tokens, as in LLaVA-NeXT."""
    resize: str = "squash"
    """A name of RESIZES: how a picture becomes what the vision encoder sees."""
    codec: str = "location"
    """A name of `codecs.CODECS`."""
    image_token_id: int = 3
    """Stands in the text where image features go."""
    location_token_id: int | None = None
    """Id of `<loc0000>`, the rest follow; None: they end the vocabulary."""
    num_locations: int = 1024
    """0 where boxes are written in other tokens, as words or as patches."""
    vision_feature_layer: int | list[int] = -1
    """Which hidden state of the vision encoder is projected; of several, their features side by side."""
    tie_word_embeddings: bool = True

    def __post_init__(self, **kwargs: Any) -> None:
        self.vision_config = _sub_config(self.vision_config, "grounding_vision")
        self.text_config = _sub_config(self.text_config, "grounding_text")
        words = int(self.text_config.vocab_size) - self.num_locations
        if words <= 0 or self.num_locations < 0:
            raise ConfigError(
                f"vocab_size {self.text_config.vocab_size} must be over num_locations {self.num_locations}, which is 0 "
                "or more: the location tokens are a part of the vocabulary"
            )
        own = getattr(self.text_config, "num_locations", self.num_locations)
        if own != self.num_locations:
            raise ConfigError(
                f"num_locations is {self.num_locations} here and {own} in text_config: give both the same"
            )
        if self.location_token_id is None and self.num_locations:
            self.location_token_id = words
        if self.resize not in RESIZES:
            raise ConfigError(f"resize {self.resize!r} is not known: {', '.join(RESIZES)}")
        check_channels(self.patch_coordinates)
        if self.attention not in ("prefix", "causal"):
            raise ConfigError(f"attention {self.attention!r} is not known: prefix or causal")
        self.tie_word_embeddings = bool(getattr(self.text_config, "tie_word_embeddings", True))
        with attention_kept(self.vision_config, self.text_config):
            super().__post_init__(**kwargs)

    @property
    def image_size(self) -> int:
        """Side of the square the vision encoder sees, px; 224 where its configuration doesn't say, as with timm."""
        return square_side(self.vision_config) or 224

    def get_text_config(self, *args: Any, **kwargs: Any) -> PreTrainedConfig:
        return self.text_config


@contextmanager
def attention_kept(*parts: PreTrainedConfig) -> Iterator[None]:
    """Within, transformers may write the whole model's kind of attention over the parts' where one is asked for; where
    none is, which is what it writes then, theirs stay: parts that are there already were built with them."""
    before = [part._attn_implementation for part in parts]
    yield
    for part, attention in zip(parts, before, strict=True):
        if part._attn_implementation is None:
            part._attn_implementation = attention


def square_side(config: PreTrainedConfig) -> int | None:
    """Side of the square that a vision encoder's configuration speaks of, px; None where it speaks of none."""
    arguments = getattr(config, "model_args", None) or {}
    size = getattr(config, "image_size", None) or arguments.get("img_size")
    if size is None and config.model_type == "siglip2_vision_model":  # it knows the number of its positions instead
        size = math.isqrt(config.num_patches) * config.patch_size
    size = size[0] if isinstance(size, (list, tuple)) else size
    return None if size is None else int(size)


def _sub_config(config: PreTrainedConfig | dict[str, Any] | None, default: str) -> PreTrainedConfig:
    if isinstance(config, PreTrainedConfig):
        return config
    values = dict(config or {})
    kind = values.pop("model_type", default)
    if kind in OWN:
        return OWN[kind](**values)
    if kind not in CONFIG_MAPPING:
        raise ConfigError(f"no architecture named {kind!r} in transformers; name one of its model types")
    return CONFIG_MAPPING[kind](**values)


OWN: dict[str, type[PreTrainedConfig]] = {
    kind.model_type: kind
    for kind in (
        GroundingVisionConfig,
        GroundingLiteVisionConfig,
        GroundingNanoVisionConfig,
        GroundingPatchesConfig,
        GroundingPairConfig,
        GroundingTextConfig,
    )
}
"""The parts' configurations that are ours, by their model type."""


def check_heads(width: int, heads: int) -> None:
    """Raises ConfigError unless the width divides among the heads."""
    if width % heads:
        raise ConfigError(f"hidden_size {width} does not divide among {heads} attention heads")
