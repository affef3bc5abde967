"""What a receiver is told, in which order, how often, and when nobody tries any more."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from quarterdeck.adapters.stores.memory_hooks import MemoryHooks
from quarterdeck.basics.chance import Chance
from quarterdeck.basics.errors import Conflict, Invalid, NotFound
from quarterdeck.control.cancel import cancel
from quarterdeck.control.notify import OFF_AFTER_S, PAUSE_S_MAX, Courier
from quarterdeck.control.requeue import requeue
from quarterdeck.control.webhooks import HOOKS_MAX, Webhooks
from quarterdeck.core.jobs.states import JobState
from quarterdeck.ports.hooks import Progress
from tests.spec.control.couriers import BROKEN, GONE, CountedKeys, PlayedReceiver, data_of
from tests.spec.control.desk import a_desk

URL = "http://example.org/a"
WHOLE_LIFE = ["queued", "starting", "running", "succeeded"]


class Office:
    """A desk, a receiver, and the webhooks in between; `restart` forgets what was not kept."""

    def __init__(self, hooks: MemoryHooks | None = None) -> None:
        self.desk = a_desk()
        self.receiver = PlayedReceiver()
        self.hooks = hooks or MemoryHooks()
        self.webhooks = self._open()

    def _open(self) -> Webhooks:
        plane, jitter = self.desk.plane, Chance(7)
        return Webhooks(plane, self.hooks, self.receiver, CountedKeys(), jitter)

    def restart(self) -> None:
        self.webhooks = self._open()

    def add(self, *states: JobState, url: str = URL) -> Courier:
        hook = self.webhooks.add(url, states, None, "ada")
        return self.webhooks.find(hook.id)

    @property
    def courier(self) -> Courier:
        return self.webhooks.couriers()[0]

    def deliver(self) -> float | None:
        """Take turns until there is nothing more to do at once."""
        pause_s = self.courier.turn()
        while pause_s == 0.0:
            pause_s = self.courier.turn()
        return pause_s

    def states(self) -> list[str]:
        return [state for _, state in self.receiver.heard(URL)]


def test_every_change_of_state_is_told_in_order_and_nothing_else() -> None:
    office = Office()
    office.add()
    job = office.desk.run()
    assert office.deliver() is None
    assert office.receiver.heard(URL) == [(job.id, state) for state in WHOLE_LIFE]
    assert office.deliver() is None
    assert len(office.receiver.tried) == len(WHOLE_LIFE)


def test_a_message_says_how_the_job_was_when_it_changed() -> None:
    office = Office()
    office.add(JobState.FAILED)
    job = office.desk.run(code=7)
    requeue(office.desk.plane, job.id, "ada")
    office.deliver()
    ((_, message),) = office.receiver.taken
    content = json.loads(message.body)
    assert content["type"] == "job.failed"
    assert content["timestamp"].endswith("Z")
    data = content["data"]
    assert {key: data[key] for key in ("id", "name", "owner", "team", "state", "reason")} == {
        "id": job.id, "name": "job", "owner": "ada", "team": "default", "state": "failed",
        "reason": "user_error",
    }  # fmt: skip
    assert (data["attempt"], data["exit_code"]) == (1, 7)
    assert data["message"] == job.message != ""
    assert message.id == f"{office.courier.hook.id}-{data['seq']}"


def test_only_the_states_that_were_asked_for_are_told() -> None:
    office = Office()
    office.add(JobState.SUCCEEDED, JobState.CANCELLED)
    office.desk.run()
    cancel(office.desk.plane, office.desk.submit().id, "ada")
    assert office.deliver() is None
    assert office.states() == ["succeeded", "cancelled"]
    assert office.courier.progress.cursor == office.desk.store.head()


def test_what_was_before_it_came_is_not_told_but_the_rest_of_a_running_job_is() -> None:
    office = Office()
    job = office.desk.submit()
    office.desk.scheduler.turn()
    office.add()
    office.desk.start(job)
    office.desk.end(job)
    office.deliver()
    assert office.states() == ["running", "succeeded"]


def test_what_failed_is_tried_again_under_the_same_id_before_anything_later() -> None:
    office = Office()
    office.add()
    office.desk.run()
    office.receiver.outcomes = [BROKEN, BROKEN, BROKEN]
    for _ in range(3):
        pause_s = office.deliver()
        assert pause_s is not None
        assert pause_s > 0
    assert office.deliver() is None
    ids = [message.id for _, message in office.receiver.tried]
    assert ids[:4] == [ids[0]] * 4
    assert len({message.body for _, message in office.receiver.tried[:4]}) == 1
    assert len(set(ids)) == len(WHOLE_LIFE)
    assert office.states() == WHOLE_LIFE


def test_pauses_grow_differ_and_have_an_end() -> None:
    office = Office()
    office.add()
    office.desk.submit()
    office.receiver.always = BROKEN
    pauses_s = [office.deliver() or 0.0 for _ in range(20)]
    for number, pause_s in enumerate(pauses_s):
        longest_s = min(PAUSE_S_MAX, 2.0**number)
        assert longest_s / 2 <= pause_s <= longest_s
    assert len(set(pauses_s)) == len(pauses_s)


def test_how_it_goes_is_known() -> None:
    office = Office()
    courier = office.add()
    office.desk.submit()
    office.receiver.outcomes = [BROKEN]
    office.deliver()
    failing = courier.progress
    assert (failing.failures, failing.last_failure) == (1, "answered 500")
    assert failing.failing_since_ns == failing.last_failure_at_ns == office.desk.clock.at_ns
    office.desk.clock.pass_s(1)
    office.deliver()
    good = courier.progress
    assert (good.failures, good.failing_since_ns) == (0, None)
    assert good.last_success_at_ns == office.desk.clock.at_ns
    assert good.last_failure == "answered 500"


def test_after_three_days_in_vain_it_is_switched_off_and_says_so() -> None:
    office = Office()
    courier = office.add()
    office.desk.submit()
    office.receiver.always = BROKEN
    office.deliver()
    for _ in range(20):
        office.desk.clock.pass_s(OFF_AFTER_S / 20 - 1)
        assert office.deliver() is not None
    office.desk.clock.pass_s(60)
    assert office.deliver() is None
    assert courier.progress.off_since_ns == office.desk.clock.at_ns
    assert "switched off, because 22 tries" in courier.progress.last_failure
    tried = len(office.receiver.tried)
    office.desk.submit()
    assert office.deliver() is None
    assert len(office.receiver.tried) == tried


def test_a_few_tries_with_a_long_sleep_in_between_switch_nothing_off() -> None:
    office = Office()
    office.add()
    office.desk.submit()
    office.receiver.always = BROKEN
    office.deliver()
    office.desk.clock.pass_s(OFF_AFTER_S * 2)
    assert office.deliver() is not None
    assert office.courier.progress.off_since_ns is None


def test_a_clock_that_jumps_back_changes_nothing() -> None:
    office = Office()
    office.add()
    office.desk.submit()
    office.receiver.always = BROKEN
    office.deliver()
    office.desk.clock.pass_s(-3600)
    pause_s = office.deliver()
    assert pause_s is not None
    assert pause_s <= 2
    office.receiver.always = PlayedReceiver().always
    assert office.deliver() is None
    assert office.states() == ["queued"]


def test_a_receiver_that_is_gone_is_switched_off_at_once() -> None:
    office = Office()
    office.add()
    office.desk.submit()
    office.receiver.always = GONE
    assert office.deliver() is None
    assert "gone" in office.courier.progress.last_failure
    assert len(office.receiver.tried) == 1


def test_a_test_that_arrives_switches_it_on_again_from_where_it_stood() -> None:
    office = Office()
    courier = office.add()
    rings: list[None] = []
    office.webhooks.changed.subscribe(lambda: rings.append(None))
    office.receiver.always = GONE
    office.desk.run()
    office.deliver()
    assert office.webhooks.test(courier.hook.id) == GONE
    assert courier.progress.off_since_ns is not None
    office.receiver.always = PlayedReceiver().always
    outcome = office.webhooks.test(courier.hook.id)
    assert outcome is not None
    assert outcome.is_delivered
    assert rings == [None]
    office.deliver()
    assert [data_of(message).get("state") for _, message in office.receiver.taken] == [
        None, *WHOLE_LIFE,
    ]  # fmt: skip


def test_a_restart_goes_on_from_what_was_kept_and_repeats_the_rest_under_the_same_ids() -> None:
    office = Office()
    office.add()
    office.desk.run()
    assert office.courier.turn() == 0.0
    office.webhooks.save()
    assert office.courier.turn() == 0.0
    office.restart()
    office.deliver()
    ids = [message.id for _, message in office.receiver.taken]
    assert len(ids) == len(WHOLE_LIFE) + 1
    assert ids[1] == ids[2]
    assert office.states() == WHOLE_LIFE


def test_a_crash_while_a_message_cannot_be_delivered_loses_nothing_that_was_read() -> None:
    office = Office()
    office.add()
    office.desk.run()
    office.receiver.outcomes = [BROKEN]
    office.deliver()
    office.webhooks.save()
    office.restart()
    office.deliver()
    assert office.states() == WHOLE_LIFE


def test_failures_are_kept_over_a_restart() -> None:
    office = Office()
    office.add()
    office.desk.submit()
    office.receiver.always = BROKEN
    for _ in range(4):
        office.deliver()
    before = office.courier.progress
    office.webhooks.save()
    office.restart()
    assert office.courier.progress == before
    assert (office.deliver() or 0) > 8


class CountingHooks(MemoryHooks):
    """Counts how often something was kept."""

    def __init__(self) -> None:
        super().__init__()
        self.saves = 0

    def save(self, progresses: Mapping[str, Progress]) -> None:
        self.saves += 1
        super().save(progresses)


def test_nothing_is_written_when_nothing_has_happened() -> None:
    hooks = CountingHooks()
    office = Office(hooks=hooks)
    office.add()
    office.webhooks.save()
    office.desk.run()
    office.deliver()
    office.webhooks.save()
    office.webhooks.save()
    assert hooks.saves == 1


def test_two_receivers_hear_the_same_each_at_its_own_pace() -> None:
    office = Office()
    slow = office.add()
    quick = office.add(url="http://example.org/b")
    for _ in range(3):
        office.desk.run()
    while quick.turn() == 0.0:
        pass
    office.desk.run()
    for courier in (slow, quick):
        while courier.turn() == 0.0:
            pass
    assert office.receiver.heard(URL) == office.receiver.heard("http://example.org/b")
    assert len(office.receiver.heard(URL)) == 4 * len(WHOLE_LIFE)


def test_a_long_log_is_read_in_pieces_and_not_kept() -> None:
    office = Office()
    office.add()
    office.receiver.always = BROKEN
    for _ in range(300):
        cancel(office.desk.plane, office.desk.submit().id, "ada")
    office.deliver()
    assert len(office.courier._pending) <= 200
    office.receiver.always = PlayedReceiver().always
    office.deliver()
    assert len(office.states()) == 600


def test_a_second_one_for_a_url_and_too_many_are_refused() -> None:
    office = Office()
    office.add()
    with pytest.raises(Conflict, match="already sends"):
        office.add()
    for number in range(1, HOOKS_MAX):
        office.add(url=f"{URL}{number}")
    with pytest.raises(Conflict, match="32"):
        office.add(url="http://example.org/more")


def test_a_dry_run_checks_everything_and_changes_nothing() -> None:
    office = Office()
    with pytest.raises(Invalid):
        office.webhooks.add("ftp://x", (), None, "ada", is_dry_run=True)
    with pytest.raises(Invalid):
        office.webhooks.add(URL, (), "whsec_no", "ada", is_dry_run=True)
    assert office.webhooks.add(URL, (), None, "ada", is_dry_run=True).id == ""
    assert (office.webhooks.couriers(), office.hooks.list()) == ([], [])
    hook_id = office.add().hook.id
    office.webhooks.remove(hook_id, is_dry_run=True)
    assert office.webhooks.test(hook_id, is_dry_run=True) is None
    assert len(office.hooks.list()) == 1
    assert office.receiver.tried == []


def test_a_removed_one_is_not_found() -> None:
    office = Office()
    hook_id = office.add().hook.id
    office.webhooks.remove(hook_id)
    assert office.hooks.list() == []
    for action in (office.webhooks.find, office.webhooks.remove, office.webhooks.test):
        with pytest.raises(NotFound):
            action(hook_id)


def test_a_secret_is_not_shown_by_accident() -> None:
    office = Office()
    hook = office.add().hook
    assert hook.secret not in repr(hook)
