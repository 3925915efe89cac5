"""What a training step of eight blocks costs with one choice changed at a time: attention, activation, normalization.

`python benchmarks/blocks.py [--rounds N]`. The choices of `grounding/model/blocks.py` stand first.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from timing import print_table, take_turns
from torch import Tensor, nn
from torch.nn import functional as F

from grounding.model.blocks import Attention, Block


def fused_attention(self: Attention, x: Tensor, *_: object) -> Tensor:
    """Attention.forward with torch's fused kernel."""
    rows, length, width = x.shape
    queries, keys, values = self.qkv(x).view(rows, length, 3 * self.heads, -1).split(self.heads, 2)
    queries, keys = self.query_norm(queries).transpose(1, 2), self.key_norm(keys).transpose(1, 2)
    mixed = F.scaled_dot_product_attention(queries, keys, values.transpose(1, 2))
    return self.out(mixed.transpose(1, 2).reshape(rows, length, width))


def gelu_block(self: Block, x: Tensor, *_: object) -> Tensor:
    """Block.forward with GELU."""
    x = x + self.attention(self.attention_norm(x))
    return x + self.mlp_out(F.gelu(self.mlp_in(self.mlp_norm(x))))


def step_of(change: Callable[[nn.Module], None], rows: int, tokens: int, width: int) -> Callable[[], None]:
    """A training step of eight blocks with a change made to each."""
    torch.manual_seed(0)
    blocks = nn.ModuleList(Block(width, 4 * width, width // 64, i, 8) for i in range(8))
    for block in blocks:
        change(block)
    optimizer = torch.optim.AdamW(blocks.parameters(), lr=1e-4, fused=True)
    x = torch.randn(rows, tokens, width).bfloat16()

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            y = x
            for block in blocks:
                y = block(y)
            loss = y.float().square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def main() -> None:
    """The command line of this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=196)
    parser.add_argument("--width", type=int, default=256)
    args = parser.parse_args()

    def rms(block: nn.Module) -> None:
        for name, part in list(block.named_modules()):
            if name.endswith("norm"):
                owner = block.get_submodule(name.rpartition(".")[0])
                setattr(owner, name.rpartition(".")[2], nn.RMSNorm(part.weight.shape[0]))

    changes: dict[str, Callable[[nn.Module], None]] = {
        "as it is: matrix products, ReLU, layer norm": lambda block: None,
        "fused attention": lambda block: setattr(block.attention, "forward", fused_attention.__get__(block.attention)),
        "GELU": lambda block: setattr(block, "forward", gelu_block.__get__(block)),
        "RMS norm": rms,
    }
    rivals = {name: step_of(change, args.rows, args.tokens, args.width) for name, change in changes.items()}
    seconds = take_turns(rivals, args.rounds, 1)
    print_table(f"a step of 8 blocks, {args.rows} x {args.tokens} tokens, width {args.width}", seconds)


if __name__ == "__main__":
    main()
