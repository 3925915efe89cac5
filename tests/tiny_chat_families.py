"""Tiny checkpoints of families that are asked by a chat template; see tests/tiny_families.py."""

from __future__ import annotations

import transformers as hf

from tests.tiny_tools import TEXT, VISION, trained

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{% for part in message.content %}"
    "{% if part.type == 'image' %}IMAGE{% else %}{{ part.text }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CHAT_TOKENS = ("<|im_start|>", "<|im_end|>")
QWEN_TOKENS = (
    *CHAT_TOKENS,
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)


def chatml(image: str) -> str:
    """The template of Qwen's kind, with what stands for a picture."""
    return CHATML.replace("IMAGE", image)


EXPERTS = {"num_experts": 2, "num_experts_per_tok": 1, "moe_intermediate_size": 16}


def qwen(version: str, *, special: tuple[str, ...] = (), **vision):
    tokenizer = trained(hf.Qwen2Tokenizer, special=(*QWEN_TOKENS, *special))
    tokenizer.eos_token, tokenizer.pad_token = "<|im_end|>", "<|endoftext|>"
    patch = vision.get("patch_size", 14)
    images = hf.Qwen2VLImageProcessor(
        min_pixels=4 * (2 * patch) ** 2, max_pixels=64 * (2 * patch) ** 2, patch_size=patch
    )
    videos = hf.Qwen3VLVideoProcessor() if version.startswith("Qwen3") else hf.Qwen2VLVideoProcessor()
    template = chatml("<|vision_start|><|image_pad|><|vision_end|>")
    kind = getattr(hf, f"{version.removesuffix('Moe')}Processor")
    processor = kind(images, tokenizer, videos, chat_template=template)
    ids = tokenizer.convert_tokens_to_ids
    config = getattr(hf, f"{version}Config")(
        text_config={
            **TEXT,
            **(EXPERTS if version.endswith("Moe") else {}),
            "vocab_size": len(tokenizer),
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2]},
        },
        vision_config={"depth": 1, "num_heads": 2, "intermediate_size": 16, **vision},
        image_token_id=ids("<|image_pad|>"),
        video_token_id=ids("<|video_pad|>"),
        vision_start_token_id=ids("<|vision_start|>"),
        vision_end_token_id=ids("<|vision_end|>"),
    )
    return getattr(hf, f"{version}ForConditionalGeneration")(config), processor


def qwen2_vl():
    return qwen("Qwen2VL", embed_dim=16, hidden_size=16, mlp_ratio=1)


def qwen2_5_vl():
    return qwen("Qwen2_5_VL", hidden_size=16, out_hidden_size=16, fullatt_block_indexes=[0])


def rex_omni():
    """Qwen2.5-VL with tokens for coordinates, as Rex-Omni has them."""
    bins = tuple(f"<{number}>" for number in range(1000))
    return qwen("Qwen2_5_VL", special=bins, hidden_size=16, out_hidden_size=16, fullatt_block_indexes=[0])


def qwen3_vl(version: str = "Qwen3VL"):
    shape = {"num_position_embeddings": 16, "deepstack_visual_indexes": [0], "patch_size": 16}
    return qwen(version, hidden_size=16, out_hidden_size=16, **shape)


def internvl():
    named = {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }
    special = (*CHAT_TOKENS, "<ref>", "</ref>", "<box>", "</box>", "<quad>", "</quad>")
    tokenizer = trained(hf.Qwen2Tokenizer, special=special, **named)
    tokenizer.eos_token, tokenizer.pad_token = "<|im_end|>", "<|endoftext|>"
    images = hf.GotOcr2ImageProcessor(
        size={"height": 28, "width": 28}, min_patches=1, max_patches=4, crop_to_patches=True
    )
    processor = hf.InternVLProcessor(
        images,
        tokenizer,
        hf.InternVLVideoProcessor(size={"height": 28, "width": 28}),
        image_seq_length=1,
        chat_template=chatml("<IMG_CONTEXT>\n"),
    )
    config = hf.InternVLConfig(
        vision_config={**VISION, "image_size": [28, 28], "patch_size": [14, 14]},
        text_config={"model_type": "qwen2", **TEXT, "vocab_size": len(tokenizer)},
        image_token_id=tokenizer.context_image_token_id,
        image_seq_length=1,
    )
    return hf.InternVLForConditionalGeneration(config), processor


