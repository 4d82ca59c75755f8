"""Records that ingest would never write, on a real broker: others may write to the topic, too."""

import ctypes
from pathlib import Path
from typing import Final

import confluent_kafka
from confluent_kafka import Producer

_TOPIC, _VALUE, _FLAGS, _HEADERS, _END = 1, 4, 7, 10, 0  # of rd_kafka_producev: librdkafka's rdkafka.h
_COPY = 2
BOMB_BYTES: Final = 150_000_000  # over `receive.message.max.bytes`, which bounds what a consumer decompresses


def send(kafka: str, topic: str, key: bytes | None, value: bytes, *headers: tuple[str, bytes]) -> None:
    """Write one record of any size that the broker takes, compressed as well as can be, and wait for it."""
    faults: list[object] = []
    producer = Producer(
        {
            "bootstrap.servers": kafka,
            "message.max.bytes": 1_000_000_000,
            "batch.size": 1_000_000_000,
            "queue.buffering.max.kbytes": 2_000_000,
            "compression.type": "zstd",
            "log_level": 0,
        }
    )
    producer.produce(topic, value, key, headers=list(headers), on_delivery=lambda fault, _: faults.append(fault))
    assert producer.flush(60) == 0
    assert faults == [None]


def send_header(kafka: str, topic: str, name: bytes, value: bytes) -> None:
    """Write a record with a header whose name need not be text, which the Python client cannot."""
    folder = Path(confluent_kafka.__file__).parents[1] / "confluent_kafka.libs"
    library = ctypes.CDLL(str(next(folder.glob("librdkafka-*"))))
    pointer = ctypes.c_void_p
    for function in (library.rd_kafka_conf_new, library.rd_kafka_new, library.rd_kafka_headers_new):
        function.restype = pointer
    said = ctypes.create_string_buffer(512)
    config = pointer(library.rd_kafka_conf_new())
    library.rd_kafka_conf_set(config, b"bootstrap.servers", kafka.encode(), said, 512)
    producer = pointer(library.rd_kafka_new(0, config, said, 512))
    headers = pointer(library.rd_kafka_headers_new(1))
    size = ctypes.c_ssize_t
    library.rd_kafka_header_add(
        headers, ctypes.c_char_p(name), size(len(name)), ctypes.c_char_p(value), size(len(value))
    )
    parts = (_TOPIC, ctypes.c_char_p(topic.encode()), _VALUE, ctypes.c_char_p(b"x"), ctypes.c_size_t(1))
    assert library.rd_kafka_producev(producer, *parts, _FLAGS, _COPY, _HEADERS, headers, _END) == 0
    assert library.rd_kafka_flush(producer, 60_000) == 0
    library.rd_kafka_destroy(producer)
