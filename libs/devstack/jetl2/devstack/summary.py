"""What the demo found out, as a few lines for a person and as JSON."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jetl2.devstack import kafka
from jetl2.devstack.exporting import Coverage, Files
from jetl2.devstack.pipeline import Pipeline
from jetl2.devstack.verify import Verdict
from jetl2.schemas import topics


@dataclass
class Summary:
    """The demo's result; filled while it runs."""

    source: str = ""
    out: Path = Path()
    messages: int = 0
    dead: int = 0
    rows_landed: int = 0
    objects: int = 0
    records: int = 0
    gaps: int = 0
    checksums_passed: int = 0
    checksums_failed: int = 0
    files: int = 0
    rows_exported: int = 0
    bytes_exported: int = 0
    books: dict[str, Verdict] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    picture: Path | None = None

    def counted(self, line: Pipeline, exchanges: Sequence[str]) -> None:
        """Take what lies in Kafka."""
        servers = line.bootstrap_servers
        self.messages = sum(kafka.ends(servers, [topics.raw(e) for e in exchanges]).values())
        self.dead = len(kafka.read(servers, [topics.dead_letter(e) for e in exchanges]))

    def landed(self, summary: dict[str, Any]) -> None:
        """Take what the landing job said."""
        self.rows_landed = summary["rows"]
        self.objects = summary["objects"]

    def covered(self, coverage: Coverage) -> None:
        """Take the coverage of all instruments."""
        self.records = coverage.records
        self.gaps = coverage.gaps
        self.checksums_passed = coverage.checksums_passed
        self.checksums_failed = coverage.checksums_failed

    def exported(self, files: Files) -> None:
        """Take what was downloaded."""
        self.files = len(files.paths)
        self.rows_exported = files.rows
        self.bytes_exported = files.size

    def document(self) -> dict[str, Any]:
        """Return all of it for a program."""
        fields = {k: v for k, v in vars(self).items() if k not in ("out", "picture", "books")}
        fields["books"] = {name: verdict._asdict() for name, verdict in self.books.items()}
        fields["seconds"] = {name: round(s, 1) for name, s in self.seconds.items()}
        return fields

    def text(self) -> str:
        """Return the few lines that the demo ends with."""
        sums = f"{self.checksums_passed:,} passed, {self.checksums_failed:,} failed"
        instants = sum(verdict.instants for verdict in self.books.values())
        equal = f"{len(self.books)} equal at the end, {instants:,} whole books at instants before"
        times = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in self.seconds.items())
        rows = {
            "source": self.source,
            "messages": f"{self.messages:,} raw events, {self.dead:,} dead letters",
            "records": f"{self.records:,} merged, {self.gaps:,} gaps",
            "checksums": f"{sums} (of the exchange, on our books)",
            "landed": f"{self.rows_landed:,} rows in {self.objects:,} Parquet objects",
            "exported": f"{self.rows_exported:,} rows in {self.files:,} files, sha256 verified",
            "books": equal if self.books else "not compared: a live source has no reference",
            "files": str(self.out / "files"),
            "picture": str(self.picture or "none"),
            "times": f"{times}; {sum(self.seconds.values()):.0f} s in all",
        }
        return "\n" + "\n".join(f"{name:<10} {value}" for name, value in rows.items())
