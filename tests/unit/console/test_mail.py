"""The pages of mail: what they show, and what a decision does."""

from __future__ import annotations

import re
from typing import ClassVar

import pytest

from mailroom.console.frames import POLICY
from tests.support.fake_api import FakeApi
from tests.support.mail_sample import COMPUTED, ID, item, message, recipient
from tests.unit.console.conftest import PREFIX, Browser

ONE = f"GET notifications/{ID}"
CONTENT = f"GET notifications/{ID}/content"
NONE = {"items": [], "nextCursor": None}
FIGURES = {"counts": {"queued": 3, "sent": 1204}, "mostCounted": 1204, "oldestWaiting": None, "computedAt": COMPUTED}


@pytest.fixture
def mail(api: FakeApi) -> FakeApi:
    api.scopes.append("notifications:erase")
    api.answer("GET notifications", {"items": [item(), item("failed", "<b>x</b>", "c" * 24)], "nextCursor": "next"})
    api.answer("GET notifications/figures/messages", FIGURES)
    api.answer(ONE, message())
    return api


def words(page: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


class TestTheList:
    def test_messages_with_their_reason_and_the_numbers_by_status(self, browser: Browser, mail: FakeApi) -> None:
        page = browser.get("/mail").text
        assert f'href="{PREFIX}/mail/{ID}"' in page
        assert "451 come back later" in page
        assert "&lt;b&gt;x&lt;/b&gt;" in page
        assert "3 waiting" in words(page)
        assert "1 204+ sent" in words(page)

    def test_a_message_that_came_back_is_told_from_one_that_arrived(self, browser: Browser, mail: FakeApi) -> None:
        listed = [item("sent", delivery="bounced"), item("sent", id="c" * 24)]
        mail.answer("GET notifications", {"items": listed, "nextCursor": None})
        assert words(browser.get("/mail").text).count("sent came back") == 1

    def test_filters_become_those_of_the_api_and_stay_on_the_next_page(self, browser: Browser, mail: FakeApi) -> None:
        mail.answer("GET notifications/counts", {"counts": {"queued": 1}})
        page = browser.get("/mail?status=failed&emailTo=anna@example.com&from=2024-05-01&to=2024-05-31").text
        [asked] = mail.calls("GET notifications")
        assert {name: asked.query[name] for name in ("status", "emailTo", "from", "to")} == {
            "status": "failed",
            "emailTo": "anna@example.com",
            "from": "2024-05-01T00:00:00Z",
            "to": "2024-06-01T00:00:00Z",
        }
        assert mail.calls("GET notifications/counts")[0].query["emailTo"] == "anna@example.com"
        [following] = re.findall(r'rel="next" href="([^"]*)"', page)
        assert "status=failed" in following
        assert "from=2024-05-01" in following

    def test_filters_that_do_not_go_together_are_told_beside_them(self, browser: Browser, mail: FakeApi) -> None:
        mail.refuse("GET notifications", 422, "query.combination", "tag cannot be combined", field="tag")
        answer = browser.get("/mail?tag=x&status=failed")
        assert answer.status_code == 422
        assert 'id="tag-error">tag cannot be combined' in answer.text

    def test_an_empty_list_says_what_to_do(self, browser: Browser, mail: FakeApi) -> None:
        mail.answer("GET notifications", NONE)
        assert f'href="{PREFIX}/mail/write"' in browser.get("/mail").text
        assert "Show all" in browser.get("/mail?status=failed").text


class TestOneMessage:
    def test_recipients_attempts_and_why_it_waits(self, browser: Browser, mail: FakeApi) -> None:
        shown = words(browser.get(f"/mail/{ID}").text)
        assert "Why it waits: The relay said 451 (rcpt): 4.7.1 come back later." in shown
        assert "RCPT anna@example.com 451 4.7.1 come back later 31 ms" in shown
        assert "DATA no answer timed out" in shown
        assert "came back" in shown
        assert "5.1.1 no such user" in shown

    def test_its_html_is_a_response_of_its_own_that_may_do_nothing(self, browser: Browser, mail: FakeApi) -> None:
        mail.answer(CONTENT, {"html": "<script>alert(1)</script><p>Hello</p>"})
        page = browser.get(f"/mail/{ID}").text
        assert f'sandbox src="{PREFIX}/mail/{ID}/html"' in page
        assert "Hello <b>" not in page
        answer = browser.get(f"/mail/{ID}/html")
        assert answer.text == "<script>alert(1)</script><p>Hello</p>"
        assert answer.headers["Content-Security-Policy"] == POLICY
        assert answer.headers["X-Content-Type-Options"] == "nosniff"

    def test_images_that_are_attached_to_it_are_shown(self, browser: Browser, mail: FakeApi) -> None:
        image = {"filename": "a.png", "contentType": "image/png", "size": 3, "object": None, "contentId": "logo@shop"}
        file = image | {"filename": "b.png", "contentId": None}
        mail.answer(ONE, message("sent", attachments=[file, image]))
        mail.answer(f"{ONE}/attachments/1", b"PNG")
        mail.answer(CONTENT, {"html": """<img src="cid:logo@shop"><img src='cid:other'> cid:logo@shop."""})
        shown = browser.get(f"/mail/{ID}/html").text
        assert shown == """<img src="data:image/png;base64,UE5H"><img src='cid:other'> cid:logo@shop."""

    def test_an_attachment_is_downloaded_and_never_opened(self, browser: Browser, mail: FakeApi) -> None:
        disposition = 'attachment; filename="a.html"'
        mail.answer(f"{ONE}/attachments/0", b"<script>", Content_Type="text/html", Content_Disposition=disposition)
        assert f'href="{PREFIX}/mail/{ID}/attachments/0"' in browser.get(f"/mail/{ID}").text
        answer = browser.get(f"/mail/{ID}/attachments/0")
        assert (answer.content_type, answer.headers["Content-Disposition"]) == ("application/octet-stream", disposition)
        assert answer.data == b"<script>"

    def test_frames_in_its_html_are_none(self, browser: Browser, mail: FakeApi) -> None:
        mail.answer(CONTENT, {"html": "<IFrame src=x></iframe><object data=x><embed src=x><p>framed</p>"})
        shown = browser.get(f"/mail/{ID}/html").text
        assert shown == "<no-IFrame src=x></iframe><no-object data=x><no-embed src=x><p>framed</p>"

    def test_html_that_cannot_be_had_is_told_within_the_frame(self, browser: Browser, mail: FakeApi) -> None:
        mail.refuse(CONTENT, 503, "service.unavailable", "no")
        answer = browser.get(f"/mail/{ID}/html")
        assert (answer.status_code, answer.mimetype) == (503, "text/plain")
        assert answer.headers["Content-Security-Policy"] == POLICY

    def test_text_and_source_are_shown_as_they_are(self, browser: Browser, mail: FakeApi) -> None:
        mail.answer(CONTENT, {"source": "Subject: <script>\r\n\r\nHello"})
        assert "Hello Anna</pre>" in browser.get(f"/mail/{ID}?form=text").text
        assert "Subject: &lt;script&gt;" in browser.get(f"/mail/{ID}?form=source").text
        assert mail.calls(CONTENT)[0].query == {"form": "source"}

    def test_an_erased_message_asks_for_no_text(self, browser: Browser, mail: FakeApi) -> None:
        mail.answer(ONE, message("sent", html="", text="", erasedAt=COMPUTED))
        page = browser.get(f"/mail/{ID}?form=source").text
        assert "Its texts were erased" in page
        assert "<iframe" not in page
        assert f"/mail/{ID}/resend" not in page
        assert mail.calls(CONTENT) == []

    def test_the_page_is_loaded_again_once_something_has_happened(self, browser: Browser, mail: FakeApi) -> None:
        [path] = re.findall(r'hx-get="([^"]*)"', browser.get(f"/mail/{ID}").text)
        path = path.removeprefix(PREFIX).replace("&amp;", "&")
        assert browser.get(path, **{"HX-Request": "true"}).headers.get("HX-Refresh") is None
        mail.answer(ONE, message("sent"))
        assert browser.get(path, **{"HX-Request": "true"}).headers["HX-Refresh"] == "true"
        assert "hx-get" not in browser.get(f"/mail/{ID}").text

    @pytest.mark.parametrize("id", ["..", "short", "%2e%2e", f"{ID}0"])
    def test_what_is_no_id_asks_nothing(self, browser: Browser, mail: FakeApi, id: str) -> None:
        assert browser.get(f"/mail/{id}/html").status_code == 404
        assert not [each for each in mail.asked if each.path.startswith("notifications")]


class TestDecisions:
    @pytest.mark.parametrize(
        ("status", "offered"),
        [
            ("queued", {"cancel", "erase"}),
            ("sending", set()),
            ("failed", {"resend", "erase"}),
            ("sent", {"resend", "erase"}),
        ],
    )
    def test_only_what_is_possible_is_offered(
        self, browser: Browser, mail: FakeApi, status: str, offered: set[str]
    ) -> None:
        mail.answer(ONE, message(status))
        page = browser.get(f"/mail/{ID}").text
        assert {name for name in ("resend", "cancel", "erase") if f"/mail/{ID}/{name}" in page} == offered

    def test_a_key_that_may_only_read_is_offered_nothing(self, browser: Browser, mail: FakeApi) -> None:
        mail.scopes[:] = ["notifications:read"]
        page = browser.get(f"/mail/{ID}").text
        assert not re.search(rf"/mail/{ID}/(resend|cancel|erase)", page)
        assert f"{PREFIX}/mail/write" not in page

    def test_a_resend_is_confirmed_in_numbers(self, browser: Browser, mail: FakeApi) -> None:
        unknown = recipient("eve@example.com", "unknown")
        mail.answer(ONE, message("partial", recipients=[*message()["recipients"], unknown]))
        page = browser.get(f"/mail/{ID}/resend").text
        assert "It is sent again to 2 recipients: anna@example.com, eve@example.com." in page
        assert "1 recipient who has got it is left out." in page
        assert "1 recipient may have got it already" in page
        mail.answer(f"POST notifications/{ID}/resend", item(), 202)
        answer = browser.submit(f"/mail/{ID}/resend", f"/mail/{ID}/resend")
        assert (answer.status_code, answer.location) == (303, f"{PREFIX}/mail/{ID}")
        assert "queued again" in browser.get(f"/mail/{ID}").text
        [asked] = mail.calls(f"POST notifications/{ID}/resend")
        assert asked.headers["Idempotency-Key"]

    def test_what_everybody_has_got_is_sent_twice(self, browser: Browser, mail: FakeApi) -> None:
        mail.answer(ONE, message("sent", recipients=[recipient("a@example.com", "sent")]))
        assert "everybody gets it twice" in browser.get(f"/mail/{ID}/resend").text

    def test_a_message_that_has_changed_meanwhile_is_left_and_shown(self, browser: Browser, mail: FakeApi) -> None:
        detail = "a notification that is sent cannot be cancelled"
        mail.refuse(f"POST notifications/{ID}/cancel", 409, "notification.state", detail)
        assert browser.submit(f"/mail/{ID}/cancel", f"/mail/{ID}/cancel").status_code == 303
        assert f"Nothing was done: {detail}." in browser.get(f"/mail/{ID}").text

    def test_erasing_leads_to_the_list(self, browser: Browser, mail: FakeApi) -> None:
        mail.answer(f"DELETE notifications/{ID}", {"erased": 1, "left": 0})
        page = browser.get(f"/mail/{ID}/erase").text
        assert "1 message is erased" in page
        assert "It is not sent to 1 recipient: anna@example.com." in page
        assert browser.submit(f"/mail/{ID}/erase", f"/mail/{ID}/erase").location == f"{PREFIX}/mail"

    def test_all_mail_to_one_person_is_erased_after_it_was_counted(self, browser: Browser, mail: FakeApi) -> None:
        mail.answer("GET notifications/counts", {"counts": {"queued": 2, "sent": 5}})
        mail.answer("DELETE notifications", {"erased": 6, "left": 1})
        path = "/mail/erase?emailTo=anna@example.com"
        page = browser.get(path).text
        assert "7 messages to anna@example.com are erased" in page
        assert "2 of them wait" in page
        assert browser.submit(path, path).status_code == 303
        assert mail.calls("DELETE notifications")[0].query == {"emailTo": "anna@example.com"}
        page = browser.get("/mail").text
        assert "6 messages were erased." in page
        assert "1 message is being sent just now" in page

    def test_erasing_all_needs_the_scope(self, browser: Browser, mail: FakeApi) -> None:
        mail.scopes.remove("notifications:erase")
        assert browser.get("/mail/erase?emailTo=anna@example.com").status_code == 403


class TestSuppressions:
    LIST, ADD = "GET notifications/suppressions", "POST notifications/suppressions"
    ENTRY: ClassVar = {
        "address": "a/b@example.com",
        "topic": "news",
        "reason": "<b>unsubscribed</b>",
        "notificationId": ID,
    }

    @pytest.fixture(autouse=True)
    def entries(self, api: FakeApi) -> None:
        api.answer(self.LIST, {"items": [self.ENTRY | {"createdAt": COMPUTED}], "nextCursor": None})

    def test_entries_lead_to_their_message(self, browser: Browser) -> None:
        page = browser.get("/mail/suppressions?topic=news").text
        assert "a/b@example.com" in page
        assert "&lt;b&gt;unsubscribed" in page
        assert f'href="{PREFIX}/mail/{ID}"' in page

    def test_an_address_is_added(self, browser: Browser, api: FakeApi) -> None:
        api.answer(self.ADD, self.ENTRY | {"createdAt": COMPUTED})
        fields = {"new-address": " a/b@example.com ", "new-topic": "news"}
        answer = browser.submit("/mail/suppressions", "/mail/suppressions", **fields)
        assert answer.status_code == 303
        assert api.calls(self.ADD)[0].json() == {"address": "a/b@example.com", "topic": "news"}
        assert "gets no mail of news from now on" in browser.get("/mail/suppressions").text

    def test_what_is_wrong_is_told_beside_it(self, browser: Browser, api: FakeApi) -> None:
        api.refuse(self.ADD, 422, "address.invalid", "address is no address", field="address")
        answer = browser.submit("/mail/suppressions", "/mail/suppressions", **{"new-address": "<x"})
        assert answer.status_code == 422
        assert 'id="new-address-error">address is no address' in answer.text
        assert 'value="&lt;x"' in answer.text

    def test_an_entry_is_removed_after_a_confirmation(self, browser: Browser, api: FakeApi) -> None:
        api.answer("DELETE notifications/suppressions/a/b%40example.com", {"removed": "a/b@example.com"})
        path = "/mail/suppressions/remove?address=a/b@example.com&topic=news"
        page = browser.get(path).text
        assert "1 entry is removed: a/b@example.com gets mail of news again." in page
        [action] = re.findall(r'action="([^"]*remove[^"]*)"', page)
        fields = dict(re.findall(r'name="(csrf_token|idempotency_key)" value="([^"]*)"', page.partition("<main")[2]))
        answer = browser.post(action.removeprefix(PREFIX).replace("&amp;", "&"), data=fields)
        assert answer.status_code == 303
        assert api.calls("DELETE notifications/suppressions/a/b%40example.com")[0].query == {"topic": "news"}

    @pytest.mark.parametrize("address", [f"../{ID}", f"./../{ID}", f"a/../../{ID}", "..", "../templates/welcome"])
    def test_an_address_leads_to_no_other_path_of_the_api(self, browser: Browser, api: FakeApi, address: str) -> None:
        """A link from elsewhere would have the person erase a message, for one."""
        path = f"/mail/suppressions/remove?address={address}"
        browser.submit(path, path)
        assert [each.path for each in api.asked if each.method == "DELETE"] == []
        assert "There was no such entry any more" in browser.get("/mail/suppressions").text


def test_a_key_sees_the_sections_of_its_scopes(browser: Browser, mail: FakeApi) -> None:
    mail.scopes[:] = ["notifications:send"]
    page = browser.get("/mail/write")
    assert page.status_code == 200
    assert f'<a href="{PREFIX}/mail/write" aria-current="page">Mail</a>' in page.text
    assert f'href="{PREFIX}/mail/suppressions"' not in page.text
    assert browser.get("/mail").status_code == 403
