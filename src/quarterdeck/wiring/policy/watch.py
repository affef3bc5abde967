"""Looks at the policy file of a server's home, and puts in force what it says when it changes.

A file that is wrong leaves what is in force, and says so in the log, in the audit and to who asks.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import QuarterdeckError, Unavailable
from quarterdeck.core.audit.record import Entry
from quarterdeck.wiring.policy.in_force import followed, version_of
from quarterdeck.wiring.policy.reader import read_bytes
from quarterdeck.wiring.policy.section import replace_file, with_pools
from quarterdeck.wiring.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from quarterdeck.control.rules import FollowedPolicy, Rules
    from quarterdeck.core.scheduling.pools import Cells, Pool
    from quarterdeck.core.scheduling.snapshot import Policy
    from quarterdeck.ports.audit import AuditLog
    from quarterdeck.ports.clock import Clock

LOOK_EVERY_S: Final = 0.5
AUDIT_S: Final = 10.0
log = logging.getLogger(__name__)

Seen = bytes | QuarterdeckError | None
"""What was in the file: None for no file, or why it cannot be read."""


class PolicyWatch:
    """See the module."""

    def __init__(
        self, path: Path, taken: bytes | None, rules: Rules, clock: Clock, audit: AuditLog
    ) -> None:
        """On rules that hold what the file said when `taken` was read from it."""
        self._path = path
        self._rules = rules
        self._clock = clock
        self._audit = audit
        self._changed: Callable[[], None] = lambda: None
        self._taken: Seen = taken
        self._seen: Seen = taken
        self._lock = threading.Lock()
        self._worker = Worker("policy", self.look, every_s=LOOK_EVERY_S)
        if taken is not None:
            self._audit.append(_entry(rules.now))

    def call(self, changed: Callable[[], None]) -> None:
        """Call this whenever another policy is in force."""
        self._changed = changed

    def start(self) -> None:
        """Look from now on."""
        self._worker.start()

    def close(self) -> None:
        """Look no more."""
        self._worker.close()

    def put_pools(self, text: str, is_dry_run: bool) -> FollowedPolicy:
        """Write these pools to the file and follow what it says then, or say what that would be.
        `Invalid` if anything is wrong with it, `Unavailable` if the audit log cannot take the
        record; then the file is as it was."""
        with self._lock:
            before = read_bytes(self._path)
            content = with_pools(before, text)
            given = followed(content, self._path, self._clock.now_ns())
            if is_dry_run:
                return given
            replace_file(self._path, content)
            try:
                self._follow(given)
            except Unavailable:
                if before is None:
                    self._path.unlink()
                else:
                    replace_file(self._path, before)
                raise
            self._taken = self._seen = content
            return self._rules.now

    def look(self) -> None:
        """Take what is in the file, if that is new. What is not the same as at the look before is
        still being written: then the next look will do. `Unavailable` while the audit log cannot
        take the record: then nothing changes, and the next look tries again."""
        with self._lock:
            self._look()

    def _look(self) -> None:
        before, self._seen = self._seen, _read(self._path)
        if _is_same(self._seen, self._taken) or not _is_same(self._seen, before):
            return
        try:
            if isinstance(self._seen, QuarterdeckError):
                raise self._seen
            given = followed(self._seen, self._path, self._clock.now_ns())
        except Unavailable:
            raise
        except QuarterdeckError as error:
            self._refuse(error)
        else:
            self._follow(given)
        self._taken = self._seen

    def _follow(self, given: FollowedPolicy) -> None:
        now = self._rules.now
        if replace(given, since_ns=0) == replace(now, since_ns=0):
            self._rules.put(now)  # It was refused meanwhile, and is as it was again.
            return
        entry = _entry(given)
        self._audit.append(entry).wait(AUDIT_S)
        self._rules.put(given)
        log.info("%s", entry.detail)
        self._changed()

    def _refuse(self, error: QuarterdeckError) -> None:
        told = f"{error.message} ({error.hint})" if error.hint else error.message
        version = version_of(self._seen) if isinstance(self._seen, bytes) else ""
        entry = Entry(
            "policy_refused", target=version, outcome="refused", code=error.code, detail=told
        )
        self._audit.append(entry).wait(AUDIT_S)
        self._rules.refuse(told)
        log.warning("%s; the policy %s stays in force", told, self._rules.now.name)


def _read(path: Path) -> Seen:
    try:
        return read_bytes(path)
    except QuarterdeckError as error:
        return error


def _is_same(one: Seen, other: Seen) -> bool:
    if isinstance(one, QuarterdeckError) and isinstance(other, QuarterdeckError):
        return one.message == other.message
    return one == other


def _entry(given: FollowedPolicy) -> Entry:
    told = f"the policy {given.name} is in force: {_told(given.policy)}"
    return Entry("policy_in_force", target=given.version, detail=told)


def _told_of_pool(pool: Pool) -> str:
    own = [f"{one.user} {_cells(one.guarantee)}" for one in pool.people if one.guarantee]
    of_these = f", of these {', '.join(own)}" if own else ""
    return f"{pool.team} {_cells(pool.guarantee)}{of_these} (weight {pool.weight:g})"


def _cells(guarantee: tuple[Cells, ...]) -> str:
    return " and ".join(map(str, guarantee)) or "nothing"


def _told(policy: Policy) -> str:
    pools = [_told_of_pool(one) for one in policy.pools]
    guaranteed = [f"guaranteed: {'; '.join(pools)}"] if pools else []
    return ", ".join(
        (
            f"order {policy.order.value}",
            f"patience {policy.patience_s:g} s",
            f"backfill {policy.backfill.value}",
            f"nearness_patience {policy.nearness_patience_s:g} s",
            f"pod_patience {policy.pod_patience_s:g} s",
            *guaranteed,
        )
    )
