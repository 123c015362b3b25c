"""A worker runs once at a time in a replica, and forgets no call."""

import threading

import pytest

from mailroom.errors import Unavailable
from mailroom.platform.worker import Worker


class Calls:
    """What a worker notes about its calls, without MongoDB."""

    def __init__(self):
        self.noted = []

    def fails(self, code, text):
        self.noted.append((code, text))

    def ends(self):
        self.noted.append("end")


class Marks:
    """Those of a worker, without MongoDB: what became of them, in order."""

    def __init__(self):
        self.marked, self.log = False, []
        self.calls = Calls()

    def call_begins(self):
        self.log.append("call")

    def will_look_again(self):
        self.marked = True

    def looks_for_the_last_time(self):
        marked, self.marked = self.marked, False
        self.log.append("last look" if marked else "end")
        return marked


def make(work, *, budget_seconds=5.0, marks=None, more=lambda: None):
    return Worker(work, budget_seconds, marks or Marks(), more)


def test_a_call_during_a_run_is_refused_but_makes_it_look_again():
    begun, go_on, looks = threading.Event(), threading.Event(), []

    def work(budget):
        looks.append(len(looks))
        begun.set()
        assert go_on.wait(5)
        return 1

    worker = make(work)
    answers = []
    first = threading.Thread(target=lambda: answers.append(worker()))
    first.start()
    assert begun.wait(5)

    assert worker()["statusCode"] == 429
    go_on.set()
    first.join(5)

    assert answers[0]["body"] == {"done": 2}
    assert looks == [0, 1]


def test_more_is_asked_for_when_the_budget_ended_the_run():
    calls = []
    make(lambda budget: 1, budget_seconds=0, more=lambda: calls.append("more"))()
    make(lambda budget: 1, budget_seconds=60, more=lambda: calls.append("never"))()
    assert calls == ["more"]


@pytest.mark.parametrize("error", [Unavailable("down"), ValueError("a bug")])
def test_after_an_error_it_runs_again(error):
    errors = [error]

    def work(budget):
        if errors:
            raise errors.pop()
        return 0

    worker = make(work)
    if isinstance(error, Unavailable):
        answer = worker()
        assert answer["statusCode"] == 503
        assert answer["headers"]["Retry-After"]
    else:
        with pytest.raises(ValueError, match="a bug"):
            worker()

    assert worker()["statusCode"] == 200


def test_a_run_that_promised_to_look_again_does_so_before_it_ends():
    marks, found = Marks(), [1, 1, 0, 1, 0]

    def work(budget):
        marks.log.append("look")
        if done := found.pop(0):
            marks.will_look_again()
        return done

    assert make(work, marks=marks)()["body"] == {"done": 2}
    assert marks.log == ["call", "look", "last look", "look", "last look", "look", "end"]


def test_after_an_error_no_promise_is_left():
    marks = Marks()

    def work(budget):
        marks.will_look_again()
        raise Unavailable("down")

    assert make(work, marks=marks)()["statusCode"] == 503
    assert not marks.marked
