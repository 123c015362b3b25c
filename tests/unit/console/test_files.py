"""The pages of a file: its upload, the look beforehand, its import, and its rejected rows."""

from __future__ import annotations

import hashlib
import re
from io import BytesIO
from typing import Any

import pytest

from tests.support.fake_api import FakeApi
from tests.unit.console.conftest import PREFIX, Browser, form_fields, kept_fields

ID = "a" * 24
IMPORT = f"GET invoices/imports/{ID}"
REJECTS = f"GET invoices/imports/{ID}/rejects"
CORRECT = f"POST invoices/imports/{ID}/corrections"
VERSION = {"bucket": "invoices", "key": "acme/may.csv", "versionId": "v1"}
CHECK = "/files/check?bucket=invoices&key=acme/may.csv&versionId=v1"
TIME = "2024-05-31T10:00:00.000Z"


def an_import(state: str = "done", rejected: int = 2, **more: Any) -> dict[str, Any]:
    counts = {"inserted": 1, "updated": 0, "unchanged": 0, "stale": 0, "rejected": rejected, "setApart": 0}
    times = dict.fromkeys(("createdAt", "startedAt", "finishedAt", "updatedAt"), TIME)
    return {
        "id": ID,
        "state": state,
        **VERSION,
        "counts": {"rows": 1 + rejected, **counts},
        "progress": {"bytesRead": 50, "bytesTotal": 100},
        "error": None,
        "rejects": None,
        "dryRun": False,
        "dialect": None,
        "preset": None,
        "waitingFor": None,
        **times,
        **more,
    }


def rejected_rows() -> dict[str, Any]:
    columns = [{"key": "No", "name": "No", "target": "invoiceNumber"}, {"key": "Town", "name": "Town", "target": None}]
    error = {"column": "invoiceNumber", "code": "value.missing", "message": "<i>It is empty.</i>"}
    row = {"row": 2, "invoiceRow": 2, "text": ",Bonn", "cells": {"No": "", "Town": "Bonn\nam Rhein"}, "errors": [error]}
    broken = {"row": 5, "invoiceRow": 5, "text": '"broken', "cells": None, "errors": [error | {"column": None}]}
    return {"columns": columns, "items": [row, broken], "nextCursor": None, "rejected": 2, "omitted": 0}


def preview(confidence: float = 0.6, preset: Any = None) -> dict[str, Any]:
    mapping = [
        {"name": "Beleg", "target": "invoiceNumber", "confidence": confidence, "reason": "similar"},
        {"name": "Brutto", "target": "grossAmount", "confidence": 1, "reason": "name"},
        {"name": "Ort", "target": None, "confidence": 0, "reason": "none"},
    ]
    return VERSION | {
        "preset": preset,
        "error": {"code": "header.missing_column", "message": "no number", "column": None},
        "dialect": None,
        "header": None,
        "rows": [],
        "mapping": mapping,
        "missing": [{"column": "invoiceDate", "advice": ""}],
        "estimated": {"rows": 3, "rejected": 1},
    }


@pytest.fixture
def corrected(browser: Browser, api: FakeApi) -> Browser:
    """A browser before an import with rejected rows."""
    api.answer(IMPORT, an_import())
    api.answer(REJECTS, rejected_rows())
    api.answer(CORRECT, VERSION | {"key": "acme/may.corrected.csv", "importId": ID, "rows": 1}, 201)
    return browser


def grid(browser: Browser, **fields: str) -> dict[str, str]:
    """The fields of the grid as a browser sends them, with these changes."""
    given = form_fields(browser.get(f"/files/imports/{ID}").text, f"/files/imports/{ID}/corrections")
    cells = {"cell-2-0": "", "cell-2-1": "Bonn\r\nam Rhein", "cell-5-0": "", "cell-5-1": ""}
    return given | cells | fields


def test_only_the_cells_that_were_changed_are_sent(corrected: Browser, api: FakeApi) -> None:
    answer = corrected.post(f"/files/imports/{ID}/corrections", data=grid(corrected, **{"cell-2-0": "17"}))
    assert (answer.status_code, answer.location) == (303, f"{PREFIX}/files/imports/{ID}")
    [sent] = api.calls(CORRECT)
    assert sent.json() == {"rows": [{"row": 2, "values": {"No": "17"}}]}
    assert "One row was sent as the file acme/may.corrected.csv" in corrected.get("/files/imports/" + ID).text


def test_a_row_that_cannot_be_split_is_sent_whole_and_a_row_may_be_left_out(corrected: Browser, api: FakeApi) -> None:
    fields = grid(corrected, **{"cell-5-0": "18", "drop-2": "1"})
    assert corrected.post(f"/files/imports/{ID}/corrections", data=fields).status_code == 303
    rows = [{"row": 2, "drop": True}, {"row": 5, "values": {"No": "18", "Town": ""}}]
    assert api.calls(CORRECT)[0].json() == {"rows": rows}


