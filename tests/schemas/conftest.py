"""These tests draw as tests/strategies.py says: importing it loads its profile."""

import tests.strategies  # noqa: F401
