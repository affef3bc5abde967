"""Word of a commit reaches everybody."""

from __future__ import annotations

from quarterdeck.control.signal import Signal


def test_a_listener_that_fails_silences_nobody() -> None:
    heard: list[str] = []
    signal = Signal()

    def fails() -> None:
        raise RuntimeError("a bug")

    signal.subscribe(fails)
    signal.subscribe(lambda: heard.append("word"))
    signal.ring()
    assert heard == ["word"]


def test_who_has_unsubscribed_hears_nothing() -> None:
    heard: list[str] = []
    signal = Signal()
    unsubscribe = signal.subscribe(lambda: heard.append("word"))
    unsubscribe()
    unsubscribe()
    signal.ring()
    assert heard == []
