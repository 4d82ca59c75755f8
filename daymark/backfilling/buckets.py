"""The files of an archive in S3 or a compatible store. The only user of obstore.

obstore finds address, region and credentials by itself: in AWS_REGION, AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL and the
like, or from the role of the machine or container.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Final, cast

from daymark.backfilling.archive import Damaged, File, Found, is_archived

SCHEME: Final = "s3://"
_CHUNK_BYTES: Final = 4 << 20  # of a request: the first byte of each takes a tenth of a second


def find(url: str) -> Found:
    """Return the files under a URL, `s3://bucket/prefix`, or the one that it names.

    Raises:
        Damaged: the bucket cannot be read, or obstore is not installed.
    """
    try:
        import obstore  # noqa: PLC0415  an extra
        from obstore.store import S3Store  # noqa: PLC0415
    except ImportError:
        raise Damaged(f"{url} needs an extra: install daymark[s3]") from None
    bucket, _, prefix = url.removeprefix(SCHEME).partition("/")
    prefix = prefix.strip("/")
    try:
        with _failing(url):
            store = S3Store(bucket)
            objects = [each for some in obstore.list(store, prefix or None) for each in some]
            if not objects and prefix:
                one = obstore.head(store, prefix)
                return Found([_file(store, bucket, one["path"], one["size"])], 0)
    except OSError as error:
        raise Damaged(str(error)) from None
    files = [_file(store, bucket, each["path"], each["size"]) for each in objects if is_archived(each["path"])]
    return Found(sorted(files, key=lambda file: file.name), len(objects) - len(files))


def _file(store: Any, bucket: str, path: str, size: int) -> File:
    return File(f"{SCHEME}{bucket}/{path}", size, lambda: _opened(store, path))


def _opened(store: Any, path: str) -> BinaryIO:
    return cast("BinaryIO", io.BufferedReader(_Stored(store, path)))


class _Stored(io.RawIOBase):
    """An object, read from its beginning to its end in ranges."""

    def __init__(self, store: Any, path: str) -> None:
        import obstore  # noqa: PLC0415

        self._path = path
        with _failing(path):
            self._reader = obstore.open_reader(store, path, buffer_size=_CHUNK_BYTES)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        with _failing(self._path):
            position: int = self._reader.seek(offset, whence)
        return position

    def tell(self) -> int:
        position: int = self._reader.tell()
        return position

    def readinto(self, buffer: Any, /) -> int:
        with _failing(self._path):
            found = memoryview(self._reader.read(len(buffer)))
        buffer[: len(found)] = found
        return len(found)


@contextmanager
def _failing(name: str) -> Iterator[None]:
    """Turn every error into an OSError with a one-line message."""
    from obstore.exceptions import BaseError  # noqa: PLC0415

    try:
        yield
    except (BaseError, OSError, ValueError) as error:
        message = next(iter(str(error).splitlines()), "")
        raise OSError(f"{name}: {message}") from None
