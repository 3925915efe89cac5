"""Checkpoints of other families, small enough for tests: transformers' own classes, random weights, no downloads.

Their tokenizers are of the family's own kind, trained on a few lines, with the family's special tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
import transformers as hf
from tokenizers import Tokenizer, decoders, models, normalizers

from tests import tiny_chat_families as chat
from tests.tiny_tools import LINES, TEXT, VISION, trained


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


def fuyu_tokenizer():
    """Of SentencePiece's kind: a blank goes before every text, placeholders too, as the processor counts on."""
    marks = ["|SPEAKER|", "|NEWLINE|", "|ENDOFTEXT|", *(f"<0x0{number}>" for number in range(5))]
    words = {f"▁{word}" for line in LINES[:-1] for word in line.split()}
    rest = [*sorted(words), *map(str, range(300)), *map(chr, range(33, 127)), "▁", "\n"]
    pieces = dict.fromkeys(rest, -10.0) | dict.fromkeys(("<unk>", "<s>"), -99.0) | dict.fromkeys(marks, 0.0)
    backend = Tokenizer(models.Unigram(list(pieces.items()), unk_id=list(pieces).index("<unk>")))
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="|ENDOFTEXT|", unk_token="<unk>"
    )


def _fuyu():
    tokenizer = fuyu_tokenizer()
    processor = hf.FuyuProcessor(
        hf.FuyuImageProcessor(size={"height": 60, "width": 120}, patch_size={"height": 30, "width": 30}), tokenizer
    )
    config = hf.FuyuConfig(  # flat, as the published one
        **VISION, vocab_size=len(tokenizer), patch_size=30, image_token_id=processor.image_token_id
    )
    return hf.FuyuForCausalLM(config), processor


MAKERS: dict[str, Callable] = {
    "paligemma": _paligemma,
    "florence2": _florence2,
    "kosmos-2": _kosmos2,
    "qwen2_vl": chat.qwen2_vl,
    "qwen2_5_vl": chat.qwen2_5_vl,
    "qwen2_5_vl with bins": chat.rex_omni,
    "qwen3_vl": chat.qwen3_vl,
    "qwen3_vl_moe": lambda: chat.qwen3_vl("Qwen3VLMoe"),
    "internvl": chat.internvl,
    "llava": chat.llava,
    "llava_next": chat.llava_next,
    "llava_onevision": chat.llava_onevision,
    "deepseek_vl": chat.deepseek_vl,
    "deepseek_vl with boxes": chat.deepseek_vl_with_boxes,
    "molmo2": chat.molmo2,
    "fuyu": _fuyu,
    "smolvlm": lambda: chat.idefics("SmolVLM"),
    "idefics3": lambda: chat.idefics("Idefics3"),
}
