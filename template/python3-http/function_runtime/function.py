"""The function itself: the module `handler` of the function's folder, imported as `function.handler`."""

import importlib
import importlib.util
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any, NamedTuple


class Handler(NamedTuple):
    """What a function's module offers; the last two are optional there."""

    handle: Callable[..., Any]  # of a module with `app`, that WSGI application
    is_application: bool
    ready: Callable[[], object]
    close: Callable[[], object]


def load(folder: Path) -> Handler:
    """Import the function in `folder`. Blocks as long as its own imports do; raises what they raise.

    The folder may have any name and needs no `__init__.py`. It is put on `sys.path` too, because faas-cli copies shared
    code into it (`configuration.copy`); after the folder of index.py, so that it cannot hide the runtime.
    """
    if not (folder / "handler.py").is_file():
        raise FileNotFoundError(f"no handler.py in the function's folder {folder}")
    sys.path.insert(1, str(folder))
    _define_package("function", folder)
    module = importlib.import_module("function.handler")
    served = [name for name in ("handle", "app") if callable(getattr(module, name, None))]
    if len(served) != 1:
        raise TypeError("handler.py must define either handle(event, context) or app, a WSGI application")
    [name] = served
    return Handler(
        getattr(module, name),
        name == "app",
        getattr(module, "ready", lambda: True),
        getattr(module, "close", lambda: None),
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
