"""Checks the store: whether it answers, is durable, has free memory, and has claims of this installation."""

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
                "store", str(error), "start it, or correct DAYMARK_REDIS; meanwhile workers pause, and nothing is lost"
            )
            return
        except Fatal as error:
            yield fault("store", str(error), "see docs/store.md; workers exit with this fault")
            return
        policy = claims.policy()
    yield ok("store", f"{facts.get('server', 'it')} {facts.get('version', '')} answers".replace("  ", " "))
    if is_stranger:
        yield warning(
            "claims",
            "the store has keys, but none of this installation",
            "if workers have run before, use their DAYMARK_CLAIM_KEY, DAYMARK_TOPIC_PREFIX and DAYMARK_REDIS",
        )
    yield _policy(policy)
    yield from _facts(facts)


def _claim_key(found: Settings) -> Finding:
    if found.claim_key is None:
        return warning(
            "claim key", "not set: e-mail addresses can be guessed from day keys", "set DAYMARK_CLAIM_KEY (_FILE)"
        )
    if found.claim_key == PUBLISHED_CLAIM_KEY:
        return warning("claim key", "the published one of docker-compose.yml", "set one of your own before production")
    return ok("claim key", "one of your own")


def _policy(policy: str | None) -> Finding:
    if policy is None:
        return warning(
            "eviction",
            "the store does not report its eviction policy",
            "grant +config|get, or make sure that it is noeviction",
        )
    if policy != "noeviction":
        return fault(
            "eviction", f"{policy}: claims are evicted when memory is full", "CONFIG SET maxmemory-policy noeviction"
        )
    return ok("eviction", policy)


def _facts(facts: Mapping[str, str]) -> Iterator[Finding]:
    if not facts:
        yield warning(
            "store's state",
            "unknown: the store is a cluster, or +info is not granted",
            "grant +info to the user that runs doctor",
        )
        return
    if facts["role"] != "master":
        yield fault("role", f"a {facts['role']}: it cannot store claims", "set DAYMARK_REDIS to the primary's address")
    if facts["aof_enabled"] == "1":
        yield ok("persistence", "an append-only file")
    else:
        yield warning(
            "persistence",
            "no append-only file: a restart loses claims",
            "set appendonly yes (CONFIG SET, and in the configuration file)",
        )
    used, most = int(facts["used_memory"]), int(facts["maxmemory"])
    said = f"{used / 1e6:,.0f} MB used, {f'of {most / 1e6:,.0f}' if most else 'no maxmemory set'}"
    if most and used > most * _FULL:
        yield warning("memory", said, "raise maxmemory: workers pause while the store is full")
    else:
        yield ok("memory", said)
    skew_s = abs(time.time() - int(facts["server_time_usec"]) / 1e6)
    if skew_s > _SKEW_S:
        yield warning(
            "clock",
            f"the store's differs by {skew_s:,.0f} s",
            "synchronise both with NTP: lag and --since depend on the clocks",
        )
    else:
        yield ok("clock", "agrees with the store's")
