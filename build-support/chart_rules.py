"""What must hold of the chart's manifests, whatever the values: one function a rule.

Each rule takes all manifests of one rendering and yields a sentence for what breaks it.
"""

import re
from collections.abc import Callable, Iterator
from ipaddress import ip_network

from chart import POD_INDEX, ZONE, Manifest, Manifests, containers, name, pod, zones

Rule = Callable[[Manifests], Iterator[str]]

PRIVATE = ["10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"]
# A release and maybe its digest; never a name that moves
IMAGE = re.compile(r"[^:@]+(:\d+)?/[^:@]+:\d+\.\d+\.\d+(@sha256:[0-9a-f]{64})?")


def problems(manifests: Manifests) -> list[str]:
    """Return a sentence for whatever breaks a rule."""
    return [line for rule in RULES for line in rule(manifests)]


def _unprivileged(m: Manifests) -> Iterator[str]:
    for each in m.workloads():
        of_pod = pod(each).get("securityContext", {})
        if of_pod.get("runAsNonRoot") is not True or not of_pod.get("runAsUser"):
            yield f"{name(each)}: its pods must run as a user of their own, and never as root"
        if of_pod.get("seccompProfile") != {"type": "RuntimeDefault"}:
            yield f"{name(each)}: seccompProfile must be RuntimeDefault"
        shared = {"hostNetwork", "hostPID", "hostIPC"} & pod(each).keys()
        shared |= {v["name"] for v in pod(each).get("volumes", []) if "hostPath" in v}
        if shared:
            yield f"{name(each)}: takes of its node what it must not: {', '.join(sorted(shared))}"
        for container in containers(each):
            context = container.get("securityContext", {})
            if context.get("readOnlyRootFilesystem") is not True:
                yield f"{name(each)}: the root file system must be read-only"
            if context.get("allowPrivilegeEscalation") is not False or context.get("privileged"):
                yield f"{name(each)}: must not get more rights than it has"
            if context.get("capabilities") != {"drop": ["ALL"]}:
                yield f"{name(each)}: must drop all capabilities"


def _accounts(m: Manifests) -> Iterator[str]:
    accounts = {each["metadata"]["name"]: each for each in m.of("ServiceAccount")}
    for each in m.workloads():
        account = pod(each).get("serviceAccountName")
        if account not in accounts:
            yield f"{name(each)}: there is no service account {account}"
        elif account not in m.services:
            yield f"{name(each)}: service account {account} has no role in infra/terraform/modules/iam"
    for each in [*accounts.values(), *(pod(w) for w in m.workloads())]:
        if each.get("automountServiceAccountToken") is not False:
            yield "a pod or service account gets a token of Kubernetes, which nothing here needs"
    if m.of("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"):
        yield "a role in Kubernetes is given, and nothing here needs one"


def _images(m: Manifests) -> Iterator[str]:
    for each in m.workloads():
        for container in containers(each):
            if not IMAGE.fullmatch(container["image"]):
                yield f"{name(each)}: image {container['image']} is not of one release"


def _resources(m: Manifests) -> Iterator[str]:
    for each in m.workloads():
        for container in containers(each):
            resources = container.get("resources", {})
            asked, limits = resources.get("requests", {}), resources.get("limits", {})
            if not {"cpu", "memory"} <= asked.keys() & limits.keys():
                yield f"{name(each)}: cpu and memory must be asked for and limited"
            elif asked["memory"] != limits["memory"]:
                yield f"{name(each)}: memory must be asked for as it is limited"


