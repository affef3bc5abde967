"""Files of outages: which nodes are away when, and what is wrong with lines that do not say it."""

from __future__ import annotations

import pytest

from quarterdeck.basics.errors import Invalid
from quarterdeck.sim.fast.formats.outages import read_outages
from quarterdeck.sim.fast.story import Outage, OutageKind

HEADER = "at,node,for,kind\n"


def test_an_outage_is_a_loss_unless_it_says_otherwise() -> None:
    text = HEADER + "20,n2,5,drain\n10,n1,5,\n30,n1,1,cordon\n"
    read = read_outages(text, "o.csv", {"n1", "n2"})
    assert read.outages == (
        Outage("n1", 10, 5, OutageKind.LOSS),
        Outage("n2", 20, 5, OutageKind.DRAIN),
        Outage("n1", 30, 1, OutageKind.CORDON),
    )
    assert [(one.line, one.is_left_out) for one in read.remarks] == [(3, False)]
    assert read_outages("at,node,for\n1,n1,1\n", "o.csv", {"n1"}).outages == (Outage("n1", 1, 1),)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("1,n9,5,", "node is 'n9', which is no node of the cluster"),
        ("1,n1,0,", "for is 0"),
        ("1,n1,-5,", "for is -5"),
        ("-1,n1,5,", "at is -1"),
        ("1,n1,5,fire", "kind is 'fire', not one of loss, drain, cordon"),
        ("104,n1,2,", "n1 is away already then, as line 2 says"),
        ("95,n1,6,loss", "n1 is away already then, as line 2 says"),
        ("1,n1,1e6,", "n1 is away already then, as line 2 says"),
        ("1,n1", "2 columns instead of 4"),
    ],
)
def test_a_line_that_is_no_outage_is_told_with_its_number(line: str, told: str) -> None:
    read = read_outages(f"{HEADER}100,n1,5,loss\n{line}\n", "o.csv", {"n1"})
    assert len(read.outages) == 1
    assert [(one.line, one.is_left_out) for one in read.remarks] == [(3, True)]
    assert told in read.remarks[0].what
    assert read.left_out == 1


def test_a_node_may_be_lost_while_it_is_drained_but_not_drained_twice_at_once() -> None:
    text = HEADER + "100,n1,50,drain\n110,n1,5,loss\n120,n1,5,cordon\n"
    read = read_outages(text, "o.csv", {"n1"})
    assert [one.at_s for one in read.outages] == [100, 110]
    assert [one.line for one in read.remarks] == [4]


def test_an_empty_for_never_ends() -> None:
    read = read_outages(HEADER + "10,n1,,drain\n5000,n1,1,cordon\n", "o.csv", {"n1"})
    assert read.outages == (Outage("n1", 10, float("inf"), OutageKind.DRAIN),)
    assert "n1 is away already then, as line 2 says" in read.remarks[0].what


def test_one_outage_may_follow_another_at_once() -> None:
    text = HEADER + "100,n1,5,\n105,n1,5,\n95,n1,5,\n"
    assert len(read_outages(text, "o.csv", {"n1"}).outages) == 3


def test_a_file_of_another_kind_is_refused() -> None:
    with pytest.raises(Invalid, match=r"o\.csv:1: the header has no column at, node, for"):
        read_outages("submit,duration,gpus\n", "o.csv", {"n1"})
    with pytest.raises(Invalid, match=r"o\.csv: no line of it can be used; the first is 2"):
        read_outages(HEADER + "1,n9,1,\n", "o.csv", {"n1"})
