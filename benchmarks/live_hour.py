"""`python -m benchmarks.live_hour HOME`: a recorded hour of a pretended pod, used as by people.

A real server, real runners, real processes (which sleep): more than 500 jobs of mixed sizes from
several teams under limits, arrays, chains, priorities; cancelled and held ones; two nodes are lost,
one is drained, limits change, and in the middle the server is killed and started again. Everything
follows from the seed but the moments, which are the machine's. Afterwards `qd sim replay` has
something to tell. The home is kept.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING, Final

from benchmarks.server import QD, read_server
from quarterdeck.basics.chance import Chance
from quarterdeck.basics.errors import QuarterdeckError
from quarterdeck.sdk import Client
from quarterdeck.wire.v1.jobs import JobRequest, ResourcesRequest, RetryRequest
from quarterdeck.wire.v1.people import (
    BoundBody,
    LimitsBody,
    TeamRequest,
    TokenRequest,
    UserRequest,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from quarterdeck.wire.v1.jobs import JobView

PRETEND: Final = "dgx-a100:20"
COMING: Final = 0.82
"""The share of the time in which jobs are submitted; the rest is for the queue to run empty."""
DRAIN_S_MAX: Final = 1800.0
SIZES: Final = (
    # share, nodes, GPUs of each, seconds from, to
    (0.05, 1, "0", 20, 400),
    (0.06, 1, "share-50%:1", 20, 600),
    (0.36, 1, "1", 20, 1200),
    (0.10, 1, "2", 20, 900),
    (0.12, 1, "4", 20, 700),
    (0.15, 1, "8", 20, 500),
    (0.08, 2, "8", 20, 400),
    (0.05, 4, "8", 20, 300),
    (0.025, 8, "8", 20, 240),
    (0.005, 16, "8", 20, 150),
)
USERS: Final = {
    "vision": ("ann", "bob"),
    "speech": ("cem", "dia"),
    "robots": ("eva",),
}


@dataclass
class Hour:
    """One run of it."""

    home: Path
    span_s: float
    jobs: int
    chance: Chance
    clients: dict[str, Client] = field(default_factory=dict)
    last: dict[str, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    pause: Event = field(default_factory=Event)
    began: float = field(default_factory=monotonic)

    def run(self) -> None:
        """From the first start of the server to its end."""
        self.start_server()
        self.admit()
        self.say(f"{PRETEND} in {self.home}, {self.jobs} jobs in {self.span_s * COMING:.0f} s")
        for at_s, what in sorted(self.happenings(), key=lambda one: one[0]):
            self.pause.wait(max(0.0, self.began + at_s - monotonic()))
            try:
                what()
            except QuarterdeckError as error:
                self.counts["refused"] += 1
                self.say(f"{error.code}: {error.message}")
        self.wait_empty()
        told = dict(self.counts)
        states = Counter(job.state for job in self.all_jobs())
        self.say(f"done: {told}; {dict(states)}")
        self.qd("down")

    def happenings(self) -> list[tuple[float, Callable[[], None]]]:
        """What happens when, in seconds from the beginning."""
        coming_s, hour = self.span_s * COMING, self.span_s
        found: list[tuple[float, Callable[[], None]]] = [
            (self.chance.between(0.0, coming_s), self.submit) for _ in range(self.jobs)
        ]
        found += [(self.chance.between(0.1, 0.8) * coming_s, self.cancel) for _ in range(12)]
        found += [(self.chance.between(0.1, 0.8) * coming_s, self.hold) for _ in range(6)]
        found += [(self.chance.between(0.1, 0.9) * coming_s, self.chain) for _ in range(8)]
        return [
            *found,
            (hour * 0.25, lambda: self.lose("dgx-07")),
            (hour * 0.28, self.lose),
            (hour * 0.37, lambda: self.drain("dgx-12")),
            (hour * 0.43, lambda: self.limit(6)),
            (hour * 0.47, lambda: self.resume("dgx-12")),
            (hour * 0.50, self.kill_server),
            (hour * 0.63, lambda: self.lose("dgx-15")),
            (hour * 0.67, lambda: self.limit(30)),
            (hour * 0.68, self.lose),
        ]

    # Jobs

    def submit(self, *, needs_last: bool = False) -> None:
        """A job of somebody, of a size that people ask for; perhaps one that needs their last."""
        drawn, picked = self.chance.fraction(), SIZES[-1]
        for size in SIZES:
            if drawn < size[0]:
                picked = size
                break
            drawn -= size[0]
        _, nodes, gpus, least_s, most_s = picked
        seconds = least_s * (most_s / least_s) ** self.chance.fraction() * self.span_s / 3600
        array = None
        if nodes == 1 and gpus == "1" and self.chance.happens(0.12):
            array = f"0-{5 + self.chance.below(18)}%{4 + self.chance.below(6)}"
            seconds = min(seconds, 120.0)
        user = self.chance.pick([one for users in USERS.values() for one in users])
        drawn = self.chance.fraction()
        request = JobRequest(
            name=f"{nodes}x{gpus.partition(':')[0]}".replace("%", ""),
            run=["sleep", f"{seconds:.1f}"],
            nodes=nodes,
            resources=ResourcesRequest(gpu=gpus, cpu=1 + self.chance.below(12)),
            priority="high" if drawn < 0.08 else "low" if drawn < 0.2 else "normal",
            retry=RetryRequest(limit=3, backoff="2s"),
            array=array,
            needs=[self.last[user]] if needs_last else [],
        )
        self.last[user] = self.clients[user].submit(request).id
        self.counts["arrays" if array else "gangs" if nodes > 1 else "jobs"] += 1

    def chain(self) -> None:
        """One that needs the last one of the same person."""
        self.submit(needs_last=len(self.last) == sum(map(len, USERS.values())))
        self.counts["needs"] += 1

    def cancel(self) -> None:
        """One that waits or runs."""
        left = [job.id for job in self.all_jobs() if job.state in ("queued", "running")]
        if left:
            self.clients["owner"].cancel(self.chance.pick(left))
            self.counts["cancelled"] += 1

    def hold(self) -> None:
        """Keep one that waits from starting, and let it go 30 s later."""
        waiting = [job.id for job in self.all_jobs() if job.state == "queued"]
        if waiting:
            held = self.chance.pick(waiting)
            self.clients["owner"].hold(held)
            self.pause.wait(2.0)
            self.clients["owner"].release(held)
            self.counts["held"] += 1

    def all_jobs(self) -> list[JobView]:
        """Every job."""
        found: list[JobView] = []
        page = self.clients["owner"].list_jobs(limit=500)
        while page.next_before is not None:
            found += page.jobs
            page = self.clients["owner"].list_jobs(limit=500, before=page.next_before)
        return found + page.jobs

    # The site and its people

    def lose(self, *nodes: str) -> None:
        """These nodes are lost, and all others are there again."""
        (self.home / "sites/local/lost-nodes").write_text("".join(f"{one}\n" for one in nodes))
        self.counts["losses"] += len(nodes)
        self.say(f"lost: {', '.join(nodes) or 'none'}")

    def drain(self, node: str) -> None:
        """What runs there goes elsewhere."""
        self.clients["owner"].nodes.cordon(node, reason="new fan", drain=True)
        self.counts["drains"] += 1
        self.say(f"drained: {node}")

    def resume(self, node: str) -> None:
        """It is used again."""
        self.clients["owner"].nodes.resume(node)

    def limit(self, running: int) -> None:
        """Another limit for one of the teams."""
        bound = BoundBody(value=running)
        self.clients["owner"].people.limit_team("speech", LimitsBody(running_jobs=bound))
        self.say(f"team speech may run {running} jobs")

    def admit(self) -> None:
        """Teams with limits and their people, as service accounts with a token each."""
        owner = self.clients["owner"] = Client(home=self.home, patience_s=60.0)
        for team, running in (("vision", None), ("speech", 20), ("robots", 40)):
            limits = LimitsBody()
            if running is not None:
                limits = LimitsBody(running_jobs=BoundBody(value=running, hard=team == "speech"))
            owner.people.create_team(TeamRequest(name=team, limits=limits))
            for user in USERS[team]:
                limits = LimitsBody(running_jobs=BoundBody(value=25)) if user == "bob" else None
                owner.people.create_user(
                    UserRequest(name=user, kind="service", team=team, limits=limits or LimitsBody())
                )
                token = owner.people.create_token(TokenRequest(name="hour", user=user))
                self.clients[user] = Client(home=self.home, token=token.secret, patience_s=60.0)

    # The server

    def start_server(self) -> None:
        """On the home, as a process of its own."""
        self.qd("up", "--detach", "--pretend", PRETEND)

    def kill_server(self) -> None:
        """As a power cut of its process would; then start it again."""
        pid = int(read_server(self.home)["pid"])
        os.kill(pid, signal.SIGKILL)
        self.counts["kills"] += 1
        self.say(f"killed the server, pid {pid}")
        self.pause.wait(5.0)
        self.start_server()
        self.say("started it again")

    def wait_empty(self) -> None:
        """Until nothing is left to do."""
        until = monotonic() + DRAIN_S_MAX
        while monotonic() < until:
            counts = Counter(job.state for job in self.all_jobs())
            left = sum(counts[state] for state in ("queued", "starting", "running", "stopping"))
            self.say(f"{left} left")
            if left == 0:
                return
            self.pause.wait(min(30.0, self.span_s / 20))

    def qd(self, *arguments: str) -> None:
        """Run a `qd` command on the home."""
        environment = {**os.environ, "QD_HOME": str(self.home)}
        subprocess.run([*QD, *arguments], check=True, env=environment, stdout=subprocess.DEVNULL)

    def say(self, told: str) -> None:
        """With the time."""
        now = datetime.now(UTC).strftime("%H:%M:%SZ")
        print(f"{now} {monotonic() - self.began:6.0f} s  {told}", flush=True)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live_hour", description=__doc__)
    parser.add_argument("home", type=Path, help="a folder that is made")
    parser.add_argument("--minutes", type=float, default=60.0, help="everything is as much shorter")
    parser.add_argument("--jobs", type=int, default=560)
    parser.add_argument("--seed", type=int, default=42)
    wanted = parser.parse_args()
    if wanted.home.exists():
        parser.error(f"{wanted.home} is there already")
    wanted.home.mkdir(parents=True, mode=0o700)
    Hour(wanted.home.resolve(), wanted.minutes * 60, wanted.jobs, Chance(wanted.seed)).run()


if __name__ == "__main__":
    sys.exit(main())
