"""An SMTP server that keeps every message, and a page to read them: `python -m local.inbox`, both on 127.0.0.1."""

import argparse
from pathlib import Path

import waitress
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from flask import Flask, Response, abort, jsonify, render_template

from local.mailbox import Mail, Mailbox

MAX_MESSAGE_BYTES = 32 * 1024 * 1024

# No message can make the pages run scripts or fetch anything.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
}


class Receiver:
    """Accepts every message for every recipient."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        assert isinstance(content, bytes)
        name = self._mailbox.add(envelope.mail_from or "", envelope.rcpt_tos, content)
        return f"250 OK: kept as {name}"


def create_app(mailbox: Mailbox) -> Flask:
    """The pages for people and the JSON for programs."""
    app = Flask(__name__)

    def find(mail_id: str) -> Mail:
        return mailbox.get(mail_id) or abort(404, "No such message.")

    @app.after_request
    def protect(response: Response) -> Response:
        response.headers.extend(HEADERS)
        return response

    @app.get("/")
    def index() -> str:
        return render_template("inbox.html", mails=[mail.summary() for mail in mailbox.newest_first()])

    @app.get("/read/<mail_id>")
    def read(mail_id: str) -> str:
        return render_template("mail.html", mail=find(mail_id).full())

    @app.get("/messages")
    def messages() -> Response:
        return jsonify([mail.summary() for mail in mailbox.newest_first()])

    @app.get("/messages/<mail_id>")
    def message(mail_id: str) -> Response:
        return jsonify(find(mail_id).full())

    @app.get("/messages/<mail_id>.eml")
    def raw(mail_id: str) -> Response:
        mail = find(mail_id)
        headers = {"Content-Disposition": f'attachment; filename="{mail.id}.eml"'}
        return Response(mail.raw, headers=headers, content_type="message/rfc822")

    @app.get("/healthz")
    def healthy() -> str:
        return "OK\n"

    return app


def main() -> None:
    parser = argparse.ArgumentParser(prog="local.inbox", description=__doc__)
    parser.add_argument("--mail", type=Path, required=True, help="the folder of the messages")
    parser.add_argument("--smtp-port", type=int, required=True)
    parser.add_argument("--http-port", type=int, required=True)
    options = parser.parse_args()
    mailbox = Mailbox(options.mail)
    smtp = Controller(
        Receiver(mailbox),
        hostname="127.0.0.1",
        port=options.smtp_port,
        data_size_limit=MAX_MESSAGE_BYTES,
        enable_SMTPUTF8=True,
        server_hostname="localhost",
        ready_timeout=30,  # seconds; a busy machine may need more than the default of five
    )
    smtp.start()  # first, because readiness is asked from the page only
    waitress.serve(create_app(mailbox), host="127.0.0.1", port=options.http_port, ident=None)
    smtp.stop()


if __name__ == "__main__":
    main()
