"""The commands about names and texts: models, codecs, decode."""

from __future__ import annotations

import argparse
import json
import sys

from grounding.cli.arguments import Commands, check_picture_path, number, save_picture, size
from grounding.errors import InputError


def add_texts(commands: Commands) -> None:
    """Adds the commands of this file."""
    commands.add("models", "list the names that --model takes", _models)
    commands.add("codecs", "list the families of box texts, each with one box as it writes it", _codecs)
    decode = commands.add("decode", "read the text that a model wrote, from stdin, as boxes", _decode)
    decode.add_argument("--family", required=True, help="whose text it is; `grounding codecs` lists them")
    decode.add_argument("--size", type=size, metavar="WxH", help="the picture's size in pixels, such as 640x480")
    decode.add_argument("--image", help="the picture, in place of its size")
    decode.add_argument("--input-size", type=size, metavar="WxH", help="the size at which the model was given it")
    decode.add_argument("--min-pixels", type=number(int, 1), help="the model's own limit, in place of --input-size")
    decode.add_argument("--max-pixels", type=number(int, 1), help="the model's own limit, in place of --input-size")
    decode.add_argument("--task", help="what was asked, such as caption (default: detect, or what the family has)")
    decode.add_argument("--rounding", help="another reader's rounding (default: the most accurate)")
    decode.add_argument("--text", help="the text, in place of stdin")
    decode.add_argument("--out", metavar="PNG", help="draw the boxes onto the picture and write it here")


def _decode(args: argparse.Namespace) -> None:
    """Reads an answer that a model wrote elsewhere."""
    from grounding.cli.asking import as_json
    from grounding.codecs.reading import read

    if args.out:
        check_picture_path(args.out)
    if args.image:
        from grounding.images import open_image

        image = open_image(args.image)
        if args.size and args.size != image.size:
            raise InputError(
                f"--size {args.size[0]}x{args.size[1]} is not the size of {args.image}, "
                f"{image.width}x{image.height}: leave one of them out"
            )
        args.size = image.size
    if args.size is None or (args.out and not args.image):
        raise InputError("give the picture, --image photo.jpg, or its size, --size 640x480; --out needs the picture")
    answer = read(
        sys.stdin.read() if args.text is None else args.text,
        args.family,
        args.size,
        input_size=args.input_size,
        min_pixels=args.min_pixels,
        max_pixels=args.max_pixels,
        task=args.task,
        rounding=args.rounding,
    )
    if args.out:
        save_picture(answer.draw(image), args.out)
    print(json.dumps({**as_json(answer), "family": args.family}, ensure_ascii=False))


def _codecs(args: argparse.Namespace) -> None:
    """Lists the families, each with the same two boxes as it writes them."""
    from grounding.terminal import show_codecs

    show_codecs()


def _models(args: argparse.Namespace) -> None:
    """Lists the names that --model takes, each with what it opens."""
    import textwrap
    from shutil import get_terminal_size

    from grounding.backends import WEIGHTS, backends

    known = backends()
    indent = max(len(backend.form) for backend in known) + 2
    width = max(get_terminal_size().columns if sys.stdout.isatty() else 10_000, indent + 30)
    for backend in known:
        missing = "" if backend.form != "(no name)" or (WEIGHTS / "config.json").is_file() else " (not in this copy)"
        line = f"{backend.form:<{indent}}{backend.what}{missing}"
        print(textwrap.fill(line, width, subsequent_indent=" " * indent, break_long_words=False))
