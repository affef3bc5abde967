"""Word of a commit goes round."""

from __future__ import annotations

from quarterdeck.control.signal import Signal


def test_every_listener_hears_every_ring_until_it_has_left() -> None:
    signal = Signal()
    heard: list[str] = []
    leave = signal.subscribe(lambda: heard.append("a"))
    signal.subscribe(lambda: heard.append("b"))
    signal.ring()
    leave()
    leave()
    signal.ring()
    assert heard == ["a", "b", "b"]


def test_a_listener_may_leave_while_it_is_called() -> None:
    signal = Signal()
    heard: list[str] = []

    def once() -> None:
        heard.append("once")
        leave()

    leave = signal.subscribe(once)
    signal.subscribe(lambda: heard.append("other"))
    signal.ring()
    signal.ring()
    assert heard == ["once", "other", "other"]
