"""Every test that docs/promises.md names is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOTIFICATIONS = ROOT / "tests" / "integration" / "notifications"


def test_every_test_that_is_named_exists():
    folder, missing, seen = ROOT, [], 0
    for line in (ROOT / "docs" / "promises.md").read_text().splitlines():
        if line.startswith("## "):
            folder = NOTIFICATIONS if line == "## Notifications" else ROOT
        file = folder / "none"
        for name, test in re.findall(r"`([\w/]*\.py|)(?:::(\w+))?`", line):
            if name:  # without a folder: in that of the last one of the line
                file = ROOT / name if name.startswith("tests/") else file.parent / name
            seen += 1
            if not file.is_file() or (test and f"def {test}(" not in file.read_text()):
                missing.append(f"{file.relative_to(ROOT)}::{test}")
    assert seen > 40
    assert missing == []
