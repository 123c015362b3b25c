"""Templates: edited, tried, put back. What the API refuses is shown at its field, and no text is lost."""

from __future__ import annotations

import json
import re

import pytest

from mailroom.console.frames import POLICY
from mailroom.console.sample_values import sample_values
from tests.e2e.console import template_sample
from tests.support.fake_api import FakeApi
from tests.unit.console.conftest import Browser, form_fields

# A frame within a frame is taken out.
SHOWN = template_sample.ESCAPES.replace("<iframe", "<no-iframe")

TEMPLATES = "notifications/templates"
EDITOR = "/mail/templates/named/invoice-reminder"
PREVIEW = f"POST {TEMPLATES}/invoice-reminder/preview"
TEXTS = {"subject": "Hello", "html": "<p>Hello</p>\r\n", "text": ""}


@pytest.fixture(autouse=True)
def answers(api: FakeApi, browser: Browser) -> None:
    template_sample.fill(api)


@pytest.mark.parametrize(
    ("sources", "names"),
    [
        (
            ["Invoice {{ number }}", "{% for each in lines %}{{ each.text }}{% endfor %}{{ name }}", None],
            "lines name number",
        ),
        (["Hello", ""], ""),
        (["{{ name }}", "{{ broken"], "name"),
        (["{{ " + "(" * 5000 + "a" + ")" * 5000 + " }}"], ""),
    ],
)
def test_a_preview_begins_with_a_value_for_each_name(sources: list[str | None], names: str) -> None:
    values = json.loads(sample_values(sources) or "{}")
    assert values == {name: f"[{name}]" for name in names.split()}


def test_the_preview_of_an_empty_template_is_no_error(browser: Browser, api: FakeApi) -> None:
    new = "/mail/templates/new"
    fields = form_fields(browser.get(new).text, new)
    part = browser.post("/mail/templates/preview", data=fields, headers={"HX-Request": "true"})
    assert (part.status_code, "Write a subject and a text" in part.text) == (200, True)
    assert api.calls(f"POST {TEMPLATES}/new-template/preview") == []


def test_saving_makes_a_version_of_what_the_form_holds(browser: Browser, api: FakeApi) -> None:
    api.answer(f"PUT {TEMPLATES}/invoice-reminder", template_sample.template(version=4))
    answer = browser.submit(EDITOR, EDITOR, **TEXTS)
    assert answer.status_code == 303
    [call] = api.calls(f"PUT {TEMPLATES}/invoice-reminder")
    assert call.json() == {"subject": "Hello", "html": "<p>Hello</p>\n", "text": None}
    assert "Saved as version 4." in browser.get(EDITOR).text


def test_what_another_person_saved_meanwhile_is_not_overwritten_unseen(browser: Browser, api: FakeApi) -> None:
    fields = form_fields(browser.get(EDITOR).text, EDITOR) | TEXTS
    api.answer(f"GET {TEMPLATES}/invoice-reminder", template_sample.template(version=9))
    api.answer(f"PUT {TEMPLATES}/invoice-reminder", template_sample.template(version=10))
    shown = browser.post(EDITOR, data=fields)
    assert shown.status_code == 409
    assert "Version 9 was saved meanwhile" in shown.text
    assert "&lt;p&gt;Hello&lt;/p&gt;" in shown.text
    assert api.calls(f"PUT {TEMPLATES}/invoice-reminder") == []
    assert browser.post(EDITOR, data=form_fields(shown.text, EDITOR) | TEXTS).status_code == 303


def test_an_empty_first_line_stays(browser: Browser, api: FakeApi) -> None:
    """Browsers leave out the line end that follows the tag of a text area."""
    api.answer(f"GET {TEMPLATES}/invoice-reminder", template_sample.template() | {"html": "\n<p>Hello</p>"})
    assert re.search(r'<textarea id="html"[^>]*>\n\n&lt;p&gt;Hello', browser.get(EDITOR).text)


def test_a_fault_is_shown_at_its_field_and_the_text_stays(browser: Browser, api: FakeApi) -> None:
    api.refuse(f"PUT {TEMPLATES}/invoice-reminder", 422, "template.invalid", "html: line 1: no such", field="html")
    answer = browser.submit(EDITOR, EDITOR, **TEXTS)
    assert answer.status_code == 422
    assert '<p class="error" id="html-error">html: line 1: no such</p>' in answer.text
    assert "&lt;p&gt;Hello&lt;/p&gt;" in answer.text


