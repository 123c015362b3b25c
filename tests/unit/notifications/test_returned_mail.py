"""Mails that come back: each names the right recipient and outcome, or says that it cannot."""

from __future__ import annotations

import pytest

from mailroom.notifications.feedback.found import Found, Outcome
from mailroom.notifications.feedback.returned_mail import parse
from tests.unit.notifications.returned_mails import TOKEN, Case, cases

CASES = cases()


def said(found: Found) -> str:
    return ("hard" if found.permanent else "soft") if found.outcome is Outcome.BOUNCED else found.outcome.value


def test_the_corpus_has_500_mails() -> None:
    assert len(CASES) >= 500
    assert len({case.raw for case in CASES}) >= 500


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_report_names_the_recipient_and_the_outcome(case: Case) -> None:
    parsed = parse(case.raw)
    assert {each.recipient: said(each) for each in parsed.found} == case.expected
    assert all(each.guessed is case.guessed for each in parsed.found)
    assert bool(parsed.reason) is not bool(case.expected)


@pytest.mark.parametrize("case", [case for case in CASES if case.expected], ids=lambda case: case.name)
def test_the_token_is_found_in_the_return_path_or_in_the_message_that_comes_back(case: Case) -> None:
    assert TOKEN in parse(case.raw).tokens
