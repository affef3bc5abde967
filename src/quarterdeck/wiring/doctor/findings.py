"""What was found of one thing, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
