"""Seconds to an answer: one phrase, ten phrases on one picture with and without sharing it, and a batch of pictures.

`python benchmarks/latency.py [--model DIR] [--rounds N]`. Nothing is asserted: the figures are the machine's.
"""

from __future__ import annotations

import argparse
import statistics
import time

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
    args = parser.parse_args()
    from grounding.backends import native  # noqa: F401  (what a process imports once is timed on its own)

    start = time.perf_counter()
    model = grounding.load(args.model)
    print(f"load(): {time.perf_counter() - start:.2f} s, after the imports")
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
