"""The contract of the function `notifications`: what each route takes and answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from mailroom.notifications.api import schemas
from mailroom.notifications.api.schemas import Status
from mailroom.notifications.message.request import Send
from mailroom.notifications.model.messages import State
from mailroom.notifications.model.reports import LONGEST_TEXT, Delivery
from mailroom.notifications.templates.rendering import Version
from mailroom.web.endpoints import PAGE, Contract, Operation, Parameter
from mailroom.web.schemas import Time

CONTRACT = Contract(
    "notifications",
    "Mailroom: notifications",
    "Mail that is sent through a relay, recorded and tried again until it is taken. The body of `POST /` is "
    "`{emailTo, subject, message}`; `message` is HTML.",
    problem_members={
        "result": {"const": "FAILED"},
        "message": {"type": "string", "description": "The same as `detail`."},
        "id": {"type": "string", "description": "The notification, where it was recorded before it was refused."},
        "state": {"enum": [state.value for state in State]},
    },
)


class Suppress(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """The body of `POST /suppressions`."""

    address: str
    reason: str = "by hand"
    topic: str | None = None


class ReportDelivery(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """The body of `POST /{id}/delivery`. `code` is an enhanced status code such as `5.1.1`."""

    address: str
    delivery: Delivery
    code: Annotated[str, msgspec.Meta(pattern=r"^([245]\.\d{1,3}\.\d{1,3})?$")] = ""
    text: Annotated[str, msgspec.Meta(max_length=LONGEST_TEXT)] = ""


class Click(msgspec.Struct, frozen=True):
    """The form of `POST /unsubscribe/{token}` (RFC 8058)."""

    list_unsubscribe: Literal["One-Click"] = msgspec.field(name="List-Unsubscribe")


class PutTemplate(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """The body of `PUT /templates/{name}`: Jinja2, of which only a part is understood. `html` or `text`, or both."""

    subject: str
    html: str | None = None
    text: str | None = None


class PreviewTemplate(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """The body of `POST /templates/{name}/preview`. Without `version` it is the newest.

    With `content` it is a version that is not stored: the template may not even exist.
    """

    parameters: dict[str, Any] = {}
    version: Version | None = None
    content: PutTemplate | None = None


class BatchRequest(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """The body of `POST /batch`. Each message is decoded on its own, so that one that is wrong spoils no other."""

    messages: list[msgspec.Raw]


class BatchOfMessages(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """The body of `POST /batch`: 1 to 100 messages, each as in `POST /`."""

    messages: list[Send]


_KEY = Parameter("Idempotency-Key", "A repeat within 24 hours gets the first answer.", where="header")
Form = Literal["html", "text", "source"]

_TIMES = (
    Parameter("from", "Accepted at this time or later; give the offset (`Z`).", Time),
    Parameter("to", "Accepted before this time.", Time),
)

SEND = Operation(
    "Send an e-mail",
    {200: schemas.AcceptedNotification, 202: schemas.AcceptedNotification},
    body=Send,
    parameters=(_KEY, Parameter("Prefer", "`respond-async`: do not wait for the relay.", where="header")),
    problems=(409,),
    text="200 when the relay took it while the call waited, 202 when it is stored and will be sent. 422 with an `id`: "
    "the relay refused it for good.",
)
SEND_BATCH = Operation(
    "Send up to 100 e-mails",
    {202: schemas.BatchAnswer, 422: schemas.BatchAnswer},
    body=BatchOfMessages,
    parameters=(_KEY,),
    text="Each is accepted or refused on its own. 422 when all of them are refused.",
)
LIST = Operation(
    "A page of notifications, newest first",
    {200: schemas.Page},
    parameters=(
        Parameter("status", "Where they stand.", Status),
        Parameter("emailTo", "One of the recipients, `cc` and `bcc` included."),
        Parameter("sender", "The address that it is from."),
        Parameter("tag", "A tag; not with `status`, `emailTo` or `sender`."),
        Parameter("test", "`true`: only the messages of test keys; not with the four before.", Literal["true"]),
        *_TIMES,
        *PAGE,
    ),
)
COUNTS = Operation(
    "How many notifications are in each state",
    {200: schemas.NotificationCounts},
    parameters=(Parameter("emailTo", "Only those with this recipient, `cc` and `bcc` included."), *_TIMES),
)
ERASE = Operation(
    "Erase one person's notifications",
    {200: schemas.Erased},
    parameters=(Parameter("emailTo", "Whose: every notification with this recipient.", required=True),),
)
ERASE_MESSAGE = Operation(
    "Erase one notification",
    {200: schemas.Erased},
    problems=(404, 409),
    text="409 while it is being sent: erase it again.",
)
GET = Operation(
    "One notification, with its attempts, and what it waits for", {200: schemas.Notification}, problems=(404,)
)
CONTENT = Operation(
    "What a notification says",
    {200: schemas.MessageContent},
    parameters=(Parameter("form", "Its HTML, its text, or its source as mail.", Form, required=True),),
    problems=(404, 410),
    text="The source has the headers and the parts as they are handed to the relay, without the contents of the "
    "attachments and without a DKIM signature. 410 `notification.erased` when the text was erased.",
)
ATTACHMENT = Operation(
    "The file of an attachment",
    {200: {"application/octet-stream": str}},
    problems=(404, 410),
    text="`number` is its place in `attachments`, counted from 0. The answer has the type and the name of the file. "
    "404 `attachment.gone` when the object was deleted from the bucket, 410 `notification.erased` when the text was "
    "erased.",
)
FIGURES = Operation(
    "Figures of mail",
    {200: schemas.MailFigures},
    text="Computed at most once a minute by each replica; `computedAt` says when.",
)
CANCEL = Operation("Cancel a notification that waits", {200: schemas.Item}, problems=(404, 409))
RESEND = Operation(
    "Send a notification that has ended again",
    {202: schemas.Item},
    parameters=(Parameter("Idempotency-Key", "A repeat within 24 hours sends nothing more.", where="header"),),
    problems=(404, 409),
    text="To everybody who has not got it for certain; to all, when all have.",
)
REPORT_DELIVERY = Operation(
    "Report what became of the mail to one recipient",
    {200: schemas.RecipientDetails},
    body=ReportDelivery,
    problems=(404,),
    text="For a bounce or a complaint that you learn of by other ways. A complaint, a bounce whose code says that the "
    "address takes no mail for good, and many other bounces put the address on the suppression list. The same report "
    "again changes nothing.",
)
TAKE_EVENTS = Operation(
    "Take a provider's reports on mail",
    {200: schemas.ReceivedEvents},
    body=dict[str, Any],
    problems=(401,),
    text="`adapter` is `ses`, `postmark`, `mailgun` or `generic`. The body is the provider's, and its signature or "
    "password is checked; a repeat changes nothing. 401 says no more than that the call is not believed: the log has "
    "the reason.",
)
LIST_SUPPRESSIONS = Operation(
    "A page of the addresses that get no mail, newest first",
    {200: schemas.SuppressionPage},
    parameters=(
        Parameter("address", "Only this one."),
        Parameter("topic", "Only the entries for this topic."),
        *PAGE,
    ),
)
SUPPRESS = Operation(
    "Put an address on the list",
    {200: schemas.Suppression},
    body=Suppress,
    text="With a `topic` the address gets no mail of this topic, without one no mail at all.",
)
UNSUPPRESS = Operation(
    "Take an address off the list",
    {200: schemas.Removed},
    parameters=(Parameter("topic", "Removes the entry for this topic; without it, the entry for all mail."),),
    problems=(404,),
)
_PAGES = {200: {"text/html": str}, 404: {"text/html": str}}
SHOW_UNSUBSCRIBE = Operation("A page with a button that unsubscribes", _PAGES)
UNSUBSCRIBE = Operation(
    "Unsubscribe the recipient of the link from its topic",
    _PAGES,
    body={"application/x-www-form-urlencoded": Click},
    text="The link of `List-Unsubscribe` (RFC 8058). 404 if the link is not ours.",
)
LIST_TEMPLATES = Operation("A page of the templates, by name", {200: schemas.TemplatePage}, parameters=PAGE)
GET_TEMPLATE = Operation(
    "A template",
    {200: schemas.StoredTemplate},
    parameters=(Parameter("version", "By default the newest.", int),),
    problems=(404,),
)
PUT_TEMPLATE = Operation(
    "Make a template, or a new version of it",
    {200: schemas.StoredTemplate, 201: schemas.StoredTemplate},
    body=PutTemplate,
    text="201 when there was none of this name. What is just like the newest version makes no new one.",
)
DELETE_TEMPLATE = Operation(
    "End a template",
    {200: schemas.DeletedTemplate},
    problems=(404,),
    text="No message can be made from its newest version any more. Its versions can still be read, and used by number.",
)
LIST_VERSIONS = Operation(
    "The versions of a template, newest first", {200: schemas.TemplateVersions}, parameters=PAGE, problems=(404,)
)
PREVIEW_TEMPLATE = Operation(
    "What a message made with these parameters would say",
    {200: schemas.Preview},
    body=PreviewTemplate,
    problems=(404,),
)
