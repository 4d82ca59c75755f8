"""The Helm chart: what it renders is valid, restricted, and understood by Daymark. Run by `make check-deploy`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from daymark import settings
from daymark.cli import program
from tests.deploy import chart

pytestmark = pytest.mark.deploy

EVERYTHING = (
    "processor.keda.enabled=true",
    "processor.keda.authenticationRef=kafka",
    "networkPolicy.enabled=true",
    "monitoring.podMonitor.enabled=true",
    "secret.sasl=true",
    "kafka.properties.SECURITY_PROTOCOL=SASL_SSL",
    "kafka.properties.SASL_MECHANISM=SCRAM-SHA-512",
    "kafka.topicPrefix=staging.",
    "settings.DAYMARK_CLAIM_DAYS=9",
)
TABLES = (
    "timeline.enabled=true",
    "timeline.replicas=2",
    *EVERYTHING,
    "networkPolicy.metricsFrom[0].podSelector.matchLabels.a=b",
)
FILE = (
    "timeline.enabled=true",
    "timeline.database=sqlite",
    "timeline.proxy.header=X-Forwarded-User",
    "timeline.proxy.addresses[0]=10.1.0.0/16",
    "networkPolicy.enabled=true",
)
ELSEWHERE = (
    "timeline.enabled=true",
    "image.digest=sha256:" + "0" * 64,
    *(f"pod.securityContext.{name}=null" for name in ("runAsUser", "runAsGroup", "fsGroup")),
    "pod.labels.mesh=none",
    "pod.annotations.team=data",
    "pod.priorityClassName=system-cluster-critical",
    "pod.env[0].name=HTTPS_PROXY",
    "pod.env[0].value=http://proxy:3128",
    "pod.volumes[0].name=cabundle",
    "pod.volumes[0].configMap.name=cabundle",
    "pod.volumeMounts[0].name=cabundle",
    "pod.volumeMounts[0].mountPath=/etc/ssl/private-ca",
    "topics.resources.limits.cpu=500m",
    "topics.tolerations[0].operator=Exists",
    "networkPolicy.enabled=true",
    *(f"secret.keys[{number}]={key}" for number, key in enumerate(("ca.crt", "tls.crt", "tls.key", "redis-url"))),
    "kafka.properties.SECURITY_PROTOCOL=SSL",
    "settings.DAYMARK_KAFKA_SSL_CA_LOCATION=/etc/daymark/secret/ca.crt",
    "settings.DAYMARK_KAFKA_SSL_CERTIFICATE_PEM_FILE=/etc/daymark/secret/tls.crt",
    "settings.DAYMARK_KAFKA_SSL_KEY_PEM_FILE=/etc/daymark/secret/tls.key",
)
VARIANTS = [
    (),
    EVERYTHING,
    ("ingest.autoscaling.enabled=false", "ingest.replicas=3", "workspaces.configMapName=ours"),
    ("topics.enabled=false", "podDisruptionBudget.enabled=false", "image.tag=edge", "imagePullSecrets[0].name=pull"),
    TABLES,
    FILE,
    ELSEWHERE,
]
CUSTOM = {"ScaledObject", "PodMonitor"}  # their schemas are not Kubernetes' own
variants = pytest.mark.parametrize(
    "values", VARIANTS, ids=["defaults", "everything", "fixed", "bare", "tables", "file", "elsewhere"]
)


def pods(values: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    for found in chart.objects(*values):
        if template := found.get("spec", {}).get("template"):
            yield found["kind"], template["spec"]


def containers(values: tuple[str, ...]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for _, pod in pods(values):
        for container in pod["containers"]:
            yield pod, container


def one(kind: str, *values: str) -> Any:
    return next(found for found in chart.objects(*values) if found["kind"] == kind)


@variants
@pytest.mark.parametrize("version", ["1.27", "1.31", "1.34", "1.37"])
def test_kubernetes_takes_it(values: tuple[str, ...], version: str) -> None:
    """Every object is valid by the schemas that Kubernetes publishes, with no unknown field."""
    # Installed by `make check-deploy` alone.
    import kubernetes_validate  # type: ignore[import-untyped,import-not-found,unused-ignore]  # noqa: PLC0415

    for found in chart.objects(*values):
        if found["kind"] not in CUSTOM:
            kubernetes_validate.validate(found, version, strict=True)


@variants
def test_pods_are_restricted(values: tuple[str, ...]) -> None:
    """Each pod passes the `restricted` pod security standard, holds no token, and gets no service links."""
    for pod, container in containers(values):
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"]
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}


@variants
def test_daymark_understands_it(values: tuple[str, ...], tmp_path: Path) -> None:
    """The arguments are a command's, and the environment is settings without a fault."""
    secrets = {
        "redis-url": "rediss://store:6379",
        "claim-key": "00" * 32,
        "sasl-username": "daymark",
        "sasl-password": "secret",
        "timeline-url": "postgresql://daymark@db/timeline",
        "timeline-token": "t" * 16,
    }
    authority = trustme.CA()
    client = authority.issue_cert("daymark")
    secrets |= {
        "ca.crt": authority.cert_pem.bytes().decode(),
        "tls.crt": client.cert_chain_pems[0].bytes().decode(),
        "tls.key": client.private_key_pem.bytes().decode(),
    }
    for name, text in secrets.items():
        (tmp_path / name).write_text(text, "utf-8")
    for _, container in containers(values):
        name, *arguments = container["args"]
        context = program.make_context("daymark", [name])
        command = program.get_command(context, name)
        assert command
        command.make_context(name, list(arguments), resilient_parsing=False)
        environ = {
            entry["name"]: str(entry.get("value", "a-pod-0")).replace("/etc/daymark/secret", str(tmp_path))
            for entry in container["env"]
        }
        found = settings.load(environ)
        assert found.kafka
        if name == "process":
            assert (found.slot, found.claim_key) == ("a-pod-0", secrets["claim-key"].encode())
            assert found.is_static == (
                "processor.keda.enabled=true" not in values
            )  # KEDA takes workers away, who must leave at once


