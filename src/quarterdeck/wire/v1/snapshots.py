"""Work folders, uploaded once by content and laid out for every attempt."""

from __future__ import annotations

from pydantic import Field

from quarterdeck.wire.v1.base import Answer, Request


class SnapshotFile(Request):
    """One file or symbolic link of a work folder."""

    path: str = Field(description="Relative to the work folder, with `/`.")
    mode: int = Field(default=0o644, description="Permission bits.")
    size: int = Field(default=0, description="Bytes.")
    digest: str | None = Field(default=None, description="SHA-256 of the content, lower-case hex.")
    target: str | None = Field(default=None, description="What a symbolic link points to.")


class SnapshotRequest(Request):
    """The manifest of a work folder, sorted by path."""

    files: list[SnapshotFile]


class SnapshotView(Answer):
    """The kept manifest's digest, or what must be uploaded before it can be kept."""

    digest: str = Field(description="What to put into a job as `snapshot`.")
    missing: list[str] = Field(
        description="Digests to `PUT /v1/blobs/{digest}`, then ask again; empty: it is kept."
    )
