"""Names in a row, as Slurm writes them."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from quarterdeck.basics.errors import Invalid
from quarterdeck.core.cluster.hostlist import NAMES_MAX, compress_hostlist, expand_hostlist


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("n1", ["n1"]),
        ("n[001-003]", ["n001", "n002", "n003"]),
        ("tux[0-2,12,18-19]", ["tux0", "tux1", "tux2", "tux12", "tux18", "tux19"]),
        ("a,b[1-2],c", ["a", "b1", "b2", "c"]),
        ("r[1-2]n[1-2]", ["r1n1", "r1n2", "r2n1", "r2n2"]),
        ("gpu[8-11]-ib", ["gpu8-ib", "gpu9-ib", "gpu10-ib", "gpu11-ib"]),
        ("n[08-10]", ["n08", "n09", "n10"]),
    ],
)
def test_a_hostlist_means_what_it_means_to_slurm(text: str, names: list[str]) -> None:
    assert list(expand_hostlist(text)) == names


@pytest.mark.parametrize(
    "text",
    ["", "n[", "n]", "n[1-]", "n[2-1]", "n[a]", "n[[1]]", "a,,b", "a b", "n[1]é", "n[10-9]", "n[]"],
)
def test_what_is_no_hostlist_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        expand_hostlist(text)
    assert "dgx[001-020]" in refused.value.hint


@pytest.mark.parametrize("text", ["n[0-999999999]", "a[1-999]b[1-999]", "a[1-9999],b[1-9999]"])
def test_a_hostlist_cannot_be_made_to_exhaust_the_reader(text: str) -> None:
    with pytest.raises(Invalid, match=str(NAMES_MAX)):
        expand_hostlist(text)


_NAMES = st.lists(
    st.one_of(
        st.from_regex(r"[a-c][0-9]{1,3}", fullmatch=True),
        st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True),
        st.integers(0, 1200).map("n{}".format),
    ),
    min_size=1,
    max_size=40,
)


@given(_NAMES)
@example(["a0", "a1", "a02"])
def test_a_compressed_list_expands_to_the_same_names_in_the_same_order(names: list[str]) -> None:
    assert list(expand_hostlist(compress_hostlist(names))) == names


@given(st.integers(0, 1100), st.integers(1, 1100), st.integers(0, 4))
def test_a_run_of_numbers_is_one_range(first: int, count: int, width: int) -> None:
    names = [f"n{number:0{width}d}" for number in range(first, first + count)]
    text = compress_hostlist(names)
    assert list(expand_hostlist(text)) == names
    assert "," not in text
