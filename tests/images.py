"""The images that tests run: those of docker-compose.yml."""

from typing import Final

KAFKA: Final = "apache/kafka:4.3.1"
VALKEY: Final = "valkey/valkey:9"