def test_secrets_go_where_they_are_needed() -> None:
    """Ingest gets neither the store's URL nor the claim key; with SASL every part gets that."""
    keys = {
        kind: {item["key"] for volume in pod["volumes"] for item in volume.get("secret", {}).get("items", [])}
        for kind, pod in pods(EVERYTHING)
    }
    sasl = {"sasl-username", "sasl-password"}
    assert keys == {"Deployment": sasl, "Job": sasl, "StatefulSet": {"redis-url", "claim-key"} | sasl}


@variants
def test_ingest_is_left_time_to_drain(values: tuple[str, ...]) -> None:
    """The grace period holds the drain and the requests after it."""
    pod = one("Deployment", *values)["spec"]["template"]["spec"]
    drain = next(entry["value"] for entry in pod["containers"][0]["env"] if entry["name"] == "DAYMARK_DRAIN_S")
    assert pod["terminationGracePeriodSeconds"] >= int(drain) + 20


def test_lag_scales_the_workers() -> None:
    """KEDA reads the group's lag on the topic that the workers read, and leaves the replicas alone otherwise."""
    scaled, workers = one("ScaledObject", *EVERYTHING)["spec"], one("StatefulSet", *EVERYTHING)
    assert "replicas" not in workers["spec"]
    assert scaled["scaleTargetRef"]["name"] == workers["metadata"]["name"]
    trigger = scaled["triggers"][0]
    assert trigger["metadata"]["topic"] == "staging.segment.events"
    assert trigger["authenticationRef"] == {"name": "kafka"}
    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (1, 12)
    down = scaled["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
    session = next(
        entry["value"]
        for entry in workers["spec"]["template"]["spec"]["containers"][0]["env"]
        if entry["name"] == "DAYMARK_SESSION_TIMEOUT_MS"
    )
    assert down["stabilizationWindowSeconds"] * 1000 > int(session)


def test_numbers_are_written_out() -> None:
    """A large number stays one, though Helm reads it as a float."""
    environ = {
        entry["name"]: entry.get("value")
        for _, container in containers(("settings.DAYMARK_REQUEST_LIMIT_BYTES=4000000",))
        for entry in container["env"]
    }
    assert environ["DAYMARK_REQUEST_LIMIT_BYTES"] == "4000000"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("kafka.bootstrapServers=kafka", "kafka.bootstrapServers"),
        ("settings.CLAIM_DAYS=9", "CLAIM_DAYS"),
        ("processor.replicas=0", "processor.replicas"),
        ("ingest.replica=2", "replica"),
        ("timeline.database=sqlite,timeline.replicas=2", "timeline.replicas"),
        ("timeline.proxy.header=X-User", "timeline.proxy.addresses"),
    ],
)
def test_wrong_values_are_refused(value: str, said: str) -> None:
    """With the name of what is wrong."""
    with pytest.raises(chart.Refused, match=said):
        chart.text(*chart.KAFKA, value)


def test_kustomize_is_the_chart() -> None:
    """`make kustomize` was run after the chart changed."""
    for file, content in chart.kustomize().items():
        assert file.read_text("utf-8") == content


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((), (True, 30_000)),
        (("processor.keda.enabled=true",), (False, 10_000)),
        (("processor.membership=dynamic",), (False, 10_000)),
        (("settings.DAYMARK_MEMBERSHIP=dynamic",), (False, 10_000)),
        (("processor.keda.enabled=true", "processor.membership=static"), (True, 30_000)),
        (("processor.sessionTimeoutMs=45000",), (True, 45_000)),
    ],
    ids=str,
)
def test_workers_that_are_scaled_leave_at_once(values: tuple[str, ...], expected: tuple[bool, int]) -> None:
    """Each setting is named once: the API server merges lists by name."""
    entries = one("StatefulSet", *values)["spec"]["template"]["spec"]["containers"][0]["env"]
    names = [entry["name"] for entry in entries]
    assert len(set(names)) == len(names)
    plain = {entry["name"]: entry["value"] for entry in entries if "value" in entry and "FILE" not in entry["name"]}
    found = settings.load(plain | {"DAYMARK_REDIS": "redis://store:6379", "DAYMARK_SLOT": "0"})
    assert (found.is_static, found.session_timeout_ms) == expected
