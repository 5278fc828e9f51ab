"""Who answers what is asked of the supervisor, and what becomes of a question whose worker hangs or ends."""

from __future__ import annotations

from typing import Any

import pytest

from lambdaproxy.supervise.asked import CREDENTIALS, LONGEST, Asked
from lambdaproxy.supervise.reloads import Reloads


class Loop:
    """Keeps what is to be called later."""

    def __init__(self) -> None:
        self.calls: list[tuple[float, Any]] = []

    def later(self, seconds, call):
        self.calls.append((seconds, call))

    def pass_time(self, seconds):
        for after, call in self.calls:
            if after <= seconds:
                call()


class Child:
    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []

    def send(self, message):
        self.heard.append(message)


class Generation:
    def __init__(self, *children: Child) -> None:
        self.children = list(children)

    def leader(self):
        return self.children[0] if self.children else None


class Shown:
    def status(self):
        return "fine"


class Supervisor:
    version, workers = "1", 2

    def __init__(self, current: Generation) -> None:
        self.loop, self.current = Loop(), current
        self.reloads, self.shown = Reloads(), Shown()
        self.asked_for: list[int | None] = []

    def children(self):
        return self.current.children

    def stop(self):
        self.asked_for.append(None)

    def reload(self, done, workers=None):
        self.asked_for.append(workers)
        done(True, "it serves")


@pytest.fixture
def whole() -> Any:
    supervisor: Any = Supervisor(Generation(Child(), Child()))
    return supervisor, Asked(supervisor)


WANT = {"say": "credentials", "id": 7, "name": "aws", "anew": False}
NOTHING = {"do": "take", "id": 7, "answer": None}


def test_the_leader_asks_its_providers_itself(whole):
    supervisor, asked = whole
    leader = supervisor.current.leader()
    asked.relay(supervisor.current, leader, WANT)
    assert leader.heard == [NOTHING]


def test_another_worker_is_given_what_the_leader_has(whole):
    supervisor, asked = whole
    leader, other = supervisor.current.children
    asked.relay(supervisor.current, other, WANT)
    (question,) = leader.heard
    assert (question["do"], question["name"]) == ("credentials", "aws")
    asked.relay(supervisor.current, leader, {"say": "answer", "id": question["id"], "answer": {"keys": [1, 2, 3]}})
    assert other.heard == [{"do": "take", "id": 7, "answer": {"keys": [1, 2, 3]}}]
    supervisor.loop.pass_time(LONGEST)
    asked.ended(leader)
    assert len(other.heard) == 1, "one answer"


@pytest.mark.parametrize("how", ["hangs", "ends"])
def test_a_leader_that_does_not_answer_is_passed_by(whole, how):
    supervisor, asked = whole
    leader = supervisor.current.leader()
    first, second = Child(), Child()
    asked.relay(Generation(first, second), second, WANT)
    assert len(leader.heard) == 1
    if how == "ends":
        asked.ended(Child())
        assert not first.heard, "another one's end is no reason"
        asked.ended(leader)
    else:
        supervisor.loop.pass_time(CREDENTIALS)
    (question,) = first.heard
    assert question["do"] == "credentials", "the leader of its own generation is next"
    asked.ended(first)
    assert second.heard == [NOTHING]


def test_a_question_to_a_worker_that_ends_is_answered(whole):
    supervisor, asked = whole
    answers: list[Any] = []
    asked({"do": "routes"}, answers.append)
    asked.ended(supervisor.current.leader())
    assert [each["ok"] for each in answers] == [False]


@pytest.mark.parametrize(
    ("question", "says"),
    [
        ({"do": "workers", "change": True}, '"change" is 1 or -1'),
        ({"do": "workers", "change": 1.0}, '"change" is 1 or -1'),
        ({"do": "workers", "change": 2}, '"change" is 1 or -1'),
        ({"do": "workers"}, '"change" is 1 or -1'),
        ({"do": None}, "there is nothing to do that is called None"),
        ({}, "there is nothing to do that is called None"),
    ],
)
def test_what_cannot_be_done_is_refused(whole, question, says):
    supervisor, asked = whole
    answers: list[Any] = []
    asked(question, answers.append)
    assert not supervisor.asked_for
    assert says in answers[0]["error"]
