"""What every store must do with sites, and with what people say of their nodes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from quarterdeck.control.restore import restore
from quarterdeck.core.cluster.events import (
    Cordoned,
    NodesChanged,
    Resumed,
    SiteReported,
    evolve_site,
)
from quarterdeck.core.cluster.hardware import Foreign, NodeState
from quarterdeck.ports.store import SiteRecord
from quarterdeck.testing.builders import START_NS, a_dgx, a_site_report

if TYPE_CHECKING:
    from quarterdeck.core.cluster.events import SiteEvent
    from quarterdeck.core.cluster.hardware import Site
    from quarterdeck.ports.store import Store

NODE: Final = a_dgx("dgx-1")
REPORTED: Final = a_site_report(NODE)
CORDONED: Final = Cordoned(
    START_NS + 1,
    "local",
    "dgx-1",
    (NODE.devices[0].id, NODE.devices[3].id),
    "ECC „errors“",
    "olga",
)
CHANGED: Final = NodesChanged(
    START_NS + 4,
    "local",
    (
        replace(
            NODE,
            state=NodeState.DRAINED,
            reason="ECC „errors“",
            others=(
                Foreign("Slurm job 7", (NODE.devices[1].id,), 4, 2**30, START_NS + 9),
                Foreign("a reservation", ends_at_ns=None, starts_at_ns=START_NS + 5),
            ),
        ),
    ),
)
ALL: Final = Cordoned(START_NS + 2, "local", "dgx-1", (), "a new fan", "abe")
RESUMED: Final = Resumed(START_NS + 3, "local", "dgx-1", (NODE.devices[0].id,), "olga")


def tell(store: Store, *events: SiteEvent) -> None:
    """Each in a transaction of its own."""
    for event in events:
        store.transact(lambda tx, event=event: tx.append_site(event))  # type: ignore[misc]


def seen(store: Store, name: str = "local") -> Site | None:
    """The site as a transaction sees it."""
    return store.transact(lambda tx: tx.find_site(name))


class StoreOfSites:
    """On a fixture `store` that is empty."""

    def test_a_site_is_not_there_before_its_first_report(self, store: Store) -> None:
        """And no other one stands for it."""
        assert seen(store) is None
        tell(store, REPORTED)
        assert seen(store, "elsewhere") is None

    def test_a_site_is_what_its_events_make_of_it(self, store: Store) -> None:
        """After each of them, with every word of who said what."""
        site = None
        for event in (REPORTED, CORDONED, ALL, CHANGED, RESUMED):
            tell(store, event)
            site = evolve_site(site, event)
            assert seen(store) == site
            assert store.load_active().sites == (site,)
        assert site is not None
        assert [cordon.device for cordon in site.cordons] == [NODE.devices[3].id, None]

    def test_its_events_are_in_the_log_in_order(self, store: Store) -> None:
        """As they were written."""
        tell(store, REPORTED, CORDONED, CHANGED, RESUMED)
        records = store.list_records(0, limit=9)
        assert all(isinstance(record, SiteRecord) for record in records)
        assert [record.event for record in records] == [REPORTED, CORDONED, CHANGED, RESUMED]
        assert store.list_records(records[0].seq, limit=9) == records[1:]

    def test_a_cordon_outlives_what_the_site_reports(self, store: Store) -> None:
        """Also when the node was away meanwhile."""
        tell(store, REPORTED, CORDONED, a_site_report(a_dgx("dgx-2")), REPORTED)
        site = seen(store)
        assert site is not None
        assert len(site.cordons_of("dgx-1")) == 2

    def test_a_cordon_of_a_site_that_has_not_reported_waits_for_it(self, store: Store) -> None:
        """It is there before the nodes are."""
        tell(store, ALL, REPORTED)
        site = seen(store)
        assert site is not None
        assert [cordon.reason for cordon in site.cordons_of("dgx-1")] == ["a new fan"]

    def test_what_people_say_of_nodes_is_capacity_news(self, store: Store) -> None:
        """A plan that was made before must not overlook it."""
        tell(store, REPORTED)
        for event in (CORDONED, CHANGED, RESUMED):
            head = store.head()
            assert not store.transact(lambda tx, head=head: tx.has_capacity_news(head))  # type: ignore[misc]
            tell(store, event)
            assert store.transact(lambda tx, head=head: tx.has_capacity_news(head))  # type: ignore[misc]

    def test_old_reports_become_one_and_all_else_stays(self, store: Store) -> None:
        """The site is the same, now and from the log alone; places are not given again."""
        later = replace(CHANGED, at_ns=START_NS + 9, nodes=(NODE,))
        tell(store, REPORTED, CORDONED, CHANGED, RESUMED, later)
        tell(store, a_site_report(site="elsewhere"))
        before, head, log = seen(store), store.head(), store.list_records(0)
        old = store.list_reports("local", START_NS + 5, limit=9)
        assert [record.event for record in old] == [REPORTED, CHANGED]
        assert store.list_reports("local", START_NS + 10, limit=2) == old
        folded = SiteReported(CHANGED.at_ns, "local", CHANGED.nodes)
        for _ in range(2):
            store.transact(lambda tx: tx.fold_reports(old, folded))
            assert store.list_records(0) == [
                log[1], SiteRecord(old[-1].seq, folded), *log[3:],
            ]  # fmt: skip
        assert store.list_reports("local", START_NS + 5, limit=9) == [
            SiteRecord(old[-1].seq, folded)
        ]
        assert (seen(store), store.head()) == (before, head)
        restore(store)
        assert seen(store) == before
        tell(store, CHANGED)
        assert store.head() == head + 1

    def test_cordons_are_replaced_with_the_site(self, store: Store) -> None:
        """As `restore` does it."""
        tell(store, REPORTED)
        site = evolve_site(evolve_site(None, REPORTED), ALL)
        store.replace_jobs(iter(()), iter((site,)))
        assert store.load_active().sites == (site,)
