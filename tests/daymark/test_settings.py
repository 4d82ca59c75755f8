"""Settings: environment -> frozen values; every fault at once; no secret in a repr."""

from pathlib import Path

import pytest

from daymark import timeouts
from daymark.environment import service_links
from daymark.setting_table import TABLE
from daymark.setting_types import Address, address
from daymark.settings import PUBLISHED_CLAIM_KEY, Settings, SettingsFaults, load


def faults(**environ: str) -> list[str]:
    with pytest.raises(SettingsFaults) as caught:
        load({f"DAYMARK_{name}": text for name, text in environ.items()})
    return caught.value.faults


def test_defaults_are_a_machine_of_ones_own() -> None:
    """With nothing set Daymark looks for its parts on this machine, under the contract's names."""
    found = load({})
    assert (found.kafka, found.redis, found.group) == ("localhost:9092", "redis://localhost:6379", "daymark")
    assert (found.http, found.request_limit_bytes, found.claim_days) == (Address("127.0.0.1", 8080), 4 << 20, 8)
    assert (found.topics.events, found.ingest_instances) == ("segment.events", 1)
    assert [found.schema_registry, found.claim_key, found.workspaces] == [None, None, None]


def test_values_are_read() -> None:
    found = load(
        {
            "DAYMARK_KAFKA": "a:1,b:2",
            "DAYMARK_HTTP": "[::1]:0",
            "DAYMARK_TOPIC_PREFIX": "x.",
            "DAYMARK_ALLOWED_ORIGINS": "https://a.example, https://b.example",
            "DAYMARK_KAFKA_SECURITY_PROTOCOL": "plaintext",
            "PATH": "/bin",
        }
    )
    assert found.kafka == "a:1,b:2"
    assert found.http == Address("::1", 0)
    assert found.topics.rejected == "x.segment.rejected"
    assert found.allowed_origins == ("https://a.example", "https://b.example")
    assert found.kafka_options == {"security.protocol": "plaintext"}


def test_every_fault_at_once() -> None:
    """Each fault has a line that names its variable."""
    found = faults(
        KAFKA="no-port",
        REDIS="http://x",
        HTTP="8080",
        CLAIM_KEY="short",
        CLAIM_DAYS="0",
        GROUP_PROTOCOL="new",
        SCHEMA_REGISTRY="registry:8081",
        KAFKA_ACKS="1",
        KAFKA_GROUP_ID="x",
        KAFKA_NOT_AN_OPTION="x",
        KAFKA_LINGER_MS="soon",
        REDIS_FILE="/nowhere",
        GRUOP="x",
    )
    named = {fault.partition(":")[0].removeprefix("DAYMARK_") for fault in found}
    assert named == {
        *("KAFKA", "REDIS", "HTTP", "CLAIM_KEY", "CLAIM_DAYS", "GROUP_PROTOCOL", "SCHEMA_REGISTRY"),
        *("KAFKA_ACKS", "KAFKA_GROUP_ID", "KAFKA_NOT_AN_OPTION", "KAFKA_LINGER_MS", "REDIS_FILE", "GRUOP"),
    }
    assert len(found) == 13


def test_rules_across_settings() -> None:
    """An assignor goes with its group protocol."""
    (fault,) = faults(GROUP_PROTOCOL="consumer", ASSIGNOR="cooperative-sticky")
    assert "DAYMARK_ASSIGNOR" in fault
    assert load({"DAYMARK_GROUP_PROTOCOL": "consumer", "DAYMARK_ASSIGNOR": "range"}).assignor == "range"


def test_static_membership_wants_whole_moves() -> None:
    """With cooperative-sticky a static member killed within a move can leave partitions with nobody."""
    (fault,) = faults(MEMBERSHIP="static", ASSIGNOR="cooperative-sticky")
    assert "use range" in fault


@pytest.mark.parametrize(
    ("given", "is_static"),
    [
        ({}, True),
        ({"DAYMARK_ASSIGNOR": "range"}, True),
        ({"DAYMARK_ASSIGNOR": "cooperative-sticky"}, False),
        ({"DAYMARK_MEMBERSHIP": "dynamic"}, False),
        ({"DAYMARK_GROUP_PROTOCOL": "consumer"}, False),  # Kafka refuses one that was killed until its session is over
        ({"DAYMARK_GROUP_PROTOCOL": "consumer", "DAYMARK_MEMBERSHIP": "static"}, True),
    ],
)
def test_a_slot_makes_a_static_member_where_that_helps(given: dict[str, str], *, is_static: bool) -> None:
    assert load(given).is_static is is_static


