"""The language of templates: a part of Jinja2 whose every rendering ends soon, and that reaches nothing but parameters.

Jinja2's sandbox keeps templates from Python's insides, but not from taking all memory and time. So only what is listed
here may stand in one: values, conditions, loops over what was given, and a few filters. Nothing is called or computed,
a loop counts its rounds, and what comes out is counted as it comes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, nodes, pass_context
from jinja2.exceptions import TemplateError, TemplateSyntaxError, UndefinedError
from jinja2.filters import FILTERS
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from mailroom.errors import MailroomError

LONGEST = 100_000  # characters of a template
MOST_ROUNDS = 10_000  # of all loops in one rendering
MOST_SECONDS = 1.0  # of the processor, asked in each round and before each filter
DEEPEST = 20  # blocks and expressions within each other
MOST_FILTERS = 5  # one behind the other
MOST_PARTS = 5_000  # texts, gaps and all else that it consists of
LONGEST_SEPARATOR = 20  # characters

_COMPILED = 64  # templates that are kept compiled, some 1 MB each at most

_ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For, nodes.Name, nodes.Const, nodes.Getattr,
    nodes.Getitem, nodes.Filter, nodes.Test, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not,
    nodes.CondExpr, nodes.List, nodes.Tuple, nodes.Keyword,
)  # fmt: skip
_FILTERS = frozenset(
    {
        *("abs", "capitalize", "count", "d", "default", "e", "escape", "first", "float", "int", "last", "length"),
        *("lower", "title", "trim", "truncate", "upper", "urlencode"),
    }
)
_TESTS = frozenset(
    {
        *("defined", "undefined", "none", "string", "number", "true", "false", "boolean", "even", "odd"),
        *("in", "eq", "ne", "lt", "le", "gt", "ge", "sequence", "mapping"),
    }
)
_BUDGET = "_budget"  # no template's name begins so
_ROUNDS = "_rounds"


class InvalidTemplate(MailroomError):
    """It is no template, or uses what is not allowed."""


class MissingParameter(MailroomError):
    """The template needs a parameter that was not given. `name` is its name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the template needs {name}, which is not given")
        self.name = name


class CannotRender(MailroomError):
    """These parameters do not fit, or there would be too much of it."""


def check(source: str, *, html: bool) -> None:
    """Raises `InvalidTemplate`."""
    _compile(source, html)


def render(source: str, parameters: Mapping[str, Any], longest: int, *, html: bool) -> str:
    """The text with its gaps filled; in `html`, parameters are text and never markup.

    Raises:
        InvalidTemplate, MissingParameter
        CannotRender: the text would have more than `longest` characters, or takes too long.
    """
    template = _compile(source, html)
    parts, left = [], longest
    try:
        for part in template.generate({**parameters, _BUDGET: _Budget()}):
            left -= len(part)
            if left < 0:
                raise CannotRender(f"it would have more than {longest} characters")
            parts.append(part)
    except UndefinedError as error:
        raise MissingParameter(error.message or "") from error
    except (
        TemplateError,
        TypeError,
        ValueError,
        LookupError,
        AttributeError,
        ArithmeticError,
        RecursionError,
    ) as error:
        raise CannotRender(f"the parameters do not fit: {error}") from error
    return "".join(parts)


class _Missing(StrictUndefined):
    @property
    def _undefined_message(self) -> str:
        return str(self._undefined_name)


class _Environment(ImmutableSandboxedEnvironment):
    def getattr(self, obj: Any, attribute: str) -> Any:
        """`order.items` is the order's parameter of that name, never a method of Python's."""
        if isinstance(obj, LoopContext):
            return super().getattr(obj, attribute)
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        try:
            return obj[argument]
        except (LookupError, TypeError):
            return self.undefined(obj=obj, name=argument)


