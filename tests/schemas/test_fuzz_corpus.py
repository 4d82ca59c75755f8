"""What fuzzing found worth keeping is read again: an input for each turn the reader takes, and whatever broke it once.

`make fuzz` looks for more; tests/edge/fuzz.py says how.
"""

from pathlib import Path

import pytest

from tests.edge import reading
from tests.whole import Whole

CORPUS = sorted((Path(__file__).parent / "corpus").iterdir())


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_an_input_of_the_corpus(path: Path) -> None:
    """It is read without an exception, the same way twice, and as the tolerant path reads it."""
    reading.check(path.read_bytes())


def test_the_corpus_is_small_and_leads_everywhere() -> None:
    """A few files of a few hundred bytes, of which some are accepted and the others refused for every reason."""
    found = [reading.check(path.read_bytes()) for path in CORPUS]
    assert 30 < len(CORPUS) < 200
    assert sum(path.stat().st_size for path in CORPUS) < 50_000
    assert sum(isinstance(each, Whole) for each in found) > 10
    assert len({each.reason for each in found if not isinstance(each, Whole)}) >= 7
