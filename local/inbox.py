"""An SMTP server that keeps every message, and a page to read them: `python -m local.inbox`, both on 127.0.0.1."""

import argparse
import asyncio
from functools import partial
from pathlib import Path

from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session

from local import pages
from local.mailbox import Mail, Mailbox

MAX_MESSAGE_BYTES = 32 * 1024 * 1024


class Receiver:
    """Takes every message for every recipient."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        assert isinstance(content, bytes)
        name = self._mailbox.add(envelope.mail_from or "", envelope.rcpt_tos, content)
        return f"250 OK: kept as {name}"


def application(mailbox: Mailbox) -> web.Application:
    """The pages for people and the JSON for programs."""

    def found(request: web.Request) -> Mail:
        mail = mailbox.get(request.match_info["id"])
        if mail is None:
            raise web.HTTPNotFound(text="No such message.\n")
        return mail

    async def index(_: web.Request) -> web.Response:
        return page(pages.index([mail.summary() for mail in mailbox.newest_first()]))

    async def one(request: web.Request) -> web.Response:
        return page(pages.message(found(request).full()))

    async def listed(_: web.Request) -> web.Response:
        return web.json_response([mail.summary() for mail in mailbox.newest_first()])

    async def full(request: web.Request) -> web.Response:
        return web.json_response(found(request).full())

    async def raw(request: web.Request) -> web.Response:
        mail = found(request)
        headers = {"Content-Disposition": f'attachment; filename="{mail.id}.eml"', "X-Content-Type-Options": "nosniff"}
        return web.Response(body=mail.raw, content_type="message/rfc822", headers=headers)

    async def healthy(_: web.Request) -> web.Response:
        return web.Response(text="OK\n")

    app = web.Application()
    app.router.add_get("/", index)
    app.router.add_get("/read/{id}", one)
    app.router.add_get("/messages", listed)
    app.router.add_get("/messages/{id}.eml", raw)
    app.router.add_get("/messages/{id}", full)
    app.router.add_get("/healthz", healthy)
    return app


def page(html: str) -> web.Response:
    """A page that runs no script and fetches nothing, whatever a message holds."""
    headers = {"Content-Security-Policy": pages.POLICY, "X-Content-Type-Options": "nosniff"}
    return web.Response(text=html, content_type="text/html", headers=headers)


async def serve(mailbox: Mailbox, smtp_port: int, http_port: int) -> None:
    """Serves until cancelled."""
    smtp = partial(
        SMTP, Receiver(mailbox), data_size_limit=MAX_MESSAGE_BYTES, enable_SMTPUTF8=True, hostname="localhost"
    )
    await asyncio.get_running_loop().create_server(smtp, "127.0.0.1", smtp_port)
    runner = web.AppRunner(application(mailbox), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", http_port).start()  # after SMTP: this one is asked whether both are ready
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="local.inbox", description=__doc__)
    parser.add_argument("--mail", type=Path, required=True, help="the folder of the messages")
    parser.add_argument("--smtp-port", type=int, required=True)
    parser.add_argument("--http-port", type=int, required=True)
    options = parser.parse_args()
    asyncio.run(serve(Mailbox(options.mail), options.smtp_port, options.http_port))


if __name__ == "__main__":
    main()
