"""make verify finds the addresses and credentials of each kind of deployment."""

from pathlib import Path

import pytest

from local.client import ClientError
from local.verify import deployment


def test_the_credentials_of_a_cluster_are_in_the_folder_of_its_secrets(tmp_path: Path) -> None:
    for name, text in {"people-s3-access-key": "people", "people-s3-secret-key": "word\n"}.items():
        (tmp_path / name).write_text(text)
    given = {"SECRETS_DIR": str(tmp_path), "S3_PUBLIC_ENDPOINT": "http://127.0.0.1:9000", "API_KEY": "key"}
    assert deployment(given) == {
        "gateway": "http://127.0.0.1:8080",
        "apiKey": "key",  # pragma: allowlist secret
        "minio": {
            "endpoint": "http://127.0.0.1:9000",
            "accessKey": "people",
            "secretKey": "word",  # pragma: allowlist secret
        },
    }


def test_a_missing_credential_is_named_with_its_folder(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match=rf"set API_KEY: there is no {tmp_path}/api-key"):
        deployment({"SECRETS_DIR": str(tmp_path)})
