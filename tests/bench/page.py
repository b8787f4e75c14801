"""docs/performance.md and its plots, from the figures of one run."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Row = tuple[str, str, str]
WHO = ("ours", "llama.cpp", "transformers")
THEIRS = "llama.cpp's vectors"


def rows(found: dict[str, Any]) -> list[Row]:
    """Figure, what was wanted of it, what it is."""
    decode, prompt, limit = found["decode"], found["prompt"], found["limit"]
    short, long = decode["8"], decode.get("1024", {})
    made = [
        ("decode, short context, ours / llama.cpp", "1.6, then 2", _ratio(short["ours"], short["llama.cpp"])),
        ("decode, short context, ours / the bandwidth limit", "0.7", f"{limit['of_weights']:.2f}"),
        ("the same, if every weight had 8 bits", "", f"{limit['of_int8']:.2f}"),
        ("decode, short context, ours / `model.generate` float32", "8", _ratio(short["ours"], short["transformers"])),
        ("prompt of 1,024 tokens, ours / llama.cpp", "2.3", _ratio(prompt["ours"], prompt["llama.cpp"])),
        ("prompt of 1,024 tokens, ours / transformers float32", "0.9", _ratio(prompt["ours"], prompt["transformers"])),
    ]
    if long:
        made.insert(
            1,
            (
                "decode at 1,024 tokens of context, ours / llama.cpp",
                "2, then 3",
                _ratio(long["ours"], long["llama.cpp"]),
            ),
        )
    for name, told in found["copies"].items():
        wanted = "1" if name == "plain text" else "1.5"
        made.append((f"{name}, with / without lookup", wanted, _ratio(told["with"], told["without"])))
    if told := found.get("rows"):
        made += [
            ("256 rows of a frame, together / one by one", "2", _ratio(told["together"], told["one by one"])),
            ("256 rows of a frame, ours / llama.cpp with 8 slots", "1", _ratio(told["together"], told["llama.cpp"])),
        ]
    second, memory, cell, loading = found["second_cell"], found["memory"], found["cell"], found["loading"]
    made += [
        ("second cell of a 1,024-token prefix, cold / warm", "20", _ratio(second["cold"], second["warm"])),
        ("fresh kernel to first token, transformers / ours", "12", _ratio(loading["transformers"], loading["ours"])),
        ("memory grown / bytes of int8 weights", "1.4 or less", _ratio(memory["grown_bytes"], memory["int8_bytes"])),
        ("the same / bytes of the weights as they are kept", "", _ratio(memory["grown_bytes"], memory["weight_bytes"])),
        ("a cell's logprobs, candidates, text and display", "5 % or less", f"{cell['beside_bare']:.1%}"),
        *([("the same, of all its time", "5 % or less", f"{cell['whole']:.1%}")] if "whole" in cell else []),
        ("stop to idle in a prompt of 4,000 tokens", "1 s or less", f"{found['interrupt']:.2f} s"),
    ]
    if "extension" in loading:
        made.append(("`%load_ext jupyter_complete`", "0.3 s or less", f"{loading['extension']:.2f} s"))
    return made


def write(found: dict[str, Any], docs: Path) -> None:
    """The page and the pictures it shows."""
    other = json.loads((docs / "performance-other.json").read_text(encoding="utf-8"))  # of another machine
    elsewhere = {figure: is_ for figure, _, is_ in rows(other)}
    memory = found["memory"]
    lines = [
        "# Performance",
        "",
        "`make bench` measures this package, llama.cpp and transformers in turn, each in a process of its own. The "
        f"model is SmolLM2-135M-Instruct (Q4_1), and the figures are medians of {found['rounds']} rounds. Compare "
        "ratios, because single figures move with the machine. ✗ marks a figure that falls short.",
        "",
        f"- The first column: {_machine(found)}",
        f"- The last column: {_machine(other)}",
        "",
        "Loading and frames have 3 rounds. Sizes and memory come from one process each, and the share of a cell from "
        f"{12 * found['rounds']} cells. The stop is the slowest of all.",
        "",
        "SmolLM2's file holds 4 bits for most weights, and they stay so. A token reads "
        f"{memory['weight_bytes'] / 1e6:.0f} MB, from which the bandwidth limit is computed. As int8 it would read "
        f"{memory['int8_bytes'] / 1e6:.0f} MB. llama.cpp comes from xllamacpp's wheel, whose code uses "
        f"{_listed(found['machine'][THEIRS])}. transformers is slow, so it decodes at short context only and reads "
        "one prompt of 1,024 tokens. From a fresh kernel to the first token this package packs the file's blocks, "
        "and transformers widens them to float32. Each does so every time.",
        "",
        "| figure | wanted | " + " | ".join(one["machine"]["vectors"][-1] for one in (found, other)) + " |",
        "|---|---|---|---|",
        *(
            f"| {figure} | {wanted} | {_marked(wanted, is_)} | {_marked(wanted, elsewhere.get(figure, ''))} |"
            for figure, wanted, is_ in rows(found)
        ),
        "",
        "## Tokens a second",
        "",
        "![Tokens a second against the length of the context](images/performance-decode.svg)",
        "",
        *_table("context", found["decode"], "{:.0f}"),
        "",
        "## Seconds to the first token",
        "",
        "![Seconds to the first token against the length of the prompt](images/performance-first.svg)",
        "",
        *_table("prompt", found["first_token"], "{:.3f}"),
        "",
    ]
    if found["sizes"]:
        lines += _sizes(found["sizes"])
        by_size = {one["parameters"] / 1e6: one for one in found["sizes"].values()}
        for key, up, scale in (("tokens_per_s", "tokens a second", 1), ("grown_bytes", "GB", 1e9)):
            told = {size: {who: one[who][key] / scale for who in WHO if who in one} for size, one in by_size.items()}
            _plot(told, "million parameters", up, docs / "images" / f"performance-size-{key.partition('_')[0]}.svg")
    if (told := docs / "performance-card.json").is_file():  # of a machine of its own
        lines += _card(json.loads(told.read_text(encoding="utf-8")))
    (docs / "performance.md").write_text("\n".join(lines), encoding="utf-8")
    _plot(found["decode"], "tokens of context", "tokens a second", docs / "images" / "performance-decode.svg")
    _plot(found["first_token"], "tokens of the prompt", "seconds", docs / "images" / "performance-first.svg")


def _marked(wanted: str, is_: str) -> str:
    """What was measured, with a mark where it falls short."""
    if not wanted or not is_:
        return is_
    number, limit = (float(re.match(r"[\d.]+|-[\d.]+", text)[0]) for text in (is_, wanted))  # type: ignore[index]
    short = number > limit if "or less" in wanted else number < limit
    return f"{is_} ✗" if short else is_


def _machine(found: dict[str, Any]) -> str:
    machine = found["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    cores = f"{machine['cores']} cores of {machine['cpu']} with {_listed(machine['vectors'])}"
    return f"{machine['date']} on {cores}, no GPU ({versions})"


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1])] * (len(names) > 1) + names[-1:])


def _sizes(told: dict[str, Any]) -> list[str]:
    lines = [
        "## By width and depth",
        "",
        "The weights are random, in the shapes of real models. This package runs them in int8, at 8 bits and without "
        "guesses. llama.cpp runs the same weights as Q8_0, and transformers' `model.generate` in float32. Memory is "
        "the growth of the process after all libraries were imported.",
        "",
        "![Tokens a second against parameters](images/performance-size-tokens.svg)",
        "![Memory against parameters](images/performance-size-grown.svg)",
        "",
        "| shape | "
        + " | ".join(f"{who}, {what}" for what in ("tokens/s", "GB") for who in WHO)
        + " | grown / weights |",
        "|---" * (2 + 2 * len(WHO)) + "|",
    ]
    for shape, one in told.items():
        cells = [_cell(one, who, "tokens_per_s", 1, ".1f") for who in WHO]
        cells += [_cell(one, who, "grown_bytes", 1e9, ".2f") for who in WHO]
        cells.append(_ratio(one["ours"]["grown_bytes"], one["ours"]["weight_bytes"]))
        lines.append(f"| {shape} | " + " | ".join(cells) + " |")
    return [*lines, ""]


def _cell(one: dict[str, Any], who: str, key: str, by: float, form: str) -> str:
    return format(one[who][key] / by, form) if who in one else ""


def _card(found: dict[str, Any]) -> list[str]:
    """What tests/bench/card.py has found."""
    lines = [
        "## On a graphics card",
        "",
        f"The table shows tokens a second by `tests/bench/card.py` on one {found['card']} (torch {found['torch']}, "
        f"medians of {found['rounds']} rounds). The weights are random bfloat16, in the shapes of real models. This "
        "package plays a token's pass as a CUDA graph and chooses on the CPU: greedily, or drawn with top_p 0.95 of "
        "a flat distribution, which costs most. A pass has over a thousand short kernels, and it waits for them and "
        "not for memory.",
        "",
    ]
    ways = list(next(iter(next(iter(found["shapes"].values())).values())))
    lines += [
        "| shape | context | " + " | ".join(ways) + " | ours / `model.generate` |",
        "|---" * (len(ways) + 3) + "|",
    ]
    for shape, told in found["shapes"].items():
        for context, speeds in told.items():
            cells = [f"{speeds[way]:.0f}" if way in speeds else "" for way in ways]
            ratio = _ratio(speeds["ours"], speeds["model.generate"])
            lines.append(f"| {shape} | {int(context):,} | " + " | ".join(cells) + f" | {ratio} |")
    return [*lines, ""]


def _ratio(one: float, other: float) -> str:
    return f"{one / other:.2f}"


def _table(head: str, told: dict[str, dict[str, float]], form: str) -> list[str]:
    names = sorted({name for numbers in told.values() for name in numbers})
    lines = [f"| {head} | " + " | ".join(names) + " |", "|" + "---|" * (len(names) + 1)]
    for length, numbers in sorted(told.items(), key=lambda one: int(one[0])):
        cells = [form.format(numbers[name]) if name in numbers else "" for name in names]
        lines.append(f"| {int(length):,} | " + " | ".join(cells) + " |")
    return lines


def _plot(told: Mapping[Any, dict[str, float]], across: str, up: str, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "jupyter_complete"  # the same picture for the same figures
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.4, 3.6), layout="constrained")
    for name in sorted({name for numbers in told.values() for name in numbers}):
        points = sorted((int(length), numbers[name]) for length, numbers in told.items() if name in numbers)
        if len(points) > 1:
            axes.plot(*zip(*points, strict=True), marker="o", label=name)
    axes.set(xlabel=across, ylabel=up, xlim=(0, None), ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
