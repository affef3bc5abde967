"""The policy file of a server's home: read when the server starts, and again whenever it changes.

A file that is wrong leaves what is in force, and says so in the log, in the audit and to who asks.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import Invalid, QuarterdeckError
from quarterdeck.control.rules import InForce
from quarterdeck.core.audit.record import Entry
from quarterdeck.core.scheduling.snapshot import Policy
from quarterdeck.wiring.policy.reader import NamedPolicy, read_bytes, read_policy
from quarterdeck.wiring.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from quarterdeck.control.rules import Rules
    from quarterdeck.ports.clock import Clock

FILE: Final = "policy.yaml"
LOOK_EVERY_S: Final = 0.5
VERSION_CHARS: Final = 12
Stamp = tuple[int, int, int]
log = logging.getLogger(__name__)


class PolicyWatch:
    """See the module. `record` takes an entry for the audit log."""

    def __init__(
        self, path: Path, rules: Rules, clock: Clock, record: Callable[[Entry], object]
    ) -> None:
        """On rules that hold what the file says."""
        self._path = path
        self._rules = rules
        self._clock = clock
        self._record = record
        self._changed: Callable[[], None] = lambda: None
        self._seen = self._read = _stamp_of(path)
        self._worker = Worker("policy", self.look, every_s=LOOK_EVERY_S)
        if rules.now.version:
            self._tell()

    def call(self, changed: Callable[[], None]) -> None:
        """Call this whenever another policy is in force."""
        self._changed = changed

    def start(self) -> None:
        """Look from now on."""
        self._worker.start()

    def close(self) -> None:
        """Look no more."""
        self._worker.close()

    def look(self) -> None:
        """Read the file if it has changed. What has changed since the look before is still being
        written: then the next look will do."""
        before, self._seen = self._seen, _stamp_of(self._path)
        if self._seen == self._read or self._seen != before:
            return
        self._read = self._seen
        try:
            given = load_in_force(self._path, self._clock.now_ns())
        except QuarterdeckError as error:
            self._refuse(error)
            return
        if replace(given, since_ns=0) != replace(self._rules.now, since_ns=0):
            self._rules.put(given)
            self._tell()
            self._changed()
        else:
            self._rules.put(self._rules.now)

    def _tell(self) -> None:
        now = self._rules.now
        told = f"the policy {now.name} is in force: {_told(now.policy)}"
        log.info("%s", told)
        self._record(Entry("policy_in_force", target=now.version, detail=told))

    def _refuse(self, error: QuarterdeckError) -> None:
        now = self._rules.now
        told = f"{error.message} ({error.hint})" if error.hint else error.message
        self._rules.refuse(told)
        log.warning("%s; the policy %s stays in force", told, now.name)
        self._record(
            Entry(
                "policy_refused",
                target=now.version,
                outcome="refused",
                code=error.code,
                detail=told,
            )
        )


def load_in_force(path: Path, now_ns: int) -> InForce:
    """What a server follows that finds this file; the usual policy if there is none. `Invalid` if
    it is wrong, or asks for what a server does not do."""
    if not path.exists():
        return InForce(Policy(), since_ns=now_ns)
    content = read_bytes(path)
    named = read_policy(content, str(path))
    check_doable(named)
    version = hashlib.sha256(content).hexdigest()[:VERSION_CHARS]
    return InForce(named.policy, named.name, version, now_ns)


def check_doable(named: NamedPolicy) -> None:
    """Refuse what only the simulator does so far: ignored in silence it would be a promise that
    nobody keeps."""
    policy, usual = named.policy, Policy()
    asked = {
        "order": policy.may_evict,
        "moves": policy.moves_max != usual.moves_max,
        "guarantees": bool(named.guarantees),
    }
    for key, is_asked in asked.items():
        if is_asked:
            value = f" {policy.order.value}" if key == "order" else ""
            raise Invalid(
                f"{key}{value} needs running jobs to make room, which a server does not do yet",
                code="not_available",
                field=key,
                hint="leave it out; `qd policy try` and `qd sim run` say what it would do",
            )


def _stamp_of(path: Path) -> Stamp | None:
    """What changes when the file does; None while there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _told(policy: Policy) -> str:
    return ", ".join(
        (
            f"order {policy.order.value}",
            f"patience {policy.patience_s:g} s",
            f"nearness_patience {policy.nearness_patience_s:g} s",
            f"pod_patience {policy.pod_patience_s:g} s",
        )
    )
