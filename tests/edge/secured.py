"""A Kafka and a Valkey that let nobody in without TLS, a password and the right to do what is asked."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import redis
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not marked so
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from daymark.local.kafka import Kafka
from daymark.local.kit import Kit
from daymark.local.ports import LOOPBACK
from daymark.local.valkey import Valkey
from tests.edge import authority
from tests.edge.authority import Authority

BROKER, BROKER_PASSWORD = "broker", "the-broker-itself-9d1c"
PASSWORD = "scram-password-5f1e"  # of every user: one word for tests/edge to look for in what is said


class Right(NamedTuple):
    """One operation on one thing. `kind` and `operation` are Kafka's words."""

    kind: str
    name: str
    operation: str


class SecuredKafka:
    """A cluster of one node; clients come by SASL_SSL with SCRAM-SHA-512, and may what they were granted."""

    def __init__(self, kafka: Kafka, files: Authority) -> None:
        self._files, self.bootstrap = files, kafka.bootstrap
        self._admin = AdminClient(
            {
                "bootstrap.servers": kafka.bootstrap,
                "security.protocol": "SASL_SSL",
                "ssl.ca.location": str(files.ca),
                "sasl.mechanism": "PLAIN",
                "sasl.username": BROKER,
                "sasl.password": BROKER_PASSWORD,
                "log_level": 0,
            }
        )

    def environment(self, user: str) -> dict[str, str]:
        """Return the settings with which a user connects."""
        return {
            "DAYMARK_KAFKA": self.bootstrap,
            "DAYMARK_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "DAYMARK_KAFKA_SSL_CA_LOCATION": str(self._files.ca),
            "DAYMARK_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
            "DAYMARK_KAFKA_SASL_USERNAME": user,
            "DAYMARK_KAFKA_SASL_PASSWORD": PASSWORD,
        }

    def let(self, user: str, rights: Iterable[Right]) -> None:
        """Make a user and grant it rights."""
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        upsertion = UserScramCredentialUpsertion(user, info, PASSWORD.encode())
        for made in self._admin.alter_user_scram_credentials([upsertion]).values():
            made.result(60)
        acls = [_acl(user, right) for right in rights]
        for granted in self._admin.create_acls(acls).values() if acls else ():
            granted.result(60)


@contextmanager
def secured_kafka(kit: Kit, folder: Path, files: Authority) -> Iterator[SecuredKafka]:
    """Run a cluster whose one listener of clients, brokers among them, is encrypted and authorised."""
    cluster = Kafka(kit, folder, settings=_broker(files))
    try:
        cluster.start()
        yield SecuredKafka(cluster, files)
    finally:
        cluster.discard()


@contextmanager
def secured_valkey(folder: Path, files: Authority, users: Mapping[str, str]) -> Iterator[Callable[[str], str]]:
    """Run a Valkey behind TLS; yield what gives a user's URL.

    Args:
        folder: holds its data.
        files: its certificate.
        users: their rights, as ACL SETUSER takes them. Without a password nobody may do anything.
    """
    server = Valkey(folder)
    try:
        server.start()
        with redis.Redis.from_url(server.url) as client:
            for user, rights in users.items():
                client.execute_command("ACL", "SETUSER", user, "on", f">{PASSWORD}", *rights.split())
            client.execute_command("ACL", "SETUSER", "default", "resetpass", f">{BROKER_PASSWORD}")
        port = int(server.url.rpartition(":")[2].partition("/")[0])
        with authority.tls_before(port, files) as secured:
            yield lambda user: f"rediss://{user}:{PASSWORD}@{LOOPBACK}:{secured}/0?ssl_ca_certs={files.ca}"
    finally:
        server.kill()


def _broker(files: Authority) -> dict[str, str]:
    plain = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    own = f'username="{BROKER}" password="{BROKER_PASSWORD}" user_{BROKER}="{BROKER_PASSWORD}"'
    return {
        "listener.security.protocol.map": "PLAINTEXT:SASL_SSL,CONTROLLER:PLAINTEXT",  # the listener's name stays
        "inter.broker.listener.name": "PLAINTEXT",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",  # SCRAM users can be made only when it runs
        "listener.name.plaintext.plain.sasl.jaas.config": f"{plain} {own};",
        "listener.name.plaintext.scram-sha-512.sasl.jaas.config": scram,
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(files.server),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(files.ca),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:{BROKER};User:ANONYMOUS",  # the nameless one of the controllers' listener
    }


def _acl(user: str, right: Right) -> Any:
    return AclBinding(
        ResourceType[right.kind.upper()],
        right.name,
        ResourcePatternType.LITERAL,
        f"User:{user}",
        "*",
        AclOperation[re.sub("(?<=[a-z])(?=[A-Z])", "_", right.operation).upper()],
        AclPermissionType.ALLOW,
    )