def test_corrections_that_got_no_answer_are_sent_again_as_they_were(corrected: Browser, api: FakeApi) -> None:
    done = api.answers[CORRECT]
    api.refuse(CORRECT, 502, "gateway", "no answer")
    fields = grid(corrected, **{"cell-2-0": "1<7"})
    answer = corrected.post(f"/files/imports/{ID}/corrections", data=fields)
    assert answer.status_code == 503
    assert "Nothing was lost" in answer.text
    kept = dict(kept_fields(answer.text, f"/files/imports/{ID}/corrections"))
    assert "1&lt;7" in answer.text

    api.answers[CORRECT] = done
    again = kept | {"cell-2-1": "Bonn\r\nam Rhein"}
    assert corrected.post(f"/files/imports/{ID}/corrections", data=again).status_code == 303
    first, second = api.calls(CORRECT)
    assert first.json() == second.json() == {"rows": [{"row": 2, "values": {"No": "1<7"}}]}
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]


def test_a_correction_that_is_refused_shows_what_was_entered(corrected: Browser, api: FakeApi) -> None:
    api.refuse(CORRECT, 409, "correction.preset", "its preset has changed")
    answer = corrected.post(f"/files/imports/{ID}/corrections", data=grid(corrected, **{"cell-2-0": "17"}))
    assert answer.status_code == 422
    assert "its preset has changed" in answer.text
    assert 'value="17"' in answer.text


def test_a_grid_without_a_change_sends_nothing(corrected: Browser, api: FakeApi) -> None:
    answer = corrected.post(f"/files/imports/{ID}/corrections", data=grid(corrected))
    assert (answer.status_code, api.calls(CORRECT)) == (422, [])
    assert "No row was changed" in answer.text


def test_reasons_are_shown_as_text(corrected: Browser) -> None:
    page = corrected.get(f"/files/imports/{ID}").text
    assert "&lt;i&gt;It is empty.&lt;/i&gt;" in page
    assert "Bonn\nam Rhein</textarea>" in page


def test_the_progress_is_asked_for_until_the_import_ends(browser: Browser, api: FakeApi) -> None:
    part = {"HX-Request": "true"}
    api.answer(IMPORT, an_import("running", 0))
    running = browser.get(f"/files/imports/{ID}/progress", **part)
    assert 'hx-trigger="every 2s"' in running.text
    assert "HX-Refresh" not in running.headers
    api.answer(IMPORT, an_import("done", 0))
    ended = browser.get(f"/files/imports/{ID}/progress", **part)
    assert "hx-trigger" not in ended.text
    assert ended.headers["HX-Refresh"] == "true"


def test_importing_keeps_the_suggested_column_for_the_folder(browser: Browser, api: FakeApi) -> None:
    api.answer("POST invoices/preview", preview())
    api.answer("PUT invoices/presets/acme", {}, 201)
    api.answer("POST invoices/imports", {"id": ID}, 202)
    api.answer(IMPORT, an_import("pending", 0))
    page = browser.get(CHECK)
    assert "suggestion" in page.text
    chosen = {"target-0": "invoiceNumber", "target-1": "grossAmount", "target-2": "-", "do": "import"}
    answer = browser.post("/files/check", data=form_fields(page.text, "/files/check") | chosen)
    assert answer.location == f"{PREFIX}/files/imports/{ID}"
    [put] = api.calls("PUT invoices/presets/acme")
    assert put.json() == {"prefix": "acme/", "columns": {"Beleg": "invoiceNumber", "Ort": None}}
    assert api.calls("POST invoices/imports")[0].json() == VERSION | {"dryRun": False}


def test_a_mapping_joins_the_preset_of_the_folder_and_no_other(browser: Browser, api: FakeApi) -> None:
    api.answer("POST invoices/preview", preview(preset={"name": "all", "version": 3}))
    api.answer("GET invoices/presets/all", {"preset": {"prefix": "", "dateOrder": "dmy", "columns": {"A": None}}})
    api.answer("GET invoices/presets/acme", {"preset": {"prefix": "elsewhere/"}})
    page = browser.get(CHECK).text
    name = "acme-" + hashlib.sha256(b"acme/").hexdigest()[:8]
    api.answer(f"PUT invoices/presets/{name}", {}, 201)
    fields = form_fields(page, "/files/check") | {"target-0": "invoiceNumber", "do": "keep"}
    assert browser.post("/files/check", data=fields).status_code == 303
    [put] = api.calls(f"PUT invoices/presets/{name}")
    columns = {"A": None, "Beleg": "invoiceNumber"}
    assert put.json() == {"prefix": "acme/", "dateOrder": "dmy", "columns": columns}


