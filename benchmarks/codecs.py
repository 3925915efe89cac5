"""Answers read a second, in every family's text, beside supervision's parsers; and which of the two reads hard texts.

`python benchmarks/codecs.py [--rounds N] [--family NAME ...] [--detections]`. An answer is one of 1, 5 or 20 labelled
boxes as the family writes it. Seconds are the processor's, since reading waits for nothing and other programs may be
running; rivals take turns, and medians are printed. supervision's time is that of its parser alone; with --detections
of what its users call, which makes Detections of the result as ours makes Regions. Its parsers for Florence-2 and
Kosmos-2 take what transformers has read, not the text: only Florence-2's sentence for one region can be compared.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from grounding.codecs import CODECS, Codec, get_codec
from grounding.images import Canvas
from grounding.result import Region

WIDTH, HEIGHT = 1000, 800
COUNTS = (1, 5, 20)
LABELS = ("cat", "red car", "person", "traffic light", "dog")
Found = list[tuple[str, tuple[float, ...]]]
Parser = Callable[[str], Found]


def typical(codec: Codec, count: int) -> tuple[str, str, Canvas]:
    """A task, an answer of so many boxes as the family writes it, and its canvas."""
    canvas = codec.canvas(WIDTH, HEIGHT, input_size=(WIDTH, HEIGHT))
    task = next(task for task in ("detect", "locate") if task in codec.tasks)
    regions = []
    for number in range(count):
        left, top = 37.0 * number % 600, 29.0 * number % 500
        box = (left, top, left + 120 + 9 * number, top + 90 + 7 * number)
        regions.append(Region(box, label=LABELS[number % len(LABELS)]))
    return task, codec.encode(task, regions=regions, canvas=canvas), canvas


def supervision_parsers(*, detections: bool = False) -> dict[str, Callable[[str], object]]:
    """Family to supervision's parser of the same text, or to what makes Detections of it; empty without supervision."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from supervision import Detections
            from supervision.detection import vlm
    except ImportError:
        return {}
    size = (WIDTH, HEIGHT)
    if detections:

        def from_vlm(
            kind: str, wrap: Callable[[str], object] = str, **sizes: tuple[int, int]
        ) -> Callable[[str], object]:
            return lambda text: Detections.from_vlm(kind, wrap(text), resolution_wh=size, **sizes)

        return {
            "paligemma": from_vlm("paligemma"),
            "florence-2": from_vlm("florence_2", lambda text: {"<REGION_TO_DESCRIPTION>": text}),
            "qwen2.5-vl": from_vlm("qwen_2_5_vl", input_wh=size),
            "qwen3-vl": from_vlm("qwen_3_vl"),
            "deepseek-vl2": from_vlm("deepseek_vl_2"),
            "gemini": from_vlm("gemini_2_0"),
            "gemini 2.5": from_vlm("gemini_2_5"),
        }
    return {
        "paligemma": lambda text: vlm.from_paligemma(text, size),
        "florence-2": lambda text: vlm.from_florence_2({"<REGION_TO_DESCRIPTION>": text}, size),
        "qwen2.5-vl": lambda text: vlm.from_qwen_2_5_vl(text, size, size),
        "qwen3-vl": lambda text: vlm.from_qwen_3_vl(text, size),
        "deepseek-vl2": lambda text: vlm.from_deepseek_vl_2(text, size),
        "gemini": lambda text: vlm.from_google_gemini_2_0(text, size),
        "gemini 2.5": lambda text: vlm.from_google_gemini_2_5(text, size),
    }


ONE_BOX_ONLY = frozenset(("florence-2",))


# ---- how fast


@dataclass(frozen=True)
class Speed:
    """Median answers a second for each of COUNTS; supervision's None where it can't read such a text."""

    family: str
    ours: tuple[float, ...]
    theirs: tuple[float | None, ...]


