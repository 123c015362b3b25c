"""Sends with django-post-office: `python -m bench.mail.django_post_office` with a task on stdin, in a Python that has
it. It queues the messages, prints `ready`, sends them after the next line, and prints its usage.
"""

import json
import resource
import sys
from dataclasses import asdict, replace
from itertools import islice
from typing import Any

from bench.mail.messages import SENDER, messages
from bench.measure import measured

THREADS = 10


def database(task: dict[str, Any]) -> dict[str, Any]:
    """PostgreSQL on a socket, or SQLite in its fastest form for several processes: with a write-ahead log that is not
    flushed at each commit."""
    if socket := task.get("postgres"):
        return {"ENGINE": "django.db.backends.postgresql", "NAME": task["database"], "USER": "bench", "HOST": socket}
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": task["database"],
        "OPTIONS": {
            "timeout": 60,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }


def configure(task: dict[str, Any]) -> None:
    import django
    from django.conf import settings

    settings.configure(
        INSTALLED_APPS=["django.contrib.contenttypes", "post_office"],
        DATABASES={"default": database(task)},
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        EMAIL_BACKEND="post_office.EmailBackend",
        EMAIL_HOST="127.0.0.1",
        EMAIL_PORT=task["port"],
        POST_OFFICE={
            "BACKENDS": {"default": "django.core.mail.backends.smtp.EmailBackend"},
            "THREADS_PER_PROCESS": THREADS,
            "BATCH_SIZE": task["batch"],
        },
        LOGGING={"version": 1, "disable_existing_loggers": False, "root": {"level": "ERROR"}},
    )
    django.setup()


def queue(count: int) -> None:
    """Stores the messages as rows of its table."""
    from django.core.management import call_command
    from post_office import mail

    call_command("migrate", verbosity=0)
    waiting = messages(count)
    while some := list(islice(waiting, 500)):
        mail.send_many(
            [
                {
                    "recipients": [each.to],
                    "sender": SENDER,
                    "subject": each.subject,
                    "message": each.text,
                    "html_message": each.html,
                }
                for each in some
            ]
        )


def main() -> None:
    task = json.loads(sys.stdin.readline())
    configure(task)
    queue(task["messages"])
    from post_office.mail import send_queued_mail_until_done

    def send() -> int:
        send_queued_mail_until_done(lockfile=task["lock"], processes=task["processes"])
        return int(task["messages"])

    print("ready", flush=True)
    sys.stdin.readline()
    before = _children_seconds()
    usage = measured(send)
    sent = replace(usage, processor_seconds=usage.processor_seconds + _children_seconds() - before, peak_bytes=0)
    print(json.dumps(asdict(sent)), flush=True)


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
