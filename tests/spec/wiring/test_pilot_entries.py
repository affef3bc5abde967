"""The file of a site whose jobs run under pilots: what it must say, and what it may not."""

from __future__ import annotations

from typing import Any

import pytest

from quarterdeck.basics.errors import Invalid
from quarterdeck.wiring.connected.entry import SiteEntry, make_entry, read_entry, write_entry

USUAL = {"engine": "slurm-pilot", "folder": "/shared", "nodes_max": "4"}


def entry(**given: Any) -> SiteEntry:
    return make_entry("hpc", {**USUAL, **given})


def test_what_is_written_is_read_again() -> None:
    made = entry(nodes_min="1", idle="90s", hold="12h")
    assert (made.nodes_max, made.nodes_min, made.idle_s, made.hold_s) == (4, 1, 90.0, 43200.0)
    assert read_entry(write_entry(made).encode(), "hpc.yaml", "hpc") == made
    assert read_entry(write_entry(entry()).encode(), "hpc.yaml", "hpc") == entry()


@pytest.mark.parametrize(
    ("given", "field", "told"),
    [
        ({"nodes_max": None}, "nodes_max", "nodes_max is missing"),
        ({"nodes_max": "many"}, "nodes_max", "no whole number"),
        ({"nodes_max": "-1"}, "nodes_max", "no whole number"),
        ({"nodes_max": "9999999"}, "nodes_max", "no whole number"),
        ({"nodes_min": "5"}, "nodes_min", "nodes_min is 5, above nodes_max, 4"),
        ({"hold": "1m"}, "hold", "hold is 1m"),
        ({"idle": "5"}, "idle", "idle is '5'"),
        ({"engine": "slurm"}, "nodes_max", "nodes_max is of a site with the engine slurm-pilot"),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, Any], field: str, told: str) -> None:
    with pytest.raises(Invalid) as caught:
        entry(**given)
    assert caught.value.field == field
    assert told in caught.value.message


def test_a_plain_site_takes_no_key_of_pilots() -> None:
    with pytest.raises(Invalid) as caught:
        make_entry("hpc", {"engine": "slurm", "folder": "/shared", "hold": "1h"})
    assert caught.value.field == "hold"
