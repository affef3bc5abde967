"""What a policy file may say: each key with the field of `Policy` that it sets.

One table, so that a new field of the scheduler's policy is one line here. docs/policy.md has the
same table for people, and a test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import Invalid
from quarterdeck.basics.quantities import parse_span_s
from quarterdeck.core.scheduling.snapshot import Backfill, Order
from quarterdeck.sdk.yamltree import shown

if TYPE_CHECKING:
    from collections.abc import Callable
    from enum import StrEnum

Plain = str | int | bool
DAY_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the file. `read` turns its plain value into the field's or raises `Invalid`."""

    name: str
    field: str
    read: Callable[[Plain, str], object]


def span_s(value: Plain, name: str) -> float:
    """Seconds of a duration with its unit."""
    if not isinstance(value, str):
        told = f"{name} is {shown(value)}, which is not a duration with a unit"
        raise Invalid(told, hint="write for example 30s, 10m, 2h, 1h30m or 1-00:00:00")
    try:
        return parse_span_s(value, field=name)
    except Invalid as error:
        raise Invalid(f"{name} is {shown(value)}: {_why(error, value)}", hint=error.hint) from None


def half_life_s(value: Plain, name: str) -> float:
    """A duration of at least a day: past use is known by days."""
    given_s = span_s(value, name)
    if given_s < DAY_S:
        told = f"{name} is {shown(value)}, and what was used is known by days"
        raise Invalid(told, hint="give a day or more, such as 7d")
    return given_s


def choice(kind: type[StrEnum], value: Plain, name: str) -> StrEnum:
    """One of the words that there are."""
    for one in kind:
        if one.value == value:
            return one
    told = f"{name} is {shown(value)}, which is not a choice"
    raise Invalid(told, hint=f"use one of {', '.join(one.value for one in kind)}")


def count(value: Plain, name: str) -> int:
    """A whole number from 0 to 100."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 100:
        told = f"{name} is {shown(value)}, which is not a whole number from 0 to 100"
        raise Invalid(told, hint="write for example 2, without quotes")
    return value


def _why(error: Invalid, value: str) -> str:
    """The part of a message that does not say the value again: it may be long or unprintable."""
    return error.message.partition(repr(value))[2].lstrip(",; ") or "it cannot be used"


KEYS: Final = (
    Key("patience", "patience_s", span_s),
    Key("backfill", "backfill", partial(choice, Backfill)),
    Key("order", "order", partial(choice, Order)),
    Key("nearness_patience", "nearness_patience_s", span_s),
    Key("pod_patience", "pod_patience_s", span_s),
    Key("min_runtime", "min_runtime_s", span_s),
    Key("reclaim_after", "reclaim_after_s", span_s),
    Key("half_life", "half_life_s", half_life_s),
    Key("release_after", "release_after_s", span_s),
    Key("moves", "moves_max", count),
    Key("moves_percent", "moves_percent", count),
)
