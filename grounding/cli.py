"""The command `grounding`: reads the line, calls the library, prints the answer, and turns errors into exit codes.

0: answered, and "nothing there" is an answer; 1: it failed; 2: the command or what it was given makes no sense.
Nothing heavy is imported before a command needs it, so that `grounding --help` is quick.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grounding import __version__
from grounding.errors import GroundingError, InputError, MissingExtraError, OutputError

if TYPE_CHECKING:
    from PIL.Image import Image

    from grounding.result import Grounding

ANSWERED, FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line and returns its exit code; never lets an exception out, except with --debug."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        args = _parser(arguments).parse_args(arguments)
    except SystemExit as stop:  # argparse has printed help, the version, or what is wrong
        return stop.code if isinstance(stop.code, int) else WRONG_USE
    except GroundingError as error:
        return _fail(error)
    try:
        run: Callable[[argparse.Namespace], None] = args.run
        run(args)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        if args.debug:
            raise
        return _fail(error)
    return ANSWERED


def _fail(error: Exception) -> int:
    """Says in one sentence what went wrong; returns the exit code for it."""
    if isinstance(error, BrokenPipeError):  # whoever read our output has gone: nothing to say, and nobody to say it to
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    if isinstance(error, GroundingError):
        message = str(error)
    elif isinstance(error, OSError):
        message = f"can't write the output: {error.strerror or error}"
    else:
        message = f"unexpected {type(error).__name__}: {error} (--debug shows where)"
    print(f"grounding: {' '.join(message.split())}", file=sys.stderr)
    return WRONG_USE if isinstance(error, InputError) else FAILED


# ---- the commands


def _ask(args: argparse.Namespace) -> None:
    """Asks one picture one question, or the same of several phrases; draws and prints the answers."""
    from grounding.backends import load
    from grounding.backends.base import Question
    from grounding.images import open_image

    if args.out:
        _check_picture_path(args.out)
    image = open_image(args.image)
    model = load(args.model, device=args.device, dtype=args.dtype)
    given = {name: value for name, value in vars(args).items() if name in ("task", "names", "box", "point")}
    questions = [Question(phrase=phrase, **given) for phrase in getattr(args, "phrases", [""])]
    answers = model.ask_many((image, question) for question in questions)
    if args.out:
        _save(_drawn(answers, image), args.out)
    if args.json:
        for answer in answers:
            print(json.dumps(_as_json(answer), ensure_ascii=False))
        return
    from grounding.terminal import show

    show(answers, source=Path(args.image).name, drawn_to=args.out)


def _data_draw(args: argparse.Namespace) -> None:
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


def _data_emoji(args: argparse.Namespace) -> None:
    """Draws the emoji of a font as named cut-outs."""
    from grounding.data.scenes.emoji import EMOJI_FONT, write_emoji_sprites

    written = write_emoji_sprites(Path(args.out), Path(args.font or EMOJI_FONT))
    print(f"{written} cut-outs in {args.out}")


def _train_scenes(args: argparse.Namespace) -> None:
    """Trains our model on drawn scenes."""
    from importlib.util import find_spec

    from grounding.flags import from_flags
    from grounding.training.config import TrainingConfig

    config = from_flags(TrainingConfig, args)
    if find_spec("accelerate") is None:
        raise MissingExtraError("training needs accelerate: pip install 'grounding-vlm[train]'")
    from grounding.training.trainer import train

    print(f"the model lies in {train(config)}")


def _decode(args: argparse.Namespace) -> None:
    """Reads an answer that a model wrote elsewhere."""
    from grounding.codecs.reading import read

    if args.out:
        _check_picture_path(args.out)
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
        _save(answer.draw(image), args.out)
    print(json.dumps({**_as_json(answer), "family": args.family}, ensure_ascii=False))


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


# ---- what a command leaves behind


def _as_json(answer: Grounding) -> dict[str, Any]:
    """The answer for another program: phrase, regions, text, problems, found, size, model, seconds, and more."""
    return {**answer.to_json(), "found": answer.found}


def _drawn(answers: Sequence[Grounding], image: Image) -> Image:
    """The picture with the answer on it; with several answers a sheet of such pictures, each under its phrase."""
    if len(answers) == 1:
        return answers[0].draw(image)
    from grounding.draw import sheet

    titled = [(image, _only_scores(answer), answer.phrase) for answer in answers]
    return sheet(titled, columns=min(len(answers), 3), cell=420)


def _only_scores(answer: Grounding) -> Grounding:
    """The answer with its scores for labels: under a title that is the phrase, the phrase need not stand again."""
    labels = [region.label or (f"{region.score:.2f}" if region.score is not None else "") for region in answer.regions]
    regions = [replace(region, label=label, score=None) for region, label in zip(answer.regions, labels, strict=True)]
    return answer.replace(regions=tuple(regions))


def _check_picture_path(path: str) -> None:
    """Raises before any work is done where no picture can be written to `path`."""
    from PIL import Image

    suffix = Path(path).suffix.lower()
    if Image.registered_extensions().get(suffix) not in Image.SAVE:
        raise InputError(f"--out {path} names no picture format that can be written: end it in .png")
    if not Path(path).parent.is_dir():
        raise OutputError(f"--out {path} can't be written: there is no directory {Path(path).parent}")


def _save(picture: Image, path: str) -> None:
    """Writes the picture, whole or not at all."""
    target = Path(path)
    part = target.with_name(f".{target.stem}.part{target.suffix}")
    try:
        picture.save(part)
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OutputError(
            f"{path} can't be written ({error.strerror or error}): free some space, or give another --out"
        ) from error


# ---- the command line


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """The whole command line; flags out of a dataclass are made only where `arguments` name their command."""
    parser = argparse.ArgumentParser(
        prog="grounding",
        description="Ask a picture where, get boxes.",
        epilog="example: grounding ground scene.png 'the small red star' --out answer.png",
    )
    parser.add_argument("--version", action="version", version=f"grounding {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    debug = argparse.ArgumentParser(add_help=False)
    debug.add_argument("--debug", action="store_true", help="show the stack trace when something fails")

    def command(
        name: str, what: str, *parents: argparse.ArgumentParser, of: Any = commands, **defaults: Any
    ) -> argparse.ArgumentParser:
        added = of.add_parser(name, help=what, description=f"{what.capitalize()}.", parents=[*parents, debug])
        added.set_defaults(**defaults)
        return added

    def group(name: str, what: str) -> Any:
        added = commands.add_parser(name, help=what, description=f"{what.capitalize()}.")
        return added.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def question(name: str, task: str, what: str) -> argparse.ArgumentParser:
        return command(name, what, asking, run=_ask, task=task)

    asking = _asking_parser()
    phrases: dict[str, Any] = {"nargs": "+", "metavar": "phrase"}
    question("ground", "locate", "find what a phrase names").add_argument(
        "phrases", **phrases, help="such as 'the red cup'"
    )
    names = question("detect", "detect", "find every instance of each name")
    names.add_argument("names", nargs="+", metavar="name", help="what to look for")
    where = question("describe", "describe", "say what is at a point or in a box")
    place = where.add_mutually_exclusive_group(required=True)
    place.add_argument("--point", nargs=2, type=float, metavar=("X", "Y"), help="pixels from the left and from the top")
    place.add_argument(
        "--box", nargs=4, type=float, metavar=("X1", "Y1", "X2", "Y2"), help="left, top, right, bottom edge"
    )
    question("caption", "caption", "say what the picture shows, with a box for each thing named")
    question("count", "count", "count what a phrase names").add_argument(
        "phrases", **phrases, help="such as 'red circles'"
    )
    question("segment", "segment", "outline what a phrase names").add_argument(
        "phrases", **phrases, help="such as 'the cup'"
    )
    data = group("data", "make data sets")
    _add_drawing_flags(command("draw", "draw pictures with known answers", run=_data_draw, of=data))
    emoji = command("emoji", "draw the emoji of a font as named cut-outs, for --sprites", run=_data_emoji, of=data)
    emoji.add_argument("--out", required=True, metavar="DIR", help="the directory to write")
    emoji.add_argument("--font", metavar="TTF", help="a colour-emoji font (default: where Debian puts Noto's)")
    training = group("train", "train models")
    scenes = command("scenes", "train our model from scratch on drawn scenes, or go on", run=_train_scenes, of=training)
    if "train" in arguments:  # the settings' module would be read for every command else
        from grounding.flags import add_flags
        from grounding.training.config import TrainingConfig

        add_flags(scenes, TrainingConfig)
    command("models", "list the names that --model takes", run=_models)
    command("codecs", "list the families of box texts, each with one box as it writes it", run=_codecs)
    _add_decoding_flags(command("decode", "read the text that a model wrote, from stdin, as boxes", run=_decode))
    return parser


def _asking_parser() -> argparse.ArgumentParser:
    """What all questions to a picture have in common."""
    asking = argparse.ArgumentParser(add_help=False)
    asking.add_argument("image", help="a picture's file")
    asking.add_argument("--out", metavar="PNG", help="draw the answer onto the picture and write it here")
    asking.add_argument("--json", action="store_true", help="print the answer as one line of JSON")
    asking.add_argument(
        "--model", help="a model's directory or name (default: the shipped one; see `grounding models`)"
    )
    asking.add_argument("--device", help="cpu, cuda, ... (default: a GPU where there is one)")
    asking.add_argument("--dtype", choices=("float32", "bfloat16"), help="the precision to compute in")
    return asking


def _add_drawing_flags(draw: argparse.ArgumentParser) -> None:
    draw.add_argument("--n", type=_number(int, 1), required=True, help="how many pictures")
    draw.add_argument(
        "--out", required=True, metavar="DIR", help="the directory to write: pictures, COCO json, refs, jsonl"
    )
    draw.add_argument(
        "--seed", type=_number(int, 0), default=0, help="the first picture's seed (default: 0); the next has the next"
    )
    draw.add_argument("--phrases", type=_number(int, 1), default=8, help="questions to a picture, at most (default: 8)")
    draw.add_argument(
        "--size", type=_number(int, 32, 4096), metavar="PX", help="side of square pictures (default: varied shapes)"
    )
    draw.add_argument("--sprites", metavar="DIR", help="a folder of cut-outs (PNG with alpha) to draw besides shapes")
    draw.add_argument(
        "--sprite-share",
        type=_number(float, 0, 1),
        default=0.5,
        help="share of things that are cut-outs (default: 0.5)",
    )
    draw.add_argument("--format", choices=("png", "jpg"), default="png", help="of the pictures (default: png)")
    draw.add_argument("--split", default="train", help="the split's name in the refs (default: train)")


def _add_decoding_flags(decode: argparse.ArgumentParser) -> None:
    decode.add_argument("--family", required=True, help="whose text it is; `grounding codecs` lists them")
    decode.add_argument("--size", type=_size, metavar="WxH", help="the picture's size in pixels, such as 640x480")
    decode.add_argument("--image", help="the picture, in place of its size")
    decode.add_argument("--input-size", type=_size, metavar="WxH", help="the size at which the model was given it")
    decode.add_argument("--min-pixels", type=_number(int, 1), help="the model's own limit, in place of --input-size")
    decode.add_argument("--max-pixels", type=_number(int, 1), help="the model's own limit, in place of --input-size")
    decode.add_argument("--task", help="what was asked, such as caption (default: detect, or what the family has)")
    decode.add_argument("--rounding", help="another reader's rounding (default: the most accurate)")
    decode.add_argument("--text", help="the text, in place of stdin")
    decode.add_argument("--out", metavar="PNG", help="draw the boxes onto the picture and write it here")


def _size(text: str) -> tuple[int, int]:
    """Reads WIDTHxHEIGHT."""
    width, _, height = text.lower().replace("×", "x").partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise argparse.ArgumentTypeError(f"{text} is no size: write width x height in pixels, such as 640x480")
    return int(width), int(height)


def _number(kind: type[int] | type[float], least: float, most: float = float("inf")) -> Callable[[str], float]:
    """Reads a flag's number and refuses it outside `least` to `most`."""

    def read(text: str) -> float:
        value = kind(text)
        if not least <= value <= most:
            limits = f"{least} or more" if most == float("inf") else f"{least} to {most}"
            raise argparse.ArgumentTypeError(f"{text} is not {limits}")
        return value

    read.__name__ = kind.__name__  # argparse says "invalid int value" of text that is no number
    return read
