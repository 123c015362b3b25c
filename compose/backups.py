"""Makes a backup every day at BACKUP_AT (UTC, such as 02:30): `python backups.py`.

A failed backup is tried again every hour. Until one succeeds, the container is unhealthy.
"""

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

AGAIN_SECONDS = 3600.0
FAILED = Path("/tmp/failed")  # noqa: S108 - the health check reads it
COMMAND = (sys.executable, "-m", "mailroom", "backups", "create")


def main() -> None:
    hour, minute = map(int, os.environ["BACKUP_AT"].split(":"))
    while True:
        time.sleep(seconds_until(hour, minute, datetime.now(UTC)))
        while subprocess.run(COMMAND, check=False).returncode:  # noqa: S603 - our own command
            FAILED.touch()
            time.sleep(AGAIN_SECONDS)
        FAILED.unlink(missing_ok=True)


def seconds_until(hour: int, minute: int, now: datetime) -> float:
    """Seconds until the next time of day `hour`:`minute`."""
    due = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    return ((due if due > now else due + timedelta(days=1)) - now).total_seconds()


if __name__ == "__main__":
    main()
