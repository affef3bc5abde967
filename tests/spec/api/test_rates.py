"""What a request costs, and who pays for it."""

from __future__ import annotations

from typing import Any

import pytest

from quarterdeck.api.limits import DoorLimits
from quarterdeck.api.rates import cost_of, is_stream, where_from, who_asks
from quarterdeck.basics.errors import Invalid
from quarterdeck.core.governance.principal import Principal
from quarterdeck.wiring.limit import NAMES, parse_limits


def scope(path: str, method: str = "GET", query: str = "", length: int = 0) -> dict[str, Any]:
    headers = [(b"content-length", str(length).encode())] if length else []
    return {"path": path, "method": method, "query_string": query.encode(), "headers": headers}


def test_what_is_dear_costs_more() -> None:
    assert cost_of(scope("/v1/jobs")) == 1
    assert cost_of(scope("/v1/jobs", "POST", length=900)) == 1
    assert cost_of(scope("/v1/plans", "POST")) == 10
    assert cost_of(scope("/v1/jobs", "POST", "dry_run=true")) == 10
    assert cost_of(scope("/v1/jobs/j1/logs", query="contains=x")) == 20
    assert cost_of(scope("/v1/batches", "POST", length=2**24)) == 257
    assert cost_of(scope("/v1/audit/export")) == 100


def test_what_stays_open_is_a_stream() -> None:
    assert is_stream(scope("/v1/events"))
    assert is_stream(scope("/v1/jobs/j1/logs/stream"))
    assert is_stream(scope("/v1/jobs/j1", query="wait_s=30"))
    assert not is_stream(scope("/v1/jobs/j1/logs"))


def test_a_person_pays_for_all_own_tokens_and_an_address_for_strangers() -> None:
    one, other = (Principal("ada", "u-1", token_id=token_id) for token_id in ("t-1", "t-2"))
    assert who_asks({"state": {"actor": one}}) == who_asks({"state": {"actor": other}}) == "u-1"
    assert who_asks({"state": {"actor": Principal("owner")}}) == "owner"
    assert who_asks({"state": {}}) == who_asks({}) == ""
    assert where_from({"client": ("192.0.2.7", 1)}) == "192.0.2.7"
    home, next_door = "2001:db8::1", "2001:db8::2"
    assert where_from({"client": (home, 1)}) == where_from({"client": (next_door, 1)})
    assert where_from({"client": (home, 1)}) != where_from({"client": ("2001:db8:1::1", 1)})
    assert where_from({"client": None}) == where_from({}) == "unknown"
    mapped = [where_from({"client": (f"::ffff:192.0.2.{one}", 1)}) for one in (1, 2)]
    assert len(set(mapped)) == 2


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1e10", "x", ""])
def test_a_limit_that_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse_limits([f"connections={text}"], {})
    with pytest.raises(Invalid):
        parse_limits(["no-such-limit=1"], {})


def test_options_go_before_variables_and_both_before_defaults() -> None:
    told = {"QD_LIMIT_STREAMS": "7", "QD_LIMIT_CONNECTIONS": "8"}
    limits = parse_limits(["connections=9"], told)
    assert (limits.streams, limits.connections) == (7, 9)
    assert parse_limits([], {}) == DoorLimits()
    assert len(NAMES) == 13
