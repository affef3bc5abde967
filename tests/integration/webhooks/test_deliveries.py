"""Delivering on threads: at once, again when it failed, and nobody waits for anybody else."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from quarterdeck.adapters.notifiers.webhook import WebhookNotifier
from quarterdeck.adapters.stores.memory_hooks import MemoryHooks
from quarterdeck.basics.chance import Chance
from quarterdeck.control.webhooks import Webhooks
from quarterdeck.core.jobs.states import JobState
from quarterdeck.wiring.deliveries import Deliveries
from quarterdeck.wiring.system import RandomHookKeys
from tests.e2e.deck import until
from tests.integration.webhooks.receiver import Receiver, receiving
from tests.spec.control.desk import Desk, a_desk

if TYPE_CHECKING:
    from collections.abc import Iterator

WHOLE_LIFE = ["queued", "starting", "running", "succeeded"]


@contextmanager
def delivering(desk: Desk, hooks: MemoryHooks | None = None) -> Iterator[Webhooks]:
    notifier = WebhookNotifier(desk.clock, "0.1.0", may_be_private=True)
    webhooks = Webhooks(desk.plane, hooks or MemoryHooks(), notifier, RandomHookKeys(), Chance(5))
    deliveries = Deliveries(webhooks, desk.plane.changed)
    deliveries.start()
    try:
        yield webhooks
    finally:
        deliveries.close()


def count_threads() -> int:
    return sum(thread.name.startswith("webhook-") for thread in threading.enumerate())


def test_a_receiver_that_answers_500_three_times_gets_the_same_message_once_more() -> None:
    desk = a_desk()
    with receiving(Receiver([500, 500, 500])) as receiver, delivering(desk) as webhooks:
        webhooks.add(receiver.url, (JobState.SUCCEEDED,), None, "ada")
        job = desk.run()
        until(lambda: len(receiver.got) == 4)
        (courier,) = webhooks.couriers()
        until(lambda: courier.progress.cursor == desk.store.head())
        assert len({got.id for got in receiver.got}) == 1
        assert len({got.body for got in receiver.got}) == 1
        assert receiver.states_of(job.id) == ["succeeded"]
        assert len(receiver.got) == 4


def test_a_receiver_that_hangs_delays_neither_the_others_nor_the_server() -> None:
    desk = a_desk()
    with (
        receiving() as hanging,
        receiving() as quick,
        delivering(desk) as webhooks,
    ):
        hanging.may_answer.clear()
        webhooks.add(hanging.url, (), None, "ada")
        webhooks.add(quick.url, (), None, "ada")
        began_s = monotonic()
        job = desk.run()
        until(lambda: quick.states_of(job.id) == WHOLE_LIFE, within_s=5)
        assert monotonic() - began_s < 3
        assert len(hanging.got) == 1
        hanging.may_answer.set()
        until(lambda: hanging.states_of(job.id) == WHOLE_LIFE)


def test_a_server_ends_while_a_receiver_hangs_and_the_next_one_delivers() -> None:
    desk, hooks = a_desk(), MemoryHooks()
    with receiving() as receiver:
        receiver.may_answer.clear()
        with delivering(desk, hooks) as webhooks:
            webhooks.add(receiver.url, (), None, "ada")
            job = desk.run()
            until(lambda: receiver.got)
            ending_s = monotonic()
        assert monotonic() - ending_s < 4
        receiver.may_answer.set()
        with delivering(desk, hooks):
            until(lambda: receiver.states_of(job.id) == WHOLE_LIFE)


def test_a_receiver_that_was_away_hears_everything_when_it_is_back() -> None:
    desk = a_desk()
    with receiving() as receiver:
        port = int(receiver.url.rsplit(":")[-1].partition("/")[0])
    with delivering(desk) as webhooks:
        hook_id = webhooks.add(receiver.url, (), None, "ada").id
        job = desk.run()
        (courier,) = webhooks.couriers()
        until(lambda: courier.progress.failures >= 2)
        assert receiver.got == []
        with receiving(receiver, port):
            outcome = webhooks.test(hook_id)
            assert outcome is not None
            assert outcome.is_delivered
            until(lambda: receiver.states_of(job.id) == WHOLE_LIFE, within_s=2)


def test_how_far_it_is_is_kept_soon_and_not_at_every_message() -> None:
    desk, hooks = a_desk(), MemoryHooks()
    with receiving() as receiver, delivering(desk, hooks) as webhooks:
        webhooks.add(receiver.url, (), None, "ada")
        desk.run()
        until(lambda: hooks.list()[0][1].cursor == desk.store.head(), within_s=5)


def test_a_removed_one_hears_no_more_and_leaves_no_thread() -> None:
    desk, before = a_desk(), count_threads()
    with receiving() as receiver, receiving() as other, delivering(desk) as webhooks:
        hook_id = webhooks.add(receiver.url, (), None, "ada").id
        webhooks.add(other.url, (), None, "ada")
        first = desk.run()
        until(lambda: receiver.states_of(first.id) == WHOLE_LIFE)
        webhooks.remove(hook_id)
        until(lambda: count_threads() == before + 1)
        second = desk.run()
        until(lambda: other.states_of(second.id) == WHOLE_LIFE)
        assert receiver.states_of(second.id) == []
    until(lambda: count_threads() == before)
