"""What can go wrong in a worker, and how it is handled.

    Fault
    ├── Retriable      retry the same call, within a budget
    ├── Aborted        the batch's transaction was aborted: seek back to the batch's first offsets
    ├── ClaimsAway     Redis is unavailable: pause, stay in the group, resume when it is back
    │   └── ClaimsFull     the same, because it is out of memory: an operator must act
    ├── SessionLost    the outcome is unknown: a new consumer and producer, from the committed offsets
    │   └── KafkaAway      the same, because Kafka does not answer: retried without limit
    └── Fatal          the worker cannot recover: it logs the reason and exits non-zero

Expected outcomes (a duplicate, a rejection) are values, never exceptions. Kafka's codes are classified here, by their
names; Redis's errors in `store_errors`.
"""

from typing import Final


class Fault(Exception):
    """The root of the tree above."""


class Retriable(Fault):
    """Retriable: the same call may be made again."""


class Aborted(Fault):
    """The transaction was aborted; nothing of the batch was committed."""


class ClaimsAway(Fault):
    """Redis cannot answer now."""


class ClaimsFull(ClaimsAway):
    """Redis has no memory left for claims."""


class SessionLost(Fault):
    """The consumer or the producer is no longer usable; Kafka knows what was committed."""


class KafkaAway(SessionLost):
    """Kafka does not answer."""


class Fatal(Fault):
    """The worker cannot continue."""


# Kafka's error codes by name: librdkafka's own begin with "_". What is in none of these goes to Fatal, and a test
# walks over the driver's codes so that each of them has been thought of.

# librdkafka, or the same call made again, gets over it: brokers come and go, leaders and coordinators move.
RETRIABLE: Final = frozenset(
    """
    _ALL_BROKERS_DOWN _APPLICATION _ASSIGNMENT_LOST _ASSIGN_PARTITIONS _DESTROY_BROKER _INTR _IN_PROGRESS
    _ISR_INSUFF _LOG_TRUNCATION _NODE_UPDATE _NOENT _NOT_CONFIGURED _PARTIAL _PARTITION_EOF _PREV_IN_PROGRESS
    _QUEUE_FULL _RESOLVE _RETRY _REVOKE_PARTITIONS _TIMED_OUT _TIMED_OUT_QUEUE _TRANSPORT _UNKNOWN_BROKER
    _UNKNOWN_PARTITION _UNKNOWN_TOPIC _WAIT_CACHE _WAIT_COORD
    BROKER_NOT_AVAILABLE CONCURRENT_TRANSACTIONS COORDINATOR_LOAD_IN_PROGRESS COORDINATOR_NOT_AVAILABLE
    DUPLICATE_SEQUENCE_NUMBER ELECTION_NOT_NEEDED ELIGIBLE_LEADERS_NOT_AVAILABLE FENCED_LEADER_EPOCH
    FETCH_SESSION_ID_NOT_FOUND INVALID_FETCH_SESSION_EPOCH KAFKA_STORAGE_ERROR LEADER_NOT_AVAILABLE
    LISTENER_NOT_FOUND NETWORK_EXCEPTION NOT_CONTROLLER NOT_COORDINATOR NOT_ENOUGH_REPLICAS
    NOT_ENOUGH_REPLICAS_AFTER_APPEND NOT_LEADER_FOR_PARTITION NO_ERROR OFFSET_NOT_AVAILABLE
    PREFERRED_LEADER_NOT_AVAILABLE REASSIGNMENT_IN_PROGRESS REBALANCE_IN_PROGRESS REBOOTSTRAP_REQUIRED
    REPLICA_NOT_AVAILABLE REQUEST_TIMED_OUT STALE_BROKER_EPOCH STALE_CTRL_EPOCH THROTTLING_QUOTA_EXCEEDED
    UNKNOWN_LEADER_EPOCH UNKNOWN_TOPIC_ID UNKNOWN_TOPIC_OR_PART UNSTABLE_OFFSET_COMMIT
    """.split()
)

# The group or the transaction went on without us.
LOST: Final = frozenset(
    """
    _CONFLICT _DESTROY _FATAL _FENCED _GAPLESS_GUARANTEE _INCONSISTENT _MAX_POLL_EXCEEDED _OUTDATED _PURGE_INFLIGHT
    _PURGE_QUEUE _STATE
    FENCED_INSTANCE_ID FENCED_MEMBER_EPOCH GROUP_ID_NOT_FOUND ILLEGAL_GENERATION INCONSISTENT_TOPIC_ID
    INVALID_PRODUCER_EPOCH INVALID_PRODUCER_ID_MAPPING INVALID_TXN_STATE MEMBER_ID_REQUIRED OFFSET_OUT_OF_RANGE
    OUT_OF_ORDER_SEQUENCE_NUMBER PRODUCER_FENCED STALE_MEMBER_EPOCH TRANSACTION_ABORTABLE
    TRANSACTION_COORDINATOR_FENCED UNKNOWN UNKNOWN_MEMBER_ID UNKNOWN_PRODUCER_ID UNRELEASED_INSTANCE_ID
    """.split()
)

