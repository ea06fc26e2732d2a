"""The picture of a soak run: rate, lag, lateness, memory, files and cores over time."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

from jetl2.devstack.judge import Sample

# Title -> the figures of all processes, or of the whole
_PANELS = {
    "messages a second": ["messages_per_s"],
    "seconds behind": ["lag_s"],
    "milliseconds until visible: p50, p99": ["p50", "p99"],
    "memory, MiB": ["*.rss_mib"],
    "open files": ["*.files"],
    "threads": ["*.threads"],
    "cores": ["*.cores"],
    "broker's disk, MiB": ["disk_mib"],
}


def draw(samples: Sequence[Sample], processes: Sequence[str], path: Path) -> None:
    """Write the picture as PNG."""
    plt.rcParams.update({"font.size": 8, "axes.grid": True})
    figure, axes = plt.subplots(len(_PANELS) // 2, 2, figsize=(11, 9), squeeze=False)
    minutes = [s["at_s"] / 60 for s in samples]
    for axis, (title, names) in zip(axes.flat, _PANELS.items(), strict=True):
        for name in names:
            whole, _, what = name.rpartition("*.")
            for field in [f"{p}.{what}" for p in processes] if "*" in name else [whole or what]:
                label = field.partition(".")[0] if "*" in name else field
                axis.plot(minutes, [s[field] for s in samples], linewidth=0.9, label=label)
        axis.set_title(title, loc="left")
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.25, linewidth=0.5)
        axis.spines[["top", "right"]].set_visible(False)
        if "*" in names[0]:
            axis.legend(frameon=False, ncols=len(processes))
    for axis in axes[-1]:
        axis.set_xlabel("minutes")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)
