"""Which settings are in force, and where each comes from. Secrets are hidden."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, NamedTuple

from daymark.environment import PREFIX
from daymark.kafka_options import OPTION_PREFIX
from daymark.setting_table import TABLE
from daymark.settings import Settings


class Source(NamedTuple):
    """A setting: its variable, its value as text, and where that comes from."""

    variable: str
    value: str
    origin: str


def sources(found: Settings, origins: Mapping[str, str]) -> Iterator[Source]:
    """Yield every setting, in the order of the table, then what is passed to librdkafka.

    Args:
        found: the settings.
        origins: of the variables that are set; the others have their defaults.
    """
    hidden = {field.name for field in fields(Settings) if not field.repr}
    for setting in TABLE:
        name = f"{PREFIX}{setting.name}"
        value = getattr(found, setting.field)
        yield Source(name, _shown(value, is_hidden=setting.field in hidden), origins.get(name, "default"))
    for option in found.kafka_options:
        name = f"{OPTION_PREFIX}{option.upper().replace('.', '_')}"
        yield Source(name, "(hidden)", origins.get(name, "environment"))


def _shown(value: Any, *, is_hidden: bool) -> str:
    if value is None:
        return "-"
    if is_hidden:
        return "(hidden)"
    return str(getattr(value, "prefix", value))
