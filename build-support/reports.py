"""JUnit reports: writing our own checks as one, and reading all of them."""

import xml.etree.ElementTree as ET
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One test or check: passed unless `failure` or `skipped` says why not."""

    suite: str
    name: str
    seconds: float = 0.0
    failure: str | None = None
    skipped: str | None = None


def write(path: Path, results: Iterable[Result]) -> None:
    """Write the results as a JUnit file."""
    top = ET.Element("testsuites")
    suite = ET.SubElement(top, "testsuite", name=path.stem)
    for result in results:
        case = ET.SubElement(
            suite,
            "testcase",
            classname=result.suite,
            name=result.name,
            time=f"{result.seconds:.3f}",
        )
        if result.failure is not None:
            ET.SubElement(case, "failure", message=_printable(result.failure))
        elif result.skipped is not None:
            ET.SubElement(case, "skipped", message=_printable(result.skipped))
    path.parent.mkdir(parents=True, exist_ok=True)
    ET.ElementTree(top).write(path, encoding="utf-8", xml_declaration=True)


def read(path: Path) -> list[Result]:
    """Return what a JUnit file holds, in its order."""
    results = []
    for case in ET.parse(path).iter("testcase"):  # noqa: S314 - our own file
        broken = next(
            (case.find(tag) for tag in ("failure", "error") if case.find(tag) is not None), None
        )
        skipped = case.find("skipped")
        results.append(
            Result(
                suite=case.get("classname") or path.stem,
                name=case.get("name") or "?",
                seconds=float(case.get("time") or 0),
                failure=None
                if broken is None
                else broken.get("message") or broken.text or "failed",
                skipped=None if skipped is None else skipped.get("message") or "no reason given",
            )
        )
    return results


def _printable(text: str) -> str:
    """Return the text without the control characters that XML forbids."""
    return "".join(c for c in text if c in "\n\t" or (c >= " " and c.isprintable()))
