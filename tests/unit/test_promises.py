"""Every test that the documents name is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTIFICATIONS = ROOT / "tests" / "integration" / "notifications"


@pytest.mark.parametrize(("document", "least"), [("promises.md", 41), ("api.md", 25)])
def test_every_test_that_is_named_exists(document: str, least: int):
    folder, missing, seen = ROOT, [], 0
    for line in (ROOT / "docs" / document).read_text().splitlines():
        if line.startswith("## "):
            folder = NOTIFICATIONS if line == "## Notifications" else ROOT
        file = folder / "none"
        for name, test in re.findall(r"`([\w/]*\.py|)(?:::(\w+))?`", line):
            if not name and not test:
                continue  # the fence of an example
            if name:  # without a folder: in that of the last one of the line
                file = ROOT / name if "/" in name else file.parent / name
            seen += 1
            if not file.is_file() or (test and f"def {test}(" not in file.read_text()):
                missing.append(f"{file.relative_to(ROOT)}::{test}")
    assert seen >= least
    assert missing == []
