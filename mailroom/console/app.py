"""Makes the Flask application of the console.

from elsewhere? -> form check -> signed in? -> scope of the area -> view: calls of the APIs -> template -> headers
"""

from __future__ import annotations

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask, Response, request
from jinja2 import StrictUndefined

from mailroom.console import arrivals, filters, forms, notices, refusals, security, session, texts, wording
from mailroom.console.api import Api
from mailroom.console.areas import is_partial, shown_sections, this_url
from mailroom.console.assets import Assets
from mailroom.console.pages import AREAS, PUBLIC
from mailroom.platform.settings import Settings

# Where the runtime looks for the route that its metrics name.
_ROUTE = "function.route"
_SECTIONS = [section for area in AREAS for section in area.parts]
_SCOPES = {section.blueprint.name: section.scopes for section in _SECTIONS}
_OPEN = ("static", *(blueprint.name for blueprint in PUBLIC))

# Of one field of a form: the HTML of a filled template has up to 500,000 characters, of four bytes each.
_MOST_FIELD_BYTES = 4_000_000


def create_app(settings: Settings, api: Api | None = None) -> Flask:
    """The console. Raises `InvalidSetting`."""
    app = _Pages("mailroom.console", static_folder=None)
    app.config["MAX_FORM_MEMORY_SIZE"] = _MOST_FIELD_BYTES
    app.extensions["mailroom-api"] = api or Api(settings.api_url)
    assets = Assets()
    _prepare_templates(app, assets)
    arrivals.lead_on(app)
    forms.protect(app)
    _require_session(app)
    notices.carry(app)
    security.secure(app, settings.s3_public_endpoint)
    refusals.handle(app)
    app.register_blueprint(assets.blueprint())
    for blueprint in PUBLIC:
        app.register_blueprint(blueprint)
    for section in _SECTIONS:
        app.register_blueprint(section.blueprint)
    app.wsgi_app = _Below(settings.console_prefix.rstrip("/"), app.wsgi_app)  # type: ignore[method-assign]
    return app


class _Pages(Flask):
    def select_jinja_autoescape(self, filename: str | None) -> bool:
        return True


class _Below:
    """Tells the application the path under which people see it. The gateway has stripped it and says nothing of it."""

    def __init__(self, prefix: str, app: WSGIApplication) -> None:
        self._prefix, self._app = prefix, app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["SCRIPT_NAME"] = self._prefix
        environ["PATH_INFO"] = environ.get("PATH_INFO") or "/"
        return self._app(environ, start_response)


def _prepare_templates(app: Flask, assets: Assets) -> None:
    app.jinja_options = {"undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    environment = app.jinja_env
    texts.install(environment)
    environment.filters.update(filters.FILTERS)
    environment.globals.update(
        areas=AREAS,
        shown_sections=shown_sections,
        asset=assets.url,
        csrf_token=forms.csrf_token,
        is_partial=is_partial,
        language=texts.language,
        new_idempotency_key=forms.new_idempotency_key,
        known_session=session.known,
        take_notices=notices.take,
        this_url=this_url,
        wording=wording,
    )


def _require_session(app: Flask) -> None:
    @app.before_request
    def check() -> None:
        # A part of a page is nothing but an API's answer, and the API asks for session and scope.
        if request.blueprint in _OPEN or request.url_rule is None or is_partial():
            return
        session.require(*_SCOPES.get(request.blueprint or "", ()))

    @app.after_request
    def name_route(response: Response) -> Response:
        if request.url_rule is not None:
            request.environ[_ROUTE] = request.url_rule.rule
        return response
