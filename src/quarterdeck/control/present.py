"""What of a control plane is looked at by parts that it holds itself, and which therefore cannot
know it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from quarterdeck.control.board import Board
    from quarterdeck.core.governance.people import People
    from quarterdeck.core.scheduling.snapshot import Policy
    from quarterdeck.ports.clock import Clock
    from quarterdeck.ports.store import Store


class Present(Protocol):
    """The present of a `ControlPlane`."""

    @property
    def board(self) -> Board:
        """See `ControlPlane`."""
        ...

    @property
    def store(self) -> Store:
        """See `ControlPlane`."""
        ...

    @property
    def clock(self) -> Clock:
        """See `ControlPlane`."""
        ...

    @property
    def policy(self) -> Policy:
        """See `ControlPlane`."""
        ...

    def people(self) -> People | None:
        """See `ControlPlane`."""
        ...
