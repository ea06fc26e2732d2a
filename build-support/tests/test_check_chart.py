"""What the check of the chart finds: each kind of damage, in manifests that are otherwise right."""

import copy
from collections.abc import Callable
from typing import Any

import chart
import chart_processes
import chart_rules
import check_chart
import pytest
from chart import Manifest, Manifests

Change = Callable[[dict[str, Manifest]], object]
SERVICES = ["api-grpc", "ingestor", "merger"]


@pytest.fixture(scope="module")
def prod() -> list[Manifest]:
    """Give the manifests of prod."""
    try:
        return chart.render("prod", check_chart.kubernetes())
    except chart.Unavailable as error:
        pytest.skip(str(error))


@pytest.fixture
def found(prod: list[Manifest]) -> dict[str, Manifest]:
    """Give a copy of them by kind and name."""
    return {chart.name(each): each for each in copy.deepcopy(prod)}


def _pod(manifest: Manifest) -> Any:
    return manifest["spec"]["template"]["spec"]


def _container(manifest: Manifest) -> Any:
    return _pod(manifest)["containers"][0]


def _set(manifest: Manifest, variable: str, value: str) -> None:
    _container(manifest)["env"].append({"name": variable, "value": value})


def test_the_chart_breaks_no_rule(prod: list[Manifest]) -> None:
    assert chart_rules.problems(Manifests(prod, SERVICES)) == []


@pytest.mark.parametrize(
    "change, told",
    [
        (lambda m: _pod(m["StatefulSet merger"])["securityContext"].pop("runAsNonRoot"), "as root"),
        (lambda m: _pod(m["StatefulSet merger"])["securityContext"].update(runAsUser=0), "as root"),
        (
            lambda m: _pod(m["StatefulSet merger"])["securityContext"].pop("seccompProfile"),
            "seccomp",
        ),
        (lambda m: _pod(m["StatefulSet merger"]).update(hostNetwork=True), "hostNetwork"),
        (
            lambda m: _container(m["Deployment api-grpc"])["securityContext"].pop(
                "readOnlyRootFilesystem"
            ),
            "Deployment api-grpc: the root file system must be read-only",
        ),
        (
            lambda m: _container(m["Deployment api-grpc"])["securityContext"].update(
                allowPrivilegeEscalation=True
            ),
            "more rights",
        ),
        (
            lambda m: _container(m["Deployment api-grpc"])["securityContext"][
                "capabilities"
            ].update(add=["NET_ADMIN"]),
            "drop all capabilities",
        ),
        (lambda m: m.pop("ServiceAccount merger"), "there is no service account merger"),
        (
            lambda m: _pod(m["StatefulSet merger"]).update(automountServiceAccountToken=True),
            "token of Kubernetes",
        ),
        (
            lambda m: _container(m["StatefulSet merger"]).update(image="registry/merger:latest"),
            "not of one release",
        ),
        (
            lambda m: _container(m["StatefulSet merger"])["resources"]["limits"].pop("cpu"),
            "asked for and limited",
        ),
        (
            lambda m: _container(m["StatefulSet merger"])["livenessProbe"]["httpGet"].update(
                path="/readyz"
            ),
            "livenessProbe must ask for /healthz",
        ),
        (
            lambda m: _container(m["StatefulSet merger"]).pop("readinessProbe"),
            "readinessProbe must",
        ),
        (
            lambda m: _container(m["StatefulSet merger"])["ports"][0].update(containerPort=9090),
            "HTTP_PORT must be 9090",
        ),
        (lambda m: m.pop("ConfigMap ingestor-feeds"), "of something that is not there"),
        (
            lambda m: m.update(s={"kind": "Secret", "metadata": {"name": "keys"}}),
            "Secret keys: secrets are in AWS Secrets Manager",
        ),
        (lambda m: m["Service merger"]["spec"].pop("clusterIP"), "no headless service merger"),
        (
            lambda m: m["Service api-grpc"]["spec"]["selector"].update(x="y"),
            "Service api-grpc: selects no pods",
        ),
        (
            lambda m: m["StatefulSet merger"]["spec"].update(podManagementPolicy="OrderedReady"),
            "must not wait for each other",
        ),
        (lambda m: m["Deployment api-grpc"]["spec"].update(replicas=3), "must alone say how many"),
        (
            lambda m: _pod(m["StatefulSet ingestor-b"]).update(
                affinity=_pod(m["StatefulSet ingestor-a"])["affinity"]
            ),
            "recorders share a zone",
        ),
        (lambda m: _pod(m["StatefulSet ingestor-b"]).pop("affinity"), "not bound to one zone"),
        (
            lambda m: m["StatefulSet ingestor-b"]["spec"]["updateStrategy"].update(
                type="RollingUpdate"
            ),
            "replaces two recorders at once",
        ),
        (
            lambda m: _container(m["StatefulSet merger"]).update(env=[]),
            "JETL2_MERGER_GROUP_INSTANCE_ID must be the pod's name",
        ),
        (
            lambda m: m["StatefulSet ingestor-a"]["spec"].update(replicas=4),
            "JETL2_INGESTOR_SHARDS must be the number of its pods",
        ),
        (
            lambda m: _pod(m["StatefulSet merger"]).pop("topologySpreadConstraints"),
            "StatefulSet merger: must be spread over the zones",
        ),
        (lambda m: m.pop("PodDisruptionBudget merger"), "StatefulSet merger: which of its pods"),
        (
            lambda m: m.pop("PodDisruptionBudget ingestor-shard-2"),
            "StatefulSet ingestor-a: which of its pods",
        ),
        (
            lambda m: m["PodDisruptionBudget merger"]["spec"].update(maxUnavailable=2),
            "expected {'maxUnavailable': 1}",
        ),
        (
            lambda m: m["PodDisruptionBudget ingestor-shard-0"]["spec"].update(minAvailable="50%"),
            "expected {'minAvailable': 1}",
        ),
        (
            lambda m: _pod(m["StatefulSet merger"]).update(terminationGracePeriodSeconds=10),
            "needs 30 s after SIGTERM",
        ),
        (lambda m: m.pop("NetworkPolicy default-deny"), "no policy denies"),
        (
            lambda m: m["NetworkPolicy kafka"]["spec"]["egress"][0].pop("ports"),
            "must name peers and ports",
        ),
        (
            lambda m: m["NetworkPolicy exchanges"]["spec"]["egress"][0]["to"][0]["ipBlock"].pop(
                "except"
            ),
            "private addresses must be excepted",
        ),
        (
            lambda m: m["NetworkPolicy kafka"]["spec"]["egress"][0]["to"][0]["ipBlock"].update(
                cidr="0.0.0.0/0"
            ),
            "needs Kafka only",
        ),
        (
            lambda m: m["Service merger"]["metadata"]["labels"].pop("jetl2/metrics"),
            "ServiceMonitor jetl2: does not find merger",
        ),
    ],
)
def test_a_broken_rule_is_told(found: dict[str, Manifest], change: Change, told: str) -> None:
    change(found)

    lines = chart_rules.problems(Manifests(list(found.values()), SERVICES))

    assert any(told in line for line in lines), lines


