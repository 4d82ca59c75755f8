"""Settings: environment -> frozen values (contract, section 9). The only place that reads the environment.

Every fault is reported at once. `setting_table` is the one list of settings.
"""

import difflib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from daymark import environment, running, timeouts
from daymark.environment import PREFIX
from daymark.kafka_options import OPTION_PREFIX, OWNED_OPTIONS, option_faults, variable
from daymark.running import Described
from daymark.setting_table import TABLE, Setting, Settings
from schemas.faults import Faults

__all__ = [
    "ASSIGNORS",
    "PUBLISHED_CLAIM_KEY",
    "Settings",
    "SettingsFaults",
    "from_environment",
    "load",
    "origins",
    "running_ups",
]

PUBLISHED_CLAIM_KEY: Final = b"published-for-development-only"  # docker-compose.yml's: no secret

ASSIGNORS: Final = {"classic": ("cooperative-sticky", "range", "roundrobin"), "consumer": ("uniform", "range")}


class SettingsFaults(Faults):
    """What is wrong with the settings, or with the files that they name."""

    def show(self) -> None:
        """Write every fault to stderr, a line each."""
        for fault in self.faults:
            sys.stderr.write(f"daymark: {fault}\n")


def from_environment() -> Settings:
    """Return the settings of this process. Where none names a Kafka or a store, those of a running `daymark up` are it.

    Raises:
        SettingsFaults: something is wrong; with every fault at once.
    """
    if links := environment.service_links(os.environ):
        sys.stderr.write(
            f"daymark: ignoring {len(links)} variables that Kubernetes set for a Service ({min(links)} …); "
            "enableServiceLinks: false in the pod's spec avoids them\n"
        )
    return load({**_running(os.environ), **os.environ})


def origins() -> dict[str, str]:
    """Return where each variable of this process that is set comes from: the environment, a file, a `daymark up`."""
    found = dict.fromkeys(_running(os.environ), "daymark up")
    found |= {name: "environment" for name in os.environ if name.startswith(PREFIX)}
    return {
        name.removesuffix("_FILE"): f"file ({origin})" if name.endswith("_FILE") else origin
        for name, origin in found.items()
    }


def running_ups() -> list[Described]:
    """Return the running `daymark up` that a command here means: mostly one or none, see `daymark.running.find`."""
    return running.find(os.environ, Path.cwd())


def load(environ: Mapping[str, str]) -> Settings:
    """Return the settings that an environment gives.

    Raises:
        SettingsFaults: something is wrong; with every fault at once.
    """
    faults: list[str] = []
    given = dict(environment.given(environ, faults))
    found = {setting.field: _value(setting, given, faults) for setting in TABLE}
    options = _options(given, faults)
    faults.extend(_misspelt(given))
    if not faults:
        faults.extend(_across(found, options))
    if faults:
        raise SettingsFaults(faults)
    return Settings(kafka_options=options, **found)


def _value(setting: Setting, given: Mapping[str, str], faults: list[str]) -> Any:
    text = given.get(setting.name, setting.default)
    if text is None:
        return None
    if not text and setting.default != "":
        faults.append(f"{PREFIX}{setting.name}: empty; unset it to get the default")
        return None
    try:
        return setting.parse(text)
    except ValueError as error:
        faults.append(f"{PREFIX}{setting.name}: {error}")
        return None


def _options(given: Mapping[str, str], faults: list[str]) -> dict[str, str]:
    prefix = OPTION_PREFIX.removeprefix(PREFIX)
    options = {
        name.removeprefix(prefix).lower().replace("_", "."): text
        for name, text in given.items()
        if name.startswith(prefix)
    }
    for option in options.keys() & OWNED_OPTIONS:
        instead = OWNED_OPTIONS[option]
        advice = f"set {instead} instead" if instead else "Daymark sets it itself, because its guarantee depends on it"
        faults.append(f"{variable(option)}: {advice}")
    empty = [option for option, text in options.items() if not text and option not in OWNED_OPTIONS]
    faults.extend(f"{variable(option)}: empty; unset it" for option in empty)
    if options and not empty:
        faults.extend(option_faults(options))
    return options


def _misspelt(given: Mapping[str, str]) -> Iterator[str]:
    """Yield a fault for each variable that is nearly one of ours. Others are left alone: Kubernetes sets some."""
    known = {setting.name for setting in TABLE}
    for name in sorted(given.keys() - known):
        near = difflib.get_close_matches(name, known, 1, 0.8)
        if near and not name.startswith(("KAFKA_", "TEST_")):
            yield f"{PREFIX}{name}: unknown; did you mean {PREFIX}{near[0]}?"


def _across(values: Mapping[str, Any], options: Mapping[str, str]) -> Iterator[str]:
    if values["registry_token"] and any(site.user for site in values["registry_sites"] or ()):
        yield "DAYMARK_SCHEMA_REGISTRY_TOKEN: the URL also has a user and a password; use only one of them"
    protocol, assignor = values["group_protocol"], values["assignor"]
    if assignor is not None and assignor not in ASSIGNORS[protocol]:
        known = " or ".join(ASSIGNORS[protocol])
        yield f"DAYMARK_ASSIGNOR: {assignor} cannot be used with the group protocol {protocol}; use {known}"
    if values["membership"] == "static" and assignor == "cooperative-sticky":
        # Killed between the two rebalances of a move, a static member can leave partitions unassigned (measured).
        yield "DAYMARK_MEMBERSHIP: static cannot be used with DAYMARK_ASSIGNOR=cooperative-sticky; use range"
    yield from timeouts.faults(values["transaction_timeout_ms"], options)


def _running(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of a running `daymark up`: all of them or none, so that two systems are never mixed."""
    own = ("DAYMARK_KAFKA", "DAYMARK_REDIS", "DAYMARK_WORKSPACES", "DAYMARK_CLAIM_KEY")
    if any(f"{name}{suffix}" in environ for name in own for suffix in ("", "_FILE")):
        return {}
    found = running_ups()
    if len(found) > 1:
        folders = ", ".join(str(each.folder) for each in found)
        raise SettingsFaults([f"several `daymark up` are running: set {running.DATA} to one of {folders}"])
    return {
        name: text
        for up in found
        for name, text in (
            ("DAYMARK_KAFKA", up.at.kafka),
            ("DAYMARK_REDIS", up.at.redis),
            ("DAYMARK_WORKSPACES", str(up.workspaces)),
            ("DAYMARK_CLAIM_KEY_FILE", str(up.claim_key)),
            ("DAYMARK_TIMELINE", f"sqlite:///{up.timeline}"),
            *([("DAYMARK_BACKFILL_LANE", "on")] if up.lane else []),
        )
    }
