"""Named points at which a test can make a run kill itself."""

import os
import signal

# In the order in which a run passes them
POINTS = ("fenced", "planned", "object", "written", "manifest", "committed")


def point(name: str, crash_at: str) -> None:
    """Die by SIGKILL, as a lost machine would, when this is the point asked for."""
    if crash_at == name:
        os.kill(os.getpid(), signal.SIGKILL)
