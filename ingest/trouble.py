"""Why Kafka cannot be reached: the most helpful of librdkafka's error messages."""

_REFUSED = {"_AUTHENTICATION", "_SSL"}
_REPEATED = "_ALL_BROKERS_DOWN"  # says that each of them is, after each was said


class Trouble:
    """Keeps one error message until Kafka is reached.

    A refusal takes precedence, since it says what to fix. Messages of one kind repeat, each with another number of ms;
    the first is kept, so that callers that log changes log it once.
    """

    def __init__(self) -> None:
        self._kind, self._text = "", ""

    def hear(self, kind: str, text: str) -> None:
        """Keep an error message if it is more helpful than the current one, or as helpful and of another kind.

        Args:
            kind: its name with librdkafka, such as _TRANSPORT.
            text: its words.
        """
        if kind != self._kind and _help(kind) >= _help(self._kind):
            self._kind, self._text = kind, text

    def why(self, failure: str) -> str:
        """Return why a call failed: what was heard, else the call's own words, which say little."""
        return self._text or failure

    def forget(self) -> None:
        """Kafka was reached."""
        self._kind, self._text = "", ""


def _help(kind: str) -> int:
    if kind in _REFUSED:
        return 3
    if kind == _REPEATED:
        return 1
    return 2 if kind else 0