@pytest.mark.parametrize(
    "change, told",
    [
        (lambda m: _set(m, "JETL2_MERGER_GROUP", "x"), "JETL2_MERGER_GROUP is no setting"),
        (lambda m: _set(m, "JETL2_MERGER_GUARD_MS", "90"), "JETL2_MERGER_GUARD_MS='90'"),
        (lambda m: _set(m, "JETL2_KAFKA_PROPERTIES", '{"sasl.sort": "x"}'), "sasl.sort"),
        (lambda m: _set(m, "PYTHONPATH_EXTRA", "x"), "PYTHONPATH_EXTRA is not known here"),
        (
            lambda m: _container(m)["startupProbe"]["httpGet"].update(path="/livez"),
            "probes ask for /livez",
        ),
    ],
)
def test_what_a_process_would_not_take_is_told(
    found: dict[str, Manifest], change: Callable[[Manifest], object], told: str
) -> None:
    merger = found["StatefulSet merger"]
    change(merger)

    lines = list(chart_processes.problems(Manifests([merger], [])))

    assert any(told in line for line in lines), lines


def test_a_buffer_that_does_not_fit_the_memory_is_told(found: dict[str, Manifest]) -> None:
    ingestor = found["StatefulSet ingestor-a"]
    _set(ingestor, "JETL2_INGESTOR_BUFFER_MB", "1800")
    _set(ingestor, "JETL2_INGESTOR_DRAIN_S", "60")
    _set(ingestor, "JETL2_INGESTOR_FIX", '{"kraken": {"sender": "FAKE"}}')

    given = Manifests([ingestor, found["ConfigMap ingestor-feeds"]], [])
    lines = "\n".join(chart_processes.problems(given))

    assert "2048 MiB are too few for a buffer of 1800" in lines
    assert "45 s are too few to drain for 60.0 s" in lines
    assert "JETL2_INGESTOR_FIX is a secret and stands in the manifest" in lines


