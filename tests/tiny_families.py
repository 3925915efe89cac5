"""Checkpoints of other families, small enough for tests: transformers' own classes, random weights, no downloads.

Their tokenizers are of the family's own kind, trained on a few lines, with the family's special tokens.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import transformers as hf
from tokenizers import Tokenizer, decoders, models, normalizers

LINES = [
    "detect cat ; dog\n",
    "Locate the red car in the image. Locate the phrases in the caption: a green car",
    "What does the region describe? What does the image describe? caption en answer en segment",
    "An image of a snowman warming himself by a fire. Question: Answer: It is a big dog",
    '[{"label": "a red cup", "box": [120, 88, 240, 311]}] ```json {"bbox_2d": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]}',
    "Report bbox coordinates in JSON format. Please provide the bounding box coordinate of the region: 0.61, 0.36",
    "user assistant USER: ASSISTANT: system You are a helpful assistant. There are none. Point to <point x=",
    "".join(map(chr, range(33, 127))),
]
TEXT = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 8,
}
VISION = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))


def save(family: str, directory: Path) -> Path:
    """A checkpoint of the family as `save_pretrained` writes it, with random weights of one seed."""
    torch.manual_seed(0)
    model, processor = MAKERS[family]()
    ends = processor.tokenizer
    for config in (model.generation_config, getattr(getattr(model, "text_model", None), "generation_config", None)):
        if config is not None:
            config.eos_token_id, config.bos_token_id = ends.eos_token_id, ends.bos_token_id
            config.pad_token_id = ends.pad_token_id
    model.save_pretrained(directory)
    processor.save_pretrained(directory)
    return directory


def trained(kind: type, *, special: Sequence[str] = (), **named: str):
    """A tokenizer of this kind that has read LINES. `special`: further special tokens; `named`: those with a name."""
    tokenizer = kind().train_new_from_iterator(LINES, 400)
    if named:
        learned = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
        merges = [tuple(pair) for pair in learned["merges"]]
        tokenizer = kind(vocab=learned["vocab"], merges=merges, **named)
    if special:
        tokenizer.add_special_tokens({"extra_special_tokens": [*special]})
    if kind is hf.LlamaTokenizer:
        tokenizer.add_bos_token = True
    return tokenizer


def _paligemma():
    images = hf.SiglipImageProcessor(size={"height": 28, "width": 28}, image_seq_length=4)
    images.image_seq_length = 4
    processor = hf.PaliGemmaProcessor(images, trained(hf.GemmaTokenizer))
    size = len(processor.tokenizer)
    config = hf.PaliGemmaConfig(
        vision_config={"model_type": "siglip_vision_model", **VISION, "image_size": 28, "patch_size": 14},
        text_config={"model_type": "gemma", **TEXT, "vocab_size": size},
        image_token_index=processor.image_token_id,
        projection_dim=16,
        hidden_size=16,
        vocab_size=size,
    )
    return hf.PaliGemmaForConditionalGeneration(config), processor


def _florence2():
    places = tuple(f"<loc_{number}>" for number in range(1000))
    words = (
        "<od>",
        "</od>",
        "<ocr>",
        "</ocr>",
        "<cap>",
        "</cap>",
        "<sep>",
        "<poly>",
        "</poly>",
        "<and>",
        "<grounding>",
    )
    tokenizer = trained(hf.BartTokenizer, special=(*words, *places), image_token="<image>")
    images = hf.CLIPImageProcessor(size={"height": 64, "width": 64}, do_center_crop=False, image_seq_length=5)
    images.image_seq_length = 5
    processor = hf.Florence2Processor(images, tokenizer)
    ids = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad")}
    text = {
        "model_type": "bart",
        "vocab_size": len(tokenizer),
        "d_model": 16,
        "encoder_layers": 1,
        "decoder_layers": 1,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 16,
        "decoder_ffn_dim": 16,
        "max_position_embeddings": 128,
        "decoder_start_token_id": tokenizer.eos_token_id,
        "forced_eos_token_id": tokenizer.eos_token_id,
        **ids,
    }
    vision = {
        "depths": (1, 1, 1, 1),
        "embed_dim": (8, 8, 8, 16),
        "num_heads": (1, 1, 1, 1),
        "num_groups": (1, 1, 1, 1),
        "window_size": 4,
        "projection_dim": 16,
    }
    config = hf.Florence2Config(text_config=text, vision_config=vision, image_token_id=tokenizer.image_token_id, **ids)
    model = hf.Florence2ForConditionalGeneration(config)
    model.generation_config.decoder_start_token_id = tokenizer.eos_token_id
    return model, processor


def _kosmos2():
    tokenizer = trained(hf.XLMRobertaTokenizer)
    tokenizer.add_tokens([f"<unused{number}>" for number in range(4)])
    images = hf.CLIPImageProcessor(
        size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}, do_center_crop=True, use_square_size=True
    )
    processor = hf.Kosmos2Processor(images, tokenizer)
    text = {
        "vocab_size": len(processor.tokenizer),
        "embed_dim": 16,
        "layers": 1,
        "ffn_dim": 16,
        "attention_heads": 2,
        "max_position_embeddings": 256,
    }
    config = hf.Kosmos2Config(
        text_config=text, vision_config={**VISION, "image_size": 28, "patch_size": 14}, latent_query_num=64
    )
    return hf.Kosmos2ForConditionalGeneration(config), processor


# ---- families that are asked by a chat template

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


def _qwen(version: str, **vision):
    tokenizer = trained(hf.Qwen2Tokenizer, special=QWEN_TOKENS)
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


def _qwen2_vl():
    return _qwen("Qwen2VL", embed_dim=16, hidden_size=16, mlp_ratio=1)


def _qwen2_5_vl():
    return _qwen("Qwen2_5_VL", hidden_size=16, out_hidden_size=16, fullatt_block_indexes=[0])


def _qwen3_vl(version: str = "Qwen3VL"):
    shape = {"num_position_embeddings": 16, "deepstack_visual_indexes": [0], "patch_size": 16}
    return _qwen(version, hidden_size=16, out_hidden_size=16, **shape)


def _internvl():
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


def _llava():
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


def _llava_next():
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


def _llava_onevision():
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


def _deepseek_vl(*special: str):
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


def _deepseek_vl_with_boxes():
    return _deepseek_vl("<|ref|>", "<|/ref|>", "<|det|>", "<|/det|>", "<|grounding|>")


def _molmo2():
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


def _fuyu_tokenizer():
    """Of SentencePiece's kind: a blank goes before every text, placeholders too, as the processor counts on."""
    marks = ["|SPEAKER|", "|NEWLINE|", "|ENDOFTEXT|", *(f"<0x0{number}>" for number in range(5))]
    words = {f"▁{word}" for line in LINES[:-1] for word in line.split()}
    rest = [*sorted(words), *map(str, range(200)), *map(chr, range(33, 127)), "▁", "\n"]
    pieces = dict.fromkeys(rest, -10.0) | dict.fromkeys(("<unk>", "<s>"), -99.0) | dict.fromkeys(marks, 0.0)
    backend = Tokenizer(models.Unigram(list(pieces.items()), unk_id=list(pieces).index("<unk>")))
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="|ENDOFTEXT|", unk_token="<unk>"
    )


