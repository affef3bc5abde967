"""What every `AuditLog` promises."""

from __future__ import annotations

import threading

import pytest

from quarterdeck.core.audit.merkle import hash_leaf, read_root, verify_consistency
from quarterdeck.core.audit.merkle import prove_consistency as prove
from quarterdeck.core.audit.record import Entry, parse_record
from quarterdeck.ports.audit import AuditLog


class AuditLogConformance:
    """Subclass it with a fixture `log`: an empty one."""

    def test_records_are_numbered_without_gaps_and_come_back_in_order(self, log: AuditLog) -> None:
        """Forwards and backwards."""
        assert [log.append(Entry(f"op{n}")).wait(10) for n in range(5)] == [0, 1, 2, 3, 4]
        assert log.size == 5
        forwards = [parse_record(line) for line in log.read_forwards(1, 4)]
        assert [(one.seq, one.operation) for one in forwards] == [
            (1, "op1"),
            (2, "op2"),
            (3, "op3"),
        ]
        assert [parse_record(line).seq for line in log.read_backwards(3)] == [2, 1, 0]
        assert list(log.read_forwards(5, 100)) == []
        assert len(list(log.read_backwards(100))) == 5

    def test_who_is_to_be_told_is_told_once(self, log: AuditLog) -> None:
        """And the ticket is done by then."""
        told: list[bool] = []
        done = threading.Event()

        def tell(ticket: object) -> None:
            told.append(bool(getattr(ticket, "is_done", False)))
            done.set()

        log.append(Entry("op"), tell)
        assert done.wait(10)
        assert told == [True]

    def test_many_threads_get_numbers_of_their_own(self, log: AuditLog) -> None:
        """Each number is given once."""
        found: list[int] = []
        threads = [
            threading.Thread(
                target=lambda: found.extend(log.append(Entry("op")).wait(10) for _ in range(25))
            )
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(found) == list(range(200))
        assert [parse_record(line).seq for line in log.read_forwards(0, 200)] == list(range(200))

    def test_times_never_decrease(self, log: AuditLog) -> None:
        """Whatever the clock does."""
        for _ in range(20):
            log.append(Entry("op"))
        log.append(Entry("op")).wait(10)
        times = [parse_record(line).at_ns for line in log.read_forwards(0, log.size)]
        assert times == sorted(times)

    @pytest.mark.parametrize("size", [0, 1, 2, 3, 7, 8, 20])
    def test_a_checkpoint_is_over_what_is_there_and_later_ones_continue_it(
        self, log: AuditLog, size: int
    ) -> None:
        """The stored hashes prove it."""
        for _ in range(size):
            log.append(Entry("op")).wait(10)
        name, told, _ = log.checkpoint().split("\n", 2)
        assert int(told) == size
        assert log.key.startswith(f"{name}+")
        old = read_root(log.read_hash, size)
        for _ in range(5):
            log.append(Entry("op")).wait(10)
        new = read_root(log.read_hash, log.size)
        proof = prove(log.read_hash, size, log.size)
        assert verify_consistency(size, log.size, old, new, proof)
        assert log.checkpoint().split("\n")[1] == str(size + 5)

    def test_the_leaf_of_a_record_is_its_line(self, log: AuditLog) -> None:
        """As it is read."""
        log.append(Entry("op", actor="a\nb")).wait(10)
        (line,) = log.read_forwards(0, 1)
        assert log.read_hash(0) == hash_leaf(line)
