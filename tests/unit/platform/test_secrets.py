"""Secrets in files: one each, or one a line."""

from pathlib import Path

import pytest

from mailroom.errors import MissingSecret
from mailroom.platform.secrets import Secrets, lines


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe\x00random"])
def test_a_file_without_text_is_a_missing_secret_and_its_content_is_not_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(MissingSecret, match="the secret token is missing or empty") as refused:
        Secrets(tmp_path).read("token")
    assert "random" not in str(refused.value)
    assert Secrets(tmp_path).read_optional("token") == ""


def test_a_secret_is_text_without_the_white_space_around_it(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes("grün und blau\r\n".encode())
    assert Secrets(tmp_path).read("token") == "grün und blau"


def test_a_file_may_hold_a_new_secret_and_the_old_one() -> None:
    assert lines("  new one\r\n\nold\n") == ["new one", "old"]
    assert lines("") == []