@pytest.mark.parametrize("name", ["", "a/b", "..", "invoice-reminder"])
def test_a_new_template_needs_a_name_of_its_own(browser: Browser, api: FakeApi, name: str) -> None:
    answer = browser.submit("/mail/templates/new", "/mail/templates/new", name=name, **TEXTS)
    assert answer.status_code == 422
    assert 'id="name-error"' in answer.text
    assert not [each for each in api.asked if each.method == "PUT"]


def test_a_new_template_that_is_sent_twice_is_made_once(browser: Browser, api: FakeApi) -> None:
    made = {**template_sample.template("receipt", 1), "subject": "Hello", "html": "<p>Hello</p>\n", "text": None}
    api.answer(f"PUT {TEMPLATES}/receipt", made, 201)
    fields = form_fields(browser.get("/mail/templates/new").text, "/mail/templates/new") | TEXTS | {"name": "receipt"}
    assert browser.post("/mail/templates/new", data=fields).status_code == 303
    api.answer(f"GET {TEMPLATES}/receipt", made)
    assert browser.post("/mail/templates/new", data=fields).status_code == 303


class TestPreview:
    def test_htmx_gets_the_unsaved_content_filled_for_a_frame(self, browser: Browser, api: FakeApi) -> None:
        fields = form_fields(browser.get(EDITOR).text, EDITOR) | TEXTS | {"parameters": '{"name": "Anna"}'}
        answer = browser.post("/mail/templates/preview", data=fields, headers={"HX-Request": "true"})
        assert answer.status_code == 200
        [call] = api.calls(PREVIEW)
        content = {"subject": "Hello", "html": "<p>Hello</p>\n", "text": None}
        assert call.json() == {"parameters": {"name": "Anna"}, "content": content}
        assert "<script>" not in answer.text
        assert 'sandbox title="' in answer.text
        filled = form_fields(answer.text, "/mail/templates/preview/html")
        assert "csrf_token" in filled

    def test_the_frame_gets_a_document_that_may_do_nothing(self, browser: Browser) -> None:
        fields = form_fields(browser.get(EDITOR).text, EDITOR) | {"html": template_sample.ESCAPES}
        answer = browser.post("/mail/templates/preview/html", data=fields)
        assert answer.headers["Content-Security-Policy"] == POLICY
        assert answer.text == SHOWN

    def test_another_site_cannot_show_its_html_here(self, browser: Browser) -> None:
        assert browser.post("/mail/templates/preview/html", data={"html": "<p>x</p>"}).status_code == 400

    def test_without_scripts_the_button_fills_the_frame(self, browser: Browser, api: FakeApi) -> None:
        fields = form_fields(browser.get(EDITOR).text, EDITOR) | TEXTS
        answer = browser.post("/mail/templates/preview", data=fields)
        assert (answer.text, answer.headers["Content-Security-Policy"]) == (SHOWN, POLICY)
        api.refuse(PREVIEW, 422, "template.invalid", "<b>line 3</b>", field="content.html")
        answer = browser.post("/mail/templates/preview", data=fields)
        assert (answer.text, answer.mimetype) == ("<b>line 3</b>", "text/plain")

    @pytest.mark.parametrize(
        ("status", "text"), [(422, "no such filter"), (401, "Your text stays here"), (503, "out of order"), (429, "")]
    )
    def test_a_preview_that_fails_leaves_the_text_in_the_form(
        self, browser: Browser, api: FakeApi, status: int, text: str
    ) -> None:
        fields = form_fields(browser.get(EDITOR).text, EDITOR) | TEXTS
        api.refuse(PREVIEW, status, "some.code", "no such filter", field="content.html")
        answer = browser.post("/mail/templates/preview", data=fields, headers={"HX-Request": "true"})
        assert "HX-Redirect" not in answer.headers
        assert text in answer.text or status == 503

    @pytest.mark.parametrize("parameters", ["[1]", "{", '"x"', "[" * 100_000])
    def test_parameters_that_are_no_object_ask_no_api(self, browser: Browser, api: FakeApi, parameters: str) -> None:
        fields = form_fields(browser.get(EDITOR).text, EDITOR) | TEXTS | {"parameters": parameters}
        answer = browser.post("/mail/templates/preview", data=fields, headers={"HX-Request": "true"})
        assert "must be a JSON object" in answer.text
        assert api.calls(PREVIEW) == []

    def test_the_html_of_a_long_mail_is_shown(self, browser: Browser) -> None:
        fields = form_fields(browser.get(EDITOR).text, EDITOR) | {"html": "ä" * 500_000}
        answer = browser.post("/mail/templates/preview/html", data=fields, content_type="multipart/form-data")
        assert len(answer.text) == 500_000


