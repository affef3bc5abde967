"""Whether the lines of a log are those that its checkpoints were signed over.

One pass over the lines, in their order; nothing is kept but the tree's frontier. Each finding is a
sentence. The checkpoints, of any age, must have been opened with the log's key before: one that
contradicts the lines means that the log was changed, cut, or is another one than it was (a fork).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import Invalid
from quarterdeck.core.audit.merkle import Frontier, hash_leaf
from quarterdeck.core.audit.record import parse_record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quarterdeck.core.audit.checkpoint import Checkpoint

FINDINGS_MAX: Final = 20


class Examination:
    """One reading of a whole log."""

    def __init__(self, checkpoints: Iterable[Checkpoint]) -> None:
        self.findings: list[str] = []
        self.missing = 0
        self.refused = 0
        self._frontier = Frontier()
        self._checkpoints = sorted(checkpoints, key=lambda one: one.size)
        self._expected = 0
        self._last_ns = 0
        self._good = 0
        self._look_at_root()

    @property
    def size(self) -> int:
        """How many lines were read."""
        return self._frontier.size

    @property
    def root(self) -> bytes:
        """The root over them."""
        return self._frontier.root()

    def read(self, line: bytes) -> None:
        """The next line, without its end."""
        place = self._frontier.size
        try:
            record = parse_record(line)
        except Invalid as error:
            self.tell(f"record {place} was changed: {error.message}")
            self._expected += 1
        else:
            if record.seq != self._expected:
                self.tell(
                    f"at place {place} is record {record.seq} instead of {self._expected}: records "
                    "were dropped, inserted or moved"
                )
            if record.at_ns < self._last_ns:
                self.tell(f"record {record.seq} is older than the record before it")
            self._expected, self._last_ns = record.seq + 1, record.at_ns
            self.missing += record.missing
            self.refused += record.outcome == "refused"
        self._frontier.add(hash_leaf(line))
        self._look_at_root()

    def end(self) -> list[str]:
        """There are no more lines; all that was found."""
        for signed in self._checkpoints:
            self.tell(
                f"{signed.size} records were signed, {self.size} are there: the tail was cut off"
            )
        return self.findings

    def tell(self, finding: str) -> None:
        """Add a finding; after some of them more would say nothing."""
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(finding)

    def _look_at_root(self) -> None:
        while self._checkpoints and self._checkpoints[0].size == self._frontier.size:
            signed = self._checkpoints.pop(0)
            if signed.root == self._frontier.root():
                self._good = signed.size
            else:
                self.tell(
                    f"the first {signed.size} records are not those that were signed: something "
                    f"from record {self._good} on was changed, or this is a fork of the log"
                )
