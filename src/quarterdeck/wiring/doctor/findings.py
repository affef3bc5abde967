"""What was found of one thing, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    NOTE = "note"
    """It works, but something that people may expect does not."""
    PROBLEM = "problem"
    """Quarterdeck will not work here until this is mended."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; `hint` says what to do."""

    about: str
    level: Level
    told: str
    hint: str = ""


def ok(about: str, told: str) -> Finding:
    """As it should be."""
    return Finding(about, Level.OK, told)


def note(about: str, told: str, hint: str = "") -> Finding:
    """Worth knowing."""
    return Finding(about, Level.NOTE, told, hint)


def problem(about: str, told: str, hint: str) -> Finding:
    """To be mended."""
    return Finding(about, Level.PROBLEM, told, hint)


def attempt(about: str, look: Callable[[], Finding]) -> Finding:
    """What was found; one part of a machine that answers in no known way does not hide the rest."""
    try:
        return look()
    except Exception as error:  # noqa: BLE001 - it is what we are here to find
        told = f"{type(error).__name__}: {error}"
        return problem(about, f"it could not be looked at: {told}", "this may be a fault of `qd`")
