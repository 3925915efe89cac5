"""The families of vision-language models that transformers carries: how each is opened, asked and read. No torch here.

A row says what no config.json does. What a family's texts look like stands in its codec, and only there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from grounding.errors import UnknownModelError

Form = Literal["plain", "image first", "chat"]
Sees = Literal["picture", "square", "padded", "grid", "scaled"]


@dataclass(frozen=True, slots=True)
class Family:
    """One family's facts."""

    name: str
    """What messages call it."""
    models: Mapping[str, str]
    """`model_type` of a config.json to the class of transformers that it is opened with."""
    processor: str
    """The class of transformers that makes tensors of pictures and prompts."""
    codec: str
    """How it writes boxes, and so which tasks it has."""
    example: str
    """A checkpoint on the hub that these classes open."""
    form: Form
    """How a prompt becomes text: as it is, behind an <image> token, or by the checkpoint's chat template."""
    sees: Sees
    """What its coordinates count along.

    "picture": whatever its codec says of the picture's own sides. "square": the same, as the picture is squashed to a
    square, which is seen to. "padded": a square with the picture in its middle, which is made here, as processors of
    the family crop instead. "grid" and "scaled": pixels of the picture as the processor resized it, and the processor
    is asked how: Qwen's by its grid of patches, Fuyu's by its sizes without padding.
    """
    new_tokens: int = 512
    """After how many tokens an answer is cut, where nobody says otherwise."""
    padded: bool = True
    """Whether a shorter prompt may be padded; if not, only prompts with as many tokens are answered together."""
    limited: bool = False
    """Whether its processor keeps pictures between two numbers of pixels."""
    nested: bool = False
    """Whether the processor wants a list of pictures for each prompt."""
    numbered: bool = False
    """Whether each number of a place is one token, to be put in and read one by one (fuyu_places.py)."""
    answer_type: int = 0
    """The `token_type_ids` of an answer's tokens, where the processor gives such; a question's are 0."""
    marks: Mapping[str, str] = field(default_factory=dict)
    """A token that only some checkpoints know, to the codec that those write."""
    needs: tuple[str, ...] = ()
    """Packages that its processor imports and that this package does not bring."""
    since: str = ""
    """The release of transformers that brought it, where that is younger than the oldest one supported."""


def _table(**models: str) -> Mapping[str, str]:
    return MappingProxyType(models)


FAMILIES: tuple[Family, ...] = (
    Family(
        name="PaliGemma",
        models=_table(paligemma="PaliGemmaForConditionalGeneration"),
        processor="PaliGemmaProcessor",
        codec="paligemma",
        example="google/paligemma2-3b-mix-448",
        form="image first",
        sees="square",
        new_tokens=256,
        answer_type=1,  # seen from behind only, while picture and question see themselves whole
    ),
    Family(
        name="Florence-2",
        models=_table(florence2="Florence2ForConditionalGeneration"),
        processor="Florence2Processor",
        codec="florence-2",
        example="florence-community/Florence-2-base-ft",
        form="plain",
        sees="square",
        new_tokens=1000,  # its positions end at 1024
    ),
    Family(
        name="Kosmos-2",
        models=MappingProxyType({"kosmos-2": "Kosmos2ForConditionalGeneration"}),
        processor="Kosmos2Processor",
        codec="kosmos-2",
        example="microsoft/kosmos-2-patch14-224",
        form="plain",
        sees="square",
        new_tokens=256,
        padded=False,  # transformers counts the padding among the positions of what is written (seen up to 5.23)
    ),
    Family(
        name="Qwen2-VL",
        models=_table(qwen2_vl="Qwen2VLForConditionalGeneration"),
        processor="Qwen2VLProcessor",
        codec="qwen2-vl",
        example="Qwen/Qwen2-VL-2B-Instruct",
        form="chat",
        limited=True,
        sees="picture",
        needs=("torchvision",),
    ),
    Family(
        name="Qwen2.5-VL",
        models=_table(qwen2_5_vl="Qwen2_5_VLForConditionalGeneration"),
        processor="Qwen2_5_VLProcessor",
        codec="qwen2.5-vl",
        example="Qwen/Qwen2.5-VL-3B-Instruct",
        form="chat",
        limited=True,
        sees="grid",
        new_tokens=1024,
        marks=MappingProxyType({"<999>": "rex-omni"}),
        needs=("torchvision",),
    ),
    Family(
        name="Qwen3-VL",
        models=_table(
            qwen3_vl="Qwen3VLForConditionalGeneration",
            qwen3_vl_moe="Qwen3VLMoeForConditionalGeneration",
        ),
        processor="Qwen3VLProcessor",
        codec="qwen3-vl",
        example="Qwen/Qwen3-VL-4B-Instruct",
        form="chat",
        limited=True,
        sees="picture",
        new_tokens=1024,
        needs=("torchvision",),
    ),
    Family(
        name="InternVL",
        models=_table(internvl="InternVLForConditionalGeneration"),
        processor="InternVLProcessor",
        codec="internvl",
        example="OpenGVLab/InternVL3-1B-hf",
        form="chat",
        sees="picture",
        needs=("torchvision",),
    ),
    Family(
        name="LLaVA",
        models=_table(llava="LlavaForConditionalGeneration"),
        processor="LlavaProcessor",
        codec="llava-1.5",
        example="llava-hf/llava-1.5-7b-hf",
        form="chat",
        sees="padded",
    ),
    Family(
        name="LLaVA-NeXT",
        models=_table(llava_next="LlavaNextForConditionalGeneration"),
        processor="LlavaNextProcessor",
        codec="llava-1.5",
        example="llava-hf/llava-v1.6-mistral-7b-hf",
        form="chat",
        sees="picture",
    ),
    Family(
        name="LLaVA-OneVision",
        models=_table(llava_onevision="LlavaOnevisionForConditionalGeneration"),
        processor="LlavaOnevisionProcessor",
        codec="llava-1.5",
        example="llava-hf/llava-onevision-qwen2-7b-ov-hf",
        form="chat",
        sees="picture",
        needs=("torchvision",),
    ),
    Family(
        # The first DeepSeek-VL learned no way to write boxes, so it is asked for JSON; the second one's has its tokens.
        name="DeepSeek-VL",
        models=_table(deepseek_vl="DeepseekVLForConditionalGeneration"),
        processor="DeepseekVLProcessor",
        codec="json",
        example="deepseek-community/deepseek-vl-1.3b-chat",
        form="chat",
        sees="picture",
        marks=MappingProxyType({"<|det|>": "deepseek-vl2"}),
    ),
    Family(
        name="Molmo 2",
        models=_table(molmo2="Molmo2ForConditionalGeneration"),
        processor="Molmo2Processor",
        codec="molmo2",
        example="allenai/Molmo2-8B",
        form="chat",
        sees="picture",
        since="5.20",
        needs=("torchvision",),
    ),
    Family(
        name="Fuyu",
        models=_table(fuyu="FuyuForCausalLM"),
        processor="FuyuProcessor",
        codec="fuyu",
        example="adept/fuyu-8b",
        form="plain",
        sees="scaled",
        new_tokens=128,
        numbered=True,
        needs=("torchvision",),  # with PIL in its place, the processor fails on every picture (5.17 to 5.23)
    ),
    Family(
        name="SmolVLM",
        models=_table(smolvlm="SmolVLMForConditionalGeneration"),
        processor="SmolVLMProcessor",
        codec="json",
        example="HuggingFaceTB/SmolVLM2-2.2B-Instruct",
        form="chat",
        sees="picture",
        nested=True,
        needs=("torchvision", "num2words"),
    ),
    Family(
        name="Idefics3",
        models=_table(idefics3="Idefics3ForConditionalGeneration"),
        processor="Idefics3Processor",
        codec="json",
        example="HuggingFaceM4/Idefics3-8B-Llama3",
        form="chat",
        sees="picture",
        nested=True,
    ),
)