@pytest.mark.parametrize("slot", ["a b", "a/b", "", "ä", "x" * 201])
def test_a_slot_is_a_name_that_kafka_takes(slot: str) -> None:
    assert "DAYMARK_SLOT" in faults(SLOT=slot)[0]


def test_no_time_out_lets_a_request_outlive_its_transaction() -> None:
    """The driver repeats a request that timed out: none may, before the calls of its transaction are given up."""
    assert "TRANSACTION_TIMEOUT_MS" in faults(TRANSACTION_TIMEOUT_MS="2999")[0]
    for refused in ("9999", "10499", "15001", "60000"):
        (fault,) = faults(KAFKA_SOCKET_TIMEOUT_MS=refused)
        assert fault.startswith("DAYMARK_KAFKA_SOCKET_TIMEOUT_MS: must be from 10500 to 15000")
    assert len(faults(KAFKA_MESSAGE_TIMEOUT_MS="15001", KAFKA_DELIVERY_TIMEOUT_MS="15001")) == 2
    load({"DAYMARK_KAFKA_SOCKET_TIMEOUT_MS": "10500", "DAYMARK_KAFKA_MESSAGE_TIMEOUT_MS": "15000"})


@pytest.mark.parametrize("transaction_ms", [timeouts.LEAST_MS, 6_000, 15_000, 900_000])
def test_the_budget_ends_before_a_request_can_time_out(transaction_ms: int) -> None:
    assert timeouts.budget_ms(transaction_ms) + 500 <= timeouts.socket_ms(transaction_ms, {}) < transaction_ms
    assert not [*timeouts.faults(transaction_ms, {})]


@pytest.mark.parametrize("option", ["LOG_CONNECTION_CLOSE", "LOG_QUEUE"])
def test_the_log_of_the_driver_is_not_to_be_silenced(option: str) -> None:
    """It is the only sign of a request that may be repeated."""
    assert "its guarantee depends on it" in faults(**{f"KAFKA_{option}": "false"})[0]


def test_foreign_variables_are_left_alone() -> None:
    """What Kubernetes or a test runner sets beside ours is no fault."""
    load({"DAYMARK_SERVICE_HOST": "10.0.0.1", "DAYMARK_TEST_KAFKA": "x", "DAYMARK_KEY": "k", "DAYMARK_PORT": "tcp://x"})


def links(service: str) -> dict[str, str]:
    """What Kubernetes sets in every pod beside a Service with one TCP port named `http`, and one named `file`."""
    tcp = f"{service}_PORT_9092_TCP"
    return {
        f"{service}_SERVICE_HOST": "10.0.0.5",
        f"{service}_SERVICE_PORT": "9092",
        f"{service}_SERVICE_PORT_HTTP": "9092",
        f"{service}_SERVICE_PORT_FILE": "9093",
        f"{service}_PORT": "tcp://10.0.0.5:9092",
        tcp: "tcp://10.0.0.5:9092",
        f"{tcp}_PROTO": "tcp",
        f"{tcp}_PORT": "9092",
        f"{tcp}_ADDR": "10.0.0.5",
    }


@pytest.mark.parametrize(
    "service",
    [
        *("DAYMARK", "DAYMARK_KAFKA", "DAYMARK_KAFKA_HEADLESS", "DAYMARK_KAFKA_BOOTSTRAP", "DAYMARK_SCHEMA_REGISTRY"),
        *("DAYMARK_WORKSPACES", "DAYMARK_REDIS", "DAYMARK_HTTP", "DAYMARK_ADMIN", "DAYMARK_SERVICE", "DAYMARK_FILE"),
    ],
)
def test_kubernetes_service_links_are_no_settings(service: str) -> None:
    """A Service whose name begins like our variables changes nothing; real settings beside its links count."""
    real = {"DAYMARK_GROUP": "mine", "DAYMARK_KAFKA_CLIENT_RACK": "a"}
    found = load(links(service) | real)
    assert found == load(real)
    assert service_links(links(service) | real) == links(service).keys()


