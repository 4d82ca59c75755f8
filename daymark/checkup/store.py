"""Looks at the store: whether it answers, keeps what it takes, has room, and knows this installation."""

import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Final

from daymark.checkup.findings import Finding, fault, ok, warning
from daymark.settings import PUBLISHED_CLAIM_KEY, Settings
from processor import store
from processor.claims import Claims, Lifetimes
from processor.errors import ClaimsAway, Fatal

_FULL: Final = 0.8  # of maxmemory
_SKEW_S: Final = 2.0


def look(found: Settings) -> Iterator[Finding]:
    """Yield what is found of the store and of the key that names its claims."""
    yield _claim_key(found)
    lifetimes = Lifetimes(found.claim_days, found.clock_days)
    with closing(Claims(found.redis, found.claim_key, lifetimes, found.topics.prefix)) as claims:
        try:
            is_stranger = claims.is_stranger()
            facts = store.facts(found.redis)
        except ClaimsAway as error:
            yield fault(
                "store", str(error), "start it, or correct DAYMARK_REDIS; workers pause meanwhile, and lose nothing"
            )
            return
        except Fatal as error:
            yield fault("store", str(error), "see docs/store.md; a worker exits for this")
            return
        policy = claims.policy()
    yield ok("store", f"{facts.get('server', 'it')} {facts.get('version', '')} answers".replace("  ", " "))
    if is_stranger:
        yield warning(
            "claims",
            "the store has keys, and none of this installation's",
            "if workers have run before, DAYMARK_CLAIM_KEY, DAYMARK_TOPIC_PREFIX or DAYMARK_REDIS is not theirs",
        )
    yield _policy(policy)
    yield from _facts(facts)


def _claim_key(found: Settings) -> Finding:
    if found.claim_key is None:
        return warning(
            "claim key", "none is set: day keys can be guessed from e-mails", "set DAYMARK_CLAIM_KEY (_FILE)"
        )
    if found.claim_key == PUBLISHED_CLAIM_KEY:
        return warning(
            "claim key", "it is the published one of docker-compose.yml", "set one of your own before production"
        )
    return ok("claim key", "one of your own")


def _policy(policy: str | None) -> Finding:
    if policy is None:
        return warning(
            "eviction", "the store does not say its policy", "grant +config|get, and see that it is noeviction"
        )
    if policy != "noeviction":
        return fault("eviction", f"{policy}: claims get lost when it is full", "CONFIG SET maxmemory-policy noeviction")
    return ok("eviction", policy)


def _facts(facts: Mapping[str, str]) -> Iterator[Finding]:
    if not facts:
        yield warning("store's state", "not told: a cluster, or no right to INFO", "grant +info to whoever runs doctor")
        return
    if facts["role"] != "master":
        yield fault("role", f"a {facts['role']}: it takes no claims", "give DAYMARK_REDIS the primary's address")
    if facts["aof_enabled"] == "1":
        yield ok("persistence", "an append-only file")
    else:
        yield warning(
            "persistence", "no append-only file: a restart loses claims", "CONFIG SET appendonly yes, and in its file"
        )
    used, most = int(facts["used_memory"]), int(facts["maxmemory"])
    said = f"{used / 1e6:,.0f} MB used, {f'of {most / 1e6:,.0f}' if most else 'without a limit of its own'}"
    if most and used > most * _FULL:
        yield warning("memory", said, "raise maxmemory: full, it pauses the workers")
    else:
        yield ok("memory", said)
    skew_s = abs(time.time() - int(facts["server_time_usec"]) / 1e6)
    if skew_s > _SKEW_S:
        yield warning(
            "clock", f"the store's differs by {skew_s:,.0f} s", "let NTP set both: lag and --since go by clocks"
        )
    else:
        yield ok("clock", "the store's agrees")
