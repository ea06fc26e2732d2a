"""The command line that every service shares: --help with its settings, --version, nothing else."""

import argparse
import importlib.metadata
import textwrap
from collections.abc import Sequence

from jetl2.runtime import kafka, log
from jetl2.runtime.settings import S, ServiceSettings, read, table


def start(
    package: str,
    settings: type[S],
    *,
    about: str,
    example: str,
    argv: Sequence[str] | None = None,
) -> S:
    """Answer --help and --version, else return the settings of the package, the log set up.

    Args:
        package: Such as "ingestor": wheel `jetl2-ingestor`, variables `JETL2_INGESTOR_...`.
        about: What the service does; the first paragraph of --help.
        example: A command line that works.

    Raises:
        SystemExit: 0 after --help or --version; 2 for a wrong argument or setting.
    """
    prefix = f"JETL2_{package.upper()}_"
    rows = table(settings, prefix)
    if issubclass(settings, ServiceSettings):
        rows += table(kafka.Settings, kafka.PREFIX)
    parser = argparse.ArgumentParser(
        prog=package,
        description=textwrap.dedent(about).strip(),
        epilog=f"example:\n  {example}\n\nsettings:\n{_rows(rows)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"{package} {version(package)}")
    parser.parse_args(argv)
    values = read(settings, prefix)
    if isinstance(values, ServiceSettings):
        kafka.check()
        log.setup(values.log_level, values.log_format)
    return values


def version(package: str) -> str:
    """Return the version of an installed package of ours, or that it runs from its sources."""
    try:
        return importlib.metadata.version(f"jetl2-{package.replace('_', '-')}")
    except importlib.metadata.PackageNotFoundError:
        return "(from sources)"


def _rows(settings: Sequence[tuple[str, str, str]]) -> str:
    lines = []
    for variable, default, meaning in settings:
        lines.append(f"  {variable}  " + (f"[{default}]" if default else "(no default)"))
        if meaning:
            lines += textwrap.wrap(meaning, 92, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return "\n".join(lines)
