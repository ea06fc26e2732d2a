"""Checks that docs/runbooks and the code speak of the same things.

- what a page names in backticks as `jetl2_...` is a metric of the code
- each event that is logged as an error, each exit code of a job and the merger's refusals have a heading
- each alarm of the infrastructure, and each metric that it asks for, has a heading
- each heading is of something that there is
- each `jetl2 admin` command named is one

Prints what does not hold and exits with 1.
"""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from packages import ROOT

PAGES = ROOT / "docs/runbooks"
ALARMS = ROOT / "infra/terraform/modules"
# Page -> folders whose events have their entries on it
SCOPES = {
    "ingestor": ("services/ingestor",),
    "merger": ("services/merger",),
    "landing": ("jobs/landing",),
    "api": ("services/api_grpc",),
    "export": ("jobs/export",),
    "README": ("libs/runtime",),
}
# What Prometheus adds to a name, by the function that makes the metric
ENDINGS = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_count", "_sum", ""),
}
LOUD = {"error", "exception", "critical"}
QUIET = {"info", "warning"}
# A heading is of an event, of a metric, of an exit code, or of a group of settings
HEADING = re.compile(r"^### (.+)$", re.MULTILINE)
TICKED = re.compile(r"`([^`\n]+)`")
# With a dash behind it is the beginning of many
METRIC = re.compile(r"\bjetl2_[a-z0-9_]*[a-z0-9]\b(?!_)")
ALARM = re.compile(r"^\s*- alert: (\w+)", re.MULTILINE)
COMMAND = re.compile(r"jetl2 admin ([a-z]+)")
ADMIN = ROOT / "services/merger/jetl2/merger/admin/commands.py"


@dataclass(slots=True)
class Code:
    """What the code of some folders can say.

    Args:
        events: Logged as an error -> where.
        quiet: Logged as anything else.
        metrics: As Prometheus shows them.
        codes: Exit codes of error classes.
    """

    events: dict[str, str] = field(default_factory=dict)
    quiet: set[str] = field(default_factory=set)
    metrics: set[str] = field(default_factory=set)
    codes: set[int] = field(default_factory=set)


def main(pages: Path = PAGES) -> int:
    """Print what does not hold; return the exit code."""
    read = {page: _code(folders) for page, folders in SCOPES.items()}
    problems = [line for page in SCOPES for line in _page(pages / f"{page}.md", read, page)]
    problems += _alarms(pages)
    for line in problems:
        print(line)
    return 1 if problems else 0


def _page(path: Path, read: dict[str, Code], page: str) -> Iterator[str]:
    if not path.exists():
        yield f"{path} is missing"
        return
    text = path.read_text()
    name = path.relative_to(path.parents[2]).as_posix()
    own = read[page]
    metrics = set().union(*(code.metrics for code in read.values()))
    for metric in sorted(set(METRIC.findall(text)) - metrics):
        yield f"{name}: there is no metric {metric}"
    headings = HEADING.findall(text)
    headed = {word for heading in headings for word in TICKED.findall(heading)}
    codes = {int(n) for heading in headings for n in re.findall(r"Exit code (\d+)", heading)}
    for event, where in sorted(own.events.items()):
        if event not in headed:
            yield f"{name}: no entry for {event}, which {where} logs as an error"
    for code in sorted(own.codes - codes):
        yield f"{name}: no entry for exit code {code}"
    said = own.events.keys() | metrics | {e for code in read.values() for e in code.quiet}
    for word in sorted(headed - said):
        if re.fullmatch(r"[a-z]+(_[a-z]+)+", word):
            yield f"{name}: {word} has an entry, and nothing says it"
    for command in sorted(set(COMMAND.findall(text)) - _commands()):
        yield f"{name}: there is no command jetl2 admin {command}"


def _alarms(pages: Path) -> Iterator[str]:
    """Yield each alarm, and each metric of one, that no page has an entry for."""
    headings = [h for path in pages.glob("*.md") for h in HEADING.findall(path.read_text())]
    headed = {word for heading in headings for word in TICKED.findall(heading)}
    for rules in sorted(ALARMS.rglob("rules.yaml")):
        text = rules.read_text()
        asked = {re.sub(r"_(bucket|count|sum)$", "", metric) for metric in METRIC.findall(text)}
        for word in sorted((asked | set(ALARM.findall(text))) - headed):
            yield f"{rules.parent.name}/{rules.name}: no runbook has an entry for {word}"


def _code(folders: tuple[str, ...]) -> Code:
    found = Code()
    for folder in folders:
        for path in sorted((ROOT / folder / "jetl2").rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call):
                    _call(found, node, f"{path.relative_to(ROOT)}:{node.lineno}")
                elif "admin" not in path.parts:  # whose exit codes are a person's to see
                    found.codes.update(_exit_codes(node))
    return found


def _call(found: Code, node: ast.Call, where: str) -> None:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    texts = _alternatives(node.args[0]) if node.args else []
    if name in ENDINGS:
        found.metrics.update(f"{t}{end}" for t in texts for end in ENDINGS[name])
    if not (isinstance(node.func, ast.Attribute) and "log" in ast.unparse(node.func.value)):
        return
    if name in LOUD:
        if not texts:
            sys.exit(f"{where}: an event's name must stand there, so that its runbook is found")
        found.events.update(dict.fromkeys(texts, where))
    elif name in QUIET:
        found.quiet.update(texts)


def _alternatives(node: ast.expr) -> list[str]:
    """Return the texts that an argument may be: a constant, or one of two."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.IfExp(body=body, orelse=orelse):
            return [*_alternatives(body), *_alternatives(orelse)]
    return []


def _exit_codes(node: ast.AST) -> Iterator[int]:
    """Yield the exit code, not 0, that a constant `EXIT_...` or an error class's `exit_code` is."""
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=int(code))):
            if code and (name == "exit_code" or name.startswith("EXIT_")):
                yield code


def _commands() -> set[str]:
    """Return the admin commands: what `add("name", ...)` is called with."""
    calls = (n for n in ast.walk(ast.parse(ADMIN.read_text())) if isinstance(n, ast.Call))
    return {
        text
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == "add" and call.args
        for text in _alternatives(call.args[0])
    }


if __name__ == "__main__":
    sys.exit(main())
