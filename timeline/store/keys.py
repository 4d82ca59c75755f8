"""The keys of contacts and properties: short hashes, so that no e-mail is in an address or a log."""

from hashlib import blake2b
from secrets import token_bytes

from schemas.forgotten import property_identity

_BYTES = 10  # of a billion keys, two are the same with a chance of 4 in 10 million
_SECRET_BYTES = 32


class ContactKeys:
    """Makes the keys of a store's contacts: without its secret, nobody can tell which key an address has."""

    def __init__(self, secret: bytes) -> None:
        self._keyed = blake2b(digest_size=_BYTES, key=secret)

    def of(self, workspace: str, email: str) -> str:
        """Return what stands for a contact: 20 hex digits."""
        key = self._keyed.copy()
        key.update(f"{workspace}\n{email}".encode())
        return key.hexdigest()


def new_secret() -> bytes:
    """Return the secret of a new store."""
    return token_bytes(_SECRET_BYTES)


def property_key(record_key: bytes) -> str:
    """Return what stands for a property: 20 hex digits, of the key of its records in contact.traits.

    They are the first of its identity in the marks of `daymark forget`, which are all that is left of the key there.
    So they are not keyed; no address has them.
    """
    return marked_key(property_identity(record_key))


def marked_key(identity: bytes) -> str:
    """Return what stands for a property that a mark names by its identity."""
    return identity[:_BYTES].hex()
