"""The identity of an interaction (contract, section 4)."""

import uuid
from datetime import date
from typing import Final

_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "urn:daymark:interaction")
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


def interaction_id(workspace: str, email: str, day: int) -> str:
    """Return the UUIDv5 of a workspace, a contact (a normalised e-mail) and a day (in days since 1970-01-01).

    A pure function of the three: should claims be lost, a second emission bears the same id. Neither an e-mail nor a
    date holds a line break, so no two contact-days share a name.
    """
    return str(uuid.uuid5(_NAMESPACE, f"{workspace}\n{email}\n{date.fromordinal(day + _EPOCH_ORDINAL).isoformat()}"))
