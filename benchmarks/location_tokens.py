"""What new location tokens need to learn: their start, whether their rows move, and what target they are given.

`python benchmarks/location_tokens.py [--steps N] [--seeds N]`. A language model of two layers learns to say in digits
where a box is, of which it is shown four features, as a projector hands on what an encoder saw. Then it is frozen, and
adapters teach it to say the same in location tokens: twelve ways, equal steps, equal data. Printed is the mean IoU with
boxes it was never shown, the median over seeds; two such boxes share 0.05. A minute for each seed on a core.
"""

from __future__ import annotations

import argparse
import copy
import math
import statistics
import warnings
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor
from torch.nn import functional as F
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.utils import logging

import grounding
from grounding.boxes import iou_pairs
from grounding.training.lora import with_lora
from grounding.training.losses import token_losses

WORDS = ("<pad>", "<eos>", *"0123456789", "digits", "box")
FIRST_DIGIT, SAY_DIGITS, SAY_BOX = 2, 12, 13
WIDTH, BINS = 64, 1024
SOFT = 4.0
"""Bins over which a soft target is spread: the width that training uses."""


def tokenizer() -> PreTrainedTokenizerFast:
    """It knows WORDS."""
    words = Tokenizer(models.WordLevel({word: id_ for id_, word in enumerate(WORDS)}, unk_token="<pad>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<eos>", pad_token="<pad>")


def draw_boxes(count: int, generator: torch.Generator) -> Tensor:
    """(count, 4) y1 x1 y2 x2 in shares of the picture, sides from 0.08 to 0.48."""
    corner = torch.rand(count, 2, generator=generator) * 0.8
    side = 0.08 + torch.rand(count, 2, generator=generator) * 0.4
    return torch.cat([corner, (corner + side).clamp(max=1)], 1)


class Features:
    """Four features (B, 4, WIDTH) of boxes (B, 4): waves of each side's place, mixed by fixed random weights."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(7)
        self.waves = 2 * math.pi * 2.0 ** torch.linspace(-1, 4, 8)
        self.mix = torch.randn(17, WIDTH, generator=generator) / 4
        self.side = torch.randn(4, WIDTH, generator=generator)

    def __call__(self, boxes: Tensor) -> Tensor:
        angles = boxes[..., None] * self.waves
        waves = torch.cat([angles.sin(), angles.cos(), 2 * boxes[..., None] - 1], -1)
        return (waves @ self.mix + self.side) * (8 / WIDTH) ** 0.5


features = Features()


def logits_of(model: torch.nn.Module, boxes: Tensor, word: int, answers: Tensor) -> Tensor:
    """(B, T, V) logits of the answers' tokens (B, T), behind what is shown and the word that says how to answer."""
    asked = torch.cat([torch.full((len(boxes), 1), word), answers[:, :-1]], 1)
    shown = torch.cat([features(boxes), model.get_input_embeddings()(asked)], 1)
    logits: Tensor = model(inputs_embeds=shown).logits
    return logits[:, 4:]


def base_model(tied: bool, steps: int = 150) -> LlamaForCausalLM:
    """Two layers that say a box in eight digits, the first two of each coordinate."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(WORDS),
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        tie_word_embeddings=tied,
        max_position_embeddings=64,
        initializer_range=0.1,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=1,
    )
    model = LlamaForCausalLM(config)
    generator = torch.Generator().manual_seed(0)
    optimizer, schedule = optimizer_of(list(model.parameters()), steps)
    for _ in range(steps):
        boxes = draw_boxes(64, generator)
        hundredths = (boxes * 99).round().long()
        answers = torch.stack([hundredths // 10, hundredths % 10], -1).flatten(1) + FIRST_DIGIT
        loss = F.cross_entropy(logits_of(model, boxes, SAY_DIGITS, answers).flatten(0, 1), answers.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model


def optimizer_of(parameters: list[torch.nn.Parameter], steps: int) -> tuple[torch.optim.Optimizer, object]:
    """AdamW and a schedule that rises and falls."""
    optimizer = torch.optim.AdamW(parameters, 5e-3, weight_decay=0.0)
    return optimizer, torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=steps)


def teach(model: torch.nn.Module, first: int, steps: int, seed: int, sigma: float) -> None:
    """Lets what may move in `model` learn to say boxes in location tokens; `sigma` 0: the plain target."""
    generator = torch.Generator().manual_seed(100 + seed)
    optimizer, schedule = optimizer_of([p for p in model.parameters() if p.requires_grad], steps)
    for _ in range(steps):
        boxes = draw_boxes(64, generator)
        answers = first + (boxes * (BINS - 1)).round().long()
        logits = logits_of(model, boxes, SAY_BOX, answers).flatten(0, 1)
        loss = token_losses(logits, answers.flatten(), first, BINS, sigma)[0].mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


@torch.no_grad()
def ious(model: torch.nn.Module, first: int, count: int = 256) -> list[float]:
    """IoU of boxes never shown with those that the model says, where it may say location tokens alone."""
    truth = draw_boxes(count, torch.Generator().manual_seed(999))
    said = torch.zeros(count, 0, dtype=torch.long)
    for _ in range(4):
        asked = torch.cat([said, torch.zeros(count, 1, dtype=torch.long)], 1)
        last = logits_of(model, truth, SAY_BOX, asked)[:, -1, first : first + BINS]
        said = torch.cat([said, first + last.argmax(-1, keepdim=True)], 1)
    boxes = (said - first) / (BINS - 1)
    found: list[float] = iou_pairs(boxes.double().numpy(), truth.double().numpy()).tolist()
    return found


@dataclass(frozen=True)
class Way:
    """How location tokens come into the frozen model."""

    start: str
    learn: bool
    soft: bool


STARTS = ("random", "mean", "fourier")
WAYS = [Way(start, learn, soft) for start in STARTS for learn in (False, True) for soft in (False, True)]


def mean_iou(base: LlamaForCausalLM, way: Way, steps: int, seed: int) -> float:
    """Of a copy of `base` that was taught in this way."""
    model = copy.deepcopy(base)
    added = grounding.add_location_tokens(model, tokenizer(), bins=BINS, start=way.start, seed=seed)
    torch.manual_seed(seed)
    tuned = with_lora(model, rank=8)
    if not way.learn:  # what with_lora refuses to make
        for name, parameter in tuned.named_parameters():
            if "trainable_tokens_delta" in name:
                parameter.requires_grad_(False)
    teach(tuned, added.first, steps, seed, SOFT if way.soft else 0.0)
    return statistics.mean(ious(tuned, added.first))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100, help="of teaching, 64 boxes each")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each way, of which the median is printed")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.set_verbosity_error()
    torch.set_num_threads(1)
    bases = {tied: base_model(tied) for tied in (True, False)}
    print("| start | rows learn | soft target | head is the table | head of its own |")
    print("| --- | --- | --- | --- | --- |")
    for way in WAYS:
        cells = [
            statistics.median(mean_iou(base, way, options.steps, seed) for seed in range(options.seeds))
            for base in bases.values()
        ]
        shown = " | ".join(f"{cell:.2f}" for cell in cells)
        print(f"| {way.start} | {'yes' if way.learn else 'no'} | {'yes' if way.soft else 'no'} | {shown} |", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
