"""How much room the disks of the servers have. SecantusDB, on laptops, does not tell it."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo.errors import OperationFailure

from mailroom.platform import disks, minio_metrics


class MongoDB:
    """Answers `dbStats` as MongoDB does."""

    def __init__(self, answer: dict[str, Any] | OperationFailure) -> None:
        self.answer = answer

    def command(self, name: str) -> dict[str, Any]:
        assert name == "dbStats"
        if isinstance(self.answer, OperationFailure):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"fsTotalSize": 1000.0, "fsUsedSize": 400.0}, (600.0, 1000.0)),
        ({"ok": 1.0}, None),
        (OperationFailure("not authorized", 13), None),
    ],
)
def test_mongodb_tells_its_disk_to_those_who_may_ask(answer: Any, told: tuple[float, float] | None) -> None:
    assert disks.of_mongodb(MongoDB(answer)) == told  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["disk", "drive"])
def test_minio_tells_of_all_its_disks(name: str) -> None:
    metrics = f"""
minio_node_{name}_free_bytes{{server="127.0.0.1:9000",{name}="/a"}} 1e+02
minio_node_{name}_free_bytes{{server="127.0.0.1:9000",{name}="/b"}} 50
minio_node_{name}_total_bytes{{server="127.0.0.1:9000",{name}="/a"}} 300
minio_node_{name}_total_bytes{{server="127.0.0.1:9000",{name}="/b"}} 300
minio_node_{name}_used_bytes{{server="127.0.0.1:9000",{name}="/b"}} 9
"""
    assert minio_metrics.disk(metrics) == (150.0, 600.0)
    assert minio_metrics.disk("") is None


def test_of_a_server_that_does_not_tell_there_is_no_metric() -> None:
    assert list(disks.disk("s3", None)) == []
    assert [each.name for each in disks.disk("s3", (1.0, 2.0))] == [
        "mailroom_disk_free_bytes",
        "mailroom_disk_size_bytes",
    ]
