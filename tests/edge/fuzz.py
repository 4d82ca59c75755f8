"""Coverage-guided fuzzing of what reads events and batches: `make fuzz`, `python -m tests.edge.fuzz TARGET FOLDER …`.

libFuzzer, through atheris, keeps every input that reaches something new; half of the mutations know what JSON is made
of. The oracles are `reading.check` and `batching.check`. What they find fault with is left as `crash-*` in the folder:
mend it, and put an event into tests/schemas/corpus, which tests/schemas/test_fuzz_corpus.py replays, a batch into
tests/ingest/test_batch.py.
"""

import importlib
import random
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

try:
    atheris: Any = importlib.import_module("atheris")
except ModuleNotFoundError:
    sys.exit("fuzzing wants atheris: Linux on x86-64, and Python 3.11 to 3.13")

with atheris.instrument_imports(include=["schemas", "ingest.batch"], enable_loader_override=False):
    from tests import examples, strategies
    from tests.edge import batching, reading

CORPUS = Path(__file__).parents[1] / "schemas" / "corpus"
MOST_BYTES = 33 * 1024  # somewhat over the limit of an event

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[-+.\w]+|[{}\[\],:]', re.DOTALL)
_KEYS = (
    *(
        "type",
        "timestamp",
        "traits",
        "email",
        "context",
        "page",
        "url",
        "event",
        "messageId",
        "userId",
        "originalTimestamp",
    ),
    *("personas", "computation_key", "computation_class", "vip", "big_spender", "audience", "trait", "journey_step"),
    *("contact", "mail", "time", "path", "tags", "properties", "library", "userAgent", "batch", "integrations"),
)
_TOKENS: list[bytes] = [
    token.encode("utf-8", "surrogatepass")
    for token in (
        *strategies._WHOLE, *strategies._BROKEN, *strategies._TEXT, *strategies._EMAIL, *strategies._TIMESTAMP,
        *strategies._TYPE, *"{}[],:", *(f'"{key}"' for key in _KEYS), *(f'"{key}":' for key in _KEYS),
        *(f'"{key.upper()}"' for key in _KEYS), *(f'"{key[:2]}_-{key[2:]}"' for key in _KEYS), '"\\u0065vent"',
        "[" * 200, '{"a":' * 130, "9" * 5000, "1e-400", "0.1e5000", '"' + "\\" * 1001, " " * 1000, "\ufeff",
    )
]  # fmt: skip


def mutate(data: bytes, most: int, number: int) -> bytes:
    """Return an input that is one step from another: by bytes, by tokens of JSON, or drawn anew."""
    chance = random.Random(number)
    kind = chance.random()
    if kind < 0.5:
        return bytes(atheris.Mutate(data, most))
    if kind < 0.55:
        return strategies._Event(chance.randbytes(90), "").draw()[:most]
    for _ in range(chance.randint(1, 4)):
        data = _with_token(data, chance)
    return data[:most]


def _with_token(data: bytes, chance: random.Random) -> bytes:
    """Replace a token, put one in or take one out; those of the input itself are taken, too."""
    spans = [match.span() for match in _TOKEN.finditer(data, 0, 4096)]
    if not spans:
        return data + chance.choice(_TOKENS)
    start, end = chance.choice(spans)
    other = chance.choice(spans)
    token = chance.choice((chance.choice(_TOKENS), data[slice(*other)], b""))
    return data[:start] + token + data[end if chance.random() < 0.7 else start :]


def main(arguments: list[str]) -> None:
    """Run libFuzzer on a target and in a folder, its options after them."""
    target, folder = arguments[0], Path(arguments[1]) / arguments[0]
    seeds, found = folder / "seeds", folder / "found"
    for needed in (seeds, found):
        needed.mkdir(parents=True, exist_ok=True)
    for name, body in _SEEDS[target]():
        (seeds / name).write_bytes(body)
    options = [f"-artifact_prefix={folder}/", f"-max_len={MOST_BYTES}", "-timeout=10", *arguments[2:]]
    atheris.Setup([sys.argv[0], *options, str(found), str(seeds)], _CHECKS[target], custom_mutator=mutate)
    atheris.Fuzz()


def _events() -> Iterator[tuple[str, bytes]]:
    """Yield the examples and the corpus."""
    for example in examples.load():
        yield example.name, example.body.rstrip(b" ")
    for path in CORPUS.iterdir():
        yield path.name, path.read_bytes()


def _batches() -> Iterator[tuple[str, bytes]]:
    """Yield each of those in a list, and in a batch with defaults."""
    for name, body in _events():
        yield f"{name}.list", b"[" + body + b", 1]"
        yield f"{name}.batch", b'{"context": {"a": 1}, "batch": [' + body + b'], "integrations": {}}'


_SEEDS: dict[str, Callable[[], Iterator[tuple[str, bytes]]]] = {"events": _events, "batches": _batches}
_CHECKS: dict[str, Callable[[bytes], object]] = {"events": reading.check, "batches": batching.check}

if __name__ == "__main__":
    main(sys.argv[1:])