# The worker cannot recover: permissions, settings, versions, corruption, or an API that a worker does not use.
FATAL: Final = frozenset(
    """
    _AUTHENTICATION _AUTO_OFFSET_RESET _BAD_COMPRESSION _BAD_MSG _CRIT_SYS_RESOURCE _EXISTING_SUBSCRIPTION _FAIL _FS
    _INVALID_ARG _INVALID_DIFFERENT_RECORD _INVALID_TYPE _KEY_DESERIALIZATION _KEY_SERIALIZATION _MSG_TIMED_OUT
    _NOOP _NOT_IMPLEMENTED _NO_OFFSET _READ_ONLY _SSL _UNDERFLOW _UNKNOWN_GROUP _UNKNOWN_PROTOCOL
    _UNSUPPORTED_FEATURE _VALUE_DESERIALIZATION _VALUE_SERIALIZATION
    CLUSTER_AUTHORIZATION_FAILED DELEGATION_TOKEN_AUTHORIZATION_FAILED DELEGATION_TOKEN_AUTH_DISABLED
    DELEGATION_TOKEN_EXPIRED DELEGATION_TOKEN_NOT_FOUND DELEGATION_TOKEN_OWNER_MISMATCH
    DELEGATION_TOKEN_REQUEST_NOT_ALLOWED DUPLICATE_RESOURCE DUPLICATE_VOTER FEATURE_UPDATE_FAILED FENCED_STATE_EPOCH
    GROUP_AUTHORIZATION_FAILED GROUP_MAX_SIZE_REACHED GROUP_SUBSCRIBED_TO_TOPIC ILLEGAL_SASL_STATE
    INCONSISTENT_GROUP_PROTOCOL INCONSISTENT_VOTER_SET INVALID_COMMIT_OFFSET_SIZE INVALID_CONFIG INVALID_GROUP_ID
    INVALID_MSG INVALID_MSG_SIZE INVALID_PARTITIONS INVALID_PRINCIPAL_TYPE INVALID_RECORD INVALID_RECORD_STATE
    INVALID_REGISTRATION INVALID_REGULAR_EXPRESSION INVALID_REPLICATION_FACTOR INVALID_REPLICA_ASSIGNMENT
    INVALID_REQUEST INVALID_REQUIRED_ACKS INVALID_SESSION_TIMEOUT INVALID_SHARE_SESSION_EPOCH INVALID_TIMESTAMP
    INVALID_TRANSACTION_TIMEOUT INVALID_UPDATE_VERSION INVALID_VOTER_KEY LOG_DIR_NOT_FOUND MISMATCHED_ENDPOINT_TYPE
    MSG_SIZE_TOO_LARGE NON_EMPTY_GROUP NO_REASSIGNMENT_IN_PROGRESS OFFSET_METADATA_TOO_LARGE OPERATION_NOT_ATTEMPTED
    POLICY_VIOLATION PRINCIPAL_DESERIALIZATION_FAILURE RECORD_LIST_TOO_LARGE RESOURCE_NOT_FOUND
    SASL_AUTHENTICATION_FAILED SECURITY_DISABLED SHARE_SESSION_LIMIT_REACHED SHARE_SESSION_NOT_FOUND
    STREAMS_INVALID_TOPOLOGY STREAMS_INVALID_TOPOLOGY_EPOCH STREAMS_TOPOLOGY_FENCED TELEMETRY_TOO_LARGE
    TOPIC_ALREADY_EXISTS TOPIC_AUTHORIZATION_FAILED TOPIC_DELETION_DISABLED TOPIC_EXCEPTION
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED UNACCEPTABLE_CREDENTIAL UNKNOWN_CONTROLLER_ID UNKNOWN_SUBSCRIPTION_ID
    UNSUPPORTED_ASSIGNOR UNSUPPORTED_COMPRESSION_TYPE UNSUPPORTED_ENDPOINT_TYPE UNSUPPORTED_FOR_MESSAGE_FORMAT
    UNSUPPORTED_SASL_MECHANISM UNSUPPORTED_VERSION VOTER_NOT_FOUND
    """.split()
)


# What a person can do about a refusal: a missing permission (docs/operations.md lists them), or an unknown user.
_NOBODY: Final = "check DAYMARK_KAFKA_SASL_USERNAME and DAYMARK_KAFKA_SASL_PASSWORD"
_ADVICE: Final = {
    "_AUTHENTICATION": _NOBODY,
    "SASL_AUTHENTICATION_FAILED": _NOBODY,
    "GROUP_AUTHORIZATION_FAILED": "grant Read on group {group}",
    "TOPIC_AUTHORIZATION_FAILED": "grant {right} on topic {topic}",
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED": "grant Write on transactional_id {transactional_id}",
}


def describe(name: str, said: str, **things: str) -> str:
    """Return Kafka's message about an error and, where an operator can fix it, what to do.

    Args:
        name: of the error code.
        said: the driver's words.
        things: that were asked for: group, topic and the right that is needed there, transactional_id.
    """
    advice = _ADVICE.get(name)
    return f"Kafka: {said.rstrip('.')}; {advice.format(**things)}" if advice else f"Kafka: {said}"


def classify(name: str) -> type[Fault]:
    """Map a Kafka error code, given by name, to a fault."""
    if name in RETRIABLE:
        return Retriable
    return SessionLost if name in LOST else Fatal
