"""The keys of contacts and properties: short hashes, so that no e-mail is in an address or a log."""

from hashlib import blake2b

_BYTES = 10  # of a billion keys, two are the same with a chance of 4 in 10 million


def contact_key(workspace: str, email: str) -> str:
    """Return what stands for a contact: 20 hex digits."""
    return blake2b(f"{workspace}\n{email}".encode(), digest_size=_BYTES).hexdigest()


def property_key(record_key: bytes) -> str:
    """Return what stands for a property: 20 hex digits, of the key of its records in contact.traits."""
    return blake2b(record_key, digest_size=_BYTES).hexdigest()
