"""Wires the function `notifications`."""

from __future__ import annotations

from mailroom.notifications.api import answers
from mailroom.notifications.api import operations as contract
from mailroom.notifications.api.messages import Messages
from mailroom.notifications.api.sending import Sending
from mailroom.notifications.api.suppressions import SuppressionList
from mailroom.notifications.api.templates import TemplateList
from mailroom.notifications.components import Parts
from mailroom.notifications.message.headers import AllowedHeaders
from mailroom.notifications.message.request import Extras
from mailroom.notifications.model import addresses
from mailroom.notifications.outbox.accept import Store
from mailroom.notifications.outbox.history import Mailbox
from mailroom.notifications.templates.rendering import Renderer
from mailroom.notifications.templates.store import Templates
from mailroom.services import Services
from mailroom.web import api as http
from mailroom.web.api import Api


def api(services: Services) -> Api:
    """What the function `notifications` serves.

    Raises:
        InvalidSetting: MAIL_FROM is no address, MAIL_HEADERS has what cannot be allowed, DKIM_* no names.
    """
    settings = services.settings
    mail_from = addresses.sender(settings.mail_from)
    parts = Parts(services, mail_from.domain)
    templates = Templates(services.database["templates"], parts.clock)
    store = Store(parts.collection, parts.clock, mail_from)
    mailbox = Mailbox(parts.collection, parts.outbox)
    kick = services.kicker.kick
    extras = Extras(AllowedHeaders.parse(settings.mail_headers), Renderer(templates).render, parts.files.pin)
    sending = Sending(store, mailbox, extras, parts.sender.send_new, kick, settings.send_wait_seconds)
    messages = Messages(mailbox, parts.outbox, parts.retention, kick)
    suppressions = SuppressionList(parts.suppressions)
    template_list = TemplateList(templates)
    api = Api(
        services.keys.authenticate,
        with_problem=answers.problem_members,
        contract=contract.CONTRACT,
        policy=http.Policy.of(settings),
    )
    api.add("POST", "/", "notifications:send", sending.one, contract.SEND)
    api.add("POST", "/batch", "notifications:send", sending.batch, contract.SEND_BATCH)
    api.add("GET", "/", "notifications:read", messages.list, contract.LIST)
    api.add("GET", "/counts", "notifications:read", messages.counts, contract.COUNTS)
    api.add("DELETE", "/", "notifications:erase", messages.erase, contract.ERASE)
    api.add("GET", "/<id>", "notifications:read", messages.get, contract.GET)
    api.add("POST", "/<id>/cancel", "notifications:send", messages.cancel, contract.CANCEL)
    api.add("POST", "/<id>/resend", "notifications:send", messages.resend, contract.RESEND)
    api.add("GET", "/templates", "templates:read", template_list.list, contract.LIST_TEMPLATES)
    api.add("GET", "/templates/<name>", "templates:read", template_list.get, contract.GET_TEMPLATE)
    api.add("PUT", "/templates/<name>", "templates:write", template_list.put, contract.PUT_TEMPLATE)
    api.add("DELETE", "/templates/<name>", "templates:write", template_list.delete, contract.DELETE_TEMPLATE)
    api.add("GET", "/templates/<name>/versions", "templates:read", template_list.versions, contract.LIST_VERSIONS)
    api.add("POST", "/templates/<name>/preview", "templates:read", template_list.preview, contract.PREVIEW_TEMPLATE)
    api.add("GET", "/suppressions", "notifications:read", suppressions.list, contract.LIST_SUPPRESSIONS)
    api.add("POST", "/suppressions", "notifications:send", suppressions.add, contract.SUPPRESS)
    api.add("DELETE", "/suppressions/<address>", "notifications:send", suppressions.remove, contract.UNSUPPRESS)
    return api
