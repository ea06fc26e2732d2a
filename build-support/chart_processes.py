"""What the processes themselves say of the environments that the chart gives them.

Each reads its settings as it will in its pod, and has the paths that probes ask for.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from chart import Manifest, Manifests, containers, memory_mib, name, pod
from packages import ROOT

# What the SDK of AWS reads
STANDARD = {"AWS_DEFAULT_REGION", "AWS_REGION"}
# Beside the buffer: lists of the exchanges, connections, the interpreter
BESIDE_BUFFER_MIB = 512
# Stands for what a secret holds
FAKE = {"JETL2_INGESTOR_FIX": '{"kraken": {"sender": "FAKE"}}'}
# Stands for the role that a pod gets on AWS: tokens for Kafka are signed with it, nobody is asked
FAKE_ROLE = {"AWS_ACCESS_KEY_ID": "FAKE", "AWS_SECRET_ACCESS_KEY": "FAKE"}

# Run with the sources of the packages: package name as argument, the pod's variables as environment
_READ = """
import importlib, json, os, sys
from jetl2.runtime import kafka, settings
package = sys.argv[1]
module = importlib.import_module(f"jetl2.{package}.settings")
prefix = f"JETL2_{package.upper()}_"
rows = settings.table(module.Settings, prefix)
if issubclass(module.Settings, settings.ServiceSettings):
    rows += settings.table(kafka.Settings, kafka.PREFIX)
    kafka.check()
unknown = [v for v in os.environ if v.startswith("JETL2_") and v not in {row[0] for row in rows}]
values = settings.read(module.Settings, prefix)
getattr(module, "wanted", lambda given: given)(values)
extras = {f"{prefix}{n}".upper(): f.json_schema_extra for n, f in module.Settings.model_fields.items()}
secret = [v for v, extra in extras.items() if extra and extra.get("secret")]
print(json.dumps({"unknown": unknown, "secret": secret, "drain_s": getattr(values, "drain_s", 0),
                  "buffer_mb": getattr(values, "buffer_mb", 0)}))
"""
_ASK = """
import json, sys, urllib.error, urllib.request
from jetl2.runtime import health
missing = []
server = health.serve(health.Health(), "127.0.0.1", 0)
for path in sys.argv[1:]:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}")
    except urllib.error.HTTPError as error:
        if error.code == 404:
            missing.append(path)
print(json.dumps(missing))
"""


def problems(manifests: Manifests) -> Iterator[str]:
    """Yield what the processes themselves have to say of their environments."""
    paths = set()
    for workload in manifests.workloads():
        (container,) = containers(workload)
        paths |= {container[p]["httpGet"]["path"] for p in container if p.endswith("Probe")}
        said = _said(workload, container, manifests)
        if isinstance(said, str):
            yield f"{name(workload)}: {said}"
            continue
        for variable in said["unknown"]:
            yield f"{name(workload)}: {variable} is no setting"
        for entry in container["env"]:
            if entry["name"] in said["secret"] and "value" in entry:
                yield f"{name(workload)}: {entry['name']} is a secret and stands in the manifest"
            if not entry["name"].startswith("JETL2_") and entry["name"] not in STANDARD:
                yield f"{name(workload)}: {entry['name']} is not known here"
        stop = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        grace = pod(workload)["terminationGracePeriodSeconds"]
        if grace < stop + said["drain_s"] + 10:
            yield f"{name(workload)}: {grace} s are too few to drain for {said['drain_s']} s"
        memory = memory_mib(container)
        if said["buffer_mb"] and memory < said["buffer_mb"] + BESIDE_BUFFER_MIB:
            yield f"{name(workload)}: {memory} MiB are too few for a buffer of {said['buffer_mb']}"
    missing = json.loads(_python(_ASK, [*sorted(paths)], {}).stdout.splitlines()[-1])
    if missing:
        yield f"probes ask for {', '.join(missing)}, which jetl2.runtime.health does not have"


def _said(workload: Manifest, container: Manifest, manifests: Manifests) -> Any:
    """Return what the process of a pod says of its environment, or the sentence it ends with."""
    env = {}
    for entry in container["env"]:
        source = entry.get("valueFrom", {})
        # The last pod of a StatefulSet has the highest number
        last = f"{workload['metadata']['name']}-{workload['spec'].get('replicas', 1) - 1}"
        secret = FAKE.get(entry["name"], "")
        env[entry["name"]] = last if "fieldRef" in source else entry.get("value", secret)
    with tempfile.TemporaryDirectory() as folder:
        for path, text in _mounted(workload, container, manifests):
            there = Path(folder) / path.lstrip("/")
            there.parent.mkdir(parents=True, exist_ok=True)
            there.write_text(text)
            env = {k: str(there) if v == path else v for k, v in env.items()}
        package = pod(workload)["serviceAccountName"].replace("-", "_")
        done = _python(_READ, [package], env | FAKE_ROLE)
    return done.stderr.strip() if done.returncode else json.loads(done.stdout)


def _mounted(
    workload: Manifest, container: Manifest, manifests: Manifests
) -> Iterator[tuple[str, str]]:
    """Yield path and text of each file of a ConfigMap that a container sees."""
    volumes = {volume["name"]: volume for volume in pod(workload).get("volumes", [])}
    maps = {each["metadata"]["name"]: each["data"] for each in manifests.of("ConfigMap")}
    for mount in container["volumeMounts"]:
        of = volumes.get(mount["name"], {}).get("configMap", {}).get("name")
        for file, text in maps.get(of, {}).items():
            yield f"{mount['mountPath']}/{file}", text


def _python(
    code: str, arguments: list[str], env: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run code with the packages' sources and with no variables but those given."""
    roots = [str(build.parent) for build in sorted(ROOT.glob("[ls]*/*/BUILD"))]
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**env, "PYTHONPATH": os.pathsep.join(roots), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