def measure(family: str, rounds: int, parsers: dict[str, Callable[[str], object]]) -> Speed:
    """All sizes and both readers take turns within each round."""
    codec = get_codec("gemini" if family.startswith("gemini") else family)
    parser, rivals, repeats = parsers.get(family), {}, {}
    for count in COUNTS:
        task, text, canvas = typical(codec, count)
        if len(codec.decode(text, canvas, task=task).regions) != count:
            raise SystemExit(f"{family} does not read its own answer of {count} boxes: {text!r:.200}")
        repeats[count] = max(4, 400 // count)

        def ours(codec=codec, text=text, canvas=canvas, task=task, repeat=repeats[count]):  # type: ignore[no-untyped-def]
            for _ in range(repeat):
                codec.decode(text, canvas, task=task)

        def theirs(parser=parser, text=text, repeat=repeats[count]):  # type: ignore[no-untyped-def]
            for _ in range(repeat):
                parser(text)

        rivals[f"ours {count}"] = ours
        if parser and not (count > 1 and family in ONE_BOX_ONLY):
            rivals[f"theirs {count}"] = theirs
    seconds: dict[str, list[float]] = {name: [] for name in rivals}
    for turn in range(rounds + 1):
        for name, run in rivals.items():
            start = time.process_time()
            run()
            if turn:  # the first is to warm up
                seconds[name].append(time.process_time() - start)

    def rate(name: str, count: int) -> float | None:
        return repeats[count] / statistics.median(seconds[name]) if name in seconds else None

    return Speed(
        family,
        tuple(rate(f"ours {count}", count) or 0.0 for count in COUNTS),
        tuple(rate(f"theirs {count}", count) for count in COUNTS),
    )


# ---- how right


@dataclass(frozen=True)
class Hard:
    """An answer that trips readers up, and what stands in it, in pixels of a picture of WIDTH x HEIGHT."""

    family: str
    what: str
    text: str
    truth: Found
    within: float = 1.0
    """Pixels that an edge may be off."""
    open_end: bool = False
    """Whether it is as right to read one more box, whose label was cut, as to leave it."""


def _json(key: str, *items: tuple[str, Sequence[int]]) -> str:
    inner = ",\n".join(f'\t{{"{key}": {list(box)}, "label": "{label}"}}' for label, box in items)
    return f"```json\n[\n{inner}\n]\n```"


def _json_cases(family: str, key: str, box: Sequence[int], pixels: tuple[float, ...]) -> list[Hard]:
    """What befalls JSON, whatever the order and range of its numbers."""
    one = _json(key, ("cat", box))
    two = _json(key, ("cat", box), ("dog", box))
    cat = ("cat", pixels)
    wide = f'[{{"{key}": [{"，".join(map(str, box))}], "label": "cat"}}]'
    return [
        Hard(family, "apostrophe", _json(key, ("man's red hat", box)), [("man's red hat", pixels)]),
        Hard(
            family, "apostrophe, single quotes", f"[{{'{key}': {box}, 'label': 'man's hat'}}]", [("man's hat", pixels)]
        ),
        Hard(family, "cut in the second box", two[: two.rindex("]", 0, -5) - 4], [cat]),
        Hard(family, "cut in the second label", two[: two.index("dog") + 2], [cat], open_end=True),
        Hard(family, "prose with a bracket before", f"I looked [twice] at it:\n{one}", [cat]),
        Hard(family, "thinking before", f"<think>[a cat]</think>\n{one}", [cat]),
        Hard(family, "one object, no list", f'{{"{key}": {box}, "label": "cat"}}', [cat]),
        Hard(family, "no label", f'[{{"{key}": {box}}}]', [("", pixels)]),
        Hard(family, "box of three numbers beside", _json(key, ("dog", box[:3]), ("cat", box)), [cat]),
        Hard(family, "full-width commas", wide, [cat]),
        Hard(family, "Windows line ends", one.replace("\n", "\r\n"), [cat]),
        Hard(family, "fence without its end", one.removesuffix("\n```"), [cat]),
    ]


def hard_texts() -> list[Hard]:
    """By hand, not by our own encoders, so that a mistake in those would show."""
    bins = "<loc0256><loc0102><loc0512><loc0307>"  # y before x: 100 to 300 across, 200 to 400 down
    box = (99.7, 200.2, 300.1, 400.4)
    locs = "<loc_100><loc_250><loc_300><loc_500>"
    ref, ref_end, det, det_end = "<|ref|>", "<|/ref|>", "<|det|>", "<|/det|>"
    square = (100.0, 200.0, 300.0, 400.0)
    quarter = [100, 250, 300, 500]
    texts = [
        Hard("paligemma", "y before x", f"{bins} cat", [("cat", box)]),
        Hard(
            "paligemma", "the far edges", "<loc0000><loc0000><loc1023><loc1023> cat", [("cat", (0, 0, 1000, 800))], 0.1
        ),
        Hard("paligemma", "apostrophe", f"{bins} man's red hat", [("man's red hat", box)]),
        Hard("paligemma", "comma", f"{bins} dog, brown ; {bins} cat", [("dog, brown", box), ("cat", box)]),
        Hard("paligemma", "no blank before the label", f"{bins}cat", [("cat", box)]),
        Hard("paligemma", "cut in the second box", f"{bins} cat ; {bins[:20]}", [("cat", box)]),
        Hard("paligemma", "<loc1024>", "<loc0000><loc0000><loc1024><loc1024> cat", [("cat", (0, 0, 1000, 800))], 0.1),
        Hard("florence-2", "apostrophe", f"man's red hat{locs}", [("man's red hat", square)]),
        Hard("florence-2", "end tokens", f"</s><s>cat{locs}</s>", [("cat", square)]),
        Hard("florence-2", "a box and no words", locs, [("", square)]),
        Hard(
            "deepseek-vl2", "apostrophe", f"{ref}man's hat{ref_end}{det}[{quarter}]{det_end}", [("man's hat", square)]
        ),
        Hard(
            "deepseek-vl2",
            "cut in the second box",
            f"{ref}cat{ref_end}{det}[{quarter}]{det_end}{ref}dog{ref_end}{det}[[100, 25",
            [("cat", square)],
        ),
        Hard("deepseek-vl2", "cut before its end", f"{ref}cat{ref_end}{det}[{quarter}]", [("cat", square)]),
        Hard("deepseek-vl2", "empty number", f"{ref}cat{ref_end}{det}[[470,], {quarter}]{det_end}", [("cat", square)]),
        Hard(
            "deepseek-vl2",
            "full-width digits",
            f"{ref}cat{ref_end}{det}[[１００，250，300，500]]{det_end}",
            [("cat", square)],
        ),
        Hard(
            "qwen2.5-vl", "pixels of the input", _json("bbox_2d", ("cat", [100, 200, 300, 400])), [("cat", square)], 0.1
        ),
        *_json_cases("qwen2.5-vl", "bbox_2d", [100, 200, 300, 400], square),
        *_json_cases("qwen3-vl", "bbox_2d", quarter, square),
    ]
    for family in ("gemini", "gemini 2.5"):
        upright = [250, 100, 500, 300]
        texts.append(Hard(family, "y before x", _json("box_2d", ("cat", upright)), [("cat", square)], 0.1))
        texts += _json_cases(family, "box_2d", upright, square)
    return texts


def judge(found: Found | Exception, hard: Hard) -> str:
    """ "right", or what is wrong."""
    if isinstance(found, Exception):
        return f"raises {type(found).__name__}"
    if hard.open_end and len(found) == len(hard.truth) + 1:
        found = found[:-1]
    if len(found) != len(hard.truth):
        return f"{len(found)} of {len(hard.truth)} boxes"
    for (label, box), (true_label, true_box) in zip(found, hard.truth, strict=True):
        off = max(abs(seen - true) for seen, true in zip(box, true_box, strict=True))
        if off > hard.within:
            return f"{off:.1f} px off"
        if label != true_label:
            return f"label {label!r}"
    return "right"


def read_ours(hard: Hard) -> Found:
    codec = get_codec(hard.family.split()[0])
    canvas = codec.canvas(WIDTH, HEIGHT, input_size=(WIDTH, HEIGHT))
    return [(region.label or "", region.box) for region in codec.decode(hard.text, canvas, task="detect").regions]


def read_theirs(hard: Hard, parsers: dict[str, Callable[[str], object]]) -> Found | Exception:
    try:
        result = parsers[hard.family](hard.text)
    except Exception as error:  # whatever a parser raises is its result
        return error
    boxes, labels = result[0], result[1] if hard.family == "florence-2" else result[2]  # type: ignore[index]
    labels = [""] * len(boxes) if labels is None else labels
    return [(str(label), tuple(map(float, box))) for box, label in zip(boxes, labels, strict=True)]


# ---- what is printed


def print_speeds(speeds: Sequence[Speed]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title="answers read a second, of 1, 5 and 20 boxes", box=None, padding=(0, 2, 0, 0), title_justify="left"
    )
    table.add_column("family", no_wrap=True)
    for who in ("ours", "supervision", "times as fast"):
        for count in COUNTS:
            table.add_column(f"{who} {count}" if count == COUNTS[0] else str(count), justify="right", no_wrap=True)
    for speed in speeds:
        ratios = [f"{a / b:.1f}" if b else "-" for a, b in zip(speed.ours, speed.theirs, strict=True)]
        theirs = [f"{rate:,.0f}" if rate else "-" for rate in speed.theirs]
        table.add_row(speed.family, *(f"{rate:,.0f}" for rate in speed.ours), *theirs, *ratios)
    Console(width=None if Console().is_terminal else 140).print(table)


def print_verdicts(rows: Sequence[tuple[Hard, str, str]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="hard texts", box=None, padding=(0, 2, 0, 0), title_justify="left")
    for column in ("family", "text", "ours", "supervision"):
        table.add_column(column, no_wrap=column != "supervision")
    for hard, ours, theirs in rows:
        table.add_row(
            hard.family, hard.what, *(word if word == "right" else f"[red]{escape(word)}[/]" for word in (ours, theirs))
        )
    console = Console(width=None if Console().is_terminal else 140)
    console.print(table)
    right = [sum(row[who] == "right" for row in rows) for who in (1, 2)]
    console.print(f"right: ours {right[0]} of {len(rows)}, supervision {right[1]} of {len(rows)}")


def main() -> None:
    """The command line of this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--family", nargs="*", default=[], help="only these; all if left out")
    parser.add_argument("--detections", action="store_true", help="time supervision with the Detections it makes")
    args = parser.parse_args()
    parsers, speeds = supervision_parsers(), []
    timed = supervision_parsers(detections=True) if args.detections else parsers
    for family in (*CODECS, "gemini 2.5"):
        if args.family and family.split()[0] not in args.family:
            continue
        try:
            get_codec(family.split()[0])
        except (ImportError, AttributeError) as error:
            print(f"{family} is left out: {error}")
            continue
        speeds.append(measure(family, args.rounds, timed))
    print_speeds(speeds)
    rows = []
    for hard in hard_texts():
        if hard.family in {speed.family for speed in speeds}:
            theirs = judge(read_theirs(hard, parsers), hard) if hard.family in parsers else "not installed"
            rows.append((hard, judge(read_ours(hard), hard), theirs))
    if rows:
        print_verdicts(rows)


if __name__ == "__main__":
    main()
