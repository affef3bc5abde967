"""A job's number. Slurm's are numbers, and scripts reckon with them; ours are words.

An id is a letter and nine symbols of Crockford's base 32, 45 bits: the same as a number is the
job's. It is as unique as the id and leads back to it, at the price of up to 14 digits: more than
the 32 bits of Slurm's own, but exact in a shell, in Python and in a double.
"""

from __future__ import annotations

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
TASKS_MAX = 1 << 14
TASK_BIT = 1 << 60


def number_of(job_id: str) -> int:
    """The job's number."""
    number = 0
    for symbol in job_id[1:]:
        number = number * 32 + ALPHABET.index(symbol)
    return number


def number_of_task(job_id: str, position: int) -> int:
    """The number of one task of an array, which is no job's."""
    return TASK_BIT + number_of(job_id) * TASKS_MAX + position


def indices_of(text: str) -> list[int]:
    """The indices of an array as it was submitted, for example `0-9:2,12%4`. It was checked."""
    found: list[int] = []
    for part in text.partition("%")[0].split(","):
        span, _, step = part.partition(":")
        first, _, last = span.partition("-")
        found.extend(range(int(first), int(last or first) + 1, int(step or 1)))
    return found
