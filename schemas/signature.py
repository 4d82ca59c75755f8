"""Signatures of webhooks: what Segment's Webhooks destination puts into `X-Signature` (contract, section 2). Pure.

Source: segmentio/action-destinations, destinations/webhook/index.ts: HMAC-SHA1 of the body with the shared secret, in
hexadecimal digits. SHA-1 is Segment's choice; its collisions do not break an HMAC (RFC 6151, RFC 2104).
"""

import hmac
from collections.abc import Iterable


class Secret:
    """A secret shared with a sender, prepared for use. It is not shown, nor can it be read again."""

    def __init__(self, text: str) -> None:
        """Prepare the key once: signing copies its state, which takes a third of the time."""
        self._keyed = hmac.new(text.encode(), digestmod="sha1")

    def sign(self, data: bytes) -> bytes:
        """Return the signature of some bytes, 40 hexadecimal digits."""
        keyed = self._keyed.copy()
        keyed.update(data)
        return keyed.hexdigest().encode()


def is_signed(data: bytes, signature: bytes, secrets: Iterable[Secret]) -> bool:
    """Return whether a signature is that of some bytes with one of the secrets, in constant time for each."""
    said = signature.strip().lower()
    return any(hmac.compare_digest(secret.sign(data), said) for secret in secrets)