BY_TYPE: Mapping[str, Family] = MappingProxyType({kind: family for family in FAMILIES for kind in family.models})
"""`model_type` to its family."""

ELSEWHERE: Mapping[str, str] = MappingProxyType(
    {
        "internvl_chat": "OpenGVLab/InternVL3-1B-hf",
        "multi_modality": "deepseek-community/deepseek-vl-1.3b-chat",
        "llava_llama": "llava-hf/llava-1.5-7b-hf",
        "llava_mistral": "llava-hf/llava-v1.6-mistral-7b-hf",
        "llava_qwen": "llava-hf/llava-onevision-qwen2-7b-ov-hf",
        "molmo": "allenai/Molmo2-8B",
    }
)
"""`model_type` of checkpoints that bring their own code, which is never run -> one of that kind which needs none."""


@dataclass(frozen=True, slots=True)
class Coordinates:
    """Tokens that are coordinates: a pattern of one, and how many of them make a box."""

    pattern: str
    per_box: int = 4


COORDINATES: Mapping[str, Coordinates] = MappingProxyType(
    {
        "location": Coordinates(r"<loc\d{4}>"),
        "paligemma": Coordinates(r"<loc\d{4}>"),
        "florence-2": Coordinates(r"<loc_\d{1,4}>"),
        "kosmos-2": Coordinates(r"<patch_index_\d{4}>", per_box=2),
        "rex-omni": Coordinates(r"<\d{1,3}>"),
    }
)
"""By codec. Where numbers are spelled digit by digit, their probabilities say little of a box, and it has no score."""


def family_of(config: Mapping[str, Any], where: object) -> Family:
    """The family of a checkpoint, by its config.json. Raises UnknownModelError, which lists the known ones."""
    kind = config.get("model_type")
    if isinstance(kind, str) and kind in BY_TYPE:
        return BY_TYPE[kind]
    if isinstance(kind, str) and kind in ELSEWHERE:
        raise UnknownModelError(
            f"{where} holds a model of type {kind!r}, which needs code of its own, and that is never run; "
            f"one of its kind that transformers itself opens: {ELSEWHERE[kind]}"
        )
    raise UnknownModelError(f"{where} holds a model of type {kind!r}, which is unknown here; known: {known_types()}")


def known_types() -> str:
    """Every `model_type` there is a family for."""
    return ", ".join(("grounding", *BY_TYPE))
