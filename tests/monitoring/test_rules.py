"""Each fault fires exactly its alert: `promtool test rules` runs the rules over what Prometheus sees of it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from tests.monitoring.rules import FUNCTIONS, RULES, WORKERS, alerts, healthy, series
from tests.unit.test_documents import anchors

ROOT = Path(__file__).parents[2]
STEP = 60  # seconds between two values
IMPORTER, SENDER, EVENTS = "invoice-importer", "notification-sender", "invoice-events"
NOT_READ = None  # a server that is away: what it would tell is missing

Changes = Mapping[str, str | None]


def without(function: str, *but: str) -> dict[str, None]:
    """All that a function tells is missing, but for these metrics."""
    named = (name for name in healthy() if f'function="{function}"' in name)
    return {name: NOT_READ for name in named if name.split("{")[0] not in but}


def of_mongodb() -> dict[str, None]:
    """What is missing when no function reaches MongoDB."""
    kept = ("up", "process_", "function_call", "mailroom_secret", "mailroom_metrics_up", "mailroom_relay_up")
    return {name: NOT_READ for name in healthy() if not name.startswith(kept)}


def absent(begins: int, ends: int, *functions: str) -> dict[str, str]:
    """These functions, by default all, are not there from one minute to another, as before they are deployed."""

    def values(told: str) -> str:
        first, step = (int(each) for each in told.rsplit("+", 1))
        before = f"{told}x{begins - 1} stale _x{ends - begins - 1}" if begins else f"_x{ends}"
        return f"{before} {first + step * ends}+{step}"

    those = [f'function="{name}"' for name in functions or FUNCTIONS]
    return {name: values(told) for name, told in healthy().items() if any(each in name for each in those)}


def starting(function: str) -> str:
    return series("process_start_time_seconds", function)


@dataclass(frozen=True)
class Fault:
    """What changes in Prometheus' eyes, and the alerts that fire `minutes` after the fault began.

    `fired` are alerts that fire before and end: until then, no others fire at any time.
    """

    changes: Changes
    fires: tuple[str, ...]
    minutes: int = 20
    labels: Mapping[str, str] = field(default_factory=dict)
    fired: tuple[str, ...] = ()


BACKUPS = tuple(
    series("mailroom_backup_last_success_timestamp_seconds", IMPORTER, part=part) for part in ("database", "buckets")
)

FAULTS = {
    # What is no fault.
    "nothing": Fault({}, (), 60),
    "a new deployment: no backup for a day, no call of a worker for three minutes, no event yet": Fault(
        {
            **absent(0, 2),
            **{series("mailroom_worker_last_called_timestamp_seconds", name): "_x5 300+60" for name in WORKERS},
            **dict.fromkeys(BACKUPS, f"_x{20 * 60} {20 * 3600}+0"),
            series("mailroom_events_last_seen_timestamp_seconds", EVENTS): "_x200 12000+60",
            series("mailroom_backup_last_check_timestamp_seconds", IMPORTER): NOT_READ,
            series("mailroom_backup_last_check_damaged", IMPORTER): NOT_READ,
            series("mailroom_bounce_mailbox_up", SENDER): NOT_READ,
            series("mailroom_imports_failed_last_hour", IMPORTER, code="file.header"): NOT_READ,
        },
        (),
        24 * 60,
    ),
    "files were in the bucket before Mailroom was set up": Fault(
        {**absent(0, 2), series("mailroom_files_found_without_event_last_hour", IMPORTER): "_x2 5000+0x61 0+0"}, (), 120
    ),
    "every function is restarted": Fault(
        {**absent(10, 11), **{starting(name): "1+0x10 660+0" for name in FUNCTIONS}}, (), 60
    ),
    "some of much mail bounces, and nothing is reported as delivered": Fault(
        {
            series("mailroom_messages_sent_last_day", SENDER): "10000+0",
            series("mailroom_deliveries_last_day", SENDER, delivery="delivered"): "0+0",
            series("mailroom_deliveries_last_day", SENDER, delivery="bounced"): "80+0",
            series("mailroom_deliveries_last_day", SENDER, delivery="complained"): "20+0",
        },
        (),
        60,
    ),
    # What ends, and leaves nothing behind.
    "all functions are scaled to zero for an hour": Fault(absent(10, 70), (), 120, fired=("MailroomNotScraped",)),
    **{
        f"{name} is scaled to zero for an hour": Fault(absent(10, 70, name), (), 120, fired=("MailroomFunctionDown",))
        for name in FUNCTIONS
    },
    "the queue of events grows while their function is away, and takes minutes to empty": Fault(
        {**absent(10, 70, EVENTS), series("mailroom_events_waiting", IMPORTER): "0+0x10 1+0x69 0+0"},
        (),
        120,
        fired=("MailroomFunctionDown",),
    ),
    # Those that the issue of operation names.
    "the relay is down": Fault(
        {
            series("mailroom_relay_up", SENDER): "0+0",
            series("mailroom_messages_oldest_due_seconds", SENDER): "0+60",
            series("mailroom_attempts_last_hour", SENDER, **{"class": "none"}): "300+1",
        },
        ("MailroomRelayDown",),
    ),
    "MongoDB is down": Fault(
        {
            **of_mongodb(),
            **{series("mailroom_metrics_up", name, part="mongodb"): "0+0" for name in (EVENTS, *WORKERS)},
            **{series("function_call_duration_seconds_count", name, status="503"): "0+240" for name in FUNCTIONS},
        },
        ("MailroomMongoDBDown",),
    ),
    "the S3 server is down": Fault(
        {
            series("mailroom_metrics_up", IMPORTER, part="s3"): "0+0",
            series("mailroom_event_rule_present", IMPORTER): NOT_READ,
            series("mailroom_events_waiting", IMPORTER): NOT_READ,
            series("mailroom_imports_oldest_waiting_seconds", IMPORTER): "0+60",
            series("function_call_duration_seconds_count", IMPORTER, status="503"): "0+240",
        },
        ("MailroomS3Down",),
    ),
    "the event rule was deleted": Fault(
        {
            series("mailroom_event_rule_present", IMPORTER): "0+0",
            series("mailroom_files_found_without_event_last_hour", IMPORTER): "0+1",
            series("mailroom_events_last_seen_timestamp_seconds", EVENTS): "0+0",
        },
        ("MailroomEventRuleMissing",),
    ),
    "a secret of the S3 server is missing": Fault(
        {
            series("mailroom_secret_missing", IMPORTER, name="mailroom-s3-secret-key"): "1+0",
            series("mailroom_metrics_up", IMPORTER, part="s3"): "0+0",
            series("mailroom_imports_oldest_waiting_seconds", IMPORTER): "0+60",
            series("mailroom_worker_last_called_timestamp_seconds", IMPORTER): "0+0",
            series("function_call_duration_seconds_count", IMPORTER, status="503"): "0+240",
        },
        ("MailroomSecretMissing",),
        labels={"function": IMPORTER, "name": "mailroom-s3-secret-key"},
    ),
    "the token of the events is missing": Fault(
        {
            series("mailroom_secret_missing", EVENTS, name="mailroom-webhook-token"): "1+0",
            series("function_call_duration_seconds_count", EVENTS, status="503"): "0+240",
            series("mailroom_events_waiting", IMPORTER): "0+1",
            series("mailroom_events_last_seen_timestamp_seconds", EVENTS): "0+0",
            series("mailroom_files_found_without_event_last_hour", IMPORTER): "0+1",
        },
        ("MailroomSecretMissing",),
    ),
    "a poison file": Fault(
        {series("mailroom_imports_failed_last_hour", IMPORTER, code="file.header"): "1+0"},
        ("MailroomImportFailed",),
        labels={"code": "file.header"},
    ),
    "the event queue is stuck": Fault(
        {
            series("mailroom_events_waiting", IMPORTER): "0+1",
            series("mailroom_events_last_seen_timestamp_seconds", EVENTS): "0+0",
            series("mailroom_files_found_without_event_last_hour", IMPORTER): "0+1",
        },
        ("MailroomEventsStuck",),
    ),
    "a backup fails": Fault(
        {series("mailroom_backup_last_success_timestamp_seconds", IMPORTER, part="buckets"): "-93600+0"},
        ("MailroomBackupOld",),
        40,
        {"part": "buckets"},
    ),
    # The others.
    "nothing is scraped": Fault(dict.fromkeys(healthy()), ("MailroomNotScraped",)),
    "a function is down": Fault(
        {
            **without(IMPORTER, "up"),
            series("up", IMPORTER): "0+0",
        },
        ("MailroomFunctionDown",),
        labels={"function": IMPORTER},
    ),
    "one of two replicas is down": Fault({series("up", IMPORTER, instance="another"): "0+0"}, ()),
    "the function of events is down": Fault(
        {
            **without(EVENTS, "up"),
            series("up", EVENTS): "0+0",
            series("mailroom_events_waiting", IMPORTER): "0+1",
            series("mailroom_files_found_without_event_last_hour", IMPORTER): "0+1",
        },
        ("MailroomFunctionDown",),
    ),
    "a function crashes again and again": Fault(
        {series("process_start_time_seconds", IMPORTER): "0+60"}, ("MailroomFunctionRestarts",)
    ),
    "nobody calls a worker": Fault(
        {
            series("mailroom_worker_last_called_timestamp_seconds", SENDER): "0+0",
            series("mailroom_messages_oldest_due_seconds", SENDER): "0+60",
        },
        ("MailroomWorkerNotCalled",),
        labels={"function": SENDER},
    ),
    "a worker was never called": Fault(
        {series("mailroom_worker_last_called_timestamp_seconds", SENDER): NOT_READ},
        ("MailroomWorkerNotCalled",),
        labels={"function": SENDER},
    ),
    "the set-up is old, and indexes that the metrics need are missing": Fault(
        {
            **{name: NOT_READ for name in of_mongodb() if "setup_outdated" not in name and "worker" not in name},
            **{series("mailroom_metrics_up", name, part="mongodb"): "0+0" for name in (EVENTS, *WORKERS)},
            **{series("mailroom_setup_outdated", name): "1+0" for name in WORKERS},
            **{series("function_call_duration_seconds_count", name, status="503"): "0+24" for name in FUNCTIONS},
        },
        ("MailroomSetupOutdated",),
    ),
    "the set-up is old": Fault({series("mailroom_setup_outdated", SENDER): "1+0"}, ("MailroomSetupOutdated",)),
    "the mailbox of bounces is away": Fault(
        {series("mailroom_bounce_mailbox_up", SENDER): "0+0"}, ("MailroomBounceMailboxDown",)
    ),
    "the disk of MongoDB fills": Fault(
        {series("mailroom_disk_free_bytes", IMPORTER, server="mongodb"): "14+0"},
        ("MailroomDiskFills",),
        labels={"server": "mongodb"},
    ),
    "a volume of the cluster fills": Fault(
        {
            f'kubelet_volume_stats_{kind}_bytes{{namespace="mailroom", persistentvolumeclaim="minio"}}': f"{size}+0"
            for kind, size in (("available", 14), ("capacity", 100))
        },
        ("MailroomDiskFills",),
        labels={"server": "minio"},
    ),
    "no backup was ever made": Fault(dict.fromkeys(BACKUPS), ("MailroomBackupOld",), 28 * 60),
    "a check finds a damaged backup": Fault(
        {series("mailroom_backup_last_check_damaged", IMPORTER): "1+0"}, ("MailroomBackupDamaged",)
    ),
    "no backup was checked": Fault(
        {series("mailroom_backup_last_check_timestamp_seconds", IMPORTER): "-3024000+0"},
        ("MailroomBackupNotChecked",),
        80,
    ),
    "the server loses events": Fault(
        {series("mailroom_files_found_without_event_last_hour", IMPORTER): "2+0"}, ("MailroomFilesWithoutEvents",), 80
    ),
    "files without events are found when the rule is back": Fault(
        {
            series("mailroom_event_rule_present", IMPORTER): "0+0x5 1+0",
            series("mailroom_files_found_without_event_last_hour", IMPORTER): "2+0",
        },
        (),
        40,
        fired=("MailroomEventRuleMissing",),
    ),
    "without events, nothing tells of files without events": Fault(
        {
            series("mailroom_event_rule_present", IMPORTER): NOT_READ,
            series("mailroom_events_waiting", IMPORTER): NOT_READ,
            series("mailroom_files_found_without_event_last_hour", IMPORTER): "2+0",
        },
        (),
    ),
    "events wait a moment in a busy queue": Fault({series("mailroom_events_waiting", IMPORTER): "5+0x8 0+0x2 5+0"}, ()),
    "the queue is stuck, and a listener brings the events": Fault(
        {series("mailroom_events_waiting", IMPORTER): "5+0"}, ("MailroomEventsStuck",), 30
    ),
    "the importer is too slow": Fault(
        {series("mailroom_imports_oldest_waiting_seconds", IMPORTER): "0+60"}, ("MailroomImportsLate",)
    ),
    "no row is accepted": Fault(
        {
            series("mailroom_imports_nothing_accepted_last_hour", IMPORTER): "1+0",
            series("mailroom_imports_failed_last_hour", IMPORTER, code="rejects.all"): "1+0",
        },
        ("MailroomNothingAccepted",),
    ),
    "the relay defers": Fault(
        {
            series("mailroom_attempts_last_hour", SENDER, **{"class": "4xx"}): "300+0",
            series("mailroom_messages_oldest_due_seconds", SENDER): "0+60",
        },
        ("MailroomMailDeferred",),
    ),
    "the relay refuses": Fault(
        {
            series("mailroom_attempts_last_hour", SENDER, **{"class": "5xx"}): "100+0",
            series("mailroom_messages", SENDER, status="failed"): "5+1",
        },
        ("MailroomMailRefused",),
    ),
    "a message fails": Fault(
        {series("mailroom_messages", SENDER, status="failed"): "5+0x10 6+0"}, ("MailroomMailFailed",)
    ),
    "the outcome of a message is not known": Fault(
        {series("mailroom_messages", SENDER, status="unknown"): "1+0"}, ("MailroomMailUnknown",)
    ),
    "the senders are too slow": Fault(
        {series("mailroom_messages_oldest_due_seconds", SENDER): "0+60"}, ("MailroomMailLate",)
    ),
    "a queue is never empty": Fault(
        {series("mailroom_imports_oldest_waiting_seconds", IMPORTER): "20+0"},
        ("MailroomQueueNeverEmpties",),
        420,
        {"queue": "imports"},
    ),
    "much of little mail bounces, and nothing is reported as delivered": Fault(
        {
            series("mailroom_messages_sent_last_day", SENDER): "100+0",
            series("mailroom_deliveries_last_day", SENDER, delivery="delivered"): "0+0",
            series("mailroom_deliveries_last_day", SENDER, delivery="bounced"): "10+0",
        },
        ("MailroomManyBounces",),
    ),
    "much mail bounces": Fault(
        {series("mailroom_deliveries_last_day", SENDER, delivery="bounced"): "50+0"}, ("MailroomManyBounces",)
    ),
    "recipients complain": Fault(
        {series("mailroom_deliveries_last_day", SENDER, delivery="complained"): "4+0"}, ("MailroomManyComplaints",)
    ),
    "webhooks are late": Fault(
        {series("mailroom_webhook_oldest_due_seconds", "webhook-sender"): "0+60"}, ("MailroomWebhooksLate",)
    ),
    "an endpoint is disabled": Fault(
        {series("mailroom_webhooks_disabled", "webhook-sender"): "1+0x10 2+0"}, ("MailroomWebhookDisabled",)
    ),
    "a function answers 500": Fault(
        {series("function_call_duration_seconds_count", "invoices", status="500"): "0+24"},
        ("MailroomServerErrors",),
        labels={"function": "invoices"},
    ),
    "one function does not reach MongoDB": Fault(
        {series("mailroom_metrics_up", EVENTS, part="mongodb"): "0+0"},
        ("MailroomMetricsFailing",),
        labels={"function": EVENTS, "part": "mongodb"},
    ),
}


def promtool_test(fault: Fault) -> dict[str, object]:
    """The fault as promtool wants it: all series, and exactly the alerts that fire."""
    count = fault.minutes * 60 // STEP + 1
    firing = 'ALERTS{alertstate="firing"}'
    ever = f"max_over_time({firing}[{fault.minutes + 1}m])"
    told = {name: values for name, values in (healthy() | fault.changes).items() if values is not None}
    return {
        "interval": f"{STEP}s",
        "input_series": [{"series": name, "values": f"{values}x{count}"} for name, values in told.items()],
        "promql_expr_test": [
            *(
                {
                    "expr": f"max by (alertname) ({wanted})",
                    "eval_time": f"{fault.minutes}m",
                    "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(names)],
                }
                for wanted, names in ((firing, fault.fires), (ever, (*fault.fires, *fault.fired)))
            ),
            *(
                {
                    "expr": "count(" + series("ALERTS", "", alertname=name, alertstate="firing", **fault.labels) + ")",
                    "eval_time": f"{fault.minutes}m",
                    "exp_samples": [{"labels": "{}", "value": 1}],
                }
                for name in fault.fires
            ),
        ],
    }


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_fires_exactly_its_alert(name: str, tmp_path: Path, prometheus_installed: None) -> None:
    file = tmp_path / "test.yml"
    tests = {"rule_files": [str(RULES)], "evaluation_interval": f"{STEP}s", "tests": [promtool_test(FAULTS[name])]}
    file.write_text(yaml.safe_dump(tests))
    done = subprocess.run(["promtool", "test", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_fired_by_a_fault() -> None:
    assert {name for fault in FAULTS.values() for name in fault.fires} == set(alerts())


def test_every_function_is_missed() -> None:
    missed = re.findall(r'absent\(up\{job="mailroom", function="([\w-]+)"', alerts()["MailroomFunctionDown"]["expr"])
    assert tuple(missed) == FUNCTIONS


@pytest.mark.parametrize("name", alerts())
def test_an_alert_says_what_to_do(name: str) -> None:
    rule = alerts()[name]
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["annotations"].keys() == {"summary", "description", "runbook"}
    document, anchor = rule["annotations"]["runbook"].split("#")
    assert document == "docs/operations.md"
    assert anchor in anchors(document)
    assert name in (ROOT / document).read_text()
