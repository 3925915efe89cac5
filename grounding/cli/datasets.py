"""The commands under `grounding data`: drawing pictures with known answers and cut-outs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from grounding.cli.arguments import Commands, number
from grounding.cli.converting import add_converting
from grounding.cli.fetching import add_fetching
from grounding.cli.sharding import add_sharding


def add_datasets(commands: Commands) -> None:
    """Adds the commands of this file."""
    data = commands.group("data", "make, fetch, convert and show data sets")
    add_fetching(data)
    add_converting(data)
    add_sharding(data)
    _add_draw(data)
    emoji = data.add("emoji", "draw the emoji of a font as named cut-outs, for --sprites", _emoji)
    emoji.add_argument("--out", required=True, metavar="DIR", help="the directory to write")
    emoji.add_argument("--font", metavar="TTF", help="a colour-emoji font (default: where Debian puts Noto's)")


def _add_draw(data: Commands) -> None:
    draw = data.add("draw", "draw pictures with known answers", _draw)
    draw.add_argument("--n", type=number(int, 1), required=True, help="how many pictures")
    draw.add_argument(
        "--out", required=True, metavar="DIR", help="the directory to write: pictures, COCO json, refs, jsonl"
    )
    draw.add_argument(
        "--seed", type=number(int, 0), default=0, help="the first picture's seed (default: 0); the next has the next"
    )
    draw.add_argument("--phrases", type=number(int, 1), default=8, help="questions to a picture, at most (default: 8)")
    draw.add_argument(
        "--size", type=number(int, 32, 4096), metavar="PX", help="side of square pictures (default: varied shapes)"
    )
    draw.add_argument("--sprites", metavar="DIR", help="a folder of cut-outs (PNG with alpha) to draw besides shapes")
    draw.add_argument(
        "--sprite-share",
        type=number(float, 0, 1),
        default=0.5,
        help="share of things that are cut-outs (default: 0.5)",
    )
    draw.add_argument("--format", choices=("png", "jpg"), default="png", help="of the pictures (default: png)")
    draw.add_argument("--split", default="train", help="the split's name in the refs (default: train)")


def _draw(args: argparse.Namespace) -> None:
    """Draws a data set of scenes with known answers."""
    from grounding.data.scenes.generate import PictureOptions
    from grounding.data.scenes.scene import SceneOptions
    from grounding.data.scenes.sprites import SpriteSet
    from grounding.data.scenes.write import write_dataset

    sprites = SpriteSet.from_folder(args.sprites) if args.sprites else None
    scene = SceneOptions(size=args.size, sprites=sprites, sprite_share=args.sprite_share if sprites else 0.0)
    written = write_dataset(
        args.out,
        args.n,
        args.seed,
        PictureOptions(scene, phrases=args.phrases),
        progress=sys.stderr.isatty(),
        image_format=args.format,
        split=args.split,
    )
    print(f"{written.pictures:,} pictures with {written.samples:,} questions and their answers in {written.folder}")


def _emoji(args: argparse.Namespace) -> None:
    """Draws the emoji of a font as named cut-outs."""
    from grounding.data.scenes.emoji import EMOJI_FONT, write_emoji_sprites

    written = write_emoji_sprites(Path(args.out), Path(args.font or EMOJI_FONT))
    print(f"{written} cut-outs in {args.out}")
