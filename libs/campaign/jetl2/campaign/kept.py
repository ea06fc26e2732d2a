"""Services as an orchestrator keeps them: each from its PEX file, started again when it ends."""

import json
import mmap
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jetl2.campaign import by_clock
from jetl2.devstack import pipeline
from jetl2.devstack.process import Process, wait_until

# As the guard of a process tells it
KILLED = 128 + signal.SIGKILL
_LOOK_S = 0.02


class Clock:
    """A wall clock that can be set, of the services that are given it."""

    def __init__(self, path: Path) -> None:
        """Begin with the true time.

        Args:
            path: A file to make, by which the services know of it.
        """
        self.path = path
        path.write_bytes(bytes(by_clock.OFFSET.size))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)

    def set(self, ahead_s: float) -> None:
        """Let it show the true time and so much more, from now on."""
        by_clock.OFFSET.pack_into(self._map, 0, int(ahead_s * 1e9))


class Kept:
    """One service with a name that outlives it; a supervisor thread starts it whenever it ends."""

    def __init__(
        self,
        package: str,
        name: str,
        folder: Path,
        settings: Mapping[str, object],
        clock: Clock | None = None,
    ) -> None:
        """Start it.

        Args:
            package: Whose PEX file is run.
            name: Of the process and its log.
            folder: For its log.
            settings: Of the service, by name.
            clock: The wall clock that it sees; None: the machine's.
        """
        self.name = name
        self.log = folder / f"{name}.log"
        # Exit codes of all its lives so far
        self.ended: Counter[int] = Counter()
        self._package = package
        self._given = {"log_format": "json"} | dict(settings)
        self._clock = clock
        self._once: dict[str, object] = {}
        self._wanted = True
        self._lock = threading.Lock()
        self.process = self._start()
        self._thread = threading.Thread(target=self._supervise, name=name, daemon=True)
        self._thread.start()

    def kill(self, **once: object) -> None:
        """Kill it; it is started again at once, with other settings for that one life if given."""
        with self._lock:
            self._once = once
            self.process.signal(signal.SIGKILL)

    def wait_ended(self, code: int, times: int, timeout_s: float = 60) -> None:
        """Wait until so many lives in all have ended with a code.

        Raises:
            NotReadyError: It lives on.
        """
        what = f"{self.name} ends with code {code} for the {times}th time"
        wait_until(lambda: self.ended[code] >= times, what, timeout_s=timeout_s, interval_s=0.02)

    def end_in_order(self) -> None:
        """Ask it to end, and wait until a life has ended as asked; it is started again.

        A life that was in doubt when asked, or did not know signals yet, ends otherwise: then the
        next one is asked.

        Raises:
            NotReadyError: It lives on.
        """
        in_order = self.ended[0]
        while self.ended[0] == in_order:
            lives = self.ended.total()
            self.signal(signal.SIGTERM)
            self._wait_lives(lives + 1)

    def _wait_lives(self, count: int) -> None:
        what = f"{self.name} ends for the {count}th time"
        wait_until(lambda: self.ended.total() >= count, what, timeout_s=60, interval_s=0.02)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the life that it has now."""
        with self._lock:
            self.process.signal(number)

    def stop(self) -> int:
        """Ask it to end, for good; return its exit code."""
        self._leave_alone()
        self.process.signal(signal.SIGCONT)
        self.process.signal(signal.SIGTERM)
        return self.process.wait(60)

    def die(self) -> None:
        """Kill it, for good."""
        self._leave_alone()
        self.process.signal(signal.SIGKILL)
        self.process.stop()

    def abandon(self) -> None:
        """End it in whatever way."""
        self._leave_alone()
        self.process.signal(signal.SIGCONT)
        self.process.stop()

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the events of a name in the log of all its lives."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return [
            event
            for line in lines
            if f'"{name}"' in line and (event := _json(line)).get("event") == name
        ]

    def _leave_alone(self) -> None:
        self._wanted = False
        self._thread.join()

    def _supervise(self) -> None:
        while self._wanted:
            time.sleep(_LOOK_S)
            if self.process.exit_code() is None:
                continue
            code = self.process.stop()
            with self._lock:
                if self._wanted:
                    self.process = self._start()
            # Last: who waited for it may signal the next life
            self.ended[code] += 1

    def _start(self) -> Process:
        given = self._given | self._once
        self._once = {}
        kept = {
            k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "JETL2_", "PEX_"))
        }
        prefix = f"JETL2_{self._package}_"
        env = kept | {f"{prefix}{k}".upper(): _text(v) for k, v in given.items()}
        command = [str(pipeline.built(self._package))]
        if self._clock:
            # The PEX file as the interpreter of what sets its clock, and then runs it
            env["PEX_INTERPRETER"] = "1"
            command += [by_clock.__file__, str(self._clock.path), f"jetl2.{self._package}"]
        return Process(self.name, command, log=self.log, env=env)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _json(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except json.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
