"""Our vision-language model. Importing this registers it with transformers' Auto classes."""

from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoProcessor,
)

from grounding.model.configuration import GroundingConfig, GroundingTextConfig, GroundingVisionConfig
from grounding.model.image_processing import GroundingImageProcessor
from grounding.model.language import GroundingTextModel
from grounding.model.modeling import GroundingForConditionalGeneration
from grounding.model.processing import GroundingProcessor
from grounding.model.vision import GroundingVisionModel

for _config in (GroundingConfig, GroundingTextConfig, GroundingVisionConfig):
    AutoConfig.register(_config.model_type, _config, exist_ok=True)
AutoModel.register(GroundingVisionConfig, GroundingVisionModel, exist_ok=True)
AutoModelForCausalLM.register(GroundingTextConfig, GroundingTextModel, exist_ok=True)
AutoModelForImageTextToText.register(GroundingConfig, GroundingForConditionalGeneration, exist_ok=True)
# The one class stands for both of transformers' ways to process pictures: whichever it prefers, it finds ours, and does
# not warn of a torchvision that we have no use for.
_processors: dict[str, type] = {"pil": GroundingImageProcessor, "torchvision": GroundingImageProcessor}
AutoImageProcessor.register(GroundingConfig, image_processor_classes=_processors, exist_ok=True)
AutoProcessor.register(GroundingConfig, GroundingProcessor, exist_ok=True)

__all__ = [
    "GroundingConfig",
    "GroundingForConditionalGeneration",
    "GroundingImageProcessor",
    "GroundingProcessor",
    "GroundingTextConfig",
    "GroundingTextModel",
    "GroundingVisionConfig",
    "GroundingVisionModel",
]
