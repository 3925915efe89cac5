"""Pictures a second of the scene generator, on one core: drawing alone, and with eight phrases each.

`python benchmarks/scenes.py [--n N]`.
"""

from __future__ import annotations

import argparse
from itertools import count

import cv2
from timing import print_table, take_turns

from grounding.data.scenes.generate import PictureOptions, draw_picture
from grounding.data.scenes.scene import SceneOptions, draw_scene, make_scene, training_options


def main() -> None:
    """The command line of this file."""
    import numpy as np

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=100, help="pictures a run")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    scene = training_options(SceneOptions(size=224))
    seeds = count(60_000_000)
    rivals = {
        "layout alone": lambda: [make_scene(np.random.default_rng(next(seeds)), scene) for _ in range(args.n)],
        "drawn at 224 px": lambda: [draw_scene(next(seeds), scene) for _ in range(args.n)],
        "drawn, 8 phrases": lambda: [draw_picture(next(seeds), PictureOptions(scene)) for _ in range(args.n)],
        "varied sizes, 8 phrases": lambda: [
            draw_picture(next(seeds), PictureOptions(training_options())) for _ in range(args.n)
        ],
    }
    seconds = take_turns(rivals, 5, 1)
    print_table(f"{args.n} scenes, one core", seconds, per=dict.fromkeys(seconds, args.n))


if __name__ == "__main__":
    main()