class _Budget:
    """How much one rendering may still do."""

    def __init__(self) -> None:
        self._rounds = MOST_ROUNDS
        self._end = time.thread_time() + MOST_SECONDS

    def step(self) -> None:
        self._rounds -= 1
        if self._rounds < 0:
            raise CannotRender(f"its loops have more than {MOST_ROUNDS} rounds")
        self.look()

    def look(self) -> None:
        if time.thread_time() > self._end:
            raise CannotRender("it takes too long")


class _Rounds(list[Any]):
    """What a loop goes over: it knows its length, and counts."""

    def __init__(self, items: Any, budget: _Budget) -> None:
        super().__init__(items)
        self._budget = budget

    def __iter__(self) -> Iterator[Any]:
        for item in super().__iter__():
            self._budget.step()
            yield item


@pass_context
def _rounds(context: Context, items: Any) -> _Rounds:
    if isinstance(items, str):
        raise CannotRender("a loop needs a list")
    return _Rounds(items, context[_BUDGET])


def _join(items: Any, separator: str = "") -> Any:
    """Not Jinja2's, whose separator may be long, and would be multiplied: also by joining what was joined."""
    if isinstance(items, str):
        raise CannotRender("join needs a list")
    if len(separator) > LONGEST_SEPARATOR:
        raise CannotRender(f"what join puts between has at most {LONGEST_SEPARATOR} characters")
    return separator.join(str(_text(item)) for item in items)


def _items(value: Any) -> list[tuple[str, Any]]:
    """Not Jinja2's, which takes nothing for an empty object."""
    return list(value.items())


def _text(value: Any) -> Any:
    """What stands for a value in the text."""
    if value is None:
        return ""
    if isinstance(value, str | int | float | StrictUndefined):
        return value
    raise CannotRender("a list or an object cannot stand in the text: name one of its parts")


_PLAIN = _Environment(undefined=_Missing, cache_size=0)
_PLAIN.filters = {name: FILTERS[name] for name in _FILTERS} | {"items": _items, "join": _join}


def _timed(name: str) -> Callable[..., Any]:
    """The filter of that name, when there is still time. Nor is it applied while a template is read."""

    @pass_context
    def in_time(context: Context, value: Any, *arguments: Any, **named: Any) -> Any:
        context[_BUDGET].look()
        return _PLAIN.call_filter(name, value, arguments, named, context, context.eval_ctx)

    return in_time


def _environment(*, html: bool) -> _Environment:
    environment = _Environment(
        autoescape=html, undefined=_Missing, finalize=_text, keep_trailing_newline=True, cache_size=0
    )
    environment.globals = {}
    environment.filters = {name: _timed(name) for name in (*_FILTERS, "items", "join")} | {_ROUNDS: _rounds}
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
            choice.expr2 = choice.expr2 or nodes.Const("")  # `'x' if y` without else is nothing, not something missing
        for loop in tree.find_all(nodes.For):
            loop.iter = nodes.Filter(loop.iter, _ROUNDS, [], [], None, None, lineno=loop.lineno)
            loop.iter.set_environment(environment)
        return Template.from_code(environment, environment.compile(tree), {})
    except TemplateSyntaxError as error:
        raise InvalidTemplate(f"line {error.lineno}: {error.message}") from error
    except (TemplateError, SyntaxError, RecursionError, MemoryError, ValueError) as error:
        raise InvalidTemplate(f"it cannot be read: {type(error).__name__}") from error


def _check(tree: nodes.Template) -> None:
    """Raises `InvalidTemplate` when something stands in it that is not allowed. Walks without recursion."""
    waiting: list[tuple[nodes.Node, int, int]] = [(tree, 0, 0)]
    left = MOST_PARTS
    while waiting:
        left -= 1
        if left < 0:
            raise InvalidTemplate(f"it has more than {MOST_PARTS} parts")
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
        case nodes.Name() if node.name.startswith("_"):
            return f"{node.name}: no name may begin with _"
        case nodes.Filter() if node.name not in (*_FILTERS, "items", "join"):
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
