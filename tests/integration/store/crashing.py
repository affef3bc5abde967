"""A process that writes jobs as fast as it can until it is killed.

Usage: crashing.py ADDRESS FIRST_NUMBER. Prints the id and revision of a job each time that the
store has said that it is kept.
"""

from __future__ import annotations

import os
import sys
import threading
from itertools import count

from quarterdeck.adapters.stores.sql.store import open_store
from quarterdeck.core.jobs.evolve import evolve
from quarterdeck.core.jobs.job import Job
from quarterdeck.testing.builders import a_job, a_run, a_submitted

THREADS = 3


def main() -> None:
    store = open_store(sys.argv[1])
    first = int(sys.argv[2])

    def say(job: Job) -> None:
        os.write(1, f"{job.id} {job.revision}\n".encode())

    def write(offset: int) -> None:
        for number in count(first + offset, THREADS):
            job = a_job(number)
            store.transact(lambda tx, job=job: tx.append(None, [a_submitted()], job))  # type: ignore[misc]
            say(job)
            for event in a_run():
                after = evolve(job, job.id, event)
                store.transact(lambda tx, b=job, e=event, a=after: tx.append(b, [e], a))  # type: ignore[misc]
                job = after
                say(job)

    for offset in range(THREADS):
        threading.Thread(target=write, args=(offset,)).start()


if __name__ == "__main__":
    main()
