"""What a pilot cannot run, told before it is tried; and on which of its devices the rest runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.adapters.engines.slurm.pilots import longest_hold_s, margin_of
from quarterdeck.basics.errors import Invalid
from quarterdeck.basics.quantities import format_span
from quarterdeck.core.cluster.parts import parse_part

if TYPE_CHECKING:
    from quarterdeck.adapters.engines.slurm.settings import PilotSettings
    from quarterdeck.adapters.engines.slurm.view import Look
    from quarterdeck.ports.engine import LaunchOrder


def check_order(order: LaunchOrder, look: Look, settings: PilotSettings) -> list[list[int]]:
    """The places of each grant's devices on its node. `Invalid` for what cannot run under a
    pilot."""
    hold_s = longest_hold_s(look, settings)
    most_s = hold_s - margin_of(hold_s)
    grace_s, own_s = order.spec.stopping.grace_s, order.spec.time_limit_s
    if grace_s >= most_s:
        raise Invalid(
            f"checkpoint.grace is {format_span(grace_s)}, and a pilot's jobs have to end after "
            f"{format_span(most_s)}",
            field="checkpoint.grace",
            hint="shorten it, or use another site",
        )
    if own_s is not None and own_s + grace_s > most_s:
        raise Invalid(
            f"time_limit is {format_span(own_s)}, and with its grace no job of this site runs for "
            f"longer than {format_span(most_s)}",
            field="time_limit",
            hint="ask for less and save checkpoints, or name another site",
        )
    places = []
    for grant in order.grants:
        parts = [parse_part(device) for device in grant.devices]
        if any(part.profile for part in parts):
            raise Invalid(
                f"resources.gpu asks for a slice of a GPU ({grant.devices[0]}), and those of a "
                f"cluster are not cut",
                code="not_available",
                field="resources.gpu",
                hint="ask for whole GPUs or for shares of them",
            )
        places.append([look.gpus[grant.node].index_of(part.gpu) for part in parts])
    return places
