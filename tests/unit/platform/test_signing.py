"""Signed tokens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from bson import ObjectId

from mailroom.errors import MissingSecret
from mailroom.platform.secrets import SIGNING_KEY, Secrets
from mailroom.platform.signing import Signer

NOW = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
OLD, NEW = "o" * 40, "n" * 40


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / SIGNING_KEY
    file.write_text(f"{OLD}\n")
    return file


@pytest.fixture
def signer(key_file: Path) -> Signer:
    return Signer(Secrets(key_file.parent))


def test_a_token_gives_back_its_payload_also_in_capitals(signer: Signer) -> None:
    token = signer.sign("message", b"payload", NOW + DAY)
    assert signer.verify("message", token, NOW) == b"payload"
    assert signer.verify("message", token.upper(), NOW) == b"payload"


def test_a_token_for_a_message_fits_in_the_local_part_of_an_address(signer: Signer) -> None:
    token = signer.sign("message", ObjectId().binary, NOW + DAY)
    assert len(f"bounces+{token}") <= 64
    assert token.isalnum()
    assert token == token.lower()


def test_a_token_expires(signer: Signer) -> None:
    token = signer.sign("message", b"payload", NOW + DAY)
    assert signer.verify("message", token, NOW + DAY) == b"payload"
    assert signer.verify("message", token, NOW + DAY + timedelta(seconds=2)) is None


@pytest.mark.parametrize("long_ago", [datetime(1960, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)])
def test_a_token_that_expired_before_1970_is_not_one_without_expiry(signer: Signer, long_ago: datetime) -> None:
    assert signer.verify("message", signer.sign("message", b"payload", long_ago), NOW) is None


def test_a_token_without_expiry_is_valid_for_ever(signer: Signer) -> None:
    token = signer.sign("unsubscribe", b"payload", None)
    assert signer.verify("unsubscribe", token, NOW + 20_000 * DAY) == b"payload"


def test_a_token_is_valid_for_its_purpose_only(signer: Signer) -> None:
    token = signer.sign("message", b"payload", None)
    assert signer.verify("unsubscribe", token, NOW) is None


def test_a_token_with_any_character_changed_is_refused(signer: Signer) -> None:
    token = signer.sign("message", b"payload", NOW + DAY)
    for place, character in enumerate(token):
        for other in "a7":
            if other != character:
                assert signer.verify("message", token[:place] + other + token[place + 1 :], NOW) is None


@pytest.mark.parametrize("text", ["", "a", "=", "aaaaaaaa", "é" * 50, "\0" * 50, "a" * 3000, "a" * 44 + "="])
def test_what_is_no_token_is_refused(signer: Signer, text: str) -> None:
    assert signer.verify("message", text, NOW) is None


def test_a_new_key_signs_and_the_old_one_still_verifies(signer: Signer, key_file: Path) -> None:
    token = signer.sign("message", b"payload", None)
    key_file.write_text(f"{NEW}\n{OLD}\n")
    newer = signer.sign("message", b"payload", None)
    assert newer != token
    assert signer.verify("message", token, NOW) == b"payload"
    key_file.write_text(f"{NEW}\n")
    assert signer.verify("message", token, NOW) is None
    assert signer.verify("message", newer, NOW) == b"payload"


@pytest.mark.parametrize("content", [None, "", "\n\n", "short\n"])
def test_without_a_key_nothing_is_signed_and_nothing_is_valid(
    signer: Signer, key_file: Path, content: str | None
) -> None:
    token = signer.sign("message", b"payload", None)
    if content is None:
        key_file.unlink()
    else:
        key_file.write_text(content)
    assert not signer.available
    assert signer.verify("message", token, NOW) is None
    with pytest.raises(MissingSecret, match=SIGNING_KEY):
        signer.sign("message", b"payload", None)
