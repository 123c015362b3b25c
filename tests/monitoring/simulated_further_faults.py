"""Further faults as Prometheus sees them: with simulated_faults.py, at least one for each alert."""

from __future__ import annotations

from tests.monitoring.rules import FUNCTIONS, WORKERS, healthy, series
from tests.monitoring.simulation import (
    BACKUPS,
    EVENTS,
    FIRST_BACKUP,
    IMPORTER,
    NOT_READ,
    SENDER,
    Fault,
    of_mongodb,
    without,
)

FURTHER_FAULTS = {
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
    "no backup was ever checked": Fault(
        {
            FIRST_BACKUP: "-3024000+0",
            series("mailroom_backup_last_check_timestamp_seconds", IMPORTER): NOT_READ,
            series("mailroom_backup_last_check_damaged", IMPORTER): NOT_READ,
        },
        ("MailroomBackupNotChecked",),
        80,
    ),
    "backups are old, and one was checked lately": Fault({FIRST_BACKUP: "-3024000+0"}, (), 80),
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
