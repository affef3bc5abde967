"""Servers that share one directory, with a clock that a test sets and secrets in a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from quarterdeck.adapters.stores.memory_directory import MemoryDirectory
from quarterdeck.control.founding import found
from quarterdeck.control.roster import Roster, principal_of
from quarterdeck.control.sign_in import SignIn
from quarterdeck.control.tokens import Draft, MadeToken, create_token
from quarterdeck.core.governance.people import Entry, Team, User
from quarterdeck.core.governance.principal import Principal
from quarterdeck.core.governance.roles import Role
from quarterdeck.ports.directory import Contents, Use
from tests.spec.control.desk import HandClock

PEOPLE: tuple[Entry, ...] = (
    Team("vision"),
    User("abe", role=Role.ADMIN),
    User("lea", teams=(("vision", Role.LEAD),)),
    User("mia", teams=(("vision", Role.MEMBER),)),
)


class CountedSecrets:
    """Names and secrets in a row."""

    def __init__(self, first: int = 0) -> None:
        self._given = first

    def new_id(self, letter: str) -> str:
        self._given += 1
        return f"{letter}{self._given:09}"

    def new_secret(self, prefix: str) -> str:
        self._given += 1
        return f"{prefix}secret-{self._given}"


class WatchedDirectory(MemoryDirectory):
    """A directory that counts, and where somebody else may come first, each time or once."""

    def __init__(self) -> None:
        super().__init__()
        self.first: Callable[[], object] | None = None
        self.is_stubborn = False
        self.tries = 0
        self.saved: list[dict[str, Use]] = []

    def change(self, revision: int, **wanted: object) -> int:
        self.tries += 1
        first = self.first
        if first is not None:
            self.first = None
            first()
            if self.is_stubborn:
                self.first = first
        return super().change(revision, **wanted)  # type: ignore[arg-type]

    def note_uses(self, uses: Mapping[str, Use]) -> None:
        self.saved.append(dict(uses))
        super().note_uses(uses)


@dataclass
class Office:
    """A directory with an owner and a team, and one server on it; `another` is one more."""

    directory: WatchedDirectory = field(default_factory=WatchedDirectory)
    clock: HandClock = field(default_factory=HandClock)

    def __post_init__(self) -> None:
        found(self.directory, "ada", self.clock.now_ns())
        self.directory.change(self.directory.revision(), put=PEOPLE)
        self.directory.tries = 0
        self.roster = Roster(self.directory, self.clock, CountedSecrets())
        self.sign_in = SignIn(self.roster)

    def another(self) -> Roster:
        return Roster(self.directory, self.clock, CountedSecrets(10**6))

    def who(self, name: str) -> Principal:
        return principal_of(self.roster.people.get_user(name), None)

    def token(self, owner: str, **more: object) -> MadeToken:
        draft = Draft(owner, "laptop", **more)  # type: ignore[arg-type]
        return create_token(self.roster, draft)

    def signed_in(self, made: MadeToken) -> Principal:
        principal = self.sign_in.find_principal(made.secret, "127.0.0.1")
        assert principal is not None
        return principal

    def kept(self) -> Contents:
        return self.directory.load()
