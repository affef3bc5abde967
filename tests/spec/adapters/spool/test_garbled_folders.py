"""What a job may leave in the place of our files: no engine stops at it, and nobody else is harmed.

On a cluster a job has the server's account. Every file of an attempt is tried with everything that
could be in it, and with all that can be in its place, while an engine runs and when one begins.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quarterdeck.adapters.blobs.filesystem import FilesystemBlobs
from quarterdeck.adapters.engines.slurm.commands import SlurmCommands
from quarterdeck.adapters.engines.slurm.engine import SlurmEngine
from quarterdeck.adapters.engines.slurm.keys import make_keys
from quarterdeck.adapters.engines.slurm.pilot_engine import PilotEngine
from quarterdeck.adapters.engines.slurm.requests import BatchRequest
from quarterdeck.adapters.engines.slurm.settings import PilotSettings, SlurmSettings
from quarterdeck.adapters.engines.slurm.tickets import Ticket
from quarterdeck.adapters.spool.attempts import REPLICAS_MAX, Attempts
from quarterdeck.adapters.spool.files import SpoolFiles
from quarterdeck.adapters.spool.metrics import SpoolMetrics
from quarterdeck.adapters.spool.orders import make_order
from quarterdeck.adapters.spool.paths import SitePaths
from quarterdeck.adapters.spool.plain import open_folder, remove_tree
from quarterdeck.adapters.spool.replica import FACTS_BYTES_MAX, Spool
from quarterdeck.adapters.spool.stock import SpoolStock
from quarterdeck.adapters.spool.untrusted import WORD_BYTES_MAX
from quarterdeck.adapters.stores.sql.codec import encode
from quarterdeck.basics.errors import NotFound, Unavailable
from quarterdeck.basics.ids import JobId, format_id
from quarterdeck.core.cluster.demand import Grant
from quarterdeck.core.jobs.events import Seen, Sighting
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.spec import JobSpec
from quarterdeck.core.jobs.states import ReplicaState
from quarterdeck.core.retention.rules import Kind
from quarterdeck.ports.engine import AttemptRef, LaunchOrder
from quarterdeck.testing.builders import a_node

HOME = "a1"
BAD, GOOD = (AttemptRef(JobId(format_id("j", number)), 1) for number in (1, 2))
STANDING = {"kind": "standing", "at_ns": 5, "pid": 1, "host": "n1", "address": "a", "port": 1}
STARTED = {"kind": "started", "at_ns": 6, "pid": 1}
EXITED = {
    "kind": "exited", "at_ns": 7, "reason": None, "message": "",
    "ranks": [{"rank": 0, "code": 0, "signal": None, "stopped": False}],
}  # fmt: skip
ENDED = {"state": "lost", "reason": "node_failure", "message": "gone"}
WRONG: tuple[Any, ...] = (
    None, True, -1, 10**30, 1.5, float("nan"), float("inf"), "", "x", "\ud800\0", "../../etc", "²",
    [], [[]], {}, {"a": 1}, "y" * 10_000,
)  # fmt: skip
TEXTS = (
    b"", b"{", b"null", b"7", b"[]", b"{}", b'"x"', b"\xff\xfe\x00{}", b"[" * 100_000,
    b'{"a":' * 50_000, b"9" * 5_000, b'{"nnodes": 1e400}', b"\0" * 4096, b'{"state": ["lost"]}',
)  # fmt: skip
IN_ITS_PLACE = ("absent", "folder", "pipe", "link", "loop", "huge")
KINDS = ("slurm", "slurm-pilot")


class Site:
    """Two attempts that run, as an engine of this kind left them."""

    def __init__(self, root: Path, kind: str) -> None:
        self.paths, self.kind = SitePaths(root / "site"), kind
        self.paths.make()
        self._blobs = FilesystemBlobs(root / "blobs")
        for ref in (BAD, GOOD):
            self._launch(ref)

    def _launch(self, ref: AttemptRef) -> None:
        spec = JobSpec(("true",))
        grants = (Grant("n1", (), 1, 1), Grant("n2", (), 1, 1))
        order = LaunchOrder(ref, spec, grants)
        orders = [make_order(order, r, a_node(f"n{r}"), HOME, self.paths) for r in (0, 1)]
        folder = self.paths.attempt(ref)
        folder.mkdir(parents=True)
        if self.kind == "slurm":
            key = make_keys(HOME, self.paths).attempt(ref)
            Ticket(folder, BatchRequest("#!/bin/sh\n", comment=key), 7, is_asked=True).save()
        else:
            orders = [one | {"pilot": 1} for one in orders]
            (folder / "pilots.json").write_text('{"0": 2}')
        Attempts(self.paths, None).write(ref, orders)
        for rank in (0, 1):
            replica = self.paths.replica(ref, rank)
            (replica / "lock").touch()
            (replica / "beat").touch()
            facts = [json.dumps(fact) for fact in (STANDING, STARTED)]
            (replica / "status.jsonl").write_text("\n".join(facts) + "\n")

    def renew(self) -> None:
        """The first one as it was left; nothing of what was done since."""
        for root in (self.paths.attempts, self.paths.ended):
            shutil.rmtree(root / BAD.job_id, ignore_errors=True)
        self._launch(BAD)

    def begin(self) -> SlurmEngine | PilotEngine:
        """An engine on it, whose Slurm does not answer."""
        commands = SlurmCommands(programs=Path("/nowhere"))
        slurm = SlurmSettings()
        if self.kind == "slurm":
            return SlurmEngine(self.paths, HOME, self._blobs, commands, slurm)
        return PilotEngine(self.paths, HOME, self._blobs, commands, PilotSettings(slurm, 2))

    def files(self) -> list[Path]:
        """All of the attempt that a job may write."""
        here = self.paths.attempt(BAD)
        return [here / name for name in NAMES[self.kind]]


OF_REPLICA = ("order.json", "status.jsonl", "end.json", "stop.json", "lock", "beat")
NAMES = {
    "slurm": ("slurm.json", "slurm.out", "submitting", *(f"1/{name}" for name in OF_REPLICA)),
    "slurm-pilot": ("pilots.json", *(f"1/{name}" for name in OF_REPLICA)),
}


@pytest.fixture(params=KINDS)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    return Site(tmp_path, request.param)


def spoil(path: Path, how: str | bytes) -> None:
    """Put this in the place of the file."""
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    path.unlink(missing_ok=True)
    if isinstance(how, bytes):
        path.write_bytes(how)
    elif how == "folder":
        path.mkdir()
    elif how == "pipe":
        os.mkfifo(path)
    elif how == "link":
        path.symlink_to("/etc/passwd")
    elif how == "loop":
        path.symlink_to(path)
    elif how == "huge":
        path.touch()
        os.truncate(path, 10**12)


def check(site: Site, running: SlurmEngine | PilotEngine | None = None) -> None:
    """An engine goes on, says of the one what can be kept and shown, and the same of the other."""
    engine = running or site.begin()
    try:
        seen = {one.ref: one.sightings for one in engine.observe()}
        assert [one.state for one in seen[GOOD]] == [ReplicaState.STARTED] * 2
        for sight in seen.get(BAD, ()):
            check_sighting(sight)
        engine.stop(BAD, 0.0)
        engine.observe()
        engine.forget([BAD])
        seen = {one.ref: one.sightings for one in engine.observe()}
        assert [one.state for one in seen[GOOD]] == [ReplicaState.STARTED] * 2
    finally:
        if running is None:
            engine.close()


def check_sighting(sight: Sighting) -> None:
    """It can be kept, and is of the kinds that it should be."""
    encode(Seen(1, 1, (sight,))).encode()
    assert "\0" not in sight.message + sight.image
    assert len(sight.message) < 10_000
    for at_ns in (sight.started_at_ns, sight.ended_at_ns):
        assert at_ns is None or 0 <= at_ns < 2**63
    for end in sight.exits:
        assert isinstance(end.rank, int)
        assert isinstance(end.exit_code, int)


def texts_for(path: Path) -> Iterator[bytes]:
    """Garbage, what was cut off, and each value exchanged for one of another kind."""
    yield from TEXTS
    good = path.read_bytes() if path.is_file() else json.dumps(ENDED).encode()
    yield good[: len(good) // 2]
    for line in good.splitlines()[-1:]:
        try:
            whole = json.loads(line)
        except ValueError:
            return
        # Of an order the engines read a few keys only.
        some = WRONG if len(whole) < 12 else WRONG[::4]
        for key, wrong in ((key, wrong) for key in whole for wrong in some):
            yield json.dumps(whole | {key: wrong}).encode() + b"\n"
        for key in whole:
            yield json.dumps({k: v for k, v in whole.items() if k != key}).encode() + b"\n"


@pytest.mark.parametrize(("kind", "name"), [(k, name) for k in KINDS for name in NAMES[k]])
def test_an_engine_begins_whatever_a_file_of_an_attempt_holds(
    tmp_path: Path, kind: str, name: str
) -> None:
    site = Site(tmp_path, kind)
    for text in list(texts_for(site.paths.attempt(BAD) / name)):
        site.renew()
        spoil(site.paths.attempt(BAD) / name, text)
        check(site)


@pytest.mark.parametrize("how", IN_ITS_PLACE)
def test_an_engine_begins_whatever_is_in_the_place_of_a_file(site: Site, how: str) -> None:
    for path in site.files():
        site.renew()
        spoil(path, how)
        check(site)


@pytest.mark.parametrize("how", [*IN_ITS_PLACE, b"[", b'{"kind": []}'])
def test_an_engine_goes_on_whatever_becomes_of_a_file(site: Site, how: str | bytes) -> None:
    for path in site.files():
        site.renew()
        engine = site.begin()
        spoil(path, how)
        check(site, engine)
        engine.close()


@pytest.mark.parametrize("fact", [STANDING, STARTED, EXITED, {"kind": "pulling", "image": "i"}])
def test_facts_of_other_kinds_say_nothing_that_cannot_be_kept(
    tmp_path: Path, fact: dict[str, Any]
) -> None:
    for number, (key, wrong) in enumerate((key, wrong) for key in fact for wrong in WRONG):
        folder = tmp_path / str(number)
        folder.mkdir()
        line = json.dumps({"at_ns": 1, **fact, key: wrong})
        (folder / "status.jsonl").write_text(f"{line}\n")
        spool = Spool(folder, 0)
        spool.read()
        check_sighting(spool.sighting)
        spool.kill_runner()


@pytest.mark.parametrize("wrong", WRONG)
def test_exits_of_other_kinds_are_none(tmp_path: Path, wrong: Any) -> None:
    for key in ("rank", "code", "signal", "stopped"):
        ranks = [{"rank": 0, "code": 3, "signal": None, "stopped": False, key: wrong}]
        (tmp_path / "status.jsonl").write_text(f"{json.dumps({**EXITED, 'ranks': ranks})}\n")
        spool = Spool(tmp_path, 0)
        spool.read()
        check_sighting(spool.sighting)


def test_a_line_without_an_end_is_passed_over_and_the_next_one_is_read(tmp_path: Path) -> None:
    with (tmp_path / "status.jsonl").open("wb") as stream:
        stream.write(b"x" * (3 * FACTS_BYTES_MAX) + b"\n" + json.dumps(STARTED).encode() + b"\n")
    spool = Spool(tmp_path, 0)
    looks = [spool.read() for _ in range(6)]
    assert looks.count(True) == 1
    assert spool.sighting.state is ReplicaState.STARTED


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("slurm.json", b"[]", "is no mapping"),
        ("1/order.json", b"[]", "is no mapping"),
        ("1/end.json", b"[]", "is no mapping"),
        ("1/end.json", b'{"state": "started", "reason": "node_failure"}', "says no end"),
        ("1/end.json", b"{" * 5, "is no JSON"),
        ("1/end.json", b" " * (WORD_BYTES_MAX + 1), "is larger than 65536 bytes"),
    ],
)
def test_what_was_changed_is_told_as_lost_and_kept_out(
    tmp_path: Path, name: str, text: bytes, why: str
) -> None:
    site = Site(tmp_path, "slurm")
    spoil(site.paths.attempt(BAD) / name, text)
    engine = site.begin()
    seen = {one.ref: one.sightings for one in engine.observe()}[BAD]
    told = f"its {Path(name).name} {why}; somebody at the site has changed it"
    assert seen[1].state is ReplicaState.LOST
    assert seen[1].message == told
    stop = json.loads((site.paths.replica(BAD, 1) / "stop.json").read_text())
    assert stop == {"grace_s": 0.0, "signal": "KILL"}
    assert (site.paths.replica(BAD, 1) / "door").is_file()
    engine.close()


def test_a_ticket_with_another_comment_is_not_ours(tmp_path: Path) -> None:
    """By it the batch job of another attempt would be taken for that of this one."""
    site = Site(tmp_path, "slurm")
    path = site.paths.attempt(BAD) / "slurm.json"
    comment = make_keys(HOME, site.paths).attempt(GOOD)
    text = json.loads(path.read_text())
    path.write_text(json.dumps(text | {"request": text["request"] | {"comment": comment}}))
    engine = site.begin()
    seen = {one.ref: one.sightings for one in engine.observe()}[BAD]
    assert {one.message.partition(";")[0] for one in seen} == {
        "its slurm.json is not what was written"
    }
    engine.close()


def test_an_end_that_the_job_itself_has_told_ends_it(tmp_path: Path) -> None:
    """It may go on, and nobody would look after it any more."""
    site = Site(tmp_path, "slurm")
    (site.paths.replica(BAD, 1) / "end.json").write_text(json.dumps(ENDED))
    site.begin().close()
    assert (site.paths.replica(BAD, 1) / "stop.json").exists()
    assert not (site.paths.replica(BAD, 0) / "stop.json").exists()


@pytest.mark.parametrize("count", [0, 1, 3, REPLICAS_MAX + 1])
def test_an_order_that_lies_about_their_number_is_lost_or_believed(
    tmp_path: Path, count: int
) -> None:
    site = Site(tmp_path, "slurm")
    path = site.paths.replica(BAD, 0) / "order.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"nnodes": count}))
    engine = site.begin()
    seen = {one.ref: one.sightings for one in engine.observe()}[BAD]
    if count == 1:
        assert len(seen) == 1
    else:
        assert [one.state for one in seen] == [ReplicaState.LOST] * 2
    engine.close()


def test_names_of_folders_that_are_none_of_ours_are_passed_over(site: Site) -> None:
    attempts = site.paths.attempts
    for name in ("j9/²", "j9/" + "9" * 30, "j 9/1", os.fsdecode(b"j\xff/1"), "j9/1/²", "j9/x"):
        (attempts / name).mkdir(parents=True)
    engine = site.begin()
    assert {one.ref for one in engine.observe()} == {BAD, GOOD}
    engine.close()


@pytest.mark.parametrize("folder", ["attempts", "ended"])
@pytest.mark.parametrize("is_running", [True, False])
def test_a_link_in_the_place_of_all_attempts_is_not_followed(
    site: Site, tmp_path: Path, folder: str, *, is_running: bool
) -> None:
    engine = site.begin() if is_running else None
    away, here = tmp_path / "away", site.paths.root / folder
    here.rename(away)
    here.symlink_to(away)
    with pytest.raises(Unavailable, match="a link or no folder"):
        engine.observe() if engine is not None else site.begin()
    here.unlink()
    away.rename(here)
    check(site, engine)


def test_a_word_on_an_attempt_is_not_written_through_a_link_to_all_of_them(
    site: Site, tmp_path: Path
) -> None:
    spool = Spool(site.paths.replica(GOOD, 0), 0)
    away = tmp_path / "away"
    site.paths.attempts.rename(away)
    site.paths.attempts.symlink_to(away)
    with pytest.raises(Unavailable, match="a link or no folder"):
        spool.end(ReplicaState.LOST, Reason.NODE_FAILURE, "gone")
    assert not spool.is_alive()
    assert not SpoolFiles(site.paths).read_log(GOOD.job_id, 1, 0, 0, 100).data


@pytest.fixture
def cleared(tmp_path: Path) -> Iterator[None]:
    """What pytest itself cannot delete is gone, also when the test fails."""
    yield
    with open_folder(tmp_path, 0) as here:
        for path in tmp_path.iterdir():
            remove_tree(path.name, here)


def dig(folder: Path, levels: int) -> None:
    """Folders in each other, deeper than a path can say."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("file", os.O_CREAT, dir_fd=here))
    os.close(here)


