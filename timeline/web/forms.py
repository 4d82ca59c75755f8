"""The fields of a submitted form: small, URL-encoded."""

from typing import Final
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request

_MOST_BYTES: Final = 8_192


async def fields(request: Request) -> dict[str, str]:
    """Return a form's fields; PostgreSQL takes no NUL in text, so they have none.

    Raises:
        HTTPException: 413, it is longer than any form of ours.
    """
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            raise HTTPException(413)
    found = parse_qsl(body.decode(errors="replace"), keep_blank_values=True)
    return {name: text.replace("\0", "\N{REPLACEMENT CHARACTER}") for name, text in found}
