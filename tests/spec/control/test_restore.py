"""The log alone rebuilds everything."""

from __future__ import annotations

import pytest

from quarterdeck.control import restore as restore_module
from quarterdeck.control.cancel import cancel
from quarterdeck.control.restore import Restored, read_log, restore
from quarterdeck.testing.builders import a_dgx
from tests.spec.control.desk import a_desk


@pytest.mark.parametrize("page", [1, 3, 2000])
def test_the_log_rebuilds_all_jobs_and_sites(monkeypatch: pytest.MonkeyPatch, page: int) -> None:
    monkeypatch.setattr(restore_module, "PAGE", page)
    desk = a_desk()
    desk.run(code=1)
    cancel(desk.plane, desk.submit().id, "bob")
    desk.submit()
    desk.report(a_dgx("other"))
    jobs, active, sites = dict(desk.store.jobs), dict(desk.store.active), dict(desk.store.sites)
    desk.store.jobs.clear()
    desk.store.active.clear()
    desk.store.sites.clear()
    assert restore(desk.store) == Restored(records=desk.store.head(), jobs=3, sites=1)
    assert (desk.store.jobs, desk.store.active, desk.store.sites) == (jobs, active, sites)


def test_a_dry_run_counts_and_puts_nothing_in_place() -> None:
    desk = a_desk()
    desk.submit()
    desk.store.jobs.clear()
    assert restore(desk.store, dry_run=True).jobs == 1
    assert not desk.store.jobs


def test_the_log_is_read_from_a_place_on() -> None:
    desk = a_desk()
    desk.run()
    assert [record.seq for record in read_log(desk.store, 2)] == [*range(3, desk.store.head() + 1)]
