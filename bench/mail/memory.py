"""Measures the sender's memory: while it drains a deep queue, and with large attachments."""

import os
import threading
from collections.abc import Sequence
from pathlib import Path

from bench.mail.contest import Place, Sent, send
from bench.mail.messages import Plain
from bench.mail.ways import Child, Ours
from bench.servers import BenchServers
from mailroom.notifications.message.attachments import LARGEST_ATTACHMENTS, Attach
from mailroom.notifications.message.request import Send

FILES = 5  # of one message; their sum is the largest allowed


def deep(servers: BenchServers, place: Place, count: int) -> tuple[Sent, list[tuple[int, int]]]:
    """Drains `count` messages with one sender. Returns also its memory in bytes at some counts of sent messages."""
    way = Ours(servers, 1)
    done, readings = threading.Event(), list[tuple[int, int]]()

    def read(pid: int) -> None:
        while not done.wait(2.0):
            sent = way.services.database["notifications"].count_documents({"state": "sent"})
            if resident := _resident(pid):
                readings.append((sent, resident))

    def watch(pids: Sequence[int]) -> None:
        threading.Thread(target=read, args=(pids[0],), daemon=True).start()

    try:
        return send(way, place, count, watch), readings
    finally:
        done.set()


class Heavy(Ours):
    """Messages with the largest attachments allowed, sent over the connections of stack.yml."""

    def __init__(self, servers: BenchServers, message: Plain) -> None:
        super().__init__(servers, 1, connections=5)
        self._message = message

    def queue(self, count: int, port: int) -> list[Child]:
        each = self._message
        files = [
            Attach(filename=f"{number}.pdf", content=os.urandom(LARGEST_ATTACHMENTS // FILES))
            for number in range(FILES)
        ]
        for _ in range(count):
            self.accept(iter([Send(email_to=each.to, subject=each.subject, html=each.html, attachments=files)]))
        return super().queue(0, port)


def _resident(pid: int) -> int:
    """The resident memory in bytes; 0 if the process has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS")), 0)
