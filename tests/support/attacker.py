"""The sender of hostile HTML: a server that notes who connects, and what it can reach in the frame of a page."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page

# What the browser says when it has kept a body from doing something.
PREVENTED = ("Content Security Policy", "sandboxed", "ERR_BLOCKED_BY_CSP", "Refused to", "Blocked ", "blocked by")


class Attacker:
    """Listens, and notes who connects and asks: a preconnect is no request, and would tell that the mail was read."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.connections: list[bytes] = []

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(1)
                try:
                    self.connections.append(connection.recv(200))
                except OSError:
                    self.connections.append(b"")


@contextmanager
def attacking() -> Iterator[Attacker]:
    """An attacker that listens within the block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        attacker = Attacker(listener)
        thread = threading.Thread(target=attacker.serve, daemon=True)
        thread.start()
        yield attacker
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def click(page: Page, attacker: Attacker) -> None:
    """Clicks on what can be clicked in the frame of the message."""
    url, frame = page.url, page.frame_locator("iframe.mail")
    for each in frame.locator("a, button").all()[:8]:
        page.once("dialog", lambda dialog: dialog.dismiss())
        if each.is_visible():
            each.click(force=True, no_wait_after=True, timeout=2000)
            page.wait_for_timeout(50)
    assert page.url == url, "the page was left"
    assert len(page.context.pages) == 1, "a window was opened"
    # At a click the browser may connect before the policy stops it. It asks nothing.
    assert all(asked == b"" for asked in attacker.connections), "clicking sent a request"
