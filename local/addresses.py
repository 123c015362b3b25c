"""The addresses and secrets of a deployment: from variables, else those of `make up` on this machine."""

from collections.abc import Mapping
from pathlib import Path

SECRETS = Path(__file__).parents[1] / "compose" / "secrets"


def gateway(variables: Mapping[str, str]) -> str:
    """The URL of the functions' gateway, without a slash at its end."""
    here = f"http://127.0.0.1:{variables.get('GATEWAY_PORT') or 8080}"
    return (variables.get("GATEWAY") or here).rstrip("/")


def s3(variables: Mapping[str, str]) -> str:
    """The URL of the S3 server as people see it: what the functions see may be an address inside Compose's network."""
    here = f"http://127.0.0.1:{variables.get('S3_PORT') or 9000}"
    return variables.get("S3_PUBLIC_ENDPOINT") or variables.get("S3_ENDPOINT") or here


def secrets(variables: Mapping[str, str]) -> Path:
    """The folder of the secrets."""
    return Path(variables.get("SECRETS_DIR") or SECRETS)


def secret(name: str, variables: Mapping[str, str]) -> str:
    """A secret of the deployment, or an empty text."""
    file = secrets(variables) / name
    return file.read_text().strip() if file.is_file() else ""
