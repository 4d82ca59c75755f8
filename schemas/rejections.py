"""The closed list of rejection reasons.

One word for one reason, everywhere: HTTP bodies, metric labels, log keys and rejected records (contract, section 3).
A new reason is added to the contract first.
"""

from enum import StrEnum
from typing import final

import msgspec


class Reason(StrEnum):
    """Why an event is not an identify that the timeline can take."""

    MALFORMED_JSON = "malformed_json"
    NOT_AN_OBJECT = "not_an_object"
    TOO_LARGE = "too_large"
    UNSUPPORTED_TYPE = "unsupported_type"
    MISSING_EMAIL = "missing_email"
    INVALID_EMAIL = "invalid_email"
    MISSING_TIMESTAMP = "missing_timestamp"
    INVALID_TIMESTAMP = "invalid_timestamp"
    TIMESTAMP_IN_FUTURE = "timestamp_in_future"


@final
class Rejection(msgspec.Struct, frozen=True):
    """A rejected event, with a message that Segment shows to its customer."""

    reason: Reason
    message: str


MALFORMED_JSON = Rejection(Reason.MALFORMED_JSON, "The event is not valid JSON in UTF-8")
NOT_AN_OBJECT = Rejection(Reason.NOT_AN_OBJECT, "The event is not a JSON object")
TOO_LARGE = Rejection(Reason.TOO_LARGE, "The event is larger than 32 KiB")
UNSUPPORTED_TYPE = Rejection(Reason.UNSUPPORTED_TYPE, "Only identify calls are accepted")
MISSING_EMAIL = Rejection(Reason.MISSING_EMAIL, "Missing email address")
INVALID_EMAIL = Rejection(Reason.INVALID_EMAIL, "The email address is not valid")
MISSING_TIMESTAMP = Rejection(Reason.MISSING_TIMESTAMP, "Missing timestamp")
INVALID_TIMESTAMP = Rejection(Reason.INVALID_TIMESTAMP, "The timestamp is not an ISO 8601 date or a Unix time")
TIMESTAMP_IN_FUTURE = Rejection(Reason.TIMESTAMP_IN_FUTURE, "The timestamp is more than 24 hours in the future")

# Of records that ingest did not write: what they hold cannot be read at all.
UNREADABLE_HEADERS = Rejection(Reason.MALFORMED_JSON, "The record's headers are not valid UTF-8")
UNREADABLE_RECORD = Rejection(Reason.TOO_LARGE, "The record is too large to decompress")
WORKSPACE_TOO_LONG = Rejection(Reason.TOO_LARGE, "The header workspace is longer than a workspace name can be")
