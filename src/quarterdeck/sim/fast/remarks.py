"""What is wrong with lines of a file: told with their numbers, and counted however many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import Invalid, QuarterdeckError

if TYPE_CHECKING:
    from collections.abc import Sequence

KEPT_MAX: Final = 10_000
"""A file of another kind is wrong in every line; its first ones say so."""


@dataclass(frozen=True, slots=True)
class Remark:
    """What is wrong with a line. `is_left_out`: nothing was made of it."""

    line: int
    what: str
    is_left_out: bool = True


class Remarks:
    """Remarks while a file is read. `untold` are those beyond `KEPT_MAX`."""

    def __init__(self) -> None:
        self.kept: list[Remark] = []
        self.left_out = 0
        self.untold = 0

    def tell(self, line: int, what: str) -> None:
        """Something about a line that is used all the same."""
        self._add(Remark(line, what, is_left_out=False))

    def leave_out(self, line: int, error: QuarterdeckError) -> None:
        """A line of which nothing can be made."""
        self.left_out += 1
        self._add(Remark(line, error.message))

    def check_some_left(self, kept: Sequence[object], name: str, kind: str) -> None:
        """Refuse a file that has lines and none that can be used: it is of another kind."""
        if self.left_out and not kept:
            first = next(one for one in self.kept if one.is_left_out)
            raise Invalid(
                f"{name}: no line of it can be used; the first is {first.line}: {first.what}",
                field=kind,
                hint="see docs/simulator.md for what such a file has in its lines",
            )

    def _add(self, remark: Remark) -> None:
        if len(self.kept) < KEPT_MAX:
            self.kept.append(remark)
        else:
            self.untold += 1
