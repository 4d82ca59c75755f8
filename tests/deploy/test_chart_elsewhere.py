"""The chart on clusters that are not like ours: OpenShift, quotas, default-deny networks, private authorities, mTLS."""

from typing import Any

import pytest

from daymark import settings
from tests.deploy import chart
from tests.deploy.test_chart import ELSEWHERE, FILE, containers, one, pods

pytestmark = pytest.mark.deploy

DIGEST = "sha256:" + "0" * 64


def test_a_cluster_may_choose_the_user() -> None:
    """OpenShift refuses a pod that names a user outside of its namespace's range; it is still restricted."""
    for _, pod in pods(ELSEWHERE):
        assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert all(pod["securityContext"]["runAsUser"] == 10001 for _, pod in pods(()))


def test_every_pod_gets_what_is_set_for_all() -> None:
    """Labels, annotations, a priority, variables, volumes: the topics Job, too, that comes before all others."""
    found = [each["spec"]["template"] for each in chart.objects(*ELSEWHERE) if "template" in each.get("spec", {})]
    assert len(found) == 4
    for template in found:
        metadata, spec = template["metadata"], template["spec"]
        assert metadata["labels"]["mesh"] == "none"
        assert metadata["labels"]["app.kubernetes.io/name"] == "daymark"
        assert metadata["annotations"] == {"team": "data"}
        assert spec["priorityClassName"] == "system-cluster-critical"
        (container,) = spec["containers"]
        assert {"name": "HTTPS_PROXY", "value": "http://proxy:3128"} in container["env"]
        assert "cabundle" in {volume["name"] for volume in spec["volumes"]}
        assert container["resources"]["requests"]["cpu"]
        assert container["image"].endswith(f"daymark@{DIGEST}")
    job = one("Job", *ELSEWHERE)["spec"]
    assert job["template"]["spec"]["containers"][0]["resources"]["limits"] == {"memory": "256Mi", "cpu": "500m"}
    assert job["template"]["spec"]["tolerations"] == [{"operator": "Exists"}]
    assert job["ttlSecondsAfterFinished"] > 0


def test_further_keys_of_the_secret_are_files_of_every_part() -> None:
    """What Kafka's TLS needs is there where settings say; one key twice is one file."""
    for pod, container in containers(ELSEWHERE):
        (items,) = [volume["secret"]["items"] for volume in pod["volumes"] if volume["name"] == "secret"]
        paths = [f"/etc/daymark/secret/{item['path']}" for item in items]
        assert len({*paths}) == len(paths)
        named = [entry.get("value", "") for entry in container["env"]]
        assert {text for text in named if text.startswith("/etc/daymark/secret/")} <= {*paths}
        assert {f"/etc/daymark/secret/{key}" for key in ("ca.crt", "tls.crt", "tls.key")} <= {*paths}


def test_a_network_that_allows_nothing_lets_every_part_work() -> None:
    """Each pod has a policy, whose egress names DNS on OpenShift, too; the Job's is there before the Job."""
    policies = [each for each in chart.objects(*ELSEWHERE) if each["kind"] == "NetworkPolicy"]
    for template in (
        each["spec"]["template"] for each in chart.objects(*ELSEWHERE) if "template" in each.get("spec", {})
    ):
        labels = template["metadata"]["labels"].items()
        (policy,) = [each for each in policies if each["spec"]["podSelector"]["matchLabels"].items() <= labels]
        ports = {(port["port"], port["protocol"]) for rule in policy["spec"]["egress"] for port in rule["ports"]}
        assert {(53, "UDP"), (5353, "UDP"), (5353, "TCP"), (9092, "TCP"), (6379, "TCP")} <= ports
    before, job = one("NetworkPolicy", *ELSEWHERE, "timeline.enabled=false"), one("Job", *ELSEWHERE)
    hooks: list[dict[str, Any]] = [
        each["metadata"]["annotations"] for each in policies if "annotations" in each["metadata"]
    ]
    assert before
    assert [hook["helm.sh/hook"] for hook in hooks] == [job["metadata"]["annotations"]["helm.sh/hook"]]
    assert int(hooks[0]["helm.sh/hook-weight"]) < int(job["metadata"]["annotations"].get("helm.sh/hook-weight", 0))


def test_it_listens_on_ipv6_and_names_ipv6_brokers() -> None:
    """IPv4 alone is no address of a pod in an IPv6-only cluster."""
    brokers = "[fd00::1]:9092"
    environ = {
        entry["name"]: entry["value"]
        for found in chart.objects(*FILE, f"kafka.bootstrapServers={brokers}")
        if found["kind"] == "Deployment" and found["metadata"]["name"].endswith("timeline")
        for entry in found["spec"]["template"]["spec"]["containers"][0]["env"]
        if "FILE" not in entry["name"]
    }
    loaded = settings.load(environ)
    assert (loaded.timeline_http.host, loaded.kafka) == ("::", brokers)
    with pytest.raises(chart.Refused, match="bootstrapServers"):
        chart.text("kafka.bootstrapServers=fd00::1:9092")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("image.digest=sha256:0", "image.digest"),
        ("pod.securityContext.runAsUser=0", "runAsUser"),
        ("pod.securityContext.runAsNonRoot=false", "runAsNonRoot"),
        ("pod.volumes[0].emptyDir.medium=Memory", "pod.volumes"),
    ],
)
def test_wrong_values_are_refused(value: str, said: str) -> None:
    with pytest.raises(chart.Refused, match=said):
        chart.text(*chart.KAFKA, value)
