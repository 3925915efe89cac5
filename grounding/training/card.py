"""Owns the model card: a finished run's recipe, figures and curve, as Markdown beside the weights.

`python -m grounding.training.card --run runs/scenes --figures card.json --out grounding/weights`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from safetensors import safe_open

from grounding.training.evaluate import BARS, Figure, card_table

CURVES = (
    ("attributes", "eval_attribute"),
    ("place", "eval_place"),
    ("relations", "eval_relation"),
    ("nearest", "eval_nearest"),
    ("ordinals", "eval_ordinal"),
    ("detection, exact", "eval_detect"),
    ("region to text", "eval_describe_box"),
    ("absent", "eval_absent"),
)


def read_log(path: Path) -> list[dict[str, Any]]:
    """The entries of a run's log, in order."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def read_figures(path: Path) -> dict[str, dict[str, dict[str, Figure]]]:
    """What `grounding.training.evaluate --out` wrote."""
    raw = json.loads(path.read_text(encoding="utf-8"))
    return {
        column: {
            skill: {metric: Figure(**values) for metric, values in metrics.items()} for skill, metrics in table.items()
        }
        for column, table in raw.items()
    }


def missed_bars(table: Mapping[str, Mapping[str, Figure]]) -> list[str]:
    """A line for each bar that the figures of the first column miss."""
    lines = []
    for name, skill, metric, sign, bar in BARS:
        figure = table.get(skill, {}).get(metric)
        if not sign or figure is None:
            continue
        if (figure.mean < bar) if sign == ">=" else (figure.mean >= bar):
            lines.append(f"{name}: {figure.mean:.3f}, asked for {sign} {bar:.2f}")
    return lines


def training_time(log: list[dict[str, Any]]) -> tuple[float, float]:
    """Hours of training, pauses between resumed parts left out, and pictures a second in the middle of it."""
    seconds, rates = 0.0, []
    for before, after in pairwise(log):
        gap = after["time"] - before["time"]
        if 0 < gap < 600 and after["step"] >= before["step"]:
            seconds += gap
        if "pictures_per_second" in after:
            rates.append(after["pictures_per_second"])
    rates.sort()
    return seconds / 3600, rates[len(rates) // 2] if rates else 0.0


def draw_curve(log: list[dict[str, Any]], path: Path) -> None:
    """A PNG of the accuracies that the run was watched by, over pictures seen."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    entries = [entry for entry in log if "eval_all" in entry]
    colors = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#000000", "#999999")
    figure, axes = pyplot.subplots(figsize=(8, 4.2), dpi=120)
    for (name, key), color in zip(CURVES, colors, strict=True):
        axes.plot(
            [e["step"] for e in entries], [e.get(key, 0.0) for e in entries], label=name, color=color, linewidth=1.8
        )
    axes.set(xlabel="optimizer steps", ylabel="accuracy, true earlier tokens given", ylim=(0, 1))
    axes.grid(alpha=0.25)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)


def write_card(run: Path, figures_path: Path, out: Path) -> Path:
    """`README.md` in `out`, where the finished weights already lie; its path.

    What was changed by hand while the run went on stands in its folder's `changes.md`, where there is one.
    """
    log = read_log(run / "log.jsonl")
    settings = json.loads((run / "run.json").read_text(encoding="utf-8"))
    columns = read_figures(figures_path)
    config, versions = settings["config"], settings["versions"]
    with safe_open(out / "model.safetensors", "pt") as weights:
        count = sum(weights.get_tensor(key).numel() for key in weights.keys())  # noqa: SIM118
    size = (out / "model.safetensors").stat().st_size / 1e6
    hours, rate = training_time(log)
    step = max(entry["step"] for entry in log)
    pictures = step * config["batch_size"]
    missed = missed_bars(next(iter(columns.values())))
    n = next(iter(next(iter(columns.values()))["attribute"].values())).n
    others = min(next(iter(table["attribute"].values())).n for table in columns.values())
    verdict = (
        "Every bar is met." if not missed else "Bars that are missed:\n\n" + "\n".join(f"- {line}" for line in missed)
    )
    grid = config["image_size"] // 16
    notes = run / "changes.md"
    changes = f"\n{notes.read_text(encoding='utf-8').strip()}\n" if notes.is_file() else ""
    text = f"""# The model this package ships

A vision-language model with location tokens, trained from scratch on drawn scenes: {count / 1e6:.1f} million
parameters, {size:.1f} MB in bfloat16. It finds, names, counts and outlines the shapes, simple things, letters, digits
and stickers that `grounding data draw` draws. It has seen no photograph: on one, its answers mean nothing.

- A picture is squashed to {config["image_size"]} x {config["image_size"]} px; a convolutional stem and
  {config["vision_layers"]} ViT blocks make {grid * grid} image tokens; a linear projector; {config["text_layers"]}
  decoder blocks of width {config["width"]}; {config["vocab_size"]} tokens, of which 1,024 are locations.
- Prompts and answers: `grounding/codecs/location.py`.
- Licence of the weights: Apache-2.0. The stickers among the training pictures were drawn from Noto Color Emoji
  (SIL Open Font License 1.1); none is in this repository.

## Figures

{n} samples a line on scenes with fresh seeds (other columns: {others}), greedy, within the grammar; 95 %
intervals over pictures. Accuracy is IoU 0.5 or more of the first box. "Held-out style": backgrounds and a fill never
trained on. "Held-out pairs": the thing asked for is a colour and a shape never trained on together. Made by
`python -m grounding.training.evaluate --model grounding/weights --n {n} --sprites STICKERS --out card.json`.

{card_table(columns)}

{verdict}

## Training

{step:,} steps of {config["batch_size"]} pictures ({pictures:,} pictures, up to {config["phrases"]} phrases of each in
one row), {hours:.1f} hours on two CPU cores in bfloat16 at {rate:.0f} pictures a second (median). The first
{config["dense_steps"]:,} steps trained the vision encoder alone, on what each patch shows. Muon for the blocks
({config["matrix_lr"]}), AdamW for the rest ({config["other_lr"]}), {config["warmup_steps"]} steps of warm-up, the last
{config["decay_steps"]:,} falling to zero; soft coordinates of {config["location_sigma"]} bins. Seed {config["seed"]};
python {versions["python"]}, torch {versions["torch"]}, transformers {versions["transformers"]}. `log.jsonl` has the
accuracies that the run was watched by, `run.json` every setting.
{changes}
![accuracy while training](curve.png)
"""
    draw_curve(log, out / "curve.png")
    (out / "log.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in log if "eval_all" in entry))
    for key in ("out", "sprites"):  # folders of the machine that trained are nobody else's business
        config[key] = Path(config[key]).name if config[key] else None
    (out / "run.json").write_text(json.dumps(settings, indent=1) + "\n")
    path = out / "README.md"
    path.write_text(text)
    return path


def main() -> None:
    """The command line of this file."""
    parser = argparse.ArgumentParser(description="Write a model card from a finished run and its figures.")
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--figures", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    print(write_card(args.run, args.figures, args.out))


if __name__ == "__main__":
    main()