class TestTestSend:
    def test_the_mail_of_the_preview_is_sent_once(self, browser: Browser, api: FakeApi) -> None:
        api.answer("POST notifications", {"id": "f" * 24, "status": "queued"}, 202)
        fields = form_fields(browser.get(EDITOR).text, EDITOR) | TEXTS | {"to": " anna@example.com "}
        for _ in range(2):
            answer = browser.post("/mail/templates/test", data=fields)
            assert answer.status_code == 303
            assert answer.location.endswith(f"/mail/{'f' * 24}")
        first, second = api.calls("POST notifications")
        assert first.json()["emailTo"] == "anna@example.com"
        assert first.json()["html"] == template_sample.ESCAPES
        assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"] == fields["idempotency_key"]

    def test_without_an_answer_the_same_key_is_used_again(self, browser: Browser, api: FakeApi) -> None:
        api.refuse("POST notifications", 503, "service.unavailable", "MongoDB does not answer")
        fields = form_fields(browser.get(EDITOR).text, EDITOR) | TEXTS | {"to": "anna@example.com"}
        answer = browser.post("/mail/templates/test", data=fields)
        assert answer.status_code == 503
        assert f'name="idempotency_key" value="{fields["idempotency_key"]}"' in answer.text
        assert "&lt;p&gt;Hello&lt;/p&gt;" in answer.text

    def test_a_fault_is_shown_at_its_field(self, browser: Browser, api: FakeApi) -> None:
        fields = form_fields(browser.get(EDITOR).text, EDITOR) | TEXTS
        assert 'id="to-error"' in browser.post("/mail/templates/test", data=fields | {"to": ""}).text
        api.refuse(PREVIEW, 422, "template.parameter_missing", "it needs name", field="parameters.name")
        answer = browser.post("/mail/templates/test", data=fields | {"to": "anna@example.com"})
        assert 'id="parameters-error">it needs name' in answer.text
        assert api.calls("POST notifications") == []

    def test_a_key_that_may_only_test_is_told_so(self, browser: Browser, api: FakeApi) -> None:
        api.scopes = ["templates:read", "notifications:test"]
        assert "nobody gets it" in browser.get(EDITOR).text
        api.scopes = ["templates:read"]
        assert "Send the test" not in browser.get(EDITOR).text


def test_an_old_version_is_put_back_as_a_new_one(browser: Browser, api: FakeApi) -> None:
    api.answer(f"GET {TEMPLATES}/invoice-reminder", template_sample.template(version=3))
    api.answer(f"PUT {TEMPLATES}/invoice-reminder", template_sample.template(version=4))
    page = f"{EDITOR}/versions"
    assert f'href="/function/console{page}/1"' in browser.get(page).text
    assert f'href="/function/console{page}/2"' not in browser.get(page).text  # the template had ended then
    fields = form_fields(browser.get(EDITOR).text, EDITOR)
    assert browser.post(f"{page}/1/put-back", data=fields).status_code == 303
    assert api.calls(f"PUT {TEMPLATES}/invoice-reminder")[0].json()["html"] == template_sample.ESCAPES
    assert {each.query.get("version") for each in api.calls(f"GET {TEMPLATES}/invoice-reminder")} == {None, "1"}


def test_ending_says_beforehand_what_stays(browser: Browser, api: FakeApi) -> None:
    shown = browser.get(f"{EDITOR}/end").text
    assert "its newest version, 3," in shown
    assert "2 versions stay" in shown
    api.answer(f"DELETE {TEMPLATES}/invoice-reminder", {"deleted": "invoice-reminder", "version": 3})
    assert browser.submit(f"{EDITOR}/end", f"{EDITOR}/end").status_code == 303


def test_a_key_that_may_only_read_is_offered_no_change(browser: Browser, api: FakeApi) -> None:
    api.scopes = ["templates:read"]
    for path in ("/mail/templates", EDITOR, f"{EDITOR}/versions/1"):
        shown = browser.get(path).text
        assert "Save" not in shown
        assert "New template" not in shown
        assert "Put this version back" not in shown
    assert browser.get(f"{EDITOR}/end").status_code == 403
    api.scopes = ["notifications:read"]
    assert browser.get("/mail/templates").status_code == 403
