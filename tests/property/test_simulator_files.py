"""Files for the simulator are read or refused in the house's words, and no line is lost in silence.

Of every line that has something in it there is a job, or a remark that it was left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise, product

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from quarterdeck.basics.errors import Invalid
from quarterdeck.sim.fast.cells import SECONDS_MAX, decode
from quarterdeck.sim.fast.formats.machine import Machine
from quarterdeck.sim.fast.formats.outages import read_outages
from quarterdeck.sim.fast.formats.sacct import read_sacct
from quarterdeck.sim.fast.formats.swf import read_swf
from quarterdeck.sim.fast.story import OutageKind
from quarterdeck.sim.fast.workload import COLUMNS, Workload, read_workload
from quarterdeck.wiring.policy.reader import NAMES, read_policy

MACHINE = Machine(128, 8, 128, frozenset({"A100-SXM4-80GB"}))
ODD = (
    *(
        "",
        "-1",
        "0",
        "1",
        "1.5",
        "1e400",
        "nan",
        "inf",
        "-0",
        "٣",
        "9" * 40,
        "x",
        "A100:8",
        "64GiB",
    ),
    *("8:", "yes", "high", "\x00", "\x1b[2J", "é", "\udce9", "' or 1", "1_0", "0x10", " 7 "),
)
CELLS = st.sampled_from(ODD) | st.text(st.characters(exclude_characters='\r\n"|,'), max_size=8)
SACCT = (
    *("JobID", "Submit", "Start", "End", "ElapsedRaw", "Elapsed", "Timelimit", "TimelimitRaw"),
    *("NNodes", "NCPUS", "AllocTRES", "ReqTRES", "User", "Account", "State", "Comment"),
)
SACCT_CELLS = CELLS | st.sampled_from(
    (
        *("2026-06-01T00:00:00", "2026-13-01T00:00:00", "Unknown", "None", "1-02:03:04", "00:01"),
        *("UNLIMITED", "Partition_Limit", "cpu=8,gres/gpu=2,mem=64G", "gres/gpu:a100=x", "mem=1E"),
        *("1.batch", "7_[1-9%2]", "7+0", "RUNNING", "CANCELLED by 0", "1780272000"),
    )
)


def refusal_of(read: Callable[[], object]) -> Invalid | None:
    """Why it cannot be used; None when it can."""
    try:
        read()
    except Invalid as error:
        return error
    return None


def check(read: Workload) -> None:
    """All that was made is in its bounds, and everything that is told can be shown."""
    for job in read.jobs:
        assert 0 <= job.submit_s <= SECONDS_MAX
        assert 0 <= job.duration_s <= SECONDS_MAX
        assert job.demand.nodes >= 1
        assert job.line >= 1
    assert list(read.jobs) == sorted(read.jobs, key=lambda job: job.submit_s)
    for remark in read.remarks:
        assert remark.line >= 1
        assert remark.what
        remark.what.encode()
        assert remark.what.isprintable()
    assert read.left_out == sum(one.is_left_out for one in read.remarks)


@st.composite
def tables(
    draw: st.DrawFn, columns: tuple[str, ...], between: str, cells: st.SearchStrategy[str]
) -> str:
    """A header of some known columns, and rows that nearly fit it."""
    header = draw(
        st.lists(st.sampled_from((*columns, "colour")), min_size=1, max_size=9, unique=True)
    )
    for needed in columns[:3]:
        if needed not in header and draw(st.integers(0, 9)):
            header.append(needed)
    width = len(header)
    rows = draw(st.lists(st.lists(cells, min_size=width, max_size=width + 1), max_size=6))
    return "\n".join(between.join(row) for row in (header, *rows))


@settings(max_examples=150)
@given(tables(COLUMNS, ",", CELLS))
@example("submit,duration,gpus\n1,1,1\n\n ,,\n1,1\n")
def test_no_line_of_a_workload_is_lost_in_silence(text: str) -> None:
    with suppress(Invalid):
        read = read_workload(text, "w.csv")
        check(read)
        filled = [
            line for line in text.split("\n")[1:] if any(cell.strip() for cell in line.split(","))
        ]
        assert len(read.jobs) + read.left_out == len(filled)


@settings(max_examples=150)
@given(tables(SACCT, "|", SACCT_CELLS))
def test_no_line_of_sacct_is_lost_in_silence(text: str) -> None:
    with suppress(Invalid):
        read = read_sacct(text, "s", MACHINE)
        check(read)
        filled = [
            line for line in text.split("\n")[1:] if any(cell.strip() for cell in line.split("|"))
        ]
        steps = [note for note in read.notes if "are steps of jobs" in note]
        counted = int(steps[0].split()[0]) if steps else 0
        assert len(read.jobs) + read.left_out + counted == len(filled)


@settings(max_examples=150)
@given(
    st.lists(
        st.lists(
            st.sampled_from(("-1", "0", "1", "30", "7.5", *ODD)), min_size=17, max_size=19
        ).map(" ".join),
        max_size=6,
    ).map("\n".join),
    st.sampled_from((0.0, 0.125, 1.0)),
)
def test_no_line_of_swf_is_lost_in_silence(text: str, gpus: float) -> None:
    with suppress(Invalid):
        read = read_swf(text, "t.swf", MACHINE, gpus_per_processor=gpus)
        check(read)
        assert len(read.jobs) + read.left_out == sum(
            bool(line.strip()) for line in text.split("\n")
        )


@settings(max_examples=100)
@given(
    tables(
        ("at", "node", "for", "kind"), ",", CELLS | st.sampled_from(("n1", "n2", "drain", "loss"))
    )
)
def test_outages_of_a_node_are_apart_and_none_is_lost_in_silence(text: str) -> None:
    with suppress(Invalid):
        read = read_outages(text, "o.csv", {"n1", "n2"})
        filled = [
            line for line in text.split("\n")[1:] if any(cell.strip() for cell in line.split(","))
        ]
        assert len(read.outages) + read.left_out == len(filled)
        for name, is_lost in product(("n1", "n2"), (True, False)):
            mine = sorted(
                (one.at_s, one.at_s + one.for_s)
                for one in read.outages
                if one.node == name and (one.kind is OutageKind.LOSS) == is_lost
            )
            for (_, end), (begin, _) in pairwise(mine):
                assert end <= begin


@settings(max_examples=150)
@given(st.binary(max_size=200))
@example(b"submit,duration,gpus\n\xff\xfe,1,1\n")
@example(b'submit,duration,gpus\n"' + b"a" * 200_000)
@example(b"JobID|Submit|Elapsed\n" + b"1" * 200_000)
@example(b'submit,"duration\n,gpus')
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    text = decode(content)
    for read in (
        lambda: read_workload(text, "f"),
        lambda: read_sacct(text, "f", MACHINE),
        lambda: read_swf(text, "f", MACHINE),
        lambda: read_outages(text, "f", {"n1"}),
    ):
        refusal = refusal_of(read)
        if refusal is not None:
            assert refusal.hint
            assert refusal.message.isprintable()


YAML_VALUES = st.sampled_from(
    (
        *("5m", "0s", "300", "-5m", "soon", "99999d", "first_come", "shortest", "true", "~", "''"),
        *("[a]", "{a: 1}", "{a: -1, b: x}", "&a b", "!!x y", "9" * 99, "\x00", '"\\ud800"', ".nan"),
    )
) | st.text(max_size=10)


@settings(max_examples=150)
@given(
    st.lists(st.tuples(st.sampled_from((*NAMES, "patiense", "", "? a")), YAML_VALUES), max_size=5),
    st.booleans(),
)
def test_a_policy_is_read_or_refused_with_a_place(
    pairs: list[tuple[str, str]], is_nested: bool
) -> None:
    text = "\n".join(f"{'- ' if is_nested else ''}{key}: {value}" for key, value in pairs)
    content = text.encode("utf-8", "surrogatepass")
    refusal = refusal_of(lambda: read_policy(content, "p.yaml"))
    if refusal is not None:
        assert refusal.message.startswith("p.yaml:")
        assert refusal.message.isprintable()
        assert refusal.hint
        return
    read = read_policy(content, "p.yaml")
    assert read.name
    assert read.policy.patience_s >= 0
    assert all(cells.count > 0 for pool in read.policy.pools for cells in pool.guarantee)


LONG = {
    "rows": "submit,duration,gpus\n" + "1,1,1\n" * 100_000,
    "wrong rows": "submit,duration,gpus\n" + "1,x,1\n" * 100_000,
    "columns": "submit,duration,gpus"
    + "".join(f",c{n}" for n in range(5_000))
    + "\n"
    + "1," * 200_000,
    "outages": "at,node,for\n" + "".join(f"{n * 2},n1,1\n" for n in range(50_000)),
    "quotes": 'submit,duration,gpus\n"' + '""' * 400_000,
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG.keys())
def test_the_worst_file_of_a_megabyte_is_judged_in_seconds(text: str) -> None:
    begun_s = time.process_time()
    for read in (
        lambda: read_workload(text, "f"),
        lambda: read_sacct(text, "f", MACHINE),
        lambda: read_swf(text, "f", MACHINE),
        lambda: read_outages(text, "f", {"n1"}),
    ):
        with suppress(Invalid):
            read()
    assert time.process_time() - begun_s < 20
