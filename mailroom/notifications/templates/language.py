"""The template language: a subset of Jinja2. Every rendering ends soon, and reads nothing but its parameters.

Jinja2's sandbox protects the insides of Python, but not memory and time. So this module allows only values, conditions,
loops over parameters, and some filters; no calls and no arithmetic. It limits the iterations of loops, the processor
time and the length of the output.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, nodes, pass_context
from jinja2.exceptions import TemplateSyntaxError, UndefinedError
from jinja2.filters import FILTERS
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from mailroom.errors import MailroomError

LONGEST = 100_000  # characters of a template
MOST_ITERATIONS = 10_000  # of all loops in one rendering
MOST_SECONDS = 1.0  # of processor time, checked in each iteration and before each filter
DEEPEST = 20  # nested blocks and expressions
MOST_FILTERS = 5  # in one chain
MOST_NODES = 5_000  # of the syntax tree
LONGEST_SEPARATOR = 20  # characters

_LONGEST_REASON = 200  # characters of an error of Jinja2, which may quote a parameter

_COMPILED = 64  # compiled templates that are kept, about 1 MB each at most

_ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For, nodes.Name, nodes.Const, nodes.Getattr,
    nodes.Getitem, nodes.Filter, nodes.Test, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not,
    nodes.CondExpr, nodes.List, nodes.Tuple, nodes.Keyword,
)  # fmt: skip
_FILTERS = (
    "abs", "capitalize", "count", "d", "default", "e", "escape", "first", "float", "int", "items", "join", "last",
    "length", "lower", "title", "trim", "truncate", "upper", "urlencode",
)  # fmt: skip
_TESTS = (
    "defined", "undefined", "none", "string", "number", "true", "false", "boolean", "even", "odd", "in", "eq", "ne",
    "lt", "le", "gt", "ge", "sequence", "mapping",
)  # fmt: skip
_BUDGET = "_budget"  # no name in a template begins with _
_COUNTED = "_counted"


class InvalidTemplate(MailroomError):
    """The source is no template, or uses something that is not allowed."""


class MissingParameter(MailroomError):
    """The template needs a parameter that was not given. `name` is its name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the template needs {name}, which is not given")
        self.name = name


class CannotRender(MailroomError):
    """The parameters do not fit the template, or the text would be too long or take too long."""


def check(source: str, *, html: bool) -> None:
    """Raises `InvalidTemplate`."""
    _compile(source, html)


def render(source: str, parameters: Mapping[str, Any], longest: int, *, html: bool) -> str:
    """Fills the template. With `html`, parameters are escaped and never become markup.

    Raises:
        InvalidTemplate, MissingParameter
        CannotRender: the text would have more than `longest` characters, or takes too long.
    """
    template = _compile(source, html)
    parts, left = [], longest
    try:
        for part in template.generate({**parameters, _BUDGET: _RenderBudget()}):
            left -= len(part)
            if left < 0:
                raise CannotRender(f"it would have more than {longest} characters")
            parts.append(part)
    except MailroomError:
        raise
    except UndefinedError as error:
        raise MissingParameter(error.message or "") from error
    except Exception as error:  # Jinja2 and its filters raise errors of many kinds for a wrong value
        raise CannotRender(f"the parameters do not fit: {str(error)[:_LONGEST_REASON]}") from error
    return "".join(parts)


class _Missing(StrictUndefined):
    @property
    def _undefined_message(self) -> str:
        return str(self._undefined_name)


class _Environment(ImmutableSandboxedEnvironment):
    def getattr(self, obj: Any, attribute: str) -> Any:
        """`order.items` is the parameter of that name, never a Python method."""
        if isinstance(obj, LoopContext):
            return super().getattr(obj, attribute)
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        try:
            return obj[argument]
        except (LookupError, TypeError):
            return self.undefined(obj=obj, name=argument)


class _RenderBudget:
    """The iterations and the processor time that one rendering has left."""

    def __init__(self) -> None:
        self._iterations = MOST_ITERATIONS
        self._end = time.thread_time() + MOST_SECONDS

    def step(self) -> None:
        self._iterations -= 1
        if self._iterations < 0:
            raise CannotRender(f"its loops have more than {MOST_ITERATIONS} rounds")
        self.check_time()

    def check_time(self) -> None:
        if time.thread_time() > self._end:
            raise CannotRender("it takes too long")


class _CountedList(list[Any]):
    """The items of a loop. It has a length, and counts iterations against the budget."""

    def __init__(self, items: Any, budget: _RenderBudget) -> None:
        super().__init__(items)
        self._budget = budget

    def __iter__(self) -> Iterator[Any]:
        for item in super().__iter__():
            self._budget.step()
            yield item


@pass_context
def _counted(context: Context, items: Any) -> _CountedList:
    if isinstance(items, str):
        raise CannotRender("a loop needs a list")
    return _CountedList(items, context[_BUDGET])


