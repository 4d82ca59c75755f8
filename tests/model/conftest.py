"""What all runs of the model share."""

from collections.abc import Iterator

import pytest
import structlog

from processor import health, metrics


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Workers that fail all the time say so all the time; those that crash leave their gauges behind."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    yield
    structlog.configure(**before)
    health.STATE.is_paused = False
    metrics.CLAIMS_FULL.set(0)
