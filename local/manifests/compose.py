"""`python -m local.manifests.compose FOLDER`: writes each function's settings to FOLDER/NAME.env for Docker Compose.

The settings are those of stack.yml. The environment's variables apply; Compose's servers are the defaults.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from local.data_folder import write
from local.manifests.kubernetes import HERE
from local.stack_file import ROOT, StackError, read_stack

SERVERS = {"S3_ENDPOINT": "http://minio:9000", "SMTP_HOST": "mailpit", "SMTP_PORT": "1025", "SMTP_TLS": "off"}


def main() -> int:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    try:
        made = environments(os.environ)
    except StackError as error:
        print(f"compose: {error}", file=sys.stderr)
        return 1
    for name, environment in made.items():
        write(folder / f"{name}.env", "".join(f"{key}={value}\n" for key, value in environment.items()))
    return 0


def environments(variables: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The settings of each function. Raises StackError."""
    given = {name: value for name, value in variables.items() if value}
    if "S3_ENDPOINT" not in given:
        # Uploaders on this machine use the published port.
        given = {"S3_PUBLIC_ENDPOINT": f"http://127.0.0.1:{given.get('S3_PORT', 9000)}", **given}
    given = {**SERVERS, **given}
    functions = read_stack(ROOT / "stack.yml", given)
    return {entry.name: {key: HERE.get(key, value) for key, value in entry.environment.items()} for entry in functions}


if __name__ == "__main__":
    sys.exit(main())
