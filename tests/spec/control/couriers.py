"""A receiver that is played: it takes messages or fails as a test says, and keeps what it got."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from quarterdeck.basics.errors import Invalid
from quarterdeck.ports.notifier import Message, Outcome

TAKEN = Outcome(is_delivered=True, message="answered 204", status=204)
BROKEN = Outcome(is_delivered=False, message="answered 500", status=500)
GONE = Outcome(is_delivered=False, message="answered 410", status=410, is_gone=True)


@dataclass
class PlayedReceiver:
    """A notifier and all receivers behind it. `outcomes` come in turn, then `always`."""

    outcomes: list[Outcome] = field(default_factory=list)
    always: Outcome = TAKEN
    tried: list[tuple[str, Message]] = field(default_factory=list)
    taken: list[tuple[str, Message]] = field(default_factory=list)

    def check(self, url: str) -> None:
        if not url.startswith("http"):
            raise Invalid(f"{url} is no URL", field="url")

    def send(self, url: str, secret: str, message: Message) -> Outcome:
        outcome = self.outcomes.pop(0) if self.outcomes else self.always
        self.tried.append((url, message))
        if outcome.is_delivered:
            self.taken.append((url, message))
        return outcome

    def heard(self, url: str) -> list[tuple[str, str]]:
        """Jobs and their states in the order in which a receiver heard them, doubles dropped."""
        once = {message.id: message for to, message in self.taken if to == url}
        return [(data["id"], data["state"]) for data in map(data_of, once.values())]


class CountedKeys:
    """Names and secrets in a row."""

    def __init__(self) -> None:
        self._given = 0

    def new_hook_id(self) -> str:
        self._given += 1
        return f"w{self._given:09}"

    def new_secret(self) -> str:
        return "whsec_" + "c2VjcmV0" * 5


def data_of(message: Message) -> Any:
    return json.loads(message.body)["data"]
