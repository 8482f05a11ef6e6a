"""The circuit against a model of it, and the few things that the model leaves out."""

from __future__ import annotations

import logging

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule

from rerankd.backends.cloud.circuit import Circuit, Turn
from rerankd.core.errors import ProviderUnavailableError

LIMIT = 2
OPEN_SECONDS = 30.0


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class CircuitMachine(RuleBasedStateMachine):
    """Calls come, go and end in any order while time passes."""

    turns = Bundle("turns")

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.circuit = Circuit("m", failures=LIMIT, open_seconds=OPEN_SECONDS, clock=self.clock)
        self.state = "closed"
        self.row = 0
        self.open_until = 0.0
        self.trial: Turn | None = None
        self.live: set[Turn] = set()
        """Turns that count: given since the last change."""

    @property
    def may_try(self) -> bool:
        return self.state == "open" and self.clock.now >= self.open_until and self.trial is None

    @precondition(lambda self: self.state == "closed" or self.may_try)
    @rule(target=turns)
    def enter(self) -> Turn:
        turn = self.circuit.enter()
        assert turn.is_trial == (self.state == "open")
        if turn.is_trial:
            self.trial = turn
        self.live.add(turn)
        return turn

    @precondition(lambda self: self.state == "open" and not self.may_try)
    @rule()
    def is_refused(self) -> None:
        with pytest.raises(ProviderUnavailableError) as raised:
            self.circuit.enter()
        seconds = raised.value.retry_after_seconds
        left = self.open_until - self.clock.now
        assert seconds == (left if left > 0 else 1.0)

    @rule(turn=turns, succeeded=st.sampled_from([False, False, False, True, None]))
    def end(self, turn: Turn, succeeded: bool | None) -> None:
        turn.end(succeeded)
        if turn not in self.live:
            return
        self.live.discard(turn)
        if turn is self.trial:
            self.trial = None
            if succeeded is not None:
                self._change("closed" if succeeded else "open")
        elif succeeded is False:
            self.row += 1
            if self.row == LIMIT:
                self._change("open")
        elif succeeded:
            self.row = 0

    @rule(seconds=st.sampled_from([0.5, OPEN_SECONDS - 1, OPEN_SECONDS]))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    @invariant()
    def tells_its_state(self) -> None:
        assert self.circuit.closed == (self.state == "closed")

    def _change(self, state: str) -> None:
        self.state, self.trial, self.live = state, None, set()
        if state == "closed":
            self.row = 0
        self.open_until = self.clock.now + OPEN_SECONDS


CircuitMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestCircuit = CircuitMachine.TestCase


def opened(clock: Clock) -> Circuit:
    circuit = Circuit("cohere/x", failures=1, open_seconds=OPEN_SECONDS, clock=clock)
    circuit.enter().end(False)
    return circuit


def test_a_call_that_raises_does_not_keep_others_from_trying() -> None:
    clock = Clock()
    circuit = opened(clock)
    clock.now += OPEN_SECONDS
    with pytest.raises(KeyError), circuit.enter():
        raise KeyError
    with circuit.enter() as turn:
        turn.end(True)
    assert circuit.closed


def test_turns_know_when_they_are_of_the_past() -> None:
    circuit = Circuit("m", failures=1, open_seconds=1.0)
    early, other = circuit.enter(), circuit.enter()
    assert early.is_current
    other.end(False)
    assert not early.is_current


def test_late_failures_do_not_keep_it_open_longer() -> None:
    clock = Clock()
    circuit = Circuit("m", failures=1, open_seconds=OPEN_SECONDS, clock=clock)
    early, other = circuit.enter(), circuit.enter()
    other.end(False)
    clock.now += OPEN_SECONDS
    early.end(False)
    assert circuit.enter().is_trial


def test_changes_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock = Clock()
    circuit = opened(clock)
    clock.now += OPEN_SECONDS
    circuit.enter().end(True)
    assert [(record.message, vars(record)["model"]) for record in caplog.records] == [
        ("model is left alone", "cohere/x"),
        ("model answers again", "cohere/x"),
    ]
    assert (vars(caplog.records[0])["failures"], vars(caplog.records[0])["seconds"]) == (1, OPEN_SECONDS)
