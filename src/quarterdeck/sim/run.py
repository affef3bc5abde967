"""A run from a seed to its verdict: tables when all held, a job's story when something did not."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import QuarterdeckError
from quarterdeck.basics.quantities import format_span
from quarterdeck.basics.times import to_iso
from quarterdeck.core.jobs.states import JobState
from quarterdeck.sim.checks import Violation
from quarterdeck.sim.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from quarterdeck.basics.ids import JobId
    from quarterdeck.ports.blobs import Blobs
    from quarterdeck.ports.store import Store

STORY_EVENTS_MAX: Final = 60
ALL: Final = 10_000_000
BROKE: Final = "an assertion of the house"
NEVER: Final = "a fault or a check that never came up"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether everything held, what there is to print, and the name of what did not hold."""

    is_ok: bool
    text: str
    violated: str = ""


def simulate(
    seed: int, jobs: int, make_store: Callable[[], Store], make_blobs: Callable[[], Blobs]
) -> Outcome:
    """Run it. Whatever breaks inside is an outcome too."""
    world = World(seed, jobs, make_store, make_blobs)
    try:
        world.run()
    except Violation as violation:
        text = _tell(world, str(violation), violation.job_id, seed, jobs)
        return Outcome(is_ok=False, text=text, violated=violation.check.value)
    except (AssertionError, QuarterdeckError) as error:
        text = _tell(world, f"the house broke: {error!r}", None, seed, jobs)
        return Outcome(is_ok=False, text=text, violated=BROKE)
    never = [f"fault {fault.value!r}" for fault, n in world.faults.counts.items() if n == 0]
    never += [f"check {check.value!r}" for check, n in world.checks.counts.items() if n == 0]
    lines = _tables(world)
    if never:
        told = "\n".join(f"never happened: {one}" for one in never)
        text = f"{lines}\n\n{told}\nsim: FAILED seed={seed} jobs={jobs}"
        return Outcome(is_ok=False, text=text, violated=NEVER)
    checked = sum(world.checks.counts.values())
    struck = sum(world.faults.counts.values())
    last = f"sim: OK seed={seed} jobs={jobs} faults={struck} checks={checked}"
    return Outcome(is_ok=True, text=f"{lines}\n{last}")


def digest_of(store: Store) -> str:
    """SHA-256 of the whole log."""
    digest = hashlib.sha256()
    for record in store.list_records(0, limit=ALL):
        digest.update(repr(record).encode())
        digest.update(b"\n")
    return digest.hexdigest()


def _tables(world: World) -> str:
    jobs = world.list_jobs()
    states = Counter(job.state for job in jobs)
    by_state = {state.value: states[state] for state in JobState if states[state]}
    by_state["refused at submit"] = len(world.people.refused)
    return "\n".join(
        [
            *_table("faults", {fault.value: n for fault, n in world.faults.counts.items()}),
            *_table("checks", {check.value: n for check, n in world.checks.counts.items()}),
            *_table("jobs", by_state),
            *_table("events", dict(sorted(world.auditor.kinds.items()))),
            "",
            f"attempts: {len(world.auditor.ended)}",
            f"virtual span: {format_span(world.timeline.now_s)}",
            f"events in the log: {world.store.head()}",
            f"digest: {digest_of(world.store)}",
        ]
    )


def _table(title: str, counts: Mapping[str, int]) -> list[str]:
    width = max(map(len, counts))
    return ["", f"{title}", *(f"  {name:<{width}}  {count:>9,}" for name, count in counts.items())]


def _tell(world: World, what: str, job_id: JobId | None, seed: int, jobs: int) -> str:
    """What broke, when, and the story of the job it happened to."""
    span = format_span(world.timeline.now_s)
    clock = to_iso(world.clock.now_ns())
    lines = [f"VIOLATION {what}", f"at virtual time {span} (the clock shows {clock})"]
    if job_id is not None:
        records = world.store.list_records(0, limit=ALL, job_id=job_id)[-STORY_EVENTS_MAX:]
        lines.append(f"the log of {job_id}:")
        lines += [f"  {one.seq:>7} {to_iso(one.event.at_ns)} {one.event}" for one in records]
        lines += [
            f"  at the site: {attempt.observe()}"
            for attempts in (world.site.tracked, world.site.forgotten)
            for ref, attempt in attempts.items()
            if ref.job_id == job_id
        ]
    lines.append(f"sim: FAILED seed={seed} jobs={jobs}")
    return "\n".join(lines)
