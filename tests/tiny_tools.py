"""What the tiny checkpoints of tests/tiny_families.py are made of: lines to learn from, tokenizers, small shapes."""

from __future__ import annotations

import json
from collections.abc import Sequence

import transformers as hf

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
