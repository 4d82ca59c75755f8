"""Maps each error of the store's driver to a fault. Pure; every error class of the driver is covered.

Away: a retry may succeed, on a new connection. Full: the same, but an operator must free memory. Refused: waiting does
not help, so the worker exits and says what is required. A reply without its own class is classified by its text, and
counts as away if the text is unknown: nothing is lost by waiting, and the text is logged.
"""

import ssl
from typing import Final

import redis
from redis import exceptions as driver
from redis import sentinel

from processor.errors import ClaimsAway, ClaimsFull, Fatal

# What a call of the driver may raise. Neither a cluster's exceptions nor three of its own bugs are a RedisError.
ERRORS: Final = (
    redis.RedisError,
    driver.RedisClusterException,
    driver.IncorrectPolicyType,
    driver.ChildDeadlockedError,
    OSError,
)

# What to do about a refusal.
_LOGIN: Final = "check the user and the password in DAYMARK_REDIS"
_RIGHTS: Final = "grant DAYMARK_REDIS's user the permissions listed in docs/store.md"
_VERSION: Final = "Redis 7 or later, or Valkey 8 or later, is required"
_CLUSTER: Final = "DAYMARK_REDIS names a node of a cluster: begin the URL with redis+cluster:// or rediss+cluster://"
_SINGLE: Final = "DAYMARK_REDIS names a server that is not a cluster: begin the URL with redis:// or rediss://"
_SENTINEL: Final = "DAYMARK_REDIS names a Sentinel: name the primary, or a proxy that follows it"
_DATABASE: Final = "DAYMARK_REDIS names a database that the server does not have"
_CERTIFICATE: Final = "check ssl_ca_certs and the host in DAYMARK_REDIS"
_OURS: Final = "this is a bug in Daymark"

_AWAY: Final = (
    driver.ConnectionError,
    driver.TimeoutError,
    driver.ExternalAuthProviderError,  # the server's directory does not answer
    driver.BusyLoadingError,  # LOADING: the server reads its data, or a replica copies its primary's
    driver.MaxConnectionsError,
    driver.InvalidResponse,  # replies out of step: the connection is of no more use
    driver.ReadOnlyError,  # READONLY: a primary that was demoted
    driver.MasterDownError,  # MASTERDOWN: a replica that has lost its primary
    driver.ClusterError,
    driver.ClusterDownError,  # CLUSTERDOWN: slots without an owner, or a minority
    driver.TryAgainError,  # TRYAGAIN: a slot on its way between two nodes
    driver.RedisClusterException,
    driver.SlotNotCoveredError,
    driver.NoScriptError,  # the script went between two calls
    driver.ExecAbortError,
    driver.ResponseError,
    driver.RedisError,
    OSError,
)
_FULL: Final = (driver.OutOfMemoryError,)
_REFUSED: Final[dict[type[BaseException], str]] = {
    driver.AuthenticationError: _LOGIN,
    driver.AuthorizationError: _LOGIN,
    driver.AuthenticationWrongNumberOfArgsError: _LOGIN,
    driver.NoPermissionError: _RIGHTS,
    # A cluster client follows redirections; a plain client sees them when its URL names a cluster node.
    driver.MovedError: _CLUSTER,
    driver.AskError: _CLUSTER,
    driver.ClusterCrossSlotError: _CLUSTER,
    ssl.SSLCertVerificationError: _CERTIFICATE,
    # Nothing that a worker asks for raises these.
    driver.DataError: _OURS,
    driver.PubSubError: _OURS,
    driver.WatchError: _OURS,
    driver.LockError: _OURS,
    driver.LockNotOwnedError: _OURS,
    driver.ModuleError: _OURS,
    driver.NoSuchFieldsetError: _OURS,
    driver.ChildDeadlockedError: _OURS,
    driver.CrossSlotTransactionError: _OURS,
    driver.InvalidPipelineStack: _OURS,
    driver.IncorrectPolicyType: _OURS,
    sentinel.MasterNotFoundError: _OURS,
    sentinel.SlaveNotFoundError: _OURS,
}

_LEAST_REDIS: Final = 7

# Replies and messages whose class is too wide, by words that they hold.
_REFUSED_WORDS: Final = {
    "NOAUTH": _LOGIN,
    "WRONGPASS": _LOGIN,
    "invalid username-password": _LOGIN,
    "NOPERM": _RIGHTS,
    "ACL failure in script": _RIGHTS,
    "unknown command": f"{_VERSION}, with none of its commands renamed or disabled",
    "Unknown Redis command": f"{_VERSION}, with none of its commands renamed or disabled",
    "syntax error": _VERSION,  # SET … NX GET before Redis 7
    "NOPROTO": _VERSION,
    "WRONGTYPE": "another application writes to this database under Daymark's keys: use a separate database",
    "DB index is out of range": _DATABASE,
    "invalid DB index": _DATABASE,
    "SELECT is not allowed in cluster mode": _CLUSTER,
    "Cluster mode is not enabled on this node": _SINGLE,
    "cluster support disabled": _SINGLE,
    "CERTIFICATE_VERIFY_FAILED": _CERTIFICATE,
}
_FULL_WORD: Final = "OOM"
# What a reply that is met again and again wants.
_HINTS: Final[dict[type[BaseException], str]] = {
    driver.ReadOnlyError: "if this persists, DAYMARK_REDIS names a replica; name the primary",
    driver.MasterDownError: "if this persists, DAYMARK_REDIS names a replica; name the primary",
}


PLACED: Final = frozenset({*_AWAY, *_FULL, *_REFUSED})


def fault(error: Exception) -> ClaimsAway | Fatal:
    """Return what an error of the driver means for a worker."""
    text, kind = str(error), next(kind for kind in type(error).__mro__ if kind in PLACED)
    if kind in _FULL or text.startswith(_FULL_WORD):
        return ClaimsFull(text)
    advice = _REFUSED.get(kind) or next((advice for words, advice in _REFUSED_WORDS.items() if words in text), None)
    if advice is not None:
        return Fatal(f"Redis refuses this worker: {text}; {advice}")
    return ClaimsAway(f"{text}: {_HINTS[kind]}" if kind in _HINTS else text)


def refused_server(server: str, version: str, mode: str) -> str | None:
    """Return why a server is unsuitable for claims; None if it is suitable.

    Args:
        server: redis, valkey or another, as HELLO says.
        version: its version; Redis before 7 knows no SET with NX and GET.
        mode: standalone, cluster or sentinel.
    """
    if mode == "cluster":
        return _CLUSTER
    if mode == "sentinel":
        return _SENTINEL
    major = version.partition(".")[0]
    if server == "redis" and major.isdecimal() and int(major) < _LEAST_REDIS:
        return f"{_VERSION}; DAYMARK_REDIS names a Redis {version}"
    return None
