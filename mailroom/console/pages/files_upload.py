"""Uploading files: straight to the bucket by a form of the API, or through the functions where it is out of reach.

page with a form --file--> bucket --success_action_redirect--> /uploaded --> the file's check or import
upload.js: a form for each file --file--> bucket, with progress
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, make_response, redirect, render_template, request, url_for
from werkzeug.datastructures import FileStorage

from mailroom.console import cookies, session
from mailroom.console.api import ApiError
from mailroom.console.pages.files import PAGES
from mailroom.console.refusals import wants_json
from mailroom.console.texts import gettext as _

# Where the bucket sends the browser after an upload. The browser brings no cookie when it comes from another site, so
# this page is for everybody: it shows nothing, and leads to the page of the file.
LANDING = Blueprint("uploaded", __name__)

MOST_BYTES_THROUGH = 16 << 20
_SEE_OTHER = 303
_FORM_SECONDS = 4 * 3600  # a page may stay open for a while, and an upload may be slow
_FILENAME = "${filename}"  # the bucket puts the name of the chosen file here


@PAGES.get("/files/upload")
def upload() -> str:
    folder, check = _folder(request.args.get("folder", "")), request.args.get("at_once") != "1"
    form, problem = None, ""
    try:
        form = _form(folder, hold=check, redirect=_landing(check))
    except ApiError as error:
        if not error.is_correctable:
            raise
        problem = error.detail
    return render_template(
        "files/upload.html", form=form, folder=folder, check=check, problem=problem, most_bytes=MOST_BYTES_THROUGH
    )


@PAGES.post("/files/upload/form")
def upload_form() -> Response:
    """A form for one file of upload.js, which follows no redirect."""
    return jsonify(_form(_folder(request.form.get("folder", "")), hold=_wants_check(), redirect=""))


@PAGES.post("/files/upload/through")
def upload_through() -> Response:
    """Takes a file in the browser's form and passes it on to the API."""
    file, folder = request.files.get("file"), _folder(request.form.get("folder", ""))
    try:
        if file is None or not file.filename:
            raise ApiError(422, "file.missing", _("Choose a file first."))
        written = _pass_on(file, folder + file.filename.rpartition("/")[2], hold=_wants_check())
    except ApiError as error:
        if wants_json() or not (error.is_correctable or error.is_outage):
            raise
        return _refused(error, folder)
    target = _page_of(written["bucket"], written["key"], check=_wants_check(), import_id=written["importId"])
    return jsonify({"page": target}) if wants_json() else make_response(redirect(target, _SEE_OTHER))


@LANDING.get("/uploaded")
def landing() -> str:
    check = request.args.get("at_once") != "1"
    target = _page_of(request.args.get("bucket", ""), request.args.get("key", ""), check=check)
    return render_template("lead_on.html", title=_("The file has arrived"), target=target)


def _form(folder: str, *, hold: bool, redirect: str) -> Any:
    asked = {"keyPrefix": folder, "hold": hold, "expiresSeconds": _FORM_SECONDS, "redirect": redirect}
    form = session.call("POST", "invoices/uploads", json=asked)
    bucket = form["url"].rstrip("/").rpartition("/")[2]
    pages = {"page": _page_of(bucket, "", check=hold)}
    return form | pages | {"fields": form["fields"] | {"key": folder + _FILENAME}}


def _pass_on(file: FileStorage, key: str, *, hold: bool) -> Any:
    """Streams the file to the API: Werkzeug keeps a large one on disk."""
    size = file.stream.seek(0, 2)
    file.stream.seek(0)
    if size > MOST_BYTES_THROUGH:
        raise ApiError(413, "file.too_large", _("This way takes files of up to 16 MiB."))
    answer = session.api().answer(
        "POST",
        "invoices/files",
        token=session.token(),
        query={"key": key, "hold": "true" if hold else None},
        body=file.stream,  # type: ignore[arg-type]
        headers={"Content-Type": "application/octet-stream", "Content-Length": str(size)},
    )
    return answer.json()


def _page_of(bucket: str, key: str, *, check: bool, import_id: str = "") -> str:
    """The page that shows what became of a file."""
    if check:
        return url_for("files.check", bucket=bucket, key=key)
    if import_id:
        return url_for("files.show", id=import_id)
    return url_for("files.find", bucket=bucket, key=key)


def _wants_check() -> bool:
    return request.form.get("at_once") != "1"


def _folder(given: str) -> str:
    """`acme/2024` as `acme/2024/`: the folder of the bucket; empty for none."""
    folder = "/".join(part.strip() for part in given.replace("\\", "/").split("/") if part.strip())
    return f"{folder}/" if folder else ""


def _landing(check: bool) -> str:
    """The URL of the landing page, as the browser must ask for it."""
    return f"{_origin()}{url_for('uploaded.landing', at_once=None if check else 1)}"


def _origin() -> str:
    """The origin of this console, as the browser names it."""
    return f"{'https' if cookies.is_secure() else 'http'}://{cookies.host()}"


def _refused(error: ApiError, folder: str) -> Response:
    detail = error.detail
    if error.is_outage:
        detail = _("Mailroom stopped answering, so the file may not have arrived. Choose it again: nothing is doubled.")
    page = render_template(
        "files/upload.html",
        form=None,
        folder=folder,
        check=_wants_check(),
        problem=detail,
        most_bytes=MOST_BYTES_THROUGH,
    )
    return Response(page, status=error.status or 503)
