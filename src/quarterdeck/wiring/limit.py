"""Limits of the API: `--limit NAME=NUMBER` and the variables `QD_LIMIT_NAME`."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Final

from quarterdeck.api.limits import DoorLimits
from quarterdeck.basics.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NAMES: Final = tuple(one.name.replace("_", "-") for one in fields(DoorLimits))


def parse_limits(options: Iterable[str], environment: Mapping[str, str]) -> DoorLimits:
    """The defaults, changed by the variables, changed by the options."""
    told = {}
    for name in NAMES:
        variable = f"QD_LIMIT_{name.replace('-', '_').upper()}"
        if environment.get(variable):
            told[name] = _parse_number(environment[variable], variable)
    for option in options:
        name, equals, text = option.partition("=")
        if name not in NAMES or not equals:
            raise Invalid(
                f"--limit {option!r} is not NAME=NUMBER with one of the names {', '.join(NAMES)}",
                field="limit",
                hint="for example --limit connections=200",
            )
        told[name] = _parse_number(text, f"--limit {name}")
    return DoorLimits(**{name.replace("-", "_"): value for name, value in told.items()})


def _parse_number(text: str, said: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise Invalid(
            f"{said} is {text[:80]!a}, which is no number",
            field="limit",
            hint="write a plain number, for example 200 or 0.5",
        ) from None
