"""Cloud Storage as the `Blobs` port: one bucket, and what is kept apart from it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from penstock.core.errors import NotFound, Unavailable

if TYPE_CHECKING:
    from google.cloud.storage import Bucket, Client

TIMEOUT_SECONDS = 30.0  # of one call
PATIENCE_SECONDS = 60.0  # of all its attempts


class CloudBlobs:
    """One bucket; names that begin as a key of `apart` says lie in the bucket that it names. The client is built on first use,
    after the server's fork. With STORAGE_EMULATOR_HOST set the client library talks to the emulator instead, without
    credentials."""

    def __init__(self, bucket: str, project: str | None = None, apart: Mapping[str, str] | None = None) -> None:
        self.bucket, self.project, self.apart = bucket, project, apart or {}

    @cached_property
    def _client(self) -> Client:
        from google.cloud import storage

        return storage.Client(project=self.project)

    def _bucket_of(self, name: str) -> str:
        return next((bucket for start, bucket in self.apart.items() if bucket and name.startswith(start)), self.bucket)

    def _in(self, name: str) -> Bucket:
        return self._client.bucket(self._bucket_of(name))

    def write(self, name: str, content: bytes, content_type: str, *, replace: bool = False) -> bool:
        """Store an object. Without `replace`: False when one of this name exists; after a lost answer that one may be
        our own, so callers that use fixed names write fixed content."""
        from google.api_core.exceptions import PreconditionFailed

        with _told(self._bucket_of(name), name):
            blob = self._in(name).blob(name)
            # The emulator ignores generation preconditions and would overwrite; asking first is enough on one machine.
            if _emulator() and not replace and blob.exists(timeout=TIMEOUT_SECONDS):
                return False
            try:
                blob.upload_from_string(
                    content,
                    content_type=content_type,
                    if_generation_match=None if replace else 0,
                    timeout=TIMEOUT_SECONDS,
                    retry=_retry(),
                )
            except PreconditionFailed:
                return False
        return True

    def read(self, name: str) -> bytes:
        with _told(self._bucket_of(name), name):
            # raw: an object stored as gzip comes back as the bytes that were written
            content: bytes = (
                self._in(name).blob(name).download_as_bytes(raw_download=True, timeout=TIMEOUT_SECONDS, retry=_retry())
            )
        return content

    def names(self, prefix: str) -> list[str]:
        with _told(self._bucket_of(prefix), prefix):
            only = "items(name),nextPageToken"
            found = self._in(prefix).list_blobs(prefix=prefix, fields=only, timeout=TIMEOUT_SECONDS, retry=_retry())
            return sorted(blob.name for blob in found)

    def url(self, name: str) -> str:
        """The download for signed-in people with access to the bucket; the emulator's media link where one is used."""
        if emulator := _emulator():
            return f"{emulator}/download/storage/v1/b/{quote(self._bucket_of(name), safe='')}/o/{quote(name, safe='')}?alt=media"
        return f"https://storage.cloud.google.com/{quote(self._bucket_of(name))}/{quote(name)}"


def _emulator() -> str:
    return os.environ.get("STORAGE_EMULATOR_HOST", "").rstrip("/")


def _retry() -> Any:
    from google.cloud.storage.retry import DEFAULT_RETRY

    return DEFAULT_RETRY.with_timeout(PATIENCE_SECONDS)


class _told:
    """Turns the client library's errors into ours, naming the object."""

    def __init__(self, bucket: str, name: str) -> None:
        self.subject = f"gs://{bucket}/{name}"

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        import requests
        from google.api_core import exceptions

        match error:
            case exceptions.NotFound():
                remedy = "Check the bucket's and the object's name, and the retention period."
                raise NotFound("is not there", subject=self.subject, remedy=remedy) from error
            case exceptions.Forbidden() | exceptions.Unauthorized():
                remedy = "Grant this service account the role it needs on the bucket, then try again."
                raise Unavailable(f"access was denied: {error.message}", subject=self.subject, remedy=remedy) from error
            case exceptions.GoogleAPIError() | requests.RequestException():
                raise Unavailable(f"Cloud Storage did not answer: {error}", subject=self.subject, remedy="Try again.") from error
