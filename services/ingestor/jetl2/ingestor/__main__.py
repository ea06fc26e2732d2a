"""The process: settings from the environment, signals, exit code."""

import asyncio
import sys

from jetl2.ingestor import commands, supervisor
from jetl2.ingestor.settings import PREFIX, Settings, wanted
from jetl2.runtime import cli, lifecycle
from jetl2.runtime.settings import example

ABOUT = """
Receives the feeds of exchanges and writes every frame, byte for byte, to the Kafka topics
raw.<exchange>, with REST snapshots of books where an exchange sends none by itself. Runs until
SIGTERM, then hands what it has to Kafka and ends with 0.

With a command, it only looks: `exchanges`, `instruments EXCHANGE`, `check EXCHANGE [SYMBOL...]`
(each with --help; `jetl2 ingest` is the same).
"""
EXAMPLE = f"{PREFIX}SUBSCRIPTIONS='{example(Settings, 'subscriptions')}' python -m jetl2.ingestor"


def main() -> int:
    """Run until a signal, or do what a command says; return the exit code."""
    if sys.argv[1:2] and sys.argv[1] in commands.NAMES:
        return commands.main(sys.argv[1:])
    settings = wanted(cli.start("ingestor", Settings, about=ABOUT, example=EXAMPLE))

    async def until(stop: asyncio.Event) -> int:
        return await supervisor.run(settings, stop)

    return lifecycle.run(until)


if __name__ == "__main__":
    sys.exit(main())
