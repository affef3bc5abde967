"""What the jobs of one file need of each other: names that exist, are clear, and form no circle."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from quarterdeck.basics.ids import is_job_id
from quarterdeck.sdk.jobreader import did_you_mean
from quarterdeck.sdk.yamltree import Fault, shown, shown_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.sdk.jobfile import JobFile


def order_by_needs(jobs: Sequence[JobFile]) -> list[JobFile]:
    """The jobs, each after those of the file that it needs, otherwise in the file's order.

    A need is the name of a job of the file, or else the id of a job that exists already. Raises
    `Invalid` with `file:line:column` for anything else.
    """
    faults = check_needs(jobs)
    if faults:
        raise faults[0].to_error(jobs[0].name)
    of_name = {job.request.name: number for number, job in enumerate(jobs)}
    ordered: list[int] = []
    done: set[int] = set()
    for start in range(len(jobs)):
        stack = [start]
        while stack:
            number = stack[-1]
            wanted = [of_name[need] for need in jobs[number].request.needs if need in of_name]
            missing = [one for one in wanted if one not in done]
            if missing and number not in done:
                stack += reversed(missing)
                continue
            stack.pop()
            if number not in done:
                done.add(number)
                ordered.append(number)
    return [jobs[number] for number in ordered]


def check_needs(jobs: Sequence[JobFile]) -> list[Fault]:
    """Everything that is wrong with the needs of one file's jobs."""
    named: dict[str, list[int]] = defaultdict(list)
    for number, job in enumerate(jobs):
        named[job.request.name].append(number)
    faults: list[Fault] = []
    for job in jobs:
        for index, need in enumerate(job.request.needs):
            told = _wrong(need, job, jobs, named)
            if told is not None:
                faults.append(_fault(job, index, *told))
    return faults or _find_circle(jobs, {name: numbers[0] for name, numbers in named.items()})


def _wrong(
    need: str, job: JobFile, jobs: Sequence[JobFile], named: dict[str, list[int]]
) -> tuple[str, str] | None:
    """What is wrong with one need by itself: a message and a hint."""
    if need in named:
        if len(named[need]) > 1:
            lines = " and ".join(str(jobs[number].start.line) for number in named[need][:3])
            told = f"needs names {shown_key(need)}, and {len(named[need])} jobs have that name"
            return f"{told}: those at lines {lines}", "give each a name of its own"
        if need == job.request.name:
            return f"the job {shown_key(need)} needs itself", "leave it out"
        return None
    if is_job_id(need):
        return None
    others = [name for name in named if name != job.request.name]
    there = f"jobs of this file: {', '.join(others[:10])}" if others else "no other job is here"
    told = f"needs names {shown(need)}, which is no job of this file and no id"
    return told, f"{did_you_mean(need, others)}{there}"


def _find_circle(jobs: Sequence[JobFile], of_name: dict[str, int]) -> list[Fault]:
    """A fault for the first circle that there is."""
    done: set[int] = set()
    for start in range(len(jobs)):
        trail: list[int] = []
        stack = [(start, 0)]
        while stack:
            number, index = stack.pop()
            del trail[len(stack) :]
            if number in done:
                continue
            trail.append(number)
            needs = jobs[number].request.needs
            if index == len(needs):
                done.add(number)
                continue
            stack.append((number, index + 1))
            wanted = of_name.get(needs[index])
            if wanted is None or wanted in done:
                continue
            if wanted in trail:
                circle = [*trail[trail.index(wanted) :], wanted]
                names = [shown_key(jobs[one].request.name) for one in circle]
                told = f"these jobs wait for each other: {' → '.join(names)}"
                return [_fault(jobs[number], index, told, "take one of the needs out")]
            stack.append((wanted, 0))
    return []


def _fault(job: JobFile, index: int, message: str, hint: str) -> Fault:
    return Fault(job.place_of(f"needs.{index}"), message, hint, "needs")
