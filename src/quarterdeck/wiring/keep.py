"""How long things are kept: `--keep KIND=SPAN[,SIZE]` and the variables `QD_KEEP_KIND`."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import Invalid
from quarterdeck.basics.quantities import format_span, parse_bytes, parse_span_s
from quarterdeck.core.retention.rules import DAY_S, Retention, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FOREVER: Final = "forever"
KINDS: Final = tuple(field.name.replace("_", "-") for field in fields(Retention))
SIZED: Final = frozenset({"logs", "results", "checkpoints"})
KEEP_S_MIN: Final = {"snapshots": 3600.0, "jobs": 2 * DAY_S}
"""A submit must find the work folder that it has just uploaded, and a job must outlive the
idempotency key that made it."""


def parse_retention(options: Iterable[str], environment: Mapping[str, str]) -> Retention:
    """The defaults, changed by the variables, changed by the options."""
    told = {}
    for kind in KINDS:
        variable = f"QD_KEEP_{kind.replace('-', '_').upper()}"
        if environment.get(variable):
            told[kind] = _parse_rule(kind, environment[variable], variable)
    for option in options:
        kind, equals, text = option.partition("=")
        if kind not in KINDS or not equals:
            raise Invalid(
                f"--keep {option!r} is not KIND=SPAN[,SIZE] with one of the kinds "
                f"{', '.join(KINDS)}",
                field="keep",
                hint="for example --keep logs=30d,20GiB or --keep results=forever",
            )
        told[kind] = _parse_rule(kind, text, f"--keep {kind}")
    return replace(Retention(), **{kind.replace("-", "_"): rule for kind, rule in told.items()})


def parse_disk(reserve: str | None, ballast: str | None) -> dict[str, int]:
    """What of the disk is kept free; what was not said is left out."""
    told = {"disk_reserve_bytes": (reserve, "disk_reserve"), "ballast_bytes": (ballast, "ballast")}
    return {
        name: 0 if text.strip() == "0" else parse_bytes(text, field=field)
        for name, (text, field) in told.items()
        if text
    }


def _parse_rule(kind: str, text: str, field: str) -> Rule:
    span, comma, size = (part.strip() for part in text.partition(","))
    keep_s = None if span == FOREVER else parse_span_s(span, field=field)
    least_s = KEEP_S_MIN.get(kind, 0.0)
    if keep_s is not None and keep_s < least_s:
        raise Invalid(
            f"{field} is {span}; {kind} are kept for {format_span(least_s)} at least",
            field=field,
            hint=f"write {format_span(least_s)} or more, or {FOREVER}",
        )
    if comma and kind not in SIZED:
        raise Invalid(
            f"{field} is {text!r}; {kind} have no limit of size",
            field=field,
            hint=f"write a span only; {', '.join(sorted(SIZED))} may have a size",
        )
    return Rule(keep_s, parse_bytes(size, field=field) if comma else None)
