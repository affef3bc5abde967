"""What a store promises of GPU time that was used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quarterdeck.core.cluster.demand import Grant
from quarterdeck.core.ledger.usage import DAY_NS, Used
from quarterdeck.testing.builders import a_demand, a_job, a_job_spec, a_placed, a_run
from quarterdeck.testing.conformance.store_steps import move, submit

if TYPE_CHECKING:
    from quarterdeck.ports.store import Store

HOUR_NS: Final = DAY_NS // 24


class StoreOfUsage:
    """Part of the suite."""

    def test_what_attempts_have_held_is_added_up_by_day_and_stays(self, store: Store) -> None:
        """Of one that ends after midnight each day has its part; nothing else counts."""
        spec = a_job_spec(team="vision", demand=a_demand(1, 2))
        late_ns, grant = 19_000 * DAY_NS - HOUR_NS, Grant("dgx-1", ("GPU-1", "GPU-2/50%"))
        for number, hours in enumerate((1, 3)):
            placed = a_placed(1, grant, at_ns=late_ns)
            job = move(store, submit(store, number, spec), placed)
            assert sum(one.gpu_ms for one in store.load_active().used) == number * 5_400_000
            move(store, job, *a_run(at_ns=late_ns + hours * HOUR_NS)[1:])
        submit(store, 7, spec)
        owner = a_job(0, spec=spec).actor
        assert store.load_active().used == (
            Used("vision", owner, 18_999, 2 * 5_400_000),
            Used("vision", owner, 19_000, 2 * 5_400_000),
        )
        finished = store.list_finished(2**62, limit=1)
        store.transact(lambda tx: tx.drop_jobs(finished))
        assert len(store.load_active().used) == 2

    def test_only_the_last_days_are_loaded(self, store: Store) -> None:
        """Two months of them, counted from the last on which anything was used."""
        for number, day in enumerate((18_900, 18_939, 19_000)):
            placed = a_placed(1, Grant("dgx-1", ("GPU-1",)), at_ns=day * DAY_NS)
            job = submit(store, number, a_job_spec(demand=a_demand(1, 1)))
            move(store, job, placed, *a_run(at_ns=day * DAY_NS + HOUR_NS)[1:])
        assert [one.day for one in store.load_active().used] == [18_939, 19_000]
