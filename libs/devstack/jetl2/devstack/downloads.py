"""Fetches the jars of Kafka and of Spark's connectors by Maven, and checks them against pins."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from importlib import resources
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

from jetl2.devstack import folders
from jetl2.devstack.errors import DownloadError, MissingToolError

KAFKA = "kafka"
SPARK = "spark"
SPARK_35 = "spark35"
MIN_JAVA = 17

_APT = {"java": "openjdk-17-jre-headless", "mvn": "maven"}


class Jar(NamedTuple):
    """One pinned file."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file(self) -> str:
        """Name of the file, as Maven writes it."""
        return f"{self.artifact}-{self.version}.jar"


def jars(of: str) -> list[Path]:
    """Return the verified jars of KAFKA, SPARK or SPARK_35, fetched by Maven when they are not cached yet.

    Raises:
        DownloadError: Maven failed, or a file is not the pinned one.
        MissingToolError: There is no Maven, and it cannot be installed from here.
    """
    pins = _pins(of)
    folder = folders.cache() / "jars" / of
    if missing := [pin for pin in pins if not _verified(folder, pin)]:
        _fetch(missing, folder)
    return [folder / pin.file for pin in pins]


def java() -> str:
    """Return a Java of version 17 or later, installed by apt where that is possible.

    Raises:
        MissingToolError: Names the command that installs one.
    """
    home = os.environ.get("JAVA_HOME")
    found = str(Path(home) / "bin" / "java") if home else tool("java")
    answer = subprocess.run(  # noqa: S603 - our own commands
        [found, "-XshowSettings:properties", "-version"],
        capture_output=True,
        text=True,
        check=False,
    )
    for line in answer.stderr.splitlines():
        name, _, value = line.partition("=")
        if name.strip() == "java.specification.version":
            if int(value.strip().partition(".")[0]) >= MIN_JAVA:
                return found
            message = (
                f"{found} is Java {value.strip()}; {MIN_JAVA} or later is needed: {_advice('java')}"
            )
            raise MissingToolError(message)
    message = f"{found} does not run: {_advice('java')}"
    raise MissingToolError(message)


def tool(name: str) -> str:
    """Return the path of a program, installed by apt when we are root and apt is there.

    Raises:
        MissingToolError: Names the command that installs it.
    """
    if found := shutil.which(name):
        return found
    if shutil.which("apt-get") and os.geteuid() == 0:
        for command in ("update", f"install -y --no-install-recommends {_APT[name]}"):
            subprocess.run(  # noqa: S603 - our own commands
                ["apt-get", "-qq", *command.split()],  # noqa: S607 - of the system
                check=False,
                stdout=subprocess.DEVNULL,
                env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
            )
        if found := shutil.which(name):
            return found
    message = f"{name} is not installed: {_advice(name)}"
    raise MissingToolError(message)


def _advice(name: str) -> str:
    return f"sudo apt-get install {_APT[name]} (or your system's package of it)"


def _pins(of: str) -> list[Jar]:
    text = (resources.files("jetl2.devstack") / "jars.txt").read_text()
    lines = (line.replace(":", " ").split() for line in text.splitlines())
    return [Jar(*words[1:]) for words in lines if words and of in words[0].split(",")]


def _verified(folder: Path, pin: Jar) -> bool:
    path = folder / pin.file
    if not path.exists():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == pin.sha256


def _fetch(missing: list[Jar], folder: Path) -> None:
    mvn = tool("mvn")
    folder.mkdir(parents=True, exist_ok=True)
    # Beside the target, so that each file appears there whole by one rename
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as name:
        work = Path(name)
        (work / "pom.xml").write_text(_pom(missing))
        answer = subprocess.run(  # noqa: S603 - our own commands
            [
                *(mvn, "-q", "-B", "-f", str(work / "pom.xml"), "dependency:copy-dependencies"),
                f"-DoutputDirectory={work / 'jars'}",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.returncode:
            message = f"Maven could not fetch {len(missing)} jars:\n{(answer.stdout + answer.stderr)[-2000:]}"
            raise DownloadError(message)
        for pin in missing:
            if not _verified(work / "jars", pin):
                message = f"{pin.file} is not the file pinned in jars.txt, or is missing"
                raise DownloadError(message)
            (work / "jars" / pin.file).replace(folder / pin.file)


def _pom(pins: list[Jar]) -> str:
    """Return a pom that names each jar and lets Maven resolve nothing beyond them."""
    one = (
        "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version><exclusions>"
        "<exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions></dependency>"
    )
    listed = "".join(
        one.format(escape(p.group), escape(p.artifact), escape(p.version)) for p in pins
    )
    return (
        "<project><modelVersion>4.0.0</modelVersion><groupId>jetl2</groupId><artifactId>devstack"
        f"</artifactId><version>1</version><dependencies>{listed}</dependencies></project>"
    )
