"""Who is who now: the directory in memory, and the one way to change it.

A check of a token or a permission reads memory alone. A change is a function from the people that
are to what is to be kept; it is run again when somebody else's change came first.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from quarterdeck.basics.errors import Stale, Unavailable
from quarterdeck.control.signal import Signal
from quarterdeck.core.governance.people import People
from quarterdeck.core.governance.principal import Principal
from quarterdeck.core.governance.roles import Kind, Role
from quarterdeck.ports.directory import Use

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from quarterdeck.core.governance.people import Entry, Token, User
    from quarterdeck.ports.clock import Clock
    from quarterdeck.ports.directory import Directory, Secrets

T = TypeVar("T")
TRIES_MAX: Final = 5
HOME_TOKEN: Final = "home"  # noqa: S105 - a name
"""The token id of the file in the server's home, which is no entry of the directory."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a change keeps and forgets."""

    put: tuple[Entry, ...] = ()
    gone: tuple[str, ...] = ()
    tokens: tuple[Token, ...] = ()
    revoked: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing changes."""
        return not (self.put or self.gone or self.tokens or self.revoked)


@dataclass(frozen=True, slots=True)
class _Held:
    """One instant of the directory. `by_digest` and `by_id` hold the same tokens."""

    revision: int
    people: People
    by_digest: Mapping[str, Token]
    by_id: Mapping[str, Token]


class Roster:
    """See the module. `changed` rings after every change, also of another server's.

    Every method may be called from any thread. The directory must hold people (see `founding`).
    """

    def __init__(self, directory: Directory, clock: Clock, secrets: Secrets) -> None:
        self.clock = clock
        self.secrets = secrets
        self.changed = Signal()
        self._directory = directory
        self._lock = threading.Lock()
        self._held = self._load()
        self._uses: dict[str, Use] = {}
        self._unsaved: dict[str, Use] = {}

    @property
    def people(self) -> People:
        """The organization, its teams and its users."""
        return self._held.people

    @property
    def revision(self) -> int:
        """Moves with every change."""
        return self._held.revision

    def list_tokens(self) -> list[Token]:
        """All tokens, oldest first."""
        tokens = self._held.by_id.values()
        return sorted(tokens, key=lambda token: (token.created_at_ns, token.id))

    def find_token(self, token_id: str) -> Token | None:
        """A token by its id."""
        return self._held.by_id.get(token_id)

    def find_use(self, token: Token) -> Use | None:
        """When it was last used, also if that is not kept yet."""
        known = self._uses.get(token.id)
        if known is None and token.last_used_at_ns is not None:
            return Use(token.last_used_at_ns, token.last_source)
        return known

    def find_by_digest(self, digest: str) -> Token | None:
        """The token with this digest of its secret, unless its time is over."""
        token = self._held.by_digest.get(digest)
        if token is None or token.is_expired(self.clock.now_ns()):
            return None
        return token

    def find_principal(self, token: Token) -> Principal | None:
        """Whom the token stands for now, unless that is nobody any more."""
        user = self.people.users.get(token.owner)
        if user is None or not user.is_active:
            return None
        return principal_of(user, token)

    def is_current(self, principal: Principal) -> bool:
        """Whether the principal may still go on as it was let in: its token is there and in time,
        and its roles are the same."""
        if principal.kind not in (Kind.USER, Kind.SERVICE):
            return True
        user = self.people.users.get(principal.name)
        if user is None or not user.is_active:
            return False
        if principal.token_id == HOME_TOKEN:
            return principal_of(user, None) == principal
        token = self.find_token(principal.token_id)
        if token is None or token.is_expired(self.clock.now_ns()):
            return False
        return principal_of(user, token) == principal

    def note_use(self, token: Token, source: str) -> None:
        """The token was used just now."""
        use = Use(self.clock.now_ns(), source)
        self._uses[token.id] = use
        self._unsaved[token.id] = use

    def save_uses(self) -> None:
        """Keep when tokens were last used, if any were."""
        with self._lock:
            unsaved, self._unsaved = self._unsaved, {}
            if unsaved:
                try:
                    # A copy: who looked up the dict just before may add to it until now.
                    self._directory.note_uses(dict(unsaved))
                except Unavailable:
                    self._unsaved = unsaved | self._unsaved
                    raise

    def refresh(self) -> bool:
        """See what other servers have changed; says whether there was anything."""
        with self._lock:
            if self._directory.revision() == self._held.revision:
                return False
            self._held = self._load()
        self.changed.ring()
        return True

    def change(self, work: Callable[[People], tuple[Change, T]], *, is_dry_run: bool = False) -> T:
        """Make a change and keep it; what `work` raises is raised, with nothing changed. Answers
        what `work` answers. In a dry run everything is checked and nothing is kept."""
        before = self._held.revision
        try:
            with self._lock:
                return self._change(work, is_dry_run=is_dry_run)
        finally:
            # Also when it came to nothing: on the way it may have seen what others have changed.
            if self._held.revision != before:
                self.changed.ring()

    def _change(self, work: Callable[[People], tuple[Change, T]], *, is_dry_run: bool) -> T:
        for _ in range(TRIES_MAX):
            change, answer = work(self._held.people)
            if is_dry_run or change.is_empty:
                return answer
            try:
                revision = self._directory.change(
                    self._held.revision,
                    put=change.put,
                    gone=change.gone,
                    tokens=change.tokens,
                    revoked=change.revoked,
                )
            except Stale:
                self._held = self._load()
                continue
            self._held = _with_change(self._held, change, revision)
            return answer
        raise Stale("people change faster than this could be kept", hint="try again")

    def tokens_of(self, user: str) -> tuple[str, ...]:
        """The ids of all tokens of a user."""
        return tuple(token.id for token in self._held.by_id.values() if token.owner == user)

    def _load(self) -> _Held:
        contents = self._directory.load()
        assert contents.people is not None, "the directory was not founded"
        return _Held(
            contents.revision,
            contents.people,
            {token.secret_digest: token for token in contents.tokens},
            {token.id: token for token in contents.tokens},
        )


def principal_of(user: User, token: Token | None) -> Principal:
    """The user as one who acts, by a token or by the home's own."""
    kind = user.kind
    roles = (user.role, Role.PERSON) if user.role is not None else (Role.PERSON,)
    made = Principal(
        name=user.name,
        id=user.name,
        kind=kind,
        roles=roles if kind is Kind.USER else (),
        teams=user.teams,
        token_id=HOME_TOKEN,
    )
    if token is None:
        return made
    return Principal(
        name=made.name,
        id=made.id,
        kind=kind,
        roles=made.roles,
        teams=made.teams,
        scopes=token.scopes,
        only_teams=token.only_teams,
        token_id=token.id,
    )


def _with_change(held: _Held, change: Change, revision: int) -> _Held:
    by_digest, by_id = held.by_digest, held.by_id
    if change.tokens or change.revoked:
        by_id = {key: one for key, one in by_id.items() if key not in change.revoked}
        by_id |= {token.id: token for token in change.tokens}
        by_digest = {token.secret_digest: token for token in by_id.values()}
    people = held.people.with_entries(change.put, change.gone)
    return _Held(revision, people, by_digest, by_id)