VICUNA = (
    "{% for message in messages %}{% if message.role == 'user' %}USER: {% else %}ASSISTANT: {% endif %}"
    "{% for part in message.content %}{% if part.type == 'image' %}<image>\n{% else %}{{ part.text }}{% endif %}"
    "{% endfor %} {% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)


def llava():
    tokenizer = trained(hf.LlamaTokenizer, special=("<image>", "<pad>"))
    tokenizer.pad_token = "<pad>"
    processor = hf.LlavaProcessor(
        hf.CLIPImageProcessor(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}),
        tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=VICUNA,
    )
    config = hf.LlavaConfig(
        vision_config={"model_type": "clip_vision_model", **VISION, "image_size": 28, "patch_size": 14},
        text_config={"model_type": "llama", **TEXT, "vocab_size": len(tokenizer)},
        image_token_index=processor.image_token_id,
        vision_feature_layer=-1,
    )
    return hf.LlavaForConditionalGeneration(config), processor


PINPOINTS = [[28, 56], [56, 28], [56, 56]]


def llava_next():
    tokenizer = trained(hf.LlamaTokenizer, special=("<image>", "<pad>"))
    tokenizer.pad_token = "<pad>"
    processor = hf.LlavaNextProcessor(
        hf.LlavaNextImageProcessor(
            size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}, image_grid_pinpoints=PINPOINTS
        ),
        tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=VICUNA.replace("USER: ", "[INST] ")
        .replace(" {% endfor %}{% if add", " [/INST]{% endfor %}{% if add")
        .replace("ASSISTANT:{% endif %}", "{% endif %}"),
    )
    config = hf.LlavaNextConfig(
        vision_config={"model_type": "clip_vision_model", **VISION, "image_size": 28, "patch_size": 14},
        text_config={"model_type": "llama", **TEXT, "vocab_size": len(tokenizer)},
        image_token_index=processor.image_token_id,
        image_grid_pinpoints=PINPOINTS,
        vision_feature_layer=-1,
    )
    return hf.LlavaNextForConditionalGeneration(config), processor


def llava_onevision():
    tokenizer = trained(hf.Qwen2Tokenizer, special=(*CHAT_TOKENS, "<image>", "<video>"))
    tokenizer.eos_token, tokenizer.pad_token = "<|im_end|>", "<|endoftext|>"
    processor = hf.LlavaOnevisionProcessor(
        hf.LlavaOnevisionImageProcessor(size={"height": 28, "width": 28}, image_grid_pinpoints=PINPOINTS),
        tokenizer,
        hf.LlavaOnevisionVideoProcessor(size={"height": 28, "width": 28}),
        num_image_tokens=4,
        vision_feature_select_strategy="full",
        chat_template=chatml("<image>\n"),
    )
    config = hf.LlavaOnevisionConfig(
        vision_config={
            "model_type": "siglip_vision_model",
            **VISION,
            "image_size": 28,
            "patch_size": 14,
            "vision_use_head": False,
        },
        text_config={"model_type": "qwen2", **TEXT, "vocab_size": len(tokenizer)},
        image_token_index=processor.image_token_id,
        video_token_index=processor.video_token_id,
        image_grid_pinpoints=PINPOINTS,
    )
    return hf.LlavaOnevisionForConditionalGeneration(config), processor


