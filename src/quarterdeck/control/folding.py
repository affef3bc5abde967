"""Old reports of sites become one: the log of a cluster where others come and go stays bounded.

Each report replaces what was known of a site's nodes, so all that are older than anybody asks for
are worth no more than the last of them says. Plans can be made again for as long as their cycles
are kept, and so long each report stays as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.control.cycles import KEPT_S as CYCLES_KEPT_S
from quarterdeck.core.cluster.events import SiteReported, evolve_site

if TYPE_CHECKING:
    from quarterdeck.control.plane import ControlPlane
    from quarterdeck.core.cluster.hardware import Site

REPORTS_KEPT_S: Final = CYCLES_KEPT_S + 86_400.0
"""A day more than cycles, as those are dropped by an hourly look."""
REPORTS_AT_ONCE: Final = 500


def fold_reports(plane: ControlPlane) -> bool:
    """Fold some of each site's; says whether there are more."""
    before_ns = plane.clock.now_ns() - int(REPORTS_KEPT_S * NS_PER_S)
    names = sorted({room.site for room in plane.board.list_free()})
    more = [name for name in names if _fold(plane, name, before_ns)]
    return bool(more)


def _fold(plane: ControlPlane, name: str, before_ns: int) -> bool:
    old = plane.store.list_reports(name, before_ns, limit=REPORTS_AT_ONCE)
    if len(old) < 2:
        return False
    site: Site | None = None
    for record in old:
        site = evolve_site(site, record.event)
    assert site is not None
    folded = SiteReported(old[-1].event.at_ns, name, site.nodes)
    plane.store.transact(lambda tx: tx.fold_reports(old, folded))
    return len(old) == REPORTS_AT_ONCE
