"""Pictures of what was measured: `python -m benchmarks.plots GROWTH.jsonl FOLDER`, from `benchmarks.growth --json`.

Two SVG files: how long a search takes as the store grows, and as one scope grows. The same figures give the same bytes.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

COLOURS: Final = {"memvault": "#00796b", "mem0": "#b26a00"}
KINDS: Final = {"warm": "-", "cold": ":"}


def draw(lines: list[dict[str, Any]], title: str, x: str, place: Path) -> None:
    """p50 of warm and cold searches of each system, on two logarithmic axes."""
    figure, axes = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
    for system, colour in COLOURS.items():
        rows = sorted((one for one in lines if one["system"] == system), key=lambda one: one["count"])
        for kind, style in KINDS.items():
            if rows:
                axes.plot(
                    [one["count"] for one in rows],
                    [one[kind]["p50_ms"] for one in rows],
                    style,
                    color=colour,
                    marker="o",
                    markersize=4,
                    label=f"{system}, {kind}",
                )
    axes.set(xscale="log", yscale="log", xlabel=x, ylabel="search, p50 ms", title=title)
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(place, metadata={"Date": None})
    plt.close(figure)


def main() -> int:
    """Read the lines, write the pictures."""
    parser = argparse.ArgumentParser(description="Draw how a vault does as it grows.")
    parser.add_argument("lines", type=Path, help="what `python -m benchmarks.growth --json` printed")
    parser.add_argument("folder", type=Path, help="where the pictures go")
    options = parser.parse_args()
    matplotlib.rcParams["svg.hashsalt"] = "memvault"
    read = [json.loads(line) for line in options.lines.read_text(encoding="utf-8").splitlines()]
    measured = [one for one in read if one["system"] in COLOURS]
    for name, title, x, wanted in (
        ("growth-store", "200 memories of each user", "memories in the store", lambda one: one["users"] > 1),
        ("growth-scope", "One user with all of them", "memories in the scope", lambda one: one["users"] == 1),
    ):
        draw([one for one in measured if wanted(one)], title, x, options.folder / f"{name}.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main())
