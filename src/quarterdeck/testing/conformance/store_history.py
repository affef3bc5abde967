"""Random histories: a store and the one in memory are told the same and must answer the same."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from quarterdeck.adapters.stores.memory import MemoryStore
from quarterdeck.basics.errors import QuarterdeckError
from quarterdeck.core.jobs.evolve import evolve
from quarterdeck.core.jobs.states import JobState
from quarterdeck.ports.store import JobFilter, KeptReply
from quarterdeck.testing.builders import (
    START_NS,
    a_dgx,
    a_job,
    a_job_id,
    a_job_spec,
    a_run,
    a_site_report,
    a_submitted,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quarterdeck.core.jobs.job import Job
    from quarterdeck.ports.store import Store, Transaction

ALL_NS = 2**62
Step = tuple[str, int, int]
_JOBS = 4
_STEPS = st.tuples(
    st.sampled_from(("submit", "move", "stale", "site", "keep", "drop", "news", "find")),
    st.integers(0, _JOBS - 1),
    st.integers(0, 9),
)
_HISTORIES = st.lists(st.tuples(st.booleans(), st.lists(_STEPS, max_size=5)), max_size=12)


def check_random_history(store: Store) -> None:
    """Tell both the same. They are not emptied between examples: each example has jobs of its own,
    and looks at the log from where it began."""
    model = MemoryStore()
    fired: Counter[str] = Counter()

    @settings(max_examples=40, deadline=None)
    @given(_HISTORIES)
    def check(history: Sequence[tuple[bool, Sequence[Step]]]) -> None:
        base = fired["examples"] * _JOBS
        fired["examples"] += 1
        before = model.head()
        for each in (store, model):
            each.transact(lambda tx: tx.drop_replies(ALL_NS))
        for fails, steps in history:
            work = _work(base, before, steps, fails=fails)
            told = _outcome(model, work)
            assert _outcome(store, work) == told
            fired.update(name for name, *_ in steps)
        _compare(store, model, before, base)

    check()
    _compare(store, model, 0, 0)
    assert all(fired[name] for name in ("submit", "move", "stale", "site", "keep", "drop"))


def _work(
    base: int, head: int, steps: Sequence[Step], *, fails: bool
) -> Callable[[Transaction], list[object]]:
    def work(tx: Transaction) -> list[object]:
        answers = [_take(tx, base + job, head, step, number) for step, job, number in steps]
        if fails:
            raise RuntimeError(str(answers))
        return answers

    return work


def _take(tx: Transaction, number: int, head: int, step: str, chance: int) -> object:
    job_id = a_job_id(number)
    job = tx.find_job(job_id)
    if step == "submit":
        spec = a_job_spec(name=f"name-{chance % 3}")
        tx.append(None, [a_submitted(spec)], a_job(number, spec=spec))
    elif step == "move" and job is not None and job.revision <= 5:
        event = a_run(code=number % 2)[job.revision - 1]
        tx.append(job, [event], evolve(job, job_id, event))
    elif step == "stale" and job is not None:
        old = a_job(number, spec=job.spec)
        event = a_run()[0]
        tx.append(old, [event], evolve(old, job_id, event))
    elif step == "site":
        tx.append_site(a_site_report(a_dgx(f"dgx-{chance}"), site=f"site-{chance % 2}"))
    elif step == "keep":
        at_ns = START_NS + chance
        tx.keep_reply(KeptReply(f"key-{number}-{chance % 2}", f"{chance}", (job_id,), at_ns))
    elif step == "drop":
        return tx.drop_replies(START_NS + chance)
    elif step == "news":
        return [tx.has_capacity_news(after) for after in range(head, head + chance * 3)]
    return [tx.find_job(job_id), *(tx.find_reply(f"key-{number}-{n}") for n in range(2))]


def _outcome(store: Store, work: Callable[[Transaction], list[object]]) -> object:
    try:
        return store.transact(work)
    except QuarterdeckError as error:
        return type(error)
    except RuntimeError as error:
        return str(error)


def _compare(store: Store, model: Store, before: int, base: int) -> None:
    assert store.head() == model.head()
    assert store.list_records(before, limit=10_000) == model.list_records(before, limit=10_000)
    assert store.load_active() == model.load_active()
    assert store.count_jobs() == model.count_jobs()
    for wanted in _filters(base):
        assert store.list_jobs(wanted) == model.list_jobs(wanted)
    for number in range(base, base + _JOBS):
        mine: Job | None = store.find_job(a_job_id(number))
        assert mine == model.find_job(a_job_id(number))
        assert store.list_records(before, job_id=a_job_id(number)) == model.list_records(
            before, job_id=a_job_id(number)
        )


def _filters(base: int) -> list[JobFilter]:
    return [
        JobFilter(limit=5),
        JobFilter(limit=3, before=a_job_id(base + 1)),
        JobFilter(name="name-1", limit=4),
        JobFilter(states=(JobState.QUEUED, JobState.FAILED), limit=4),
    ]
