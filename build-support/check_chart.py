"""Renders infra/chart for each environment and checks what comes out.

- Helm renders and lints it, with values held against values.schema.json, whose fields are all described
- each manifest is valid for the Kubernetes that infra/terraform/modules/eks asks for, no field unknown
- the rules of `chart_rules` hold
- each process reads its environment as it will be, and knows every variable; probes ask for paths it has
- zones, exchanges, secrets and ports are those of Terraform and of the exchanges' modules

Prints what does not hold and exits with 1; with 77, and the reason, where Helm cannot be had.
"""

import json
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

import chart
import chart_processes
import chart_rules
import jsonschema
import kubernetes_validate
import yaml
from chart import CHART, SKIP, Manifest, Manifests, Refused, Unavailable, name
from packages import ROOT

TERRAFORM = ROOT / "infra/terraform"


def main() -> int:
    """Print what does not hold; return the exit code."""
    try:
        wrong = [*_schema(), *_outputs()]
        for environment in chart.ENVIRONMENTS:
            wrong += [f"{environment}: {line}" for line in _environment(environment)]
    except Unavailable as error:
        print(error)
        return SKIP
    for line in dict.fromkeys(wrong):
        print(line)
    return 1 if wrong else 0


def kubernetes() -> str:
    """Return the version of Kubernetes that Terraform asks for, such as "1.35"."""
    return _default("modules/eks", "kubernetes_version").strip('"')


def invalid(manifest: Manifest) -> Iterator[str]:
    """Yield what Kubernetes would not take of a manifest: unknown fields too."""
    known = json.loads((ROOT / "build-support/custom_kinds.json").read_text())
    own = known.get(f"{manifest['apiVersion']} {manifest['kind']}")
    try:
        if own:
            jsonschema.validate(manifest["spec"], own)
        else:
            kubernetes_validate.validate(manifest, kubernetes(), strict=True)
    except jsonschema.ValidationError as error:
        where = ".".join(str(part) for part in error.path)
        yield f"{name(manifest)}: {where}: {error.message}"
    except kubernetes_validate.SchemaNotFoundError as error:
        yield f"{name(manifest)}: {error.message}; a kind of an operator goes into custom_kinds.json"


def broken(every: list[Manifest]) -> list[str]:
    """Return what does not hold of the manifests of one rendering."""
    manifests = Manifests(every, _services())
    wrong = [line for each in every for line in invalid(each)]
    names = [(each["kind"], each["metadata"]["name"]) for each in every]
    wrong += [f"{kind} {n}: is there twice" for kind, n in {n for n in names if names.count(n) > 1}]
    # What breaks the form breaks the rules' own assumptions
    return wrong or [
        *chart_rules.problems(manifests),
        *chart_processes.problems(manifests),
        *disagreements(manifests),
    ]


def _environment(environment: str) -> Iterator[str]:
    try:
        chart.render(environment, kubernetes(), command="lint")
        every = chart.render(environment, kubernetes())
    except Refused as error:
        yield str(error)
        return
    yield from broken(every)
    zones = set(_listed(environment, "zones"))
    feeds = next(each for each in every if each["metadata"]["name"] == "ingestor-feeds")
    recorded = tomllib.loads(feeds["data"]["feeds.toml"]).keys()
    if recorded != set(exchanges := _listed(environment, "exchanges")):
        yield f"feeds.toml and Terraform's exchanges differ in {sorted(recorded ^ set(exchanges))}"
    for workload in Manifests(every, ()).workloads():
        if unknown := set(chart.zones(workload)) - zones:
            yield f"{name(workload)}: Terraform's zones lack {sorted(unknown)}"


def disagreements(manifests: Manifests) -> Iterator[str]:
    """Yield what differs from what Terraform and the exchanges' modules say."""
    for each in manifests.of("SecretProviderClass"):
        service = next(s for s in manifests.services if each["metadata"]["name"].startswith(s))
        for secret in yaml.safe_load(each["spec"]["parameters"]["objects"]):
            # modules/iam lets a service read PREFIX/SERVICE/* only
            if secret["objectName"].split("/")[1:-1] != [service]:
                yield f"{name(each)}: {service} may not read {secret['objectName']}"
    lacking = exchange_ports() - chart_rules.ports_out(manifests, "ingestor")
    if lacking:
        yield f"ingestor.ports lacks {sorted(lacking)}, on which exchanges are reached"


def exchange_ports() -> set[int]:
    """Return the ports of every address in the exchanges' modules."""
    folder = ROOT / "libs/exchanges/jetl2/exchanges"
    hosts = re.compile(r"\b(?:wss|https|fix\+tls)://[\w.-]+(?::(\d+))?")
    found = (m for p in folder.rglob("*.py") for m in hosts.finditer(p.read_text()))
    return {int(match[1] or 443) for match in found}


def _schema() -> Iterator[str]:
    """Yield the fields of values.schema.json that do not say what they mean."""
    schema = json.loads((CHART / "values.schema.json").read_text())

    def undescribed(path: str, node: Mapping[str, Any]) -> Iterator[str]:
        if path and "$ref" not in node and not node.get("description"):
            yield f"values.schema.json: {path} has no description"
        if "properties" in node and node.get("additionalProperties") is not False:
            yield f"values.schema.json: {path or 'the top'} lets unknown fields pass"
        for key, below in node.get("properties", {}).items():
            yield from undescribed(f"{path}.{key}".lstrip("."), below)
        for key, below in node.get("items", {}).get("properties", {}).items():
            yield from undescribed(f"{path}[].{key}", below)

    yield from undescribed("", schema)
    for key, below in schema["definitions"].items():
        yield from undescribed(key, below)


def _outputs() -> Iterator[str]:
    """Yield what Terraform's output and the example that stands for it have not in common."""

    def keys(node: object) -> Iterator[str]:
        if isinstance(node, dict):
            for key, below in node.items():
                yield key
                yield from keys(below)

    shown = set(keys(yaml.safe_load(chart.OUTPUTS.read_text())))
    text = (TERRAFORM / "modules/platform/outputs.tf").read_text()
    found = re.search(r"value = yamlencode\(\{\n(.*?)^  \}\)", text, re.MULTILINE | re.DOTALL)
    told = set(re.findall(r"(\w+)\s+= ", found[1] if found else ""))
    if shown != told:
        yield f"{chart.OUTPUTS.name} and Terraform's chart_values differ in {sorted(shown ^ told)}"


def _services() -> list[str]:
    """Return the service accounts that have a role."""
    text = (TERRAFORM / "modules/iam/main.tf").read_text()
    found = re.search(r"services = \{ for name in \[(.*?)\]", text)
    return re.findall(r'"([^"]+)"', found[1] if found else "")


def _listed(environment: str, variable: str) -> list[str]:
    text = (TERRAFORM / "environments" / environment / "terraform.tfvars").read_text()
    found = re.search(rf"^{variable}\s*=\s*\[(.*?)\]", text, re.MULTILINE | re.DOTALL)
    return re.findall(r'"([^"]+)"', found[1] if found else "")


def _default(module: str, variable: str) -> str:
    text = (TERRAFORM / module / "variables.tf").read_text()
    found = re.search(rf'variable "{variable}" {{.*?default\s*=\s*(\S+)', text, re.DOTALL)
    if found is None:
        message = f"{module}/variables.tf: {variable} has no default"
        raise SystemExit(message)
    return found[1]


if __name__ == "__main__":
    sys.exit(main())
