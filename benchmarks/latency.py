"""Seconds to an answer: one phrase, ten phrases on one picture with and without sharing it, and a batch of pictures.

`python benchmarks/latency.py [--model DIR] [--rounds N] [--threads N]`; with `--picture FILE --phrases ...` one phrase
after the other about that picture besides, decoded anew each time, and `--out FILE` takes what a card says of it as
Markdown. Nothing is asserted: the figures are the machine's.
"""

from __future__ import annotations

import argparse
import io
import itertools
import resource
import statistics
import time
from pathlib import Path
from typing import Any

import cv2
import torch
from timing import print_table, take_turns

import grounding
from grounding.backends.base import Question
from grounding.data.scenes.generate import PictureOptions, draw_picture
from grounding.data.scenes.scene import SceneOptions, training_options
from grounding.model.decode import Timing


def main() -> None:
    """The command line of this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="directory of a model; the shipped one if left out")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, help="of torch; as many as it likes if left out")
    parser.add_argument("--picture", type=Path, help="a picture of your own")
    parser.add_argument("--phrases", nargs="+", default=["the person"], help="to ask about it")
    parser.add_argument("--out", type=Path, help="a file for the figures of --picture, as Markdown")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
        cv2.setNumThreads(args.threads)
    from grounding.backends import native  # noqa: F401  (what a process imports once is timed on its own)

    start = time.perf_counter()
    model = grounding.load(args.model)
    loaded = time.perf_counter() - start
    print(f"load(): {loaded:.2f} s, after the imports")
    if args.picture:
        about_picture(model, args, loaded)
    options = PictureOptions(training_options(SceneOptions(things=(4, 9))), 24, {"attribute": 1.0, "relation": 1.0})
    pictures = [draw_picture(seed, options) for seed in range(50_000_000, 50_000_064)]
    pictures = [picture for picture in pictures if len(picture.samples) >= 10][:32]
    images = [picture.image for picture in pictures]
    phrases = [[sample.phrase for sample in picture.samples][:10] for picture in pictures]
    turn = {"one": 0, "shared": 0, "alone": 0}

    def next_picture(kind: str) -> int:
        turn[kind] = (turn[kind] + 1) % len(images)
        return turn[kind]

    def one_phrase() -> None:
        number = next_picture("one")
        model.ground(images[number].copy(), phrases[number][0])

    def ten_shared() -> None:
        number = next_picture("shared")
        image = images[number].copy()
        model.ground_many([(image, phrase) for phrase in phrases[number]])

    def ten_alone() -> None:
        number = next_picture("alone")
        for phrase in phrases[number]:
            model.decoder.forget()  # it would know the picture again
            model.ground(images[number], phrase)

    seconds = take_turns({"one phrase": one_phrase}, args.rounds, 2)
    print_table("one phrase on one picture", seconds)
    print_shares(model.decoder, one_phrase, args.rounds)
    seconds = take_turns({"ten, picture shared": ten_shared, "ten, one by one": ten_alone}, args.rounds, 1)
    print_table("ten phrases on one picture", seconds, per=dict.fromkeys(seconds, 10))
    ratios = [a / b for a, b in zip(seconds["ten, one by one"], seconds["ten, picture shared"], strict=True)]
    print(f"  one by one takes {statistics.median(ratios):.2f} times as long (median of paired ratios)")
    print_shares(model.decoder, ten_shared, args.rounds)

    def batch() -> None:
        pairs = zip([image.copy() for image in images], [p[0] for p in phrases], strict=True)
        model.ask_many([(image, Question(phrase=phrase)) for image, phrase in pairs])

    seconds = take_turns({f"{len(images)} pictures": batch}, max(3, args.rounds // 3), 1)
    print_table("one phrase on each picture of a batch", seconds, per=dict.fromkeys(seconds, len(images)))
    print_shares(model.decoder, batch, 3)


def about_picture(model: Any, args: argparse.Namespace, loaded: float) -> None:
    """Seconds from the file's bytes to an answer, and the memory of the process; printed, and written where asked."""
    data = args.picture.read_bytes()
    phrases = itertools.cycle(args.phrases)

    def one() -> None:
        model.decoder.forget()  # it would know the picture again
        model.ground(io.BytesIO(data), next(phrases))

    seconds = take_turns({"one phrase": one}, args.rounds, 2)
    print_table(f"one phrase on {args.picture.name}", seconds)
    middle = statistics.median(seconds["one phrase"])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"  {peak:.0f} MiB of memory at most, Python and torch included")
    if args.out:
        width, height = grounding.open_image(args.picture).size
        threads = torch.get_num_threads()
        lines = ["| | |", "|---|---|", f"| `grounding.load()`, after the imports | {loaded:.2f} s |"]
        lines += [
            f"| one phrase on a picture of {width} x {height} px, from the file's bytes on, {threads} thread"
            f"{'s' if threads > 1 else ''} | {1000 * middle:.0f} ms (median of {args.rounds}) |",
            f"| memory of the process, at most | {peak:.0f} MiB |",
        ]
        args.out.write_text("\n".join(lines) + "\n")


def print_shares(decoder, run, rounds: int) -> None:  # type: ignore[no-untyped-def]
    """How an answer's time divides among its parts."""
    decoder.timing = Timing()
    for _ in range(rounds):
        run()
    timing = decoder.timing
    whole = timing.vision + timing.prefill + timing.decode
    parts = ", ".join(f"{part} {getattr(timing, part) / whole:.0%}" for part in ("vision", "prefill", "decode"))
    print(f"  of the model's time: {parts}; {timing.tokens / rounds:.1f} tokens written a run")


if __name__ == "__main__":
    main()