def _join(items: Any, separator: str = "") -> Any:
    """Replaces Jinja2's filter, whose separator may be long and is repeated, also by joining joined texts."""
    if isinstance(items, str):
        raise CannotRender("join needs a list")
    if len(separator) > LONGEST_SEPARATOR:
        raise CannotRender(f"what join puts between has at most {LONGEST_SEPARATOR} characters")
    return separator.join(str(_text(item)) for item in items)


def _items(value: Any) -> list[tuple[str, Any]]:
    """Replaces Jinja2's filter, which treats a missing value as an empty object."""
    return list(value.items())


def _text(value: Any) -> Any:
    """The text of a value."""
    if value is None:
        return ""
    if isinstance(value, str | int | float | StrictUndefined):
        return value
    raise CannotRender("a list or an object cannot stand in the text: name one of its parts")


_PLAIN = _Environment(undefined=_Missing, cache_size=0)
_PLAIN.filters = {name: FILTERS[name] for name in _FILTERS} | {"items": _items, "join": _join}


def _timed(name: str) -> Callable[..., Any]:
    """The filter of that name, after a check of the time. Jinja2 does not apply it while it compiles a template."""

    @pass_context
    def in_time(context: Context, value: Any, *arguments: Any, **named: Any) -> Any:
        context[_BUDGET].check_time()
        return _PLAIN.call_filter(name, value, arguments, named, context, context.eval_ctx)

    return in_time


def _environment(*, html: bool) -> _Environment:
    environment = _Environment(
        autoescape=html, undefined=_Missing, finalize=_text, keep_trailing_newline=True, cache_size=0
    )
    environment.globals = {}
    environment.filters = {name: _timed(name) for name in _FILTERS} | {_COUNTED: _counted}
    environment.tests = {name: environment.tests[name] for name in _TESTS}
    return environment


_ENVIRONMENTS = {html: _environment(html=html) for html in (False, True)}


@lru_cache(_COMPILED)
def _compile(source: str, html: bool) -> Template:
    if len(source) > LONGEST:
        raise InvalidTemplate(f"it has more than {LONGEST} characters")
    environment = _ENVIRONMENTS[html]
    try:
        tree = environment.parse(source)
        _check(tree)
        for choice in tree.find_all(nodes.CondExpr):
            choice.expr2 = choice.expr2 or nodes.Const("")  # `'x' if y` without else is empty, not a missing parameter
        for loop in tree.find_all(nodes.For):
            loop.iter = nodes.Filter(loop.iter, _COUNTED, [], [], None, None, lineno=loop.lineno)
            loop.iter.set_environment(environment)
        return Template.from_code(environment, environment.compile(tree), {})
    except TemplateSyntaxError as error:
        raise InvalidTemplate(f"line {error.lineno}: {error.message}") from error
    except MailroomError:
        raise
    except Exception as error:  # the parser and the compiler raise errors of many kinds
        raise InvalidTemplate(f"it cannot be read: {type(error).__name__}") from error


def _check(tree: nodes.Template) -> None:
    """Raises `InvalidTemplate` if the template uses something that is not allowed. Works without recursion."""
    waiting: list[tuple[nodes.Node, int, int]] = [(tree, 0, 0)]
    left = MOST_NODES
    while waiting:
        left -= 1
        if left < 0:
            raise InvalidTemplate(f"it has more than {MOST_NODES} parts")
        node, depth, filters = waiting.pop()
        filters = filters + 1 if isinstance(node, nodes.Filter) else 0
        fault = _fault(node)
        if depth > DEEPEST or filters > MOST_FILTERS:
            fault = "too much stands within each other"
        if fault:
            raise InvalidTemplate(f"line {node.lineno}: {fault}")
        waiting += [(child, depth + 1, filters) for child in node.iter_child_nodes()]


def _fault(node: nodes.Node) -> str:
    if not isinstance(node, _ALLOWED):
        return f"{type(node).__name__} is not allowed in a template"
    match node:
        case nodes.Const(value=str(text)) if not _is_encodable(text):
            return "half of a surrogate pair is no character"
        case nodes.Name() if node.name.startswith("_"):
            return f"{node.name}: no name may begin with _"
        case nodes.Getattr(attr=str(name)) | nodes.Getitem(arg=nodes.Const(value=str(name))) if name.startswith("__"):
            return f"{name}: no part of a value may begin with __"
        case nodes.Filter() if node.name not in _FILTERS:
            return f"there is no filter {node.name}"
        case nodes.Test() if node.name not in _TESTS:
            return f"there is no test {node.name}"
        case nodes.For() if node.recursive:
            return "a loop cannot be recursive"
        case nodes.List() if any(not isinstance(item, nodes.Const) for item in node.items):
            return "a list may hold constants only"
        case nodes.Tuple() if node.ctx != "store":
            return "write a list as [1, 2]"
    return ""


def _is_encodable(text: str) -> bool:
    """Whether a text is without halves of surrogate pairs, which `\\ud800` in a string makes."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)
