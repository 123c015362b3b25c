"""Every setting, with its default and its meaning, checked against the others. `environment.py` reads them.

A setting's variable is its field's name in capitals: `mongodb_database` is `MONGODB_DATABASE`.
Durations are seconds unless the name says otherwise. Secrets are not settings: see `secrets.py`.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from mailroom.errors import InvalidSetting


def _setting(default: Any, text: str, *, choices: tuple[str, ...] = (), least: float | None = None) -> Any:
    return dataclasses.field(default=default, metadata={"text": text, "choices": choices, "least": least})


_LONGEST_PUBLIC_URL = 200  # with a token it fits in a line of a mail
_PUBLIC_URL = re.compile(
    rf"(?=.{{1,{_LONGEST_PUBLIC_URL}}}\Z)https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:\d+)?(/[A-Za-z0-9._~-]+)*/?"
)

_CONSOLE_PREFIX = re.compile(r"/|(/[A-Za-z0-9._~-]+)+")


@dataclass(frozen=True)
class Settings:
    """All settings with their defaults. `text` is its meaning in docs/settings.md.

    A dataclass, unlike our other values, because its fields carry metadata.
    """

    log_level: str = _setting("info", "Lowest level that is logged", choices=("debug", "info", "warning", "error"))
    secrets_dir: Path = _setting(Path("/var/openfaas/secrets"), "Folder with one file per secret")
    kick_url: str = _setting(
        "",
        "URL that kicks a worker; `{function}` stands for its name. Empty: no kicks, the schedule finds the work",
    )
    cors_origins: str = _setting(
        "", "Origins whose pages may call the APIs, separated by commas; `*`: any; empty: none"
    )
    rate_limit_per_minute: int = _setting(
        0, "Most calls that one replica of an API answers for one key in a minute; 0: no limit", least=0
    )
    session_hours: float = _setting(12.0, "Longest life of a session, in hours", least=0.01)
    session_idle_minutes: float = _setting(60.0, "A session ends that was not used for so many minutes", least=0.1)
    work_budget_seconds: float = _setting(20.0, "A worker starts nothing new after this time", least=0.1)

    export_seconds: float = _setting(
        40.0,
        "Longest time of an export, which then says where to go on, and of totals, which are then refused",
        least=0.1,
    )

    revision: str = _setting("", "Revision of the code, for the metrics; images have it from their build")

    mongodb_database: str = _setting("mailroom", "Name of the database")
    mongodb_secret: str = _setting(
        "mailroom-mongodb-uri", "Name of the secret with the connection string; each function has its own"
    )
    mongodb_timeout_seconds: float = _setting(10.0, "Longest wait for one answer of MongoDB", least=0.5)

    s3_endpoint: str = _setting("http://127.0.0.1:9000", "URL of the S3 server")
    s3_region: str = _setting("us-east-1", "Region of the S3 server")
    s3_timeout_seconds: float = _setting(10.0, "Longest wait for one answer of the S3 server", least=0.5)
    s3_public_endpoint: str = _setting("", "URL of the S3 server as uploaders see it; empty: `S3_ENDPOINT`")
    events: str = _setting(
        "webhook",
        "How new files are found: the S3 server calls `invoice-events`, or the importer lists the bucket all the time",
        choices=("webhook", "poll"),
    )
    webhook_arn: str = _setting(
        "arn:minio:sqs::MAILROOM:webhook",
        "Webhook target that set-up connects to the bucket's events; unused with `EVENTS=poll`",
    )
    events_url: str = _setting("http://invoice-events:8080/", "URL of `invoice-events`, for the listener alone")
    invoices_bucket: str = _setting("invoices", "Bucket of the files to import")
    rejects_bucket: str = _setting("invoices-rejected", "Bucket for the rejects files")

    attachments_bucket: str = _setting("attachments", "Bucket of the objects that mail may attach")

    import_lease_seconds: float = _setting(30.0, "A worker that is silent for this long loses its import", least=0.5)
    import_batch_rows: int = _setting(8000, "Most rows of a batch, which is written and checkpointed at once", least=1)
    import_slice_seconds: float = _setting(
        5.0, "After this long with one import, a worker goes on with another one that waits", least=0
    )
    import_date_order: str = _setting(
        "", "Order of `01/02/2024`; empty: such dates are refused", choices=("dmy", "mdy")
    )
    import_year_pivot: int = _setting(
        70, "Years of two digits from this one on are of the 20th century, those before it of the 21st", least=0
    )
    import_decimal_mark: str = _setting("", "Decimal mark; empty: detected in each file", choices=(".", ","))
    import_encoding: str = _setting("", "Encoding of the files; empty: detected in each file")
    import_statuses: str = _setting("", "Allowed statuses, separated by commas; empty: any")
    import_amount_tolerance: Decimal = _setting(
        Decimal("0.02"), "Largest allowed difference between gross and net + VAT in a row", least=0
    )
    import_extra_columns: str = _setting("keep", "What to do with unknown columns", choices=("reject", "keep"))
    import_aliases: str = _setting("", 'Further names of columns, as JSON: `{"Betrag": "grossAmount"}`')
    import_profiles: str = _setting("", 'Rules for the files of a folder, as JSON: `{"acme/": {"dateOrder": "dmy"}}`')
    import_max_rejects: int = _setting(-1, "An import with more rejected rows fails; -1: no limit", least=-1)
    import_max_rejects_percent: float = _setting(
        100.0, "An import with a higher percentage of rejected rows fails", least=0
    )
    import_rejects_kept: int = _setting(100_000, "Most rows of a rejects file; further rows are only counted", least=1)
    import_rejects_kept_bytes: int = _setting(
        128 << 20, "Most bytes of a file's rejected rows and their reasons; further rows are only counted", least=1
    )
    preview_seconds: float = _setting(10.0, "Longest time to look into a file for a preview", least=1)
    preview_memory_mib: int = _setting(
        256,
        "Most memory, in MiB, of the process that does so; a replica runs two at most",
        least=64,
    )
    import_notify: str = _setting("", "Address that gets a mail when an import ends; empty: nobody")
    reconcile_seconds: float = _setting(
        3600.0,
        "Longest time between two comparisons of the bucket with the imports; a small bucket is compared more often, "
        "and with `EVENTS=poll` one comparison follows the other",
        least=1,
    )

    mail_from: str = _setting(
        "Mailroom <mailroom@localhost>", "Sender of mail whose request names none, and of mail about imports"
    )
    mail_headers: str = _setting(
        "In-Reply-To,References,List-*,X-*,Auto-Submitted,Feedback-ID,Importance,Organization",
        "Headers that a request may set, separated by commas; `*` stands for any ending. Headers that relays obey "
        "(`X-SMTPAPI`) are allowed by their full names only",
    )
    mail_return_path: str = _setting(
        "",
        "Address that bounces go to, such as `bounces@shop.example`; each mail adds a token to it: "
        "`bounces+TOKEN@shop.example`. Empty, or without the secret `mailroom-signing-key`: the sender's address",
    )
    public_url: str = _setting(
        "",
        "URL of the gateway for people outside, such as `https://mail.shop.example`, for links in mail to unsubscribe. "
        "Empty: messages with `unsubscribe` are refused",
    )
    soft_bounces: int = _setting(
        5, "An address is suppressed when this many messages to it bounced softly; 0: never", least=0
    )
    soft_bounce_days: float = _setting(14.0, "The bounces count that came within this time", least=0)
    mail_provider: str = _setting(
        "",
        "The provider behind the relay: each mail gets a header of the provider's that makes its reports name the mail",
        choices=("ses", "postmark", "mailgun"),
    )
    ses_topics: str = _setting(
        "",
        "ARNs of the SNS topics through which Amazon SES reports on mail, separated by commas; empty: none is believed",
    )
    bounce_imap_host: str = _setting("", "Host of the mailbox that bounces and complaints come to; empty: none is read")
    bounce_imap_port: int = _setting(993, "Port of the mailbox", least=1)
    bounce_imap_tls: str = _setting(
        "implicit",
        "`implicit`: TLS from the start; `required`: STARTTLS; both with a valid certificate",
        choices=("implicit", "required", "off"),
    )
    bounce_imap_folder: str = _setting("INBOX", "Folder of the mailbox that is read")
    bounce_imap_processed: str = _setting(
        "Processed", "Folder that mail is moved to when it was read; it is made if it is missing"
    )
    bounce_imap_seconds: float = _setting(30.0, "Shortest time between two looks into the mailbox", least=0)
    dkim_selector: str = _setting(
        "", "Selector of the public key in the DNS; empty: only mail of the domains in `mailroom-dkim-keys` is signed"
    )
    dkim_domain: str = _setting("", "Domain that signs; empty: the domain of `MAIL_FROM`")
    dns_resolver: str = _setting(
        "",
        "Address of the DNS server that `senders check` asks, with `:PORT` if it is not 53; empty: that of the system",
    )
    smtp_host: str = _setting("127.0.0.1", "Host of the SMTP relay")
    smtp_port: int = _setting(25, "Port of the SMTP relay", least=1)
    smtp_tls: str = _setting(
        "required",
        "`required`: STARTTLS with a valid certificate; `opportunistic`: STARTTLS with any certificate if the relay "
        "offers it, else all in clear text, also the password; `implicit`: TLS from the start",
        choices=("required", "opportunistic", "off", "implicit"),
    )
    smtp_timeout_seconds: float = _setting(10.0, "Longest wait for one answer of the relay", least=0.1)
    smtp_data_timeout_seconds: float = _setting(45.0, "Longest wait for the answer after the final dot", least=0.1)
    smtp_connections: int = _setting(
        5, "Most messages that one replica of a function of mail delivers at once, each on its own connection", least=1
    )
    smtp_messages_per_connection: int = _setting(100, "A connection is replaced after this many messages", least=1)
    smtp_messages_per_second: float = _setting(
        0.0,
        "Most messages that one replica of a function of mail gives the relay in a second, evenly spaced; 0: no limit",
        least=0,
    )
    send_lease_seconds: float = _setting(90.0, "A sender that is silent for this long loses its messages", least=0.5)
    send_wait_seconds: float = _setting(
        2.0, "Longest time that `POST` waits for the relay before it answers 202", least=0
    )
    retry_first_seconds: float = _setting(
        60.0, "First wait after a temporary refusal; each further wait is twice as long, with jitter", least=0.1
    )
    retry_longest_seconds: float = _setting(14400.0, "Longest wait between two attempts", least=0.1)
    retry_give_up_hours: float = _setting(96.0, "A message that is not sent after this time is given up", least=0)
    retention_bodies_days: float = _setting(0.0, "Bodies of mail older than this are erased; 0: never", least=0)
    retention_messages_days: float = _setting(0.0, "Mail older than this is deleted; 0: never", least=0)
    unknown_outcome: str = _setting(
        "resend", "What to do with a message that the relay may or may not have: send it again, or wait for a person",
        choices=("resend", "hold"),
    )  # fmt: skip

    webhook_timeout_seconds: float = _setting(15.0, "Longest time that the delivery of a webhook may take", least=0.1)
    webhook_retry_first_seconds: float = _setting(
        10.0, "First wait after a delivery that failed; each further wait is twice as long, with jitter", least=0.1
    )
    webhook_retry_longest_seconds: float = _setting(14400.0, "Longest wait between two deliveries", least=0.1)
    webhook_give_up_hours: float = _setting(72.0, "A webhook that is not delivered after this time is dead", least=0)
    webhook_disable_days: float = _setting(
        5.0, "An endpoint whose deliveries have all failed for this time is disabled; 0: never", least=0
    )
    webhook_retention_days: float = _setting(
        30.0, "Webhooks that were delivered or given up are deleted after this time; 0: never", least=0
    )
    webhook_allow_private: str = _setting(
        "no",
        "`yes`: webhooks may go to private, loopback and link-local addresses, and to `http://`. Then whoever may "
        "manage endpoints reaches your network",
        choices=("no", "yes"),
    )

    api_url: str = _setting(
        "http://127.0.0.1:8080", "URL of the gateway or router through which the console calls the APIs"
    )
    console_prefix: str = _setting(
        "/function/console",
        "Path under which people see the console; the gateway strips it. `/`: the root of a host of its own",
    )

    backup_to: str = _setting("", "Where `python -m mailroom backups` keeps backups: a folder, or the URL of a bucket")
    backup_keep: int = _setting(
        14, "Number of backups to keep, of the database and of the buckets each; older ones are removed", least=2
    )

    def __post_init__(self) -> None:
        if self.send_lease_seconds <= self.smtp_data_timeout_seconds:
            raise InvalidSetting(
                f"SEND_LEASE_SECONDS ({self.send_lease_seconds:g}) must be greater than "
                f"SMTP_DATA_TIMEOUT_SECONDS ({self.smtp_data_timeout_seconds:g}): else two senders hold one message"
            )
        if self.public_url and not _PUBLIC_URL.fullmatch(self.public_url):
            raise InvalidSetting(
                f"PUBLIC_URL is {self.public_url!r}: must be a URL such as https://mail.shop.example, of at most "
                f"{_LONGEST_PUBLIC_URL} characters and without a query"
            )
        if not _CONSOLE_PREFIX.fullmatch(self.console_prefix):
            raise InvalidSetting(
                f"CONSOLE_PREFIX is {self.console_prefix!r}: must be a path such as /function/console, or /"
            )
        if self.attachments_bucket in (self.invoices_bucket, self.rejects_bucket):
            raise InvalidSetting(
                "ATTACHMENTS_BUCKET must be another bucket: else whoever may send mail could mail all invoices"
            )
        if self.rejects_bucket == self.invoices_bucket:
            raise InvalidSetting("REJECTS_BUCKET must not be INVOICES_BUCKET: rejects would be imported in a loop")


def table() -> str:
    """All settings as the Markdown table of docs/settings.md; `python -m mailroom settings` prints it."""
    lines = ["| setting | default | meaning |", "|---|---|---|"]
    for field in dataclasses.fields(Settings):
        default = f"{field.default:g}" if isinstance(field.default, float) else str(field.default)
        text, choices = field.metadata["text"], field.metadata["choices"]
        allowed = f". One of {', '.join(f'`{choice}`' for choice in choices)}" if choices else ""
        lines.append(f"| `{field.name.upper()}` | {f'`{default}`' if default else ''} | {text}{allowed} |")
    return "\n".join(lines) + "\n"
