"""The rules of compose/monitoring/rules.yml, and a deployment where everything is well, as Prometheus sees it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from local.stack_file import read_stack

ROOT = Path(__file__).parents[2]
RULES = ROOT / "compose/monitoring/rules.yml"
FUNCTIONS = tuple(entry.name for entry in read_stack(ROOT / "stack.yml", {}))
WORKERS = tuple(entry.name for entry in read_stack(ROOT / "stack.yml", {}) if entry.schedule)


def alerts() -> dict[str, dict[str, Any]]:
    """The alerts by name."""
    [group] = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule for rule in group["rules"]}


def series(name: str, function: str = "", /, **labels: str) -> str:
    """A series of a function, or of any other target, in the syntax of Prometheus."""
    given = ({"job": "mailroom", "function": function, "instance": function} if function else {}) | labels
    text = ", ".join(f'{key}="{value}"' for key, value in given.items())
    return f"{name}{{{text}}}"


def healthy() -> Mapping[str, str]:
    """Every series that a rule reads, with a value for each minute, in promtool's form without the count."""
    everywhere = {
        **{series("up", name): "1+0" for name in FUNCTIONS},
        **{series("process_start_time_seconds", name): "1+0" for name in FUNCTIONS},
        **{series("mailroom_secret_missing", name, name="mailroom-any"): "0+0" for name in FUNCTIONS},
        **{series("mailroom_metrics_up", name, part="mongodb"): "1+0" for name in ("invoice-events", *WORKERS)},
        **{series("function_call_duration_seconds_count", name, status="200"): "0+240" for name in FUNCTIONS},
        **{series("function_call_duration_seconds_count", name, status="503"): "0+0" for name in FUNCTIONS},
        **{series("mailroom_worker_last_called_timestamp_seconds", name): "0+60" for name in WORKERS},
        **{series("mailroom_setup_outdated", name): "0+0" for name in WORKERS},
        series("mailroom_events_last_seen_timestamp_seconds", "invoice-events"): "0+60",
    }
    importer = {
        series("mailroom_metrics_up", "invoice-importer", part="s3"): "1+0",
        series("mailroom_imports_oldest_waiting_seconds", "invoice-importer"): "0+0",
        series("mailroom_imports_failed_last_hour", "invoice-importer", code="file.header"): "0+0",
        series("mailroom_imports_nothing_accepted_last_hour", "invoice-importer"): "0+0",
        series("mailroom_files_found_without_event_last_hour", "invoice-importer"): "0+0",
        series("mailroom_event_rule_present", "invoice-importer"): "1+0",
        series("mailroom_events_waiting", "invoice-importer"): "0+0",
        series("mailroom_disk_free_bytes", "invoice-importer", server="mongodb"): "50+0",
        series("mailroom_disk_size_bytes", "invoice-importer", server="mongodb"): "100+0",
        series("mailroom_backup_last_success_timestamp_seconds", "invoice-importer", part="database"): "0+0",
        series("mailroom_backup_last_success_timestamp_seconds", "invoice-importer", part="buckets"): "0+0",
        series("mailroom_backup_first_success_timestamp_seconds", "invoice-importer"): "0+0",
        series("mailroom_backup_last_check_timestamp_seconds", "invoice-importer"): "0+0",
        series("mailroom_backup_last_check_damaged", "invoice-importer"): "0+0",
    }
    sender = {
        series("mailroom_metrics_up", "notification-sender", part="relay"): "1+0",
        series("mailroom_messages_oldest_due_seconds", "notification-sender"): "0+0",
        series("mailroom_messages", "notification-sender", status="sent"): "1000+0",
        series("mailroom_messages", "notification-sender", status="failed"): "5+0",
        series("mailroom_messages", "notification-sender", status="unknown"): "0+0",
        series("mailroom_attempts_last_hour", "notification-sender", **{"class": "2xx"}): "100+0",
        series("mailroom_attempts_last_hour", "notification-sender", **{"class": "4xx"}): "5+0",
        series("mailroom_attempts_last_hour", "notification-sender", **{"class": "5xx"}): "1+0",
        series("mailroom_attempts_last_hour", "notification-sender", **{"class": "none"}): "0+0",
        series("mailroom_relay_up", "notification-sender"): "1+0",
        series("mailroom_bounce_mailbox_up", "notification-sender"): "1+0",
        series("mailroom_messages_sent_last_day", "notification-sender"): "500+0",
        series("mailroom_deliveries_last_day", "notification-sender", delivery="delivered"): "500+0",
        series("mailroom_deliveries_last_day", "notification-sender", delivery="bounced"): "2+0",
        series("mailroom_deliveries_last_day", "notification-sender", delivery="complained"): "0+0",
    }
    webhooks = {
        series("mailroom_webhook_oldest_due_seconds", "webhook-sender"): "0+0",
        series("mailroom_webhooks_disabled", "webhook-sender"): "1+0",
    }
    return everywhere | importer | sender | webhooks
