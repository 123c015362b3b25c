"""The function itself: the module `handler` of the function's folder, imported as `function.handler`."""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any, NamedTuple
from wsgiref.types import WSGIApplication


class InvalidFunction(Exception):
    """The function's folder holds nothing that can be served. The message says why."""


class Function(NamedTuple):
    """What a function's module offers. All but `app` are optional there.

    `metrics` returns metric families of Prometheus' client library.
    """

    app: WSGIApplication
    ready: Callable[[], object]
    close: Callable[[], object]
    metrics: Callable[[], Iterable[Any]]


def load(folder: Path) -> Function:
    """Import the function in `folder`. Blocks as long as its own imports do.

    Raises InvalidFunction, or what the imports raise.

    The folder may have any name and needs no `__init__.py`. It is put on `sys.path` too, because faas-cli copies shared
    code into it (`configuration.copy`). It comes after the folder of index.py, so that it cannot hide the runtime.
    """
    if not (folder / "handler.py").is_file():
        raise InvalidFunction(f"There is no handler.py in the function's folder {folder}.")
    sys.path.insert(1, str(folder))
    _define_package("function", folder)
    module = importlib.import_module("function.handler")
    handle, app = getattr(module, "handle", None), getattr(module, "app", None)
    if callable(handle) and callable(app):
        raise InvalidFunction("handler.py defines both handle(event, context) and app: only one of them can be served.")
    if callable(handle):
        from function_runtime import flask_app  # imports Flask, which an app may do without

        app = flask_app.application(handle, folder)
    if not callable(app):
        raise InvalidFunction("handler.py defines neither handle(event, context) nor app, a WSGI application.")
    return Function(
        app,
        getattr(module, "ready", lambda: True),
        getattr(module, "close", lambda: None),
        getattr(module, "metrics", tuple),
    )


def _define_package(name: str, folder: Path) -> None:
    start = folder / "__init__.py"
    if start.is_file():
        spec = importlib.util.spec_from_file_location(name, start, submodule_search_locations=[str(folder)])
    else:
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [str(folder)]
    assert spec is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules[name] = package
    if spec.loader is not None:
        spec.loader.exec_module(package)
