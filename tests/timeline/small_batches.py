"""The reader of the settings' topics, in batches so small that a kill hits one of many."""

from threading import Event

from daymark import timeline_wiring
from daymark.settings import from_environment
from timeline import reading

if __name__ == "__main__":
    reading.BATCH = 100  # type: ignore[misc]
    timeline_wiring.read(from_environment(), Event())
