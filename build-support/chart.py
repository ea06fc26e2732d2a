"""The chart's manifests, as Helm renders them for an environment, and how to look at them."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from packages import ROOT

CHART = ROOT / "infra/chart"
ENVIRONMENTS = ("dev", "prod")
# Stands for what Terraform's outputs tell
OUTPUTS = CHART / "environments/outputs.example.yaml"
ZONE = "topology.kubernetes.io/zone"
POD_INDEX = "apps.kubernetes.io/pod-index"
# What helm.sh exits with where there is no Helm
SKIP = 77

# A manifest, as Kubernetes reads it
Manifest = dict[str, Any]
_UNITS = {"Mi": 1, "Gi": 1024}


class Unavailable(Exception):  # noqa: N818 - says what Helm is
    """Helm cannot be had here."""


class Refused(Exception):  # noqa: N818 - says what became of the values
    """Helm does not take the chart or the values; the message says why."""


class Manifests:
    """The manifests of one rendering.

    Args:
        every: In any order.
        services: Service accounts that have a role on AWS.
    """

    def __init__(self, every: Sequence[Manifest], services: Sequence[str]) -> None:
        """Keep them."""
        self.every = every
        self.services = services

    def of(self, *kinds: str) -> list[Manifest]:
        """Return those of some kinds."""
        return [each for each in self.every if each["kind"] in kinds]

    def workloads(self) -> list[Manifest]:
        """Return what makes pods."""
        return self.of("StatefulSet", "Deployment", "DaemonSet", "Job", "CronJob", "Pod")

    def selected(self, labels: Mapping[str, str]) -> list[Manifest]:
        """Return the workloads whose pods have all the labels."""
        return [
            each
            for each in self.workloads()
            if all(_labels(each).get(key) == value for key, value in labels.items())
        ]


def render(
    environment: str, version: str, *options: str, chart: Path = CHART, command: str = "template"
) -> list[Manifest]:
    """Return the manifests of an environment.

    Args:
        environment: A folder of infra/chart/environments.
        version: Of Kubernetes, major and minor.
        options: Further ones for Helm, such as `--set`.
        chart: Where the chart lies.
        command: `template`, or `lint`, which gives none.

    Raises:
        Refused: Helm does not take it.
        Unavailable: There is no Helm.
    """
    folder = CHART / "environments" / environment
    argv = ["bash", str(ROOT / "build-support/helm.sh"), command]
    argv += ["jetl2", str(chart)] if command == "template" else [str(chart), "--strict"]
    argv += [f"--values={folder / 'values.yaml'}", f"--values={OUTPUTS}"]
    argv += [f"--set-file=ingestor.feeds={folder / 'feeds.toml'}"]
    # Off on AWS, whose collector needs none; rendered all the same, for those who have an operator
    argv += ["--set=metrics.serviceMonitor=true"]
    argv += ["--namespace=jetl2", f"--kube-version={version}", *options]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode == SKIP:
        raise Unavailable(done.stdout.strip().splitlines()[-1])
    if done.returncode:
        raise Refused((done.stderr + done.stdout).strip())
    return (
        [each for each in yaml.safe_load_all(done.stdout) if each] if command == "template" else []
    )


def name(manifest: Manifest) -> str:
    """Return what a sentence calls a manifest."""
    return f"{manifest['kind']} {manifest['metadata']['name']}"


def pod(workload: Manifest) -> Manifest:
    """Return the specification of a workload's pods."""
    found: Manifest = workload["spec"]["template"]["spec"]
    return found


def containers(workload: Manifest) -> list[Manifest]:
    """Return every container of a workload's pods."""
    return [*pod(workload).get("initContainers", []), *pod(workload)["containers"]]


def zones(workload: Manifest) -> list[str]:
    """Return the zones that a workload's pods are bound to; none: any."""
    affinity = pod(workload).get("affinity", {}).get("nodeAffinity", {})
    terms = affinity.get("requiredDuringSchedulingIgnoredDuringExecution", {})
    return [
        zone
        for term in terms.get("nodeSelectorTerms", [])
        for expression in term["matchExpressions"]
        if (expression["key"], expression["operator"]) == (ZONE, "In")
        for zone in expression["values"]
    ]


def memory_mib(container: Manifest) -> int:
    """Return the memory that a container may take, in MiB."""
    limit = container["resources"]["limits"]["memory"]
    return int(limit[:-2]) * _UNITS[limit[-2:]]


def _labels(workload: Manifest) -> dict[str, str]:
    labels: dict[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    if workload["kind"] == "StatefulSet":
        # Put there by Kubernetes, for each pod its own; the first stands for all
        labels = {POD_INDEX: "0", **labels}
    return labels
