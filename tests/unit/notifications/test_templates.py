"""The language of templates: its constructs, and that none takes all memory or time, or reaches internals."""

from __future__ import annotations

import time
from html import unescape
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailroom.errors import Invalid
from mailroom.notifications.templates import language
from mailroom.notifications.templates.language import CannotRender, InvalidTemplate, MissingParameter
from mailroom.notifications.templates.rendering import fill

ORDER = {"name": "Anna & Co", "total": "1190.00", "items": [{"title": "Pen", "count": 2}, {"title": "Ink", "count": 0}]}


def render(source: str, html: bool = True, longest: int = 1000, **parameters: Any) -> str:
    return language.render(source, parameters, longest, html=html)


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("Hello {{ order.name }}", "Hello Anna &amp; Co"),
        ("{% for each in order.items %}{{ loop.index }}. {{ each.title }}\n{% endfor %}", "1. Pen\n2. Ink\n"),
        ("{% for each in order.items if each.count %}{{ each.title }}{% else %}none{% endfor %}", "Pen"),
        ("{% for key, value in item|items %}{{ key }}={{ value }}{{ ', ' if not loop.last }}{% endfor %}", "a=1, b=2"),
        ("{% if order.total == '0' %}free{% elif order.total is string %}{{ order.total }}{% endif %}", "1190.00"),
        ("{{ title|default('Dear customer') }}, {{ nothing }}.", "Dear customer, ."),
        ("{{ words|join(' and ') }}", "&lt;a&gt; and b"),
        ("{{ order.name|upper|truncate(6, true, '', 0) }}", "ANNA &amp;"),
        ("{% raw %}{{ order }}{% endraw %}{# a comment #}", "{{ order }}"),
    ],
)
def test_each_construct_of_the_language_renders(source: str, result: str) -> None:
    given = {"order": ORDER, "item": {"a": 1, "b": 2}, "nothing": None, "words": ["<a>", "b"]}
    assert render(source, **given) == result


@given(st.text(), st.text())
def test_a_parameter_is_text_and_never_markup(name: str, link: str) -> None:
    source = '<p title="{{ name }}">{{ name }}</p><a href="{{ link|urlencode }}">{{ [1]|first }}</a>'
    html = render(source, longest=10_000, name=name, link=link)

    assert unescape(html.partition('<p title="')[2].partition('">')[0]) == unescape(
        html.split(">")[1].partition("<")[0]
    )
    assert html.count("<") == 4
    assert html.count('"') == 4
    assert "'" not in html
    assert render("{{ name }}", html=False, longest=10_000, name=name) == name


@pytest.mark.parametrize(
    "source",
    [
        *("{{ ''.join }}", "{{ words.append }}", "{{ order.keys }}", "{{ order._id }}"),
        *("{{ gone }}", "{{ order.gone }}", "{{ gone|upper }}", "{% for a in gone %}{% endfor %}", "{{ words[7] }}"),
        *("{% for k, v in gone|items %}{% endfor %}", "{% if gone %}{% endif %}", "{{ gone == 1 }}", "{{ loop }}"),
    ],
)
def test_a_missing_parameter_is_named(source: str) -> None:
    with pytest.raises(MissingParameter) as missing:
        render(source, x="x", words=["a"], order=ORDER)
    assert missing.value.name in source


@pytest.mark.parametrize(
    "source",
    [
        *("{{ range(9) }}", "{{ ''.join([]) }}", "{{ x|safe }}", "{{ x|attr('a') }}", "{{ '%9d'|format(1) }}"),
        *("{{ 'x' * 999999999 }}", "{{ 9 ** 999999999 }}", "{{ x ~ x }}", "{{ x + x }}", "{{ x|center(99999999) }}"),
        *("{% set a = x %}", "{% macro m() %}{% endmacro %}", "{% include 'a' %}", "{% extends 'a' %}"),
        *("{% block a %}{% endblock %}", "{% call x() %}{% endcall %}", "{{ [x, x]|join }}", "{{ (x, x) }}"),
        *("{% import 'a' as a %}", "{% autoescape false %}{% endautoescape %}", "{% filter upper %}{% endfilter %}"),
        *("{% for a in x recursive %}{% endfor %}", "{{ x[1:] }}", "{{ _budget }}"),
        *("{{ x.__class__ }}", "{{ x['__class__'] }}", "{{ loop.__init__ }}", "{{ x.y.__a }}", "{{ '\\ud800' }}"),
        *("{{ x", "{% if x %}", "{{ x }", "{% nonsense %}", "{{ " + "(" * 5000, "{{ x" + "|urlencode" * 6 + " }}"),
        *("{% if x %}" * 30 + "{% endif %}" * 30, "{{ x }}" * 6000, "x" * 100_001),
    ],
)  # fmt: skip
def test_a_construct_outside_the_language_is_refused(source: str) -> None:
    with pytest.raises(InvalidTemplate):
        language.check(source, html=True)


