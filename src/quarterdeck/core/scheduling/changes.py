"""What has gone of a list since it was last looked at, and what has come to it."""

from __future__ import annotations

from typing import Final, TypeVar

T = TypeVar("T")

NEAR: Final = 256
"""So many that have gone in a row are looked for one by one."""
FIRST_STEP: Final = 16


def changes_of(before: list[T], after: list[T]) -> tuple[list[T], list[T], list[T]]:
    """What has gone, what has come, and what is there now: of what is equal to what was there that
    may be the same as before. Quick where the order is kept: what is new stands at the end, and
    what has changed where it stood."""
    gone: list[T] = []
    come: list[T] = []
    there: list[T] = []
    i = j = 0
    while True:
        count = _count_alike(before, i, after, j)
        there += before[i : i + count]
        i, j = i + count, j + count
        if i == len(before) or j == len(after):
            break
        if i + 1 < len(before) and j + 1 < len(after) and before[i + 1] is after[j + 1]:
            gone.append(before[i])
            come.append(after[j])
            there.append(after[j])
            i, j = i + 1, j + 1
            continue
        near = before[i : i + NEAR]
        skip = next((k for k, one in enumerate(near) if one is after[j]), 0)
        if not skip:
            break
        gone += near[:skip]
        i += skip
    was, now = set(map(id, before[i:])), set(map(id, after[j:]))
    gone += [one for one in before[i:] if id(one) not in now]
    come += [one for one in after[j:] if id(one) not in was]
    there += after[j:]
    # What only stands elsewhere now neither went nor came.
    moved = set(map(id, gone)) & set(map(id, come))
    if moved:
        gone = [one for one in gone if id(one) not in moved]
        come = [one for one in come if id(one) not in moved]
    return gone, come, there


def _count_alike(before: list[T], i: int, after: list[T], j: int) -> int:
    """How many of two lists from these places on are the same. Slices are compared many times
    quicker than one by one."""
    most = min(len(before) - i, len(after) - j)
    count, step = 0, FIRST_STEP
    while step and count < most:
        upto = min(most, count + step)
        if before[i + count : i + upto] == after[j + count : j + upto]:
            count, step = upto, step * 2
        else:
            most = upto - 1
            step = (upto - count) // 2
    return count
