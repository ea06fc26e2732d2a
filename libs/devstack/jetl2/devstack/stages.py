"""Progress on the terminal: one line a stage, moving while it works; plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

Update = Callable[[int, int, str], None]


class Stages:
    """Shows stages, and remembers how long each took."""

    def __init__(self) -> None:
        """Write to standard error, as the summary goes to standard output."""
        self.seconds: dict[str, float] = {}
        self._console = Console(file=sys.stderr, highlight=False)

    @contextmanager
    def stage(self, name: str) -> Iterator[Update]:
        """Show one stage for the length of the block; yields update(done, total, detail)."""
        start = time.monotonic()
        columns = (
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description:<10}"),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            TextColumn("{task.fields[detail]}"),
        )
        moving = self._console.is_terminal
        if not moving:
            self._console.print(f"{name} ...")
        with Progress(*columns, console=self._console, disable=not moving) as progress:
            task = progress.add_task(name, total=None, detail="")
            last = [""]

            def update(done: int, total: int, detail: str) -> None:
                last[0] = detail
                progress.update(task, completed=done, total=total or None, detail=detail)

            yield update
            progress.update(task, total=1, completed=1, detail=last[0])
        self.seconds[name] = self.seconds.get(name, 0) + time.monotonic() - start
        if not moving:
            self._console.print(f"{name} done in {self.seconds[name]:.1f} s  {last[0]}")

    def note(self, text: str) -> None:
        """Print a line between stages."""
        self._console.print(text)
