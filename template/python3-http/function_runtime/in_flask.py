"""For handlers that use Flask: their calls run in a Flask application, so that `flask.request`, `jsonify` and the
like work there. Only loaded where the handler has loaded Flask, for Flask takes a sixth of the time of a start.
"""

from collections.abc import Callable
from pathlib import Path

from flask import Flask, request
from flask.json.provider import DefaultJSONProvider
from werkzeug import Request, Response

from function_runtime.wsgi import Application


class _Json(DefaultJSONProvider):
    sort_keys = False
    ensure_ascii = False


def application(call: Callable[[Request], Response]) -> Application:
    """A Flask application without routes: `call` gets every path and every method."""
    app = Flask("function", static_folder=None, root_path=str(Path.cwd()))  # it has no files of its own
    app.json = _Json(app)
    # What runs before a request may answer it, and then no route is looked up.
    app.before_request(lambda: call(request))
    return app