@pytest.mark.parametrize(
    "which, change, told",
    [
        (
            "StatefulSet merger",
            lambda m: _container(m).update(livenesProbe={}),
            "Additional properties are not allowed ('livenesProbe' was unexpected)",
        ),
        (
            "StatefulSet merger",
            lambda m: m["spec"].update(replicas="3"),
            "spec.replicas: '3' is not",
        ),
        (
            "ServiceMonitor jetl2",
            lambda m: m["spec"]["endpoints"][0].update(port=8080),
            "endpoints.0.port: 8080 is not of type 'string'",
        ),
        (
            "Service merger",
            lambda m: m.update(kind="Servant"),
            "Couldn't find schema for kind Servant",
        ),
    ],
)
def test_what_kubernetes_would_not_take_is_told(
    found: dict[str, Manifest], which: str, change: Callable[[Manifest], object], told: str
) -> None:
    change(found[which])

    assert told in "\n".join(check_chart.invalid(found[which]))


@pytest.mark.parametrize(
    "options, told",
    [
        (["--set=merger.replica=3"], "additional properties 'replica' not allowed"),
        (["--set=merger.tag=latest"], "'latest' does not match pattern"),
        (["--set=merger.replicas=13"], "merger.replicas is 13, above kafka.partitions (12)"),
        (["--set=ingestor.recorders[1].zone=eu-central-1a"], "a and b are both in eu-central-1a"),
        (["--set=ingestor.recorders[0].fix=true"], "a FIX session belongs to one process"),
        (["--set=ingestor.hold=c"], "ingestor.hold is c: expected the name of one of"),
        (["--set=merger.settings.HTTP_PORT=1"], "got number, want string"),
        (["--set-string=merger.settings.HTTP_PORT=1"], "merger: the chart itself sets HTTP_PORT"),
        (["--set=api.tls=false"], "at '/api/tls': value must be true"),
        (["--set=api.replicas.least=9"], "api.replicas.least is 9, above api.replicas.most (6)"),
        (["--set=kafka.bootstrapServers="], "at '/kafka/bootstrapServers'"),
        (["--kube-version=1.29"], "kubeVersion: >=1.32.0-0"),
    ],
)
@pytest.mark.usefixtures("prod")
def test_wrong_values_are_refused_with_a_sentence(options: list[str], told: str) -> None:
    with pytest.raises(chart.Refused) as error:
        chart.render("prod", check_chart.kubernetes(), *options)

    assert told in str(error.value)


@pytest.mark.usefixtures("prod")
def test_fix_credentials_come_from_a_secret() -> None:
    every = chart.render("dev", check_chart.kubernetes(), "--set=ingestor.recorders[0].fix=true")
    found = {chart.name(each): each for each in every}
    env = {v["name"]: v for v in _container(found["StatefulSet ingestor-a"])["env"]}
    kept = found["SecretProviderClass ingestor-a"]["spec"]["secretObjects"][0]
    read = env["JETL2_INGESTOR_FIX"]["valueFrom"]["secretKeyRef"]

    assert read == {"name": kept["secretName"], "key": kept["data"][0]["key"]}
    assert chart_rules.problems(Manifests(every, SERVICES)) == []


@pytest.mark.usefixtures("prod")
def test_a_new_release_of_one_service_replaces_no_pod_of_another(prod: list[Manifest]) -> None:
    every = chart.render("prod", check_chart.kubernetes(), "--set=api.tag=0.2.0")
    changed = [chart.name(new) for new, old in zip(every, prod, strict=True) if new != old]

    assert changed == ["Deployment api-grpc"]


def test_the_ports_of_exchanges_are_found() -> None:
    assert {443, 8443, 9443, 9883} <= check_chart.exchange_ports()


def test_a_secret_that_a_service_may_not_read_is_told(found: dict[str, Manifest]) -> None:
    parameters = found["SecretProviderClass api-grpc"]["spec"]["parameters"]
    parameters["objects"] = parameters["objects"].replace("/api-grpc/keys", "/ingestor/keys")

    lines = list(check_chart.disagreements(Manifests(list(found.values()), SERVICES)))

    assert lines == [
        "SecretProviderClass api-grpc: api-grpc may not read jetl2-example/ingestor/keys"
    ]


@pytest.mark.usefixtures("prod")
def test_a_port_of_an_exchange_that_is_closed_is_told() -> None:
    every = chart.render("dev", check_chart.kubernetes(), "--set=ingestor.ports={443}")

    lines = list(check_chart.disagreements(Manifests(every, SERVICES)))

    assert any(line.startswith("ingestor.ports lacks [4000, ") for line in lines), lines
