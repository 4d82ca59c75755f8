"""The keys of contacts and properties: short hashes, so that no e-mail is in an address or a log."""

from hashlib import blake2b

from schemas.forgotten import property_identity

_BYTES = 10  # of a billion keys, two are the same with a chance of 4 in 10 million


def contact_key(workspace: str, email: str) -> str:
    """Return what stands for a contact: 20 hex digits."""
    return blake2b(f"{workspace}\n{email}".encode(), digest_size=_BYTES).hexdigest()


def property_key(record_key: bytes) -> str:
    """Return what stands for a property: 20 hex digits, of the key of its records in contact.traits.

    They are the first of its identity in the marks of `daymark forget`, which are all that is left of the key there.
    """
    return marked_key(property_identity(record_key))


def marked_key(identity: bytes) -> str:
    """Return what stands for a property that a mark names by its identity."""
    return identity[:_BYTES].hex()
