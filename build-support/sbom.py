"""Writes what each artifact is made of, as CycloneDX, and refuses licences that must not be shipped.

    python build-support/sbom.py [ARTIFACT...]    PEX files and wheels; none: all in dist/

The bill of dist/merger.pex is dist/sbom/merger.pex.cdx.json. A PEX file holds its wheels: they are
listed as they lie in it. A wheel only asks for others: listed is what its ranges lead to in the
development environment, whose versions are those of 3rdparty/constraints.txt. Exits with 1 when
something is under the GPL or AGPL, or says nothing about its licence.
"""

import hashlib
import json
import re
import shutil
import sys
import uuid
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path, PurePosixPath

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseAcknowledgement
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from license_expression import ExpressionError, get_spdx_licensing
from packages import ROOT
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

OURS = "jetl2-"
# Of what carries no metadata, or none about its licence: looked up in its sources
LICENCES = {"pex": "Apache-2.0"}
# Not the Lesser one, which lets others link
_COPYLEFT = re.compile(r"\bA?GPL|GNU (Affero )?General Public|Affero General Public", re.IGNORECASE)
_licensing = get_spdx_licensing()
_spdx = LicenseFactory()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One distribution in an artifact.

    Attributes:
        licences: As it declares them: one SPDX expression, or names.
        needs: Canonical names of the distributions that it asks for here.
    """

    name: str
    version: str
    licences: tuple[str, ...] = ()
    needs: frozenset[str] = frozenset()

    @property
    def key(self) -> str:
        """Return the canonical name."""
        return str(canonicalize_name(self.name))


def main(args: list[str], out: Path = ROOT / "dist/sbom") -> int:
    """Write the bills of the artifacts named by `args` to `out`; return the exit code."""
    dist = ROOT / "dist"
    artifacts = [Path(arg) for arg in args] or [*dist.glob("*.pex"), *dist.glob("*.whl")]
    if missing := [path for path in artifacts if not path.is_file()]:
        print(f"{missing[0]} is not there: make package builds the artifacts.")
        return 1
    if not artifacts:
        print(f"Nothing is built in {dist}: make package.")
        return 1
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    refused: dict[str, list[str]] = {}
    for artifact in sorted(artifacts):
        try:
            root, parts = read(artifact)
        except (LookupError, metadata.PackageNotFoundError, zipfile.BadZipFile) as error:
            print(f"{artifact}: {error}")
            return 1
        (out / f"{artifact.name}.cdx.json").write_text(bill(artifact, root, parts))
        for part in parts:
            if problem := refusal(part):
                refused.setdefault(f"{part.name} {part.version} {problem}", []).append(
                    artifact.name
                )
        print(f"{artifact.name}: {len(parts)} parts")
    for problem, names in refused.items():
        print(f"refused: {problem} (in {', '.join(names)})")
    return 1 if refused else 0


def read(artifact: Path) -> tuple[Part, list[Part]]:
    """Return the artifact itself, and the distributions in or below it.

    Raises:
        LookupError: A PEX file holds a wheel without metadata, or a wheel asks for one of ours that
            is not beside it.
        PackageNotFoundError: A wheel asks for what is not in the environment.
    """
    if artifact.suffix == ".pex":
        asked, parts = _of_pex(artifact)
        own = [part.version for part in parts if part.key == _key(f"{OURS}{artifact.stem}")]
        version = own[0] if own else "unknown"
        return Part(name=artifact.name, version=version, needs=frozenset(asked)), parts
    (root,) = _of_zip(artifact, "")
    return root, list(_below(root, artifact.parent))


def bill(artifact: Path, root: Part, parts: Iterable[Part]) -> str:
    """Return the CycloneDX document of an artifact as JSON."""
    digest = hashlib.sha256(artifact.read_bytes()).hexdigest()
    # The same artifact has the same bill
    bom = Bom(serial_number=uuid.uuid5(uuid.NAMESPACE_OID, digest))
    bom.metadata.component = top = Component(
        name=root.name,
        version=root.version,
        type=ComponentType.APPLICATION,
        bom_ref=artifact.name,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
    )
    components = {part.key: _component(part) for part in parts}
    bom.components.update(components.values())
    bom.register_dependency(top, [components[key] for key in root.needs if key in components])
    for part in parts:
        below = [components[key] for key in part.needs if key in components]
        bom.register_dependency(components[part.key], below)
    return make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=1)


def refusal(part: Part) -> str | None:
    """Return why a part must not be shipped, None if it may."""
    if part.name.startswith(OURS):
        return None
    if not part.licences:
        return (
            "says nothing about its licence: look into its sources, and write it into LICENCES "
            "of build-support/sbom.py"
        )
    bad = [licence for licence in part.licences if _is_copyleft(licence)]
    return f"is under {bad[0]}: nothing under the GPL or AGPL is shipped" if bad else None


def _is_copyleft(licence: str) -> bool:
    """Return whether every choice that an expression leaves is under the GPL or AGPL."""
    try:
        parsed = _licensing.parse(licence)
    except ExpressionError:
        return bool(_COPYLEFT.search(licence))

    def bad(node: object) -> bool:
        if isinstance(node, _licensing.OR):
            return all(bad(choice) for choice in node.args)
        if isinstance(node, _licensing.AND):
            return any(bad(part) for part in node.args)
        return bool(_COPYLEFT.search(str(node)))

    return bad(parsed)


def _component(part: Part) -> Component:
    declared = LicenseAcknowledgement.DECLARED
    return Component(
        name=part.name,
        version=part.version,
        type=ComponentType.LIBRARY,
        bom_ref=f"{part.key}=={part.version}",
        purl=PackageURL("pypi", None, part.key, part.version),
        licenses=[
            _spdx.make_from_string(text, license_acknowledgement=declared) for text in part.licences
        ],
    )


def _of_pex(pex: Path) -> tuple[list[str], list[Part]]:
    """Return what a PEX file was asked to hold, its wheels, and PEX's own start-up code.

    Raises:
        LookupError: A wheel without metadata.
    """
    with zipfile.ZipFile(pex) as opened:
        info = json.loads(opened.read("PEX-INFO"))
    parts = _of_zip(pex, r"\.deps/[^/]+/")
    if len(parts) != len(info["distributions"]):
        message = f"{len(info['distributions'])} wheels, but {len(parts)} with metadata"
        raise LookupError(message)
    version = info["build_properties"]["pex_version"]
    parts.append(Part(name="pex", version=version, licences=(LICENCES["pex"],)))
    return [_key(Requirement(asked).name) for asked in info["requirements"]], parts


def _of_zip(archive: Path, folder: str) -> list[Part]:
    """Return the distributions in those folders of a zip file; what they vendor is left out."""
    with zipfile.ZipFile(archive) as opened:
        top = zipfile.Path(opened)
        return [
            # Takes any path that can be read, those in zip files too
            _part(metadata.PathDistribution(top.joinpath(str(PurePosixPath(name).parent))))
            for name in sorted(opened.namelist())
            if re.fullmatch(rf"{folder}[^/]+\.dist-info/METADATA", name)
        ]


def _below(root: Part, folder: Path) -> Iterator[Part]:
    """Yield what a wheel leads to: our own wheels beside it, others as installed here."""
    wheels = {
        _key(path.name.split("-")[0]): path
        for path in folder.glob("*.whl")
        if _key(path.name).startswith(OURS)
    }
    wanted = sorted(root.needs)
    for key in wanted:
        if key in wheels:
            (part,) = _of_zip(wheels[key], "")
        elif key.startswith(OURS):
            message = f"{root.name} asks for {key}, whose wheel is not in {folder}: make package"
            raise LookupError(message)
        else:
            part = _part(metadata.distribution(key))
        wanted += sorted(part.needs - set(wanted))
        yield part


def _part(found: metadata.Distribution) -> Part:
    fields = found.metadata
    needs = frozenset(
        _key(asked.name)
        for asked in map(Requirement, found.requires or ())
        if asked.marker is None or asked.marker.evaluate({"extra": ""})
    )
    name = fields["Name"]
    return Part(
        name=name,
        version=fields["Version"],
        licences=_licences(_key(name), fields),
        needs=needs,
    )


def _licences(key: str, fields: metadata.PackageMetadata) -> tuple[str, ...]:
    """Return what a distribution says about its licence: the clearest of the places for it."""
    if key in LICENCES:
        return (LICENCES[key],)
    free = fields["License"].strip() if "License" in fields else ""
    if "License-Expression" in fields:
        return (fields["License-Expression"],)
    if free and _is_spdx(free):
        return (free,)
    classifiers = fields.get_all("Classifier") or []
    if named := [c.split(" :: ")[-1] for c in classifiers if c.startswith("License :: ")]:
        return tuple(named)
    return (free.splitlines()[0],) if free else ()


def _is_spdx(text: str) -> bool:
    try:
        parsed = _licensing.parse(text, validate=True)
    except ExpressionError:
        return False
    return parsed is not None


def _key(name: str) -> str:
    return str(canonicalize_name(name))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
