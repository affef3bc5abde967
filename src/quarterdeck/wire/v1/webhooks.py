"""Webhooks: who is told of changes of state, and how that goes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from quarterdeck.wire.v1.base import Answer, Request


class WebhookRequest(Request):
    """A receiver that wants to be told."""

    url: str = Field(description="Where to POST; http:// or https://.")
    states: list[str] = Field(
        default=[],
        max_length=50,
        description="Tell of jobs that come into one of these; left out, of all.",
    )
    secret: str | None = Field(
        default=None,
        description="`whsec_` and base64 of 24 to 64 bytes; left out, one is made up.",
    )


class WebhookView(Answer):
    """A receiver, and how telling it goes. Never its secret."""

    id: str = Field(description="Empty in a dry run.")
    url: str
    states: list[str] = Field(description="The states it is told of; none named are all.")
    owner: str
    created_at: str
    condition: Literal["good", "failing", "off"] = Field(
        description="`failing`: the last try was in vain, and it is tried again. `off`: it is not "
        "tried any more; a test that arrives switches it on again, from where it stood."
    )
    last_success_at: str | None
    last_failure_at: str | None
    last_failure: str = Field(description="What the last failure was.")
    failing_since: str | None = Field(description="The first failure since the last success.")
    failures: int = Field(description="Tries in vain since the last success.")
    backlog: int = Field(description="Entries of the event log that it is behind.")


class WebhookMade(WebhookView):
    """A new receiver, with the secret, which is not shown again."""

    secret: str = Field(description="Empty in a dry run.")


class WebhookList(Answer):
    """All of them, oldest first."""

    webhooks: list[WebhookView]


class WebhookTest(Answer):
    """What came of a test."""

    delivered: bool
    status: int | None = Field(description="The status of the answer, if there was one.")
    message: str