def test_what_is_certain_makes_no_preset(browser: Browser, api: FakeApi) -> None:
    api.answer("POST invoices/preview", preview(confidence=1))
    api.answer("POST invoices/imports", {"id": ID}, 202)
    page = browser.get(CHECK).text
    fields = form_fields(page, "/files/check") | {"target-0": "invoiceNumber", "target-1": "grossAmount", "do": "try"}
    assert browser.post("/files/check", data=fields).status_code == 303
    assert [each for each in api.asked if each.method == "PUT"] == []
    assert api.calls("POST invoices/imports")[0].json()["dryRun"] is True


def test_a_dry_run_that_is_sent_twice_has_one_key_unless_its_columns_change(browser: Browser, api: FakeApi) -> None:
    api.answer("POST invoices/preview", preview())
    api.answer("PUT invoices/presets/acme", {}, 201)
    api.answer("POST invoices/imports", {"id": ID}, 202)
    api.answer(IMPORT, an_import("pending", 0))
    fields = form_fields(browser.get(CHECK).text, "/files/check") | {"target-0": "invoiceNumber", "do": "try"}
    for changed in ({}, {}, {"target-0": "-"}, {"do": "import"}):
        assert browser.post("/files/check", data=fields | changed).status_code == 303
    first, second, *others = [each.headers["Idempotency-Key"] for each in api.calls("POST invoices/imports")]
    assert first == second
    assert len({first, *others}) == 3


def test_an_undo_says_beforehand_how_many_invoices_it_deletes(browser: Browser, api: FakeApi) -> None:
    api.answer(IMPORT, an_import())
    api.answer(f"GET invoices/imports/{ID}/undo", {"deletes": 17, "leaves": 1})
    api.answer(f"POST invoices/imports/{ID}/undo", {"deleted": 17, "left": 1, "complete": True})
    page = f"/files/imports/{ID}/undo"
    assert "17 invoices are deleted." in browser.get(page).text
    assert api.calls(f"POST invoices/imports/{ID}/undo") == []
    assert browser.submit(page, page).status_code == 303
    assert len(api.calls(f"POST invoices/imports/{ID}/undo")) == 1


@pytest.mark.parametrize(("action", "text"), [("cancel", "50 B of 100 B are read"), ("retry", "goes on after 3 rows")])
def test_cancel_and_retry_say_beforehand_what_they_do(browser: Browser, api: FakeApi, action: str, text: str) -> None:
    api.answer(IMPORT, an_import())
    api.answer(f"POST invoices/imports/{ID}/{action}", {}, 202)
    page = f"/files/imports/{ID}/{action}"
    assert text in browser.get(page).text
    assert browser.submit(page, page).status_code == 303


def test_force_counts_first_with_a_dry_run(browser: Browser, api: FakeApi) -> None:
    trial = "b" * 24
    api.answer(IMPORT, an_import())
    api.answer("POST invoices/imports", {"id": trial}, 202)
    start = f"/files/imports/{ID}/force"
    counted = browser.submit(start, f"/files/imports/{ID}/count")
    assert api.calls("POST invoices/imports")[0].json() == VERSION | {"force": True, "dryRun": True}
    api.answer(f"GET invoices/imports/{trial}", an_import("running", id=trial, dryRun=True))
    page = counted.location.removeprefix(PREFIX)
    assert "Counting what it would do" in browser.get(page).text
    api.answer(f"GET invoices/imports/{trial}", an_import(id=trial, dryRun=True))
    assert "One invoice is made new." in browser.get(page).text
    fields = form_fields(browser.get(page).text, start)
    browser.post(start, data=fields)
    browser.post(start, data=fields)
    counting, *forced = api.calls("POST invoices/imports")
    assert [each.json() for each in forced] == [VERSION | {"force": True}] * 2
    assert {each.headers["Idempotency-Key"] for each in forced} == {fields["idempotency_key"]}
    assert counting.headers["Idempotency-Key"] != fields["idempotency_key"]


def test_a_file_goes_through_the_function(browser: Browser, api: FakeApi) -> None:
    form = {
        "url": "http://s3/invoices",
        "fields": {"policy": "p"},
        "keyPrefix": "acme/",
        "maxBytes": 1,
        "expiresAt": TIME,
    }
    api.answer("POST invoices/uploads", form, 201)
    api.answer("POST invoices/files", VERSION | {"importId": ID}, 201)
    page = browser.get("/files/upload?folder=acme", **{"X-Forwarded-Host": "shop.example"}).text
    asked = api.calls("POST invoices/uploads")[0].json()
    assert (asked["keyPrefix"], asked["hold"]) == ("acme/", True)
    assert asked["redirect"] == f"https://shop.example{PREFIX}/uploaded"
    fields: dict[str, Any] = form_fields(page, "/files/upload/through")
    answer = browser.post("/files/upload/through", data=fields | {"file": (BytesIO(b"a,b\n" * 300_000), "c:/may.csv")})
    assert answer.location == f"{PREFIX}{CHECK.partition('&versionId')[0]}"
    [sent] = api.calls("POST invoices/files")
    assert (sent.query, len(sent.body)) == ({"key": "acme/may.csv", "hold": "true"}, 1_200_000)


