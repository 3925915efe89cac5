"""Our vision-language model. Importing this registers it with transformers' Auto classes."""

from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoProcessor,
)

from grounding.model.configuration import (
    GroundingConfig,
    GroundingLiteVisionConfig,
    GroundingNanoVisionConfig,
    GroundingPairConfig,
    GroundingPatchesConfig,
    GroundingTextConfig,
    GroundingVisionConfig,
)
from grounding.model.conv_vit import GroundingVisionModel
from grounding.model.image_processing import GroundingImageProcessor
from grounding.model.language import GroundingTextModel
from grounding.model.lite_vit import GroundingLiteVisionModel
from grounding.model.modeling import GroundingForConditionalGeneration
from grounding.model.nano_vit import GroundingNanoVisionModel
from grounding.model.pair import GroundingPairModel
from grounding.model.patches import GroundingPatchesModel
from grounding.model.processing import GroundingProcessor

for _config in (
    GroundingConfig,
    GroundingLiteVisionConfig,
    GroundingNanoVisionConfig,
    GroundingPairConfig,
    GroundingPatchesConfig,
    GroundingTextConfig,
    GroundingVisionConfig,
):
    AutoConfig.register(_config.model_type, _config, exist_ok=True)
for _encoder in (
    GroundingVisionModel,
    GroundingLiteVisionModel,
    GroundingNanoVisionModel,
    GroundingPatchesModel,
    GroundingPairModel,
):
    AutoModel.register(_encoder.config_class, _encoder, exist_ok=True)
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
    "GroundingLiteVisionConfig",
    "GroundingLiteVisionModel",
    "GroundingNanoVisionConfig",
    "GroundingNanoVisionModel",
    "GroundingPairConfig",
    "GroundingPairModel",
    "GroundingPatchesConfig",
    "GroundingPatchesModel",
    "GroundingProcessor",
    "GroundingTextConfig",
    "GroundingTextModel",
    "GroundingVisionConfig",
    "GroundingVisionModel",
]