def _probes(m: Manifests) -> Iterator[str]:
    wanted = {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
    for each in m.workloads():
        for container in containers(each):
            for kind, path in wanted.items():
                if container.get(kind, {}).get("httpGet") != {"path": path, "port": "http"}:
                    yield f"{name(each)}: {kind} must ask for {path} at the port http"
            ports = {port["name"]: port["containerPort"] for port in container["ports"]}
            env = {v["name"]: v.get("value") for v in container["env"]}
            for said in ("HOST", "PORT"):
                expected = "0.0.0.0" if said == "HOST" else str(ports.get("http"))  # noqa: S104 - a pod's
                found = [v for k, v in env.items() if k.endswith(f"_HTTP_{said}")]
                if found != [expected]:
                    yield f"{name(each)}: HTTP_{said} must be {expected}, where probes ask"


def _files(m: Manifests) -> Iterator[str]:
    maps = {each["metadata"]["name"] for each in m.of("ConfigMap")}
    secrets = {each["metadata"]["name"] for each in m.of("SecretProviderClass")}
    for each in m.workloads():
        volumes = {volume["name"]: volume for volume in pod(each).get("volumes", [])}
        mounted = {v["name"] for c in containers(each) for v in c.get("volumeMounts", [])}
        if mounted != volumes.keys():
            yield f"{name(each)}: mounts {sorted(mounted)}, has {sorted(volumes)}"
        for volume in volumes.values():
            of_map = volume.get("configMap", {}).get("name")
            of_secret = volume.get("csi", {}).get("volumeAttributes", {}).get("secretProviderClass")
            if (of_map and of_map not in maps) or (of_secret and of_secret not in secrets):
                yield f"{name(each)}: volume {volume['name']} is of something that is not there"


def _secrets(m: Manifests) -> Iterator[str]:
    for each in m.of("Secret"):
        yield f"{name(each)}: secrets are in AWS Secrets Manager, never in a release"


def _services(m: Manifests) -> Iterator[str]:
    headless = set()
    for each in m.of("Service"):
        if each["spec"].get("clusterIP") == "None":
            headless.add(each["metadata"]["name"])
        behind = m.selected(each["spec"]["selector"])
        if not behind:
            yield f"{name(each)}: selects no pods"
        for port in each["spec"]["ports"]:
            for workload in behind:
                names = [p["name"] for c in containers(workload) for p in c["ports"]]
                if port["targetPort"] not in names:
                    yield f"{name(each)}: {name(workload)} has no port {port['targetPort']}"
    for each in m.of("StatefulSet"):
        if each["spec"]["serviceName"] not in headless:
            yield f"{name(each)}: there is no headless service {each['spec']['serviceName']}"
        if each["spec"].get("podManagementPolicy") != "Parallel":
            yield f"{name(each)}: its pods must not wait for each other (podManagementPolicy)"


def _scaled(m: Manifests) -> Iterator[str]:
    for each in m.of("HorizontalPodAutoscaler"):
        target = each["spec"]["scaleTargetRef"]
        scaled = [w for w in m.workloads() if name(w) == f"{target['kind']} {target['name']}"]
        if len(scaled) != 1 or "replicas" in scaled[0]["spec"]:
            yield f"{name(each)}: must alone say how many of {target['name']} there are"


def _recorders(m: Manifests) -> Iterator[str]:
    recorders = m.selected({"app.kubernetes.io/name": "ingestor"})
    bound = [zones(each) for each in recorders]
    if any(len(each) != 1 for each in bound):
        yield "a recorder is not bound to one zone"
    if len({tuple(each) for each in bound}) != len(bound):
        yield f"recorders share a zone: {bound}"
    rolling = [e for e in recorders if e["spec"]["updateStrategy"]["type"] == "RollingUpdate"]
    if len(rolling) > 1:
        yield "an upgrade replaces two recorders at once: ingestor.hold must name one"


def _identities(m: Manifests) -> Iterator[str]:
    """What a pod is for the others follows from its name, which outlives it."""
    of_name = {"fieldRef": {"fieldPath": "metadata.name"}}
    variables = {"ingestor": "JETL2_INGESTOR_SHARD", "merger": "JETL2_MERGER_GROUP_INSTANCE_ID"}
    for service, variable in variables.items():
        for each in m.selected({"app.kubernetes.io/name": service}):
            (container,) = containers(each)
            env = {entry["name"]: entry for entry in container["env"]}
            if env.get(variable, {}).get("valueFrom") != of_name:
                yield f"{name(each)}: {variable} must be the pod's name"
            shards = env.get("JETL2_INGESTOR_SHARDS", {}).get("value")
            if service == "ingestor" and shards != str(each["spec"]["replicas"]):
                yield f"{name(each)}: JETL2_INGESTOR_SHARDS must be the number of its pods"


def _spread(m: Manifests) -> Iterator[str]:
    for each in m.workloads():
        own = each["spec"]["selector"]["matchLabels"]
        spread = {c["topologyKey"]: c for c in pod(each).get("topologySpreadConstraints", [])}
        over = spread.get(ZONE, {})
        if not zones(each) and over.get("whenUnsatisfiable") != "DoNotSchedule":
            yield f"{name(each)}: must be spread over the zones"
        for key, constraint in spread.items():
            labels = constraint["labelSelector"]["matchLabels"]
            if not labels.items() <= own.items():
                yield f"{name(each)}: its spread over {key} counts other pods than its own"


def _budgets(m: Manifests) -> Iterator[str]:
    budgets = m.of("PodDisruptionBudget")
    for each in budgets:
        labels = each["spec"]["selector"]["matchLabels"]
        found = m.selected({k: v for k, v in labels.items() if k != POD_INDEX})
        if not found:
            yield f"{name(each)}: selects no pods"
        allows = {"minAvailable": 1} if POD_INDEX in labels else {"maxUnavailable": 1}
        if not allows.items() <= each["spec"].items():
            yield f"{name(each)}: expected {allows}"
        if POD_INDEX in labels and len(found) < 2:
            yield f"{name(each)}: one alone could never go, and no node be emptied"
    recorders = m.selected({"app.kubernetes.io/name": "ingestor"})
    for each in m.workloads():
        own = each["spec"]["template"]["metadata"]["labels"].items()
        labels = [budget["spec"]["selector"]["matchLabels"] for budget in budgets]
        of = {
            b.get(POD_INDEX)
            for b in labels
            if {k: b[k] for k in b if k != POD_INDEX}.items() <= own
        }
        wanted: set[str | None] = {None}
        if each in recorders:
            # For each shard; of a recorder that is alone none, or its node could never be emptied
            shards = min(recorder["spec"]["replicas"] for recorder in recorders)
            wanted = {str(shard) for shard in range(shards)} if len(recorders) > 1 else set()
        if of != wanted:
            yield f"{name(each)}: which of its pods may go at once, budgets do not say, or amiss"


def _grace(m: Manifests) -> Iterator[str]:
    for each in m.workloads():
        for container in containers(each):
            stop = container.get("lifecycle", {}).get("preStop", {})
            before = stop.get("sleep", {}).get("seconds", 0)
            if stop.keys() - {"sleep"}:
                yield f"{name(each)}: before SIGTERM there is nothing to run"
            if pod(each).get("terminationGracePeriodSeconds", 30) - before < 30:
                yield f"{name(each)}: needs 30 s after SIGTERM at least"


def _network(m: Manifests) -> Iterator[str]:
    policies = m.of("NetworkPolicy")
    deny = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    if not any(each["spec"] == deny for each in policies):
        yield "no policy denies what none allows"
    for each in policies:
        selector = each["spec"]["podSelector"]
        if selector and not m.selected(selector.get("matchLabels", {})):
            yield f"{name(each)}: is about no pods"
        for rule in [*each["spec"].get("ingress", []), *each["spec"].get("egress", [])]:
            if not rule.get("ports") or not (rule.get("to") or rule.get("from")):
                yield f"{name(each)}: a rule must name peers and ports: none means all"
    for cidr, excepted in _blocks(m, "ingestor"):
        if cidr.endswith("/0") and set(excepted) != set(PRIVATE):
            yield "recorders may reach neighbours: private addresses must be excepted"
    for block, _ in _blocks(m, "merger"):
        if ip_network(block).prefixlen < 8:
            yield f"the merger may reach {block}, and needs Kafka only"


def ports_out(m: Manifests, service: str) -> set[int]:
    """Return the ports on which a service may reach the whole internet."""
    return {
        port["port"]
        for rule in _rules_out(m, service)
        if any(peer.get("ipBlock", {}).get("cidr") == "0.0.0.0/0" for peer in rule["to"])
        for port in rule["ports"]
    }


def _rules_out(m: Manifests, service: str) -> Iterator[Manifest]:
    for each in m.of("NetworkPolicy"):
        selector = each["spec"]["podSelector"]
        labels = selector.get("matchLabels", {})
        named = labels.get("app.kubernetes.io/name", service) == service
        listed = all(service in e["values"] for e in selector.get("matchExpressions", []))
        if named and listed:
            yield from each["spec"].get("egress", [])


def _blocks(m: Manifests, service: str) -> Iterator[tuple[str, list[str]]]:
    for rule in _rules_out(m, service):
        for peer in rule["to"]:
            if block := peer.get("ipBlock"):
                yield block["cidr"], block.get("except", [])


def _monitors(m: Manifests) -> Iterator[str]:
    for each in m.of("ServiceMonitor"):
        labels = each["spec"]["selector"]["matchLabels"].items()
        found = [s for s in m.of("Service") if labels <= s["metadata"]["labels"].items()]
        pods = {w["metadata"]["name"] for s in found for w in m.selected(s["spec"]["selector"])}
        if missed := {w["metadata"]["name"] for w in m.workloads()} - pods:
            yield f"{name(each)}: does not find {', '.join(sorted(missed))}"
        for endpoint in each["spec"]["endpoints"]:
            if any(endpoint["port"] not in [p["name"] for p in s["spec"]["ports"]] for s in found):
                yield f"{name(each)}: a service has no port {endpoint['port']}"


RULES: tuple[Rule, ...] = (
    _unprivileged,
    _accounts,
    _images,
    _resources,
    _probes,
    _files,
    _secrets,
    _services,
    _scaled,
    _recorders,
    _identities,
    _spread,
    _budgets,
    _grace,
    _network,
    _monitors,
)
