"""What all bodies share: an unknown field in a request is an error, in an answer it is news."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Request(BaseModel):
    """A body that a client sends: unknown fields are refused, so that typing errors are found."""

    model_config = ConfigDict(extra="forbid")


class Answer(BaseModel):
    """A body that the server sends: a client ignores fields that are newer than itself."""

    model_config = ConfigDict(extra="ignore", frozen=True)
