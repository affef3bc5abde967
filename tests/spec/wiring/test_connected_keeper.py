"""Which sites a server has, by the files of its home as they come, break and go."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from quarterdeck.basics.errors import Unavailable
from quarterdeck.control.plane import ControlPlane
from quarterdeck.control.signal import Signal
from quarterdeck.core.cluster.hardware import NodeState, Site
from quarterdeck.ports.site import ControlLink, Desired, Report
from quarterdeck.testing.builders import a_node
from quarterdeck.wiring.connected.keeper import SiteKeeper


class Link:
    """Takes reports, unless it is away; what they say of nodes is known from then on."""

    def __init__(self, known: dict[str, Site]) -> None:
        self.reports: list[Report] = []
        self.is_away = False
        self._known = known
        self._heard = threading.Condition()

    def exchange(self, report: Report) -> Desired:
        if self.is_away:
            raise Unavailable("the store is away")
        with self._heard:
            if report.nodes is not None:
                self._known[report.site] = Site(report.site, report.nodes)
            self.reports.append(report)
            self._heard.notify_all()
        return Desired(0, is_complete=True)

    def wait_for(self, count: int) -> list[Report]:
        """As many reports, from whichever thread they come."""
        with self._heard:
            assert self._heard.wait_for(lambda: len(self.reports) >= count, timeout=30)
            return list(self.reports)

    def open_blob(self, digest: str) -> Any:
        raise AssertionError(digest)


class Ground:
    """A keeper whose board knows these sites. Once it is started its own thread looks, and nobody
    else may until it is closed."""

    def __init__(self, folder: Path, *stored: str) -> None:
        rooms: list[tuple[Any, list[str]]] = [(SimpleNamespace(site=name), []) for name in stored]
        self.known: dict[str, Site] = {}
        board = SimpleNamespace(list_rooms=lambda: rooms, find_site=self.known.get)
        plane = cast("ControlPlane", SimpleNamespace(board=board, wished=Signal()))
        self.folder, self.link = folder, Link(self.known)
        self.keeper = SiteKeeper(
            folder, "home", plane, cast("ControlLink", self.link), lambda _url: pytest.fail("none")
        )

    def write(self, name: str, text: str) -> None:
        (self.folder / f"{name}.yaml").write_text(text)

    def states(self) -> dict[str, tuple[str, str]]:
        return {one.name: (one.engine, one.problem) for one in self.keeper.list_states()}

    def withdrawn(self) -> list[str]:
        return [one.site for one in self.link.reports if one.nodes == ()]


GOOD = "engine: slurm\nfolder: {folder}\nprograms: /none\n"


def test_a_file_that_cannot_be_read_is_a_site_that_is_away(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    ground.write("hpc", "engine: slurm\nfoldr: /shared\n")
    ground.keeper.look()
    engine, problem = ground.states()["hpc"]
    assert (engine, "hpc.yaml:2:1" in problem, "foldr" in problem) == ("?", True, True)
    ground.write("hpc", GOOD.format(folder=tmp_path / "shared"))
    ground.keeper.look()
    assert ground.states()["hpc"][0] == "slurm"
    ground.keeper.close()


def test_a_site_that_is_gone_has_no_nodes_as_soon_as_that_can_be_said(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    ground.write("hpc", GOOD.format(folder=tmp_path / "shared"))
    ground.keeper.look()
    (tmp_path / "hpc.yaml").unlink()
    ground.link.is_away = True
    ground.keeper.look()
    assert (ground.states(), ground.withdrawn()) == ({}, [])
    ground.link.is_away = False
    ground.keeper.look()
    ground.keeper.look()
    assert ground.withdrawn() == ["hpc"]
    ground.keeper.close()


def test_what_the_store_knows_of_a_site_without_a_file_gets_no_jobs(tmp_path: Path) -> None:
    ground = Ground(tmp_path, "gone", "broken")
    ground.write("broken", "engine: slurm\n")
    ground.keeper.start()
    ground.link.wait_for(2)
    ground.keeper.close()
    ground.keeper.look()
    assert sorted(ground.withdrawn()) == ["broken", "gone"]


def test_nodes_of_a_site_that_was_not_heard_yet_get_no_jobs(tmp_path: Path) -> None:
    """They are as they were when a server last heard of them."""
    ground = Ground(tmp_path, "hpc")
    ready, down = a_node("a"), a_node("b", state=NodeState.DOWN, reason="fan")
    ground.known["hpc"] = Site("hpc", (ready, down))
    ground.write("hpc", GOOD.format(folder=tmp_path / "shared"))
    ground.link.is_away = True
    ground.keeper.start()
    ground.link.is_away = False
    (report,) = ground.link.wait_for(1)
    ground.keeper.close()
    told = report.nodes
    assert told is not None
    assert told[0].state is NodeState.DRAINED
    assert told[0].reason.startswith("not heard of since the server started: ")
    assert "no mark of this site" in told[0].reason
    assert told[1] == down
    ground.keeper.look()
    assert len(ground.link.reports) == 1


def test_of_a_site_that_nobody_knew_nothing_is_withheld(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    ground.write("hpc", GOOD.format(folder=tmp_path / "shared"))
    ground.keeper.start()
    assert ground.link.reports == []
    ground.keeper.close()
