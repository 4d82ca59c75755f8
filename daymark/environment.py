"""Which environment variables are settings, and their text: files read, Kubernetes' without service links.

Decides nothing about values: `settings` does.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

PREFIX: Final = "DAYMARK_"

# Kubernetes describes every Service of a namespace to its pods in variables (enableServiceLinks). Those of a Service
# called daymark-kafka begin with DAYMARK_KAFKA_, as librdkafka's options do here.
_LINK: Final = re.compile(
    r"_(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?)"
)


def service_links(environ: Mapping[str, str]) -> frozenset[str]:
    """Return the names of the variables that describe a Kubernetes Service rather than a setting.

    Source: Kubernetes, "Discovering services": {SVC}_SERVICE_HOST and {SVC}_SERVICE_PORT are always there.
    """
    services = {
        name.removesuffix("_SERVICE_HOST")
        for name in environ
        if name.endswith("_SERVICE_HOST") and name.removesuffix("HOST") + "PORT" in environ
    }
    return frozenset(
        name
        for service in services
        for name in environ
        if name.startswith(service) and _LINK.fullmatch(name, len(service))
    )


def given(environ: Mapping[str, str], faults: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the settings of an environment, name without prefix and text; NAME_FILE gives NAME a file's content.

    Args:
        environ: all variables; those without the prefix, and service links, are skipped.
        faults: gets a line for each file that cannot be read, and each setting that is given twice or is empty.
    """
    links = service_links(environ)
    for name, text in environ.items():
        if not name.startswith(PREFIX) or name in links:
            continue
        if not name.endswith("_FILE"):
            yield name.removeprefix(PREFIX), text
        elif name.removesuffix("_FILE") in environ:
            faults.append(f"{name}: {name.removesuffix('_FILE')} is also set; set only one of them")
        else:
            try:
                yield name.removeprefix(PREFIX).removesuffix("_FILE"), Path(text).read_text("utf-8").rstrip("\r\n")
            except (OSError, ValueError) as error:
                faults.append(f"{name}: {text} cannot be read: {getattr(error, 'strerror', None) or error}")
