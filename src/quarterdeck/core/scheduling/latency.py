"""How far what is planned and what happens lie apart."""

from __future__ import annotations

from typing import Final

START_S: Final = 5.0
"""From a plan until the limit of what it starts begins to count, and from the kill at its end until
its nodes are free: so much earlier than somebody else needs its nodes a job has to be over."""
