"""What an API promises about each of its routes. From it comes the OpenAPI document, and what a query may hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

# Types of JSON values, as msgspec understands them. They stand in shapes, so that a schema says more than "string".
Id = Annotated[str, Meta(pattern="^[0-9a-f]{24}$", examples=["65b9d7f0c2a4e81f3b6d9a10"])]
Date = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\d$", extra_json_schema={"format": "date"})]
Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"}, examples=["2024-01-31T12:00:00.000Z"])]
Money = Annotated[str, Meta(pattern=r"^-?\d+(\.\d+)?$", examples=["1190.00"])]
Cursor = Annotated[str, Meta(description="Give it as `cursor` to get the next page; null after the last one.")]


class Parameter(msgspec.Struct, frozen=True):
    """A parameter of the query, or with `where="header"` a header. `kind` is a type for msgspec."""

    name: str
    text: str
    kind: Any = str
    where: str = "query"
    required: bool = False


class Operation(msgspec.Struct, frozen=True):
    """One route, as its callers see it.

    `answers` gives for each status the type of the JSON that is sent, or types by media type, or None for no content.
    `problems` are the statuses, beside those that every route has, of which a problem document may come.
    """

    summary: str
    answers: Mapping[int, Any]
    body: Any = None
    body_required: bool = True
    parameters: tuple[Parameter, ...] = ()
    problems: tuple[int, ...] = ()
    text: str = ""

    def query_names(self) -> frozenset[str]:
        return frozenset(each.name for each in self.parameters if each.where == "query")


class Contract(msgspec.Struct, frozen=True):
    """An API as a whole. `function` is the function's name behind the gateway.

    `problem_members` are the JSON schemas of what its problem documents hold beside the standard's members.
    """

    function: str
    title: str
    text: str
    problem_members: Mapping[str, Any] = msgspec.field(default_factory=dict)


PAGE = (
    Parameter(
        "limit", "Most items of the page.", Annotated[int, Meta(ge=1, le=1000, extra_json_schema={"default": 100})]
    ),
    Parameter("cursor", "The `nextCursor` of the page before, with the same sort."),
)
