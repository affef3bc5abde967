"""What all bodies share: an unknown field in a request is an error, in an answer it is news."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Strict

Count = Annotated[int, Strict()]
"""A whole number that was written as one: neither `true` nor "2" nor 2.0."""

Flag = Annotated[bool, Strict()]
"""true or false, and nothing that might be meant so."""


class Request(BaseModel):
    """A body that a client sends: unknown fields are refused, so that typing errors are found."""

    model_config = ConfigDict(extra="forbid")


class Answer(BaseModel):
    """A body that the server sends: a client ignores fields that are newer than itself."""

    model_config = ConfigDict(extra="ignore", frozen=True)