@pytest.mark.usefixtures("cleared")
def test_a_work_folder_of_any_depth_is_deleted(site: Site) -> None:
    work = site.paths.replica(BAD, 1) / "work"
    work.mkdir()
    dig(work, 1_500)
    engine = site.begin()
    for rank in (0, 1):
        path = site.paths.replica(BAD, rank) / "status.jsonl"
        path.write_text(path.read_text() + json.dumps(EXITED) + "\n")
    engine.close()
    engine = site.begin()
    engine.forget([BAD])
    engine.close()
    kept = {path.name for path in (site.paths.ended_attempt(BAD) / "1").iterdir()}
    assert "work" not in kept
    assert not any(name.endswith(".gone") for name in kept)


@pytest.mark.usefixtures("cleared")
def test_results_of_any_depth_are_listed_and_deleted(tmp_path: Path) -> None:
    paths = SitePaths(tmp_path)
    paths.make()
    results = paths.results(BAD) / "0"
    results.mkdir(parents=True)
    (results / "a").write_text("a")
    dig(results, 2_200)
    assert [one.path for one in SpoolFiles(paths).list_results(BAD.job_id, 1)] == ["a"]
    stock = SpoolStock(paths)
    assert [one.kind for one in stock.list_stored()] == [Kind.RESULTS]
    stock.drop_job(BAD.job_id)
    assert list((tmp_path / "trash").iterdir()) == []


@pytest.mark.parametrize("text", [*TEXTS, b'{"logs": 7}', b'{"logs": {"at_ns": "x", "rule": 1}}'])
def test_a_word_of_retention_that_is_none_says_nothing(tmp_path: Path, text: bytes) -> None:
    paths = SitePaths(tmp_path)
    paths.make()
    paths.ended_attempt(BAD).mkdir(parents=True)
    (paths.ended_attempt(BAD) / "deleted.json").write_bytes(text)
    assert SpoolFiles(paths).read_log(BAD.job_id, 1, 0, 0, 10).data == b""
    assert SpoolMetrics(paths).read_points(BAD.job_id, 1) == {}


def test_a_word_of_retention_is_told(tmp_path: Path) -> None:
    paths = SitePaths(tmp_path)
    paths.make()
    paths.ended_attempt(BAD).mkdir(parents=True)
    word = {"logs": {"at_ns": 0, "rule": "logs=1d"}}
    (paths.ended_attempt(BAD) / "deleted.json").write_text(json.dumps(word))
    with pytest.raises(NotFound, match="1970-01-01"):
        SpoolFiles(paths).read_log(BAD.job_id, 1, 0, 0, 10)
