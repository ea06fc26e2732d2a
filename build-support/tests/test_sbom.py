import json
import zipfile
from pathlib import Path
from typing import Any

import packages
import pytest
import sbom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from sbom import Part

DIST = packages.ROOT / "dist"


def artifacts(pattern: str) -> list[Any]:
    found = sorted(DIST.glob(pattern))
    reason = f"no {pattern} in dist/: make package"
    return found or [pytest.param(None, marks=pytest.mark.skip(reason=reason))]


def made(tmp_path: Path, *args: str | Path) -> tuple[int, dict[str, dict[str, Any]]]:
    out = tmp_path / "sbom"
    code = sbom.main([str(arg) for arg in args], out)
    return code, {path.name: json.loads(path.read_text()) for path in out.glob("*")}


def wheel(folder: Path, name: str, *metadata: str) -> Path:
    path = folder / f"{name.replace('-', '_')}-1.0-py3-none-any.whl"
    lines = ["Metadata-Version: 2.4", f"Name: {name}", "Version: 1.0", *metadata]
    with zipfile.ZipFile(path, "w") as out:
        out.writestr(f"{path.stem[:-12]}.dist-info/METADATA", "\n".join(lines))
    return path


def parts(document: dict[str, Any]) -> dict[str, str]:
    return {c["name"]: c["version"] for c in document["components"]}


@pytest.mark.parametrize("pex", artifacts("*.pex"), ids=lambda p: p and p.name)
def test_the_bill_of_a_pex_names_every_wheel_in_it(tmp_path: Path, pex: Path) -> None:
    code, documents = made(tmp_path, pex)

    assert code == 0
    (document,) = documents.values()
    with zipfile.ZipFile(pex) as opened:
        wheels = json.loads(opened.read("PEX-INFO"))["distributions"]
    inside = {tuple(name.split("-")[:2]) for name in wheels}
    listed = {n.replace("-", "_").lower(): v for n, v in parts(document).items() if n != "pex"}
    assert {(name.replace("-", "_").lower(), version) for name, version in inside} == set(
        listed.items()
    )
    for component in document["components"]:
        assert component["name"].startswith("jetl2-") or component["licenses"], component["name"]
    (own,) = [d for d in document["dependencies"] if d["ref"] == pex.name]
    name = f"jetl2-{pex.stem.replace('_', '-')}"
    assert f"{name}=={listed[f'jetl2_{pex.stem}']}" in own["dependsOn"]


@pytest.mark.parametrize("pex", artifacts("*.pex"), ids=lambda p: p and p.name)
def test_a_wheel_leads_to_what_its_pex_holds(tmp_path: Path, pex: Path) -> None:
    wheels = sorted(DIST.glob(f"jetl2_{pex.stem}-*.whl"))
    if not list(DIST.glob("jetl2_schemas-*.whl")) or not wheels:
        pytest.skip("the wheels of the libraries are not in dist/: make package")

    _, of_pex = made(tmp_path, pex)
    code, of_wheel = made(tmp_path, wheels[-1])

    assert code == 0
    held = parts(next(iter(of_pex.values())))
    assert parts(next(iter(of_wheel.values()))).items() <= held.items()
    assert held.keys() - parts(next(iter(of_wheel.values()))).keys() <= {"pex", f"jetl2-{pex.stem}"}


def test_a_bill_meets_its_schema_and_is_the_same_again(tmp_path: Path) -> None:
    below = wheel(tmp_path, "jetl2-below", "Requires-Dist: msgspec>=0.1")
    above = wheel(tmp_path, "jetl2-above", "Requires-Dist: jetl2-below~=1.0")

    code, documents = made(tmp_path, below, above)

    assert code == 0
    document = documents["jetl2_above-1.0-py3-none-any.whl.cdx.json"]
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(document)) is None
    assert parts(document).keys() == {"jetl2-below", "msgspec"}
    edges = {d["ref"].split("==")[0]: d.get("dependsOn", []) for d in document["dependencies"]}
    assert edges[above.name] == ["jetl2-below==1.0"]
    assert edges["jetl2-below"] == [f"msgspec=={parts(document)['msgspec']}"]
    for component in document["components"]:
        assert component["purl"].startswith("pkg:pypi/")
    again = made(tmp_path, above)[1]["jetl2_above-1.0-py3-none-any.whl.cdx.json"]
    assert again["serialNumber"] == document["serialNumber"]


@pytest.mark.parametrize(
    "metadata,refused",
    [
        (["License-Expression: MIT"], False),
        (["License-Expression: LGPL-3.0-or-later"], False),
        (["License-Expression: MIT OR GPL-2.0-only"], False),
        (["License: BSD-3-Clause", "Classifier: License :: OSI Approved :: BSD License"], False),
        (["License-Expression: GPL-3.0-or-later"], True),
        (["License-Expression: MIT AND AGPL-3.0-only"], True),
        (["License-Expression: GPL-2.0-only WITH Classpath-exception-2.0"], True),
        (["License: GPLv3"], True),
        (["License: GNU General Public License v3"], True),
        (
            ["Classifier: License :: OSI Approved :: GNU Affero General Public License v3"],
            True,
        ),
        (
            [
                "Classifier: License :: OSI Approved :: GNU Lesser General Public License v3 (LGPLv3)"
            ],
            False,
        ),
        ([], True),
    ],
)
def test_what_must_not_be_shipped_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], metadata: list[str], *, refused: bool
) -> None:
    pex = tmp_path / "some.pex"
    folder = ".deps/foreign-1.0-py3-none-any.whl"
    with zipfile.ZipFile(pex, "w") as out:
        info = {
            "distributions": {Path(folder).name: ""},
            "requirements": ["foreign<2"],
            "build_properties": {"pex_version": "2"},
        }
        out.writestr("PEX-INFO", json.dumps(info))
        lines = ["Metadata-Version: 2.4", "Name: foreign", "Version: 1.0", *metadata]
        out.writestr(f"{folder}/foreign-1.0.dist-info/METADATA", "\n".join(lines))

    code, documents = made(tmp_path, pex)

    said = capsys.readouterr().out
    assert (code == 1) == refused == ("refused: foreign 1.0" in said)
    assert parts(documents["some.pex.cdx.json"])["foreign"] == "1.0"


def test_a_licence_of_many_choices_is_read_as_one() -> None:
    assert (
        sbom.refusal(Part(name="a", version="1", licences=("(GPL-2.0 OR MIT) AND 0BSD",))) is None
    )
    assert sbom.refusal(Part(name="a", version="1", licences=("(GPL-2.0 AND MIT) OR AGPL-3.0",)))


def test_what_is_not_built_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert made(tmp_path, tmp_path / "merger.pex")[0] == 1
    assert "merger.pex is not there: make package" in capsys.readouterr().out

    alone = wheel(tmp_path, "jetl2-alone", "Requires-Dist: jetl2-missing")
    assert made(tmp_path, alone)[0] == 1
    assert "asks for jetl2-missing, whose wheel is not in" in capsys.readouterr().out
