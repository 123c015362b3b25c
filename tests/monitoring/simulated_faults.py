"""What fires nothing, and the faults of test_faults.py as Prometheus sees them."""

from __future__ import annotations

from tests.monitoring.rules import FUNCTIONS, WORKERS, series
from tests.monitoring.simulation import (
    BACKUPS,
    EVENTS,
    FIRST_BACKUP,
    IMPORTER,
    NOT_READ,
    SENDER,
    Fault,
    absent,
    of_mongodb,
    starting,
)

FAULTS = {
    # What is no fault.
    "nothing": Fault({}, (), 60),
    "a new deployment: no backup for a day, no call of a worker for three minutes, no event yet": Fault(
        {
            **absent(0, 2),
            **{series("mailroom_worker_last_called_timestamp_seconds", name): "_x5 300+60" for name in WORKERS},
            **dict.fromkeys((*BACKUPS, FIRST_BACKUP), f"_x{20 * 60} {20 * 3600}+0"),
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
    # The faults of test_faults.py.
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
}
