"""Slurm's small words, as its versions from 22.05 to 25.05 write them."""

from __future__ import annotations

import pytest

from quarterdeck.adapters.engines.slurm.records import Gres
from quarterdeck.adapters.engines.slurm.values import (
    parse_exit,
    parse_gres,
    parse_hosts,
    parse_instant_s,
    parse_names,
    parse_size,
    parse_span_s,
    parse_tres,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1796035018", 1796035018),
        ("2026-11-30T10:36:58", 1796035018),
        ("Unknown", None),
        ("N/A", None),
        ("None", None),
        ("NONE", None),
        ("(null)", None),
        ("0", None),
        ("", None),
        ("2026-13-30T10:36:58", None),
        ("9" * 40, None),
        ("٣", None),
    ],
)
def test_an_instant(text: str, seconds: int | None) -> None:
    assert parse_instant_s(text) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5:00", 300),
        ("00:05:00", 300),
        ("1-02:03:04", 93784),
        ("365-00:00:00", 31_536_000),
        ("2-12", 216_000),
        ("30", 1800),
        ("UNLIMITED", None),
        ("Partition_Limit", None),
        ("INVALID", None),
        ("NONE", None),
        ("N/A", None),
        ("-5", None),
    ],
)
def test_a_span(text: str, seconds: int | None) -> None:
    assert parse_span_s(text) == seconds


@pytest.mark.parametrize(
    ("text", "gres"),
    [
        ("gpu:h100:8", [Gres("gpu", "h100", 8)]),
        ("gpu:h100:8(S:0-1)", [Gres("gpu", "h100", 8)]),
        ("gpu:h100:2(IDX:0-1)", [Gres("gpu", "h100", 2, (0, 1))]),
        ("gpu:h100:3(IDX:0,6-7)", [Gres("gpu", "h100", 3, (0, 6, 7))]),
        ("gpu:h100:0(IDX:N/A)", [Gres("gpu", "h100", 0)]),
        ("gpu:(null):4(IDX:0-3)", [Gres("gpu", "", 4, (0, 1, 2, 3))]),
        ("gres:gpu:2", [Gres("gpu", "", 2)]),
        ("gres:gpu:h100:2,gres:nic:1", [Gres("gpu", "h100", 2), Gres("nic", "", 1)]),
        ("gres/gpu:h100:2", [Gres("gpu", "h100", 2)]),
        ("gres/gpu=8", [Gres("gpu", "", 8)]),
        ("gres/gpu:h100=8", [Gres("gpu", "h100", 8)]),
        ("gpu", [Gres("gpu", "", 1)]),
        ("gpu:a100", [Gres("gpu", "a100", 1)]),
        (
            "gpu:i0:1(IDX:0),gpu:i3:0(IDX:N/A)",
            [Gres("gpu", "i0", 1, (0,)), Gres("gpu", "i3", 0)],
        ),
        (
            "gpu:1g.10gb:2(S:0,2-3),shard:h100:16(CNT:16)",
            [Gres("gpu", "1g.10gb", 2), Gres("shard", "h100", 16)],
        ),
        ("bandwidth:lustre:no_consume:4G", [Gres("bandwidth", "lustre", 4 << 30)]),
        ("(null)", []),
        ("N/A", []),
        ("", []),
        (":::", []),
        ("gpu:h100:8(IDX:0-999999)", [Gres("gpu", "h100", 8)]),
    ],
)
def test_generic_resources(text: str, gres: list[Gres]) -> None:
    assert list(parse_gres(text)) == gres


def test_trackable_resources() -> None:
    text = "cpu=8,mem=64000M,node=1,billing=8,gres/gpu=4,gres/gpu:h100=4,license/x=1"
    assert parse_tres(text) == {
        "cpu": 8,
        "mem": 64000 << 20,
        "node": 1,
        "billing": 8,
        "gres/gpu": 4,
        "gres/gpu:h100": 4,
        "license/x": 1,
    }
    assert parse_tres("mem=1.50T")["mem"] == 3 << 39
    assert parse_tres("(null)") == {}
    assert parse_tres("mem=500")["mem"] == 500 << 20


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [("1000M", 1000 << 20), ("4Gc", 4 << 30), ("125.5G", 251 << 29), ("x", 0), ("12", 12)],
)
def test_a_size(text: str, size_bytes: int) -> None:
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize(
    ("text", "code_and_signal"),
    [("3:0", (3, 0)), ("0:15", (0, 15)), ("768", (3, 0)), ("9", (0, 9)), ("", (0, 0))],
)
def test_an_exit(text: str, code_and_signal: tuple[int, int]) -> None:
    assert parse_exit(text) == code_and_signal


def test_hosts_and_names() -> None:
    assert parse_hosts("n[001-003],m1") == ("n001", "n002", "n003", "m1")
    assert parse_hosts("None assigned") == ()
    assert parse_hosts("n;rm -rf /") == ()
    assert parse_hosts("n[1-999999999]") == ()
    assert parse_names("a,b") == ("a", "b")
    assert parse_names("ALL") == ()