def _fuyu():
    tokenizer = _fuyu_tokenizer()
    processor = hf.FuyuProcessor(
        hf.FuyuImageProcessor(size={"height": 60, "width": 120}, patch_size={"height": 30, "width": 30}), tokenizer
    )
    text = {"model_type": "persimmon", "vocab_size": len(tokenizer), "hidden_size": 16, "intermediate_size": 16}
    config = hf.FuyuConfig(
        text_config={**text, "num_hidden_layers": 1, "num_attention_heads": 2},
        patch_size=30,
        image_token_id=processor.image_token_id,
    )
    return hf.FuyuForCausalLM(config), processor


IDEFICS = (
    "<|im_start|>{% for message in messages %}{{ message.role | capitalize }}"
    "{% if message.content[0].type == 'image' %}:{% else %}: {% endif %}{% for part in message.content %}"
    "{% if part.type == 'image' %}<image>{% else %}{{ part.text }}{% endif %}{% endfor %}<end_of_utterance>\n"
    "{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)


def _idefics(name: str):
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


MAKERS: dict[str, Callable] = {
    "paligemma": _paligemma,
    "florence2": _florence2,
    "kosmos-2": _kosmos2,
    "qwen2_vl": _qwen2_vl,
    "qwen2_5_vl": _qwen2_5_vl,
    "qwen3_vl": _qwen3_vl,
    "qwen3_vl_moe": lambda: _qwen3_vl("Qwen3VLMoe"),
    "internvl": _internvl,
    "llava": _llava,
    "llava_next": _llava_next,
    "llava_onevision": _llava_onevision,
    "deepseek_vl": _deepseek_vl,
    "deepseek_vl with boxes": _deepseek_vl_with_boxes,
    "molmo2": _molmo2,
    "fuyu": _fuyu,
    "smolvlm": lambda: _idefics("SmolVLM"),
    "idefics3": lambda: _idefics("Idefics3"),
}