DEEPSEEK = (
    "{% for message in messages %}{% if message.role == 'user' %}User: {% else %}Assistant: {% endif %}"
    "{% for part in message.content %}{% if part.type == 'image' %}<image_placeholder>{% else %}{{ part.text }}"
    "{% endif %}{% endfor %}{{ '\n\n' }}{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)


def deepseek_vl(*special: str):
    tokenizer = trained(hf.LlamaTokenizer, special=special, image_token="<image_placeholder>")
    tokenizer.pad_token = "</s>"
    processor = hf.DeepseekVLProcessor(
        hf.DeepseekVLImageProcessor(size={"height": 28, "width": 28}, min_size=14),
        tokenizer,
        chat_template=DEEPSEEK,
        num_image_tokens=4,
    )
    vision = {"model_type": "siglip_vision_model", **VISION, "image_size": 28, "patch_size": 14}
    config = hf.DeepseekVLConfig(
        vision_config=vision,
        text_config={"model_type": "llama", **TEXT, "vocab_size": len(tokenizer)},
        image_token_id=processor.image_token_id,
    )
    return hf.DeepseekVLForConditionalGeneration(config), processor


def deepseek_vl_with_boxes():
    return deepseek_vl("<|ref|>", "<|/ref|>", "<|det|>", "<|/det|>", "<|grounding|>")


def molmo2():
    marks = ["im_start", "im_end", "im_patch", "im_col", "low_res_im_start", "frame_start", "frame_end", "im_low"]
    special = (*CHAT_TOKENS, *(f"<{mark}>" for mark in marks), "<|image|>", "<|video|>")
    tokenizer = trained(hf.Qwen2Tokenizer, special=special)
    tokenizer.eos_token, tokenizer.pad_token = "<|im_end|>", "<|endoftext|>"
    tokenizer.bos_token = "<|im_end|>"
    size = {"height": 56, "width": 56}
    processor = hf.Molmo2Processor(
        hf.Molmo2ImageProcessor(size=size, max_crops=4, overlap_margins=[1, 1]),
        hf.Molmo2VideoProcessor(size=size),
        tokenizer,
        chat_template=chatml("<|image|>"),
    )
    ids = tokenizer.convert_tokens_to_ids
    shape = {**VISION, "num_key_value_heads": 2, "head_dim": 8}
    config = hf.Molmo2Config(
        vision_config={**shape, "image_size": [56, 56], "num_hidden_layers": 2},
        adapter_config={
            **{key: shape[key] for key in ("hidden_size", "num_attention_heads", "num_key_value_heads", "head_dim")},
            "vision_feature_layer": [1, 0],
            "intermediate_size": 16,
            "text_hidden_size": 16,
        },
        text_config={**TEXT, "vocab_size": len(tokenizer), "additional_vocab_size": 0},
        image_start_token_id=ids("<im_start>"),
        low_res_image_start_token_id=ids("<low_res_im_start>"),
        image_end_token_id=ids("<im_end>"),
        image_patch_id=ids("<im_patch>"),
        frame_start_token_id=ids("<frame_start>"),
        frame_end_token_id=ids("<frame_end>"),
    )
    return hf.Molmo2ForConditionalGeneration(config), processor


IDEFICS = (
    "<|im_start|>{% for message in messages %}{{ message.role | capitalize }}"
    "{% if message.content[0].type == 'image' %}:{% else %}: {% endif %}{% for part in message.content %}"
    "{% if part.type == 'image' %}<image>{% else %}{{ part.text }}{% endif %}{% endfor %}<end_of_utterance>\n"
    "{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)


def idefics(name: str):
    rows = tuple(f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7))
    marks = ("<|im_start|>", "<fake_token_around_image>", "<image>", "<global-img>", "<end_of_utterance>", "<video>")
    tokenizer = trained(hf.Qwen2Tokenizer, special=(*marks, *rows))
    tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token = (
        "<|im_start|>",
        "<end_of_utterance>",
        "<|endoftext|>",
    )
    sizes = {"size": {"longest_edge": 56}, "max_image_size": {"longest_edge": 28}}
    tokenizer.add_bos_token = True  # and the template writes it as well
    images = getattr(hf, f"{name}ImageProcessor")(**sizes)
    parts = [images, tokenizer]
    if name == "SmolVLM":
        parts.append(hf.SmolVLMVideoProcessor(**sizes, video_sampling={"fps": 1, "max_frames": 2}))
    processor = getattr(hf, f"{name}Processor")(*parts, image_seq_len=1, chat_template=IDEFICS)
    vision = {**VISION, "image_size": 28, "patch_size": 14}
    config = getattr(hf, f"{name}Config")(
        vision_config=vision,
        text_config={"model_type": "llama", **TEXT, "vocab_size": len(processor.tokenizer)},
        image_token_id=processor.image_token_id,
        scale_factor=2,
    )
    return getattr(hf, f"{name}ForConditionalGeneration")(config), processor
