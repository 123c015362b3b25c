"""A worker runs once at a time in a replica, and forgets no call."""

import threading

import pytest

from mailroom.errors import Unavailable
from mailroom.platform.worker import Worker


def test_a_call_during_a_run_is_refused_but_makes_it_look_again():
    begun, go_on, looks = threading.Event(), threading.Event(), []

    def work(budget):
        looks.append(len(looks))
        begun.set()
        assert go_on.wait(5)
        return 1

    worker = Worker(work, budget_seconds=5)
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
    Worker(lambda budget: 1, budget_seconds=0, more=lambda: calls.append("more"))()
    Worker(lambda budget: 1, budget_seconds=60, more=lambda: calls.append("never"))()
    assert calls == ["more"]


@pytest.mark.parametrize("error", [Unavailable("down"), ValueError("a bug")])
def test_after_an_error_it_runs_again(error):
    errors = [error]

    def work(budget):
        if errors:
            raise errors.pop()
        return 0

    worker = Worker(work, budget_seconds=5)
    if isinstance(error, Unavailable):
        answer = worker()
        assert answer["statusCode"] == 503
        assert answer["headers"]["Retry-After"]
    else:
        with pytest.raises(ValueError, match="a bug"):
            worker()

    assert worker()["statusCode"] == 200