MANY = list(range(9_000))


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in many %}{% for b in many %}{% endfor %}{% endfor %}",
        "{% for a in many %}{{ long }}{% endfor %}",
        "{{ long }}" * 1000,
        "{% for a in many %}" + "{% if end in long %}{% endif %}" * 900 + "{% endfor %}",
        "{% for a in many %}" * 15 + "{% endfor %}" * 15,
        "{{ long|urlencode|urlencode|urlencode|urlencode|urlencode }}",
        "{{ many|join(long) }}",
        "{{ long|join('x')|length }}",
        "{{ many|join(', ')|join(', ')|length }}",
        "{{ many }}",
        "{{ huge }}",
        "{% for a in 5 %}{% endfor %}",
        "{% for a in long %}{% endfor %}",
    ],
)
def test_no_rendering_goes_on_for_ever(source: str) -> None:
    began = time.thread_time()

    with pytest.raises(CannotRender):
        render(source, longest=500_000, many=MANY, long="é" * 50_000, end="é" * 49_999 + "x", huge=10**9000)
    assert time.thread_time() - began < 10  # seconds of the processor; it takes 2 at most


def filled(parameters: dict[str, Any], **content: str | None) -> str | None:
    content = {"subject": "Hello {{ name }}", "html": None, "text": None} | content
    return fill({"name": "t", "version": 1, "content": content}, parameters, "parameters").subject


NAMES = st.sampled_from(["a", "b", "loop", "a.b", "a.items", "b[0]", "b['\\ud800']", "a.__class__"])
CONSTANTS = st.sampled_from(["0", "-1", "2", "1.5", "1e400", "'x'", "''", "'%s'", "'\\x00'", "'\\ud83d'", "none", "[]"])
PARAMETER = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.sampled_from([10**400, 1e308]), st.text(max_size=9)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["b", "items"]), inner)),
    max_leaves=5,
)


def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    arguments = st.lists(st.one_of(CONSTANTS, inner, CONSTANTS.map("length={}".format)), max_size=2).map(", ".join)
    return st.one_of(
        st.builds("{}|{}({})".format, inner, st.sampled_from(language._FILTERS), arguments),
        st.builds("({} is {} {})".format, inner, st.sampled_from(language._TESTS), CONSTANTS),
        st.builds("({} {} {})".format, inner, st.sampled_from(["<", "==", "in", "and"]), inner),
        st.builds("{}[{}]".format, inner, inner),
    )


EXPRESSIONS = st.recursive(st.one_of(NAMES, CONSTANTS), larger, max_leaves=6)
SOURCES = st.one_of(
    EXPRESSIONS.map("{{{{ {} }}}}".format),
    EXPRESSIONS.map("{{% for c in {} %}}{{{{ c }}}}{{{{ loop.cycle }}}}{{% endfor %}}".format),
    EXPRESSIONS.map("{{% if {} %}}x{{% endif %}}".format),
)


@example("{{ a|truncate(2) }}", {"a": "abc"})
@given(SOURCES, st.dictionaries(st.sampled_from(["a", "b"]), PARAMETER))
def test_whatever_a_template_does_it_is_refused_or_text(source: str, parameters: dict[str, Any]) -> None:
    try:
        rendered = fill(
            {"name": "t", "version": 1, "content": {"subject": "s", "html": source, "text": source}}, parameters, "p"
        )
    except Invalid as refusal:
        msgspec.json.encode((refusal.field, refusal.message))  # can be sent
    else:
        msgspec.json.encode(rendered)


def test_parameters_are_bounded() -> None:
    deep: Any = "x"
    for _ in range(5000):
        deep = [deep]
    for parameters in ({"name": "x" * 100_001}, {"name": deep[0][0][0]}):
        with pytest.raises(Invalid) as refusal:
            filled(parameters, text="x")
        assert refusal.value.field == "parameters"


def test_the_subject_is_no_html_and_a_missing_parameter_is_named() -> None:
    assert filled({"name": "A & B"}, html="<p>x</p>") == "Hello A & B"
    with pytest.raises(Invalid) as refusal:
        filled({}, text="x")
    assert refusal.value.field == "parameters.name"


def test_filters_take_no_more_time_than_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language, "MOST_SECONDS", 0.05)
    slow = "{{ p|title|title|title|title|length }}" * 700
    with pytest.raises(CannotRender, match="too long"):
        render(slow, p="a-" * 20_000)


def test_no_filter_is_applied_while_a_template_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    applied: list[str] = []
    monkeypatch.setitem(language._PLAIN.filters, "upper", lambda text: applied.append(text) or "A")
    language.check(source := "{{ 'a'|upper }}", html=True)
    assert applied == []
    assert render(source) == "A"