def test_a_file_that_did_not_arrive_is_asked_for_again(browser: Browser, api: FakeApi) -> None:
    api.answer("POST invoices/uploads", {"url": "http://s3/b", "fields": {}, "keyPrefix": "", "expiresAt": TIME}, 201)
    api.refuse("POST invoices/files", 502, "gateway", "no answer")
    fields: dict[str, Any] = form_fields(browser.get("/files/upload").text, "/files/upload/through")
    answer = browser.post("/files/upload/through", data=fields | {"file": (BytesIO(b"a"), "may.csv")})
    assert answer.status_code == 502
    assert "Choose it again" in answer.text


def test_the_page_after_an_upload_asks_for_no_cookie_and_leads_on(stranger: Browser) -> None:
    page = stranger.get("/uploaded?bucket=invoices&key=acme/may.csv&etag=x")
    assert page.status_code == 200
    assert f"url={PREFIX}/files/check?bucket=invoices&amp;key=acme/may.csv" in page.text


def test_a_file_without_an_import_yet_says_what_it_waits_for(browser: Browser, api: FakeApi) -> None:
    waiting = {"code": "event", "text": "Its event is under way.", "since": None}
    api.answer("GET invoices/imports", {"items": [], "nextCursor": None, "waitingFor": waiting})
    page = "/files/find?bucket=invoices&key=acme/may.csv"
    assert "Its event is under way." in browser.get(page).text
    api.answer("GET invoices/imports", {"items": [an_import()], "nextCursor": None})
    assert browser.get(page).location == f"{PREFIX}/files/imports/{ID}"
    assert browser.get(page, **{"HX-Request": "true"}).headers["HX-Redirect"] == f"{PREFIX}/files/imports/{ID}"


def test_the_rejects_file_is_passed_on(browser: Browser, api: FakeApi) -> None:
    kind = {"Content_Type": "text/csv; charset=utf-8", "Content_Disposition": 'attachment; filename="rejects.csv"'}
    api.answer(f"GET invoices/imports/{ID}/rejects.csv", b"row,error\r\n", **kind)
    answer = browser.get(f"/files/imports/{ID}/rejects.csv")
    assert (answer.data, answer.headers["Content-Disposition"]) == (
        b"row,error\r\n",
        'attachment; filename="rejects.csv"',
    )


@pytest.mark.parametrize("path", ["/files/upload/form", "/files/upload/through"])
def test_a_script_is_told_why_a_file_was_not_taken(browser: Browser, api: FakeApi, path: str) -> None:
    """upload.js shows the reason beside the file. It cannot read a page."""
    json = {"Accept": "application/json"}
    token = form_fields(browser.get("/").text, "/sign-out")["csrf_token"]

    def refused(fields: dict[str, str]) -> tuple[int, str]:
        answer = browser.post(path, data=fields, headers=json)
        return answer.status_code, answer.get_json()["detail"]

    assert refused({"csrf_token": "old"}) == (400, "this form is too old: open the page again")
    api.refuse("GET invoices/sessions/current", 503, "service.unavailable", "MongoDB does not answer")
    assert refused({"csrf_token": token}) == (503, "Mailroom does not answer now.")
    api.sessions.clear()
    assert refused({"csrf_token": token}) == (401, "Your session has ended. Load the page again to sign in.")


def test_the_list_is_that_of_the_chosen_files(browser: Browser, api: FakeApi) -> None:
    api.answer("GET invoices/imports", {"items": [an_import()], "nextCursor": "more"})
    page = browser.get("/files?rejected=true").text
    assert api.calls("GET invoices/imports")[-1].query["rejected"] == "true"
    [following] = re.findall(r'rel="next" href="([^"]*)"', page)
    assert "rejected=true" in following


def test_filters_that_do_not_go_together_are_told_beside_the_list(browser: Browser, api: FakeApi) -> None:
    api.refuse(
        "GET invoices/imports", 422, "query.unserved", "rejected cannot be combined with state", field="rejected"
    )
    answer = browser.get("/files?rejected=true&state=done")
    assert answer.status_code == 422
    assert "rejected cannot be combined with state" in answer.text
