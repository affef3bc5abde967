"""The replicas that run under pilots, each with the pilot that it was handed to.

What is remembered is the number of each replica's pilot, in its order, or where it got another one
later in `pilots.json` of the attempt's folder: written before it is handed over. So whoever comes
after a crash knows which of them to ask.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from quarterdeck.adapters.engines.slurm.beats import Beat
from quarterdeck.adapters.engines.slurm.tickets import TICKET, of_other_engine
from quarterdeck.adapters.spool.attempts import load_order
from quarterdeck.adapters.spool.orders import ORDER, write_json
from quarterdeck.adapters.spool.plain import OF_ATTEMPT
from quarterdeck.adapters.spool.untrusted import Garbled, as_span, as_whole, load_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from quarterdeck.adapters.engines.slurm.pilots import Pilot, Pilots
    from quarterdeck.adapters.spool.attempts import Tracked
    from quarterdeck.adapters.spool.paths import SitePaths
    from quarterdeck.adapters.spool.replica import Spool
    from quarterdeck.ports.engine import AttemptRef

PILOTS: Final = "pilots.json"
AGAIN_S: Final = 10.0
"""How long an order that was handed to a living pilot may be neither there nor begun with."""
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Passenger:
    """One replica. `pilot` is None until there is one."""

    tracked: Tracked
    spool: Spool
    node: str
    grace_s: float
    silence_s: float
    beat: Beat
    pilot: Pilot | None = None
    handed_at: float = -1e9

    @property
    def ref(self) -> AttemptRef:
        """The attempt."""
        return self.tracked.ref

    @property
    def name(self) -> str:
        """Its order's, which no other has."""
        return f"{self.ref.job_id}.{self.ref.attempt}.{self.spool.sighting.node_rank}"

    def board(self, pilot: Pilot) -> bool:
        """Hand it to the pilot; False when that takes none any more."""
        folder, rank = self.spool.folder.parent, str(self.spool.sighting.node_rank)
        if self.pilot is not pilot:
            numbers = {**_load_numbers(folder), rank: pilot.number}
            write_json(folder / PILOTS, numbers, levels=OF_ATTEMPT)
            self.pilot = pilot
        self.handed_at = monotonic()
        return pilot.hand(self.name, self.spool.folder, self.grace_s)

    def take_back(self) -> bool:
        """Whether its pilot had not taken it, and never will."""
        return self.pilot is not None and self.pilot.take_back(self.name)

    def is_left_behind(self, now: float) -> bool:
        """Whether it is to be handed over, for the first time or again."""
        if self.spool.has_ended or self.spool.was_taken_up:
            return False
        if self.pilot is None:
            return True
        is_late = self.pilot.lives and now - self.handed_at >= AGAIN_S
        return is_late and self.pilot.takes_orders and not self.pilot.has_order(self.name)

    @property
    def is_told_off_alone(self) -> bool:
        """Whether somebody has told its runner to end, and not its pilot."""
        is_so = self.spool.unexplained is not None and not self.spool.sighting.state.is_gone
        return is_so and self.pilot is not None and self.pilot.takes_orders

    def is_silent(self, now: float) -> bool:
        """Whether its runner began, has not ended and has not beaten for too long."""
        if self.spool.has_ended or not self.spool.was_taken_up:
            return False
        return self.beat.silent_s(self.spool.read_beat_ns(), now) >= self.silence_s


class Passengers:
    """Those of all live attempts."""

    def __init__(self, paths: SitePaths, pilots: Pilots, silence_s: float) -> None:
        self._paths = paths
        self._pilots = pilots
        self._silence_s = silence_s
        self._known: dict[AttemptRef, list[Passenger]] = {}

    def find(self, tracked: Tracked) -> None:
        """Those of an attempt, as the disk has them. `Conflict` where no pilot was to run it,
        `Garbled` where it was changed."""
        folder = self._paths.attempt(tracked.ref)
        orders = [load_order(spool.folder) or {} for spool in tracked.spools]
        numbers = _load_numbers(folder)
        for rank, order in enumerate(orders):
            if "pilot" not in order and (folder / TICKET).exists():
                raise of_other_engine(folder, "slurm")
            number = as_whole(numbers.get(str(rank), order.get("pilot")))
            grace_s = as_span(order.get("grace_s"))
            if number is None or grace_s is None or not isinstance(order.get("node"), str):
                raise Garbled(f"its {ORDER} does not say which pilot runs it")
            order["pilot"] = number
        self.add(tracked, orders)

    def add(self, tracked: Tracked, orders: Sequence[Mapping[str, Any]]) -> list[Passenger]:
        """Those of an attempt, with the orders as they were written."""
        found = []
        for spool, order in zip(tracked.spools, orders, strict=True):
            node, grace_s = order["node"], float(order["grace_s"])
            pilot = self._pilots.get(node, order["pilot"])
            found.append(Passenger(tracked, spool, node, grace_s, self._silence_s, Beat(), pilot))
        self._known[tracked.ref] = found
        return found

    def of(self, ref: AttemptRef) -> list[Passenger]:
        """Those of an attempt."""
        return self._known.get(ref, [])

    def on(self, pilot: Pilot) -> list[Passenger]:
        """Those under this pilot of which something may still run."""
        return [
            one
            for some in self._known.values()
            for one in some
            if one.pilot is pilot and not one.spool.sighting.state.is_gone
        ]

    def count(self, pilot: Pilot) -> int:
        """How many these are."""
        return len(self.on(pilot))

    def drop(self, ref: AttemptRef) -> None:
        """An attempt is forgotten."""
        self._known.pop(ref, None)


def _load_numbers(folder: Path) -> dict[str, Any]:
    """The pilots that replicas got later than with their orders. Those of what was changed are not
    known: then nothing but the orders says which."""
    try:
        return load_json(folder / PILOTS, levels=OF_ATTEMPT) or {}
    except Garbled as error:
        log.warning("%s/%s: %s", folder.parent.name, folder.name, error)
        return {}