def test_a_setting_that_only_looks_like_a_link_counts() -> None:
    """Without the two variables that every Service has there is no Service."""
    assert service_links({"DAYMARK_KAFKA_PORT": "tcp://10.0.0.5:9092"}) == set()
    assert "DAYMARK_KAFKA_PORT" in faults(KAFKA_PORT="tcp://10.0.0.5:9092")[0]


def test_an_empty_setting_is_a_fault(tmp_path: Path) -> None:
    """A variable that a template left empty does not silently become the default, unless empty means none."""
    (tmp_path / "empty").write_text("\n")
    found = faults(REDIS="", CLAIM_KEY_FILE=str(tmp_path / "empty"), KAFKA_SASL_PASSWORD="")
    assert sorted(fault.partition(":")[0] for fault in found) == [
        "DAYMARK_CLAIM_KEY",
        "DAYMARK_KAFKA_SASL_PASSWORD",
        "DAYMARK_REDIS",
    ]
    assert load({"DAYMARK_TOPIC_PREFIX": "", "DAYMARK_ALLOWED_ORIGINS": ""}) == load({})


def test_secrets_from_files(tmp_path: Path) -> None:
    """NAME_FILE gives NAME the content of a file, without its line break; a file that is not there is a fault."""
    (tmp_path / "key").write_text("0123456789abcdef\n")
    (tmp_path / "password").write_text("hush\n")
    found = load(
        {
            "DAYMARK_CLAIM_KEY_FILE": str(tmp_path / "key"),
            "DAYMARK_KAFKA_SASL_PASSWORD_FILE": str(tmp_path / "password"),
        }
    )
    assert found.claim_key == b"0123456789abcdef"
    assert found.kafka_options == {"sasl.password": "hush"}
    assert "cannot be read" in faults(CLAIM_KEY_FILE=str(tmp_path / "none"))[0]


def test_no_secret_in_a_repr() -> None:
    found = load(
        {
            "DAYMARK_CLAIM_KEY": "0123456789abcdef",
            "DAYMARK_REDIS": "redis://user:hush@host:1",
            "DAYMARK_KAFKA_SASL_PASSWORD": "whisper",
        }
    )
    assert not [secret for secret in ("0123456789abcdef", "hush", "whisper") if secret in repr(found)]


def test_settings_are_frozen() -> None:
    with pytest.raises(AttributeError):
        load({}).group = "x"  # type: ignore[misc]


def test_table_fills_every_field() -> None:
    """No setting is without a field, no field without a setting."""
    assert {row.field for row in TABLE} | {"kafka_options"} == set(Settings.__dataclass_fields__)


def test_the_published_claim_key_is_known() -> None:
    """A worker warns of the one that docker-compose.yml has for a first try."""
    file = Path(__file__).parents[2] / "deploy" / "compose" / "published" / "claim-key"
    assert load({"DAYMARK_CLAIM_KEY_FILE": str(file)}).claim_key == PUBLISHED_CLAIM_KEY


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("[::1]:8080", "http://[::1]:8080"),
        ("[::]:8080", "http://[::1]:8080"),
        ("0.0.0.0:80", "http://127.0.0.1:80"),
        ("localhost:80", "http://localhost:80"),
    ],
)
def test_an_address_is_written_as_it_is_read(text: str, url: str) -> None:
    """An IPv6 host has brackets, in the setting and in the URL under which this machine reaches it."""
    assert str(address(text)) == text
    assert address(text).url == url


def test_options_that_need_each_other_are_taken_together() -> None:
    """OAuth's method needs its end point, whichever is named first; one that is missing is named with the method."""
    oauth = {
        "DAYMARK_KAFKA_SASL_OAUTHBEARER_METHOD": "oidc",
        "DAYMARK_KAFKA_SASL_MECHANISM": "OAUTHBEARER",
        "DAYMARK_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "DAYMARK_KAFKA_SASL_OAUTHBEARER_CLIENT_ID": "daymark",
        "DAYMARK_KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET": "hush",
    }
    end_point = {"DAYMARK_KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL": "http://127.0.0.1:1/token"}
    assert load({**oauth, **end_point}).kafka_options["sasl.oauthbearer.method"] == "oidc"
    with pytest.raises(SettingsFaults) as raised:
        load(oauth)
    assert [fault.partition(":")[0] for fault in raised.value.faults] == ["DAYMARK_KAFKA_SASL_OAUTHBEARER_METHOD"]
