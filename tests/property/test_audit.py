"""Any tree proves any of its records and any of its pasts, and nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.core.audit.merkle import (
    Frontier,
    hash_leaf,
    prove_consistency,
    prove_inclusion,
    read_root,
    verify_consistency,
    verify_inclusion,
)
from quarterdeck.core.audit.record import Entry, format_record, parse_record

SIZES = st.integers(1, 400)


def stored_of(size: int) -> list[bytes]:
    frontier = Frontier()
    return [one for n in range(size) for one in frontier.add(hash_leaf(b"%d" % n))]


@given(SIZES, st.data())
def test_a_record_is_proved_to_be_where_it_is_only(size: int, data: st.DataObject) -> None:
    read = stored_of(size).__getitem__
    index, claimed = (data.draw(st.integers(0, size - 1)) for _ in range(2))
    proof, root = prove_inclusion(read, index, size), read_root(read, size)
    is_true = verify_inclusion(hash_leaf(b"%d" % index), claimed, size, proof, root)
    assert is_true is (claimed == index)


@given(SIZES, st.data())
def test_a_proof_of_growth_with_any_bit_changed_is_none(size: int, data: st.DataObject) -> None:
    read = stored_of(size).__getitem__
    old = data.draw(st.integers(1, size))
    proof = prove_consistency(read, old, size)
    roots = read_root(read, old), read_root(read, size)
    assert verify_consistency(old, size, *roots, proof)
    if proof:
        place, bit = data.draw(st.integers(0, len(proof) - 1)), data.draw(st.integers(0, 255))
        changed = (int.from_bytes(proof[place]) ^ 1 << bit).to_bytes(32)
        assert not verify_consistency(
            old, size, *roots, [*proof[:place], changed, *proof[place + 1 :]]
        )


@given(st.text(), st.text(), st.integers(0, 2**63))
def test_any_text_is_one_plain_line_and_comes_back(actor: str, detail: str, seq: int) -> None:
    line = format_record(Entry("op", actor=actor, detail=detail), seq, 1)
    assert all(0x20 <= byte < 0x7F for byte in line)
    record = parse_record(line)
    assert (record.actor, record.detail, record.seq) == (actor, detail, seq)
