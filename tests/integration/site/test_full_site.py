"""The site's disk is full: what must be written is written later, and nothing else waits."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quarterdeck.adapters.spool import orders
from quarterdeck.adapters.spool.plain import write_plain
from quarterdeck.basics.errors import Unavailable
from quarterdeck.core.jobs.states import ReplicaState
from quarterdeck.ports.engine import AttemptRef
from quarterdeck.testing.builders import a_job_id
from quarterdeck.testing.conformance.engine import Behaviour
from tests.contract.grounds import LocalGround

REF = AttemptRef(a_job_id(1), 1)


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[LocalGround]:
    made = LocalGround(tmp_path)
    yield made
    made.close()


class FullDisk:
    """While it is full, no file of these names can be made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_full = True
        self._write, self._mkdir = write_plain, Path.mkdir
        monkeypatch.setattr(
            orders, "write_plain", lambda *a, **k: self._guard(self._write, *a, **k)
        )
        monkeypatch.setattr(Path, "mkdir", lambda *a, **k: self._guard(self._mkdir, *a, **k))

    def _guard(self, act: Any, *arguments: Any, **options: Any) -> Any:
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return act(*arguments, **options)


def sees(ground: LocalGround, state: ReplicaState) -> bool:
    return any(
        one.ref == REF and one.sightings[0].state is state for one in ground.engine.observe()
    )


def test_a_launch_is_refused_as_disk_full_and_works_afterwards(
    ground: LocalGround, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = ground.order(REF, Behaviour())
    with monkeypatch.context() as patched:
        FullDisk(patched)
        with pytest.raises(Unavailable) as refused:
            ground.engine.launch(order)
    assert refused.value.code == "disk_full"
    assert ground.engine.observe() == []
    ground.engine.launch(order)
    ground.until(lambda: sees(ground, ReplicaState.EXITED))
    assert ground.count_starts(REF) == 1


def test_a_stop_that_cannot_be_written_is_written_as_soon_as_there_is_room(
    ground: LocalGround, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground.engine.launch(ground.order(REF, Behaviour(lasts=True)))
    ground.until(lambda: sees(ground, ReplicaState.STARTED))
    with monkeypatch.context() as patched:
        FullDisk(patched)
        ground.engine.stop(REF, 1.0)
        assert sees(ground, ReplicaState.STARTED)
    ground.until(lambda: sees(ground, ReplicaState.EXITED))


def test_an_attempt_that_cannot_be_moved_away_is_forgotten_later(
    ground: LocalGround, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground.engine.launch(ground.order(REF, Behaviour()))
    ground.until(lambda: sees(ground, ReplicaState.EXITED))
    with monkeypatch.context() as patched:
        FullDisk(patched)
        ground.engine.forget([REF])
        assert sees(ground, ReplicaState.EXITED)
    ground.engine.forget([REF])
    assert ground.engine.observe() == []


def test_a_file_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "order.json"
    orders.write_json(path, {"version": 1})
    with monkeypatch.context() as patched:
        FullDisk(patched)
        with pytest.raises(Unavailable):
            orders.write_json(path, {"version": 2})
    assert path.read_text() == '{"version": 1}'
