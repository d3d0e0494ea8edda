"""Help about the API: every call, and every object that goes in or comes out, from the OpenAPI document.

In: the document. Out: two pages of our own templates: a bundled viewer would load scripts that the content security
policy forbids.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.text import slugify
from django.views.decorators.http import require_safe

from rpt_web.api.operations import api

REFERENCE = "#/components/schemas/"
TYPES = {"integer": "whole number", "string": "text", "boolean": "true or false", "null": "null"}
FORMATS = {"date-time": "time", "uuid": "UUID", "binary": "a file"}
Schema = Mapping[str, Any]


@dataclass(frozen=True)
class TypePart:
    """A piece of the words for a type; `schema` names the object that it leads to."""

    text: str
    schema: str = ""


@dataclass(frozen=True)
class ApiField:
    """A parameter, or a field of an object."""

    name: str
    type: list[TypePart]
    needed: bool
    default: str
    words: str


@dataclass(frozen=True)
class ApiCall:
    """One method at one address."""

    method: str
    path: str
    anchor: str
    words: str
    parameters: list[ApiField]
    body: list[TypePart]
    answers: list[tuple[str, str, list[TypePart]]]
    """Status, what it means, what it holds."""


@dataclass(frozen=True)
class ApiGroup:
    """The calls of one tag."""

    name: str
    calls: list[ApiCall] = field(default_factory=list)

    @property
    def anchor(self) -> str:
        """Where it is on the page."""
        return slugify(self.name)

    @property
    def title(self) -> str:
        """Its name as a heading."""
        return f"{self.name[0].upper()}{self.name[1:]}"


@require_safe
def calls(request: HttpRequest) -> HttpResponse:
    """All calls, by what they are about."""
    return render(request, "help/calls.html", {"nav": "help", "calls": _calls_written()})


@require_safe
def call_object(request: HttpRequest, schema: str) -> HttpResponse:
    """The fields of one object of the API."""
    found = _schemas().get(schema)
    if found is None:
        raise Http404(f"The API has no object {schema!r}. The page of its calls names them.")
    context = {
        "nav": "help",
        "name": schema,
        "words": found.get("description", ""),
        "fields": list(_fields(found)),
        "values": [str(value) for value in found.get("enum", ())],
    }
    return render(request, "help/call_object.html", context)


@cache
def _calls_written() -> SafeString:
    """The calls as HTML. They are the same for everybody, and thousands of tags, so that they are written once."""
    return render_to_string("help/_calls.html", {"groups": _groups()})


def _groups() -> list[ApiGroup]:
    groups: dict[str, ApiGroup] = {}
    for path, methods in api.get_openapi_schema()["paths"].items():
        for method, operation in methods.items():
            tag = operation.get("tags", ["others"])[0]
            groups.setdefault(tag, ApiGroup(tag)).calls.append(_call(method, path, operation))
    return list(groups.values())


def _call(method: str, path: str, operation: Mapping[str, Any]) -> ApiCall:
    body = operation.get("requestBody", {}).get("content", {})
    return ApiCall(
        method=method.upper(),
        path=path,
        anchor=slugify(f"{method} {path.replace('/', ' ')}"),
        words=operation.get("description", ""),
        parameters=[_parameter(parameter) for parameter in operation.get("parameters", ())],
        body=_content(body),
        answers=[
            (status, answer.get("description", ""), _content(answer.get("content", {})))
            for status, answer in sorted(operation["responses"].items(), key=lambda pair: str(pair[0]))
        ],
    )


def _content(content: Mapping[str, Any]) -> list[TypePart]:
    for kind, inner in content.items():
        parts = _type(inner["schema"])
        return [*parts, TypePart(f" as {kind}")] if "binary" in inner["schema"].get("format", "") else parts
    return []


def _parameter(parameter: Mapping[str, Any]) -> ApiField:
    schema, words = parameter["schema"], parameter.get("description", "")
    where = {"header": "a header. ", "path": ""}.get(parameter["in"], "")
    return ApiField(parameter["name"], _type(schema), parameter["required"], _default(schema), f"{where}{words}")


def _fields(schema: Schema) -> Iterator[ApiField]:
    needed = schema.get("required", ())
    for name, inner in schema.get("properties", {}).items():
        yield ApiField(name, _type(inner), name in needed, _default(inner), inner.get("description", ""))


def _default(schema: Schema) -> str:
    """A default that fits into a line; the fields of an object have their own."""
    default = schema.get("default")
    if isinstance(default, bool):
        return str(default).lower()
    return "" if default is None or isinstance(default, dict | list) else str(default)


def _type(schema: Schema) -> list[TypePart]:
    """A schema in words, with the objects that it names."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(REFERENCE)
        return [TypePart(name, name)]
    if options := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
        return _joined([_type(option) for option in options], " or ")
    if "const" in schema:
        return [TypePart(repr(schema["const"]))]
    if "enum" in schema:
        return [TypePart(" or ".join(str(value) for value in schema["enum"]))]
    if schema.get("type") == "array":
        return [TypePart("list of "), *_type(schema.get("items", {}))]
    if schema.get("type") == "object":
        inner = schema.get("additionalProperties")
        return [TypePart("object of "), *_type(inner)] if isinstance(inner, dict) and inner else [TypePart("object")]
    plain, written = str(schema.get("type", "anything")), str(schema.get("format", ""))
    return [TypePart(FORMATS.get(written) or TYPES.get(plain, plain))]


def _joined(parts: list[list[TypePart]], between: str) -> list[TypePart]:
    found: list[TypePart] = []
    for each in parts:
        found += [TypePart(between), *each] if found else each
    return found


def _schemas() -> Mapping[str, Schema]:
    found: Mapping[str, Schema] = api.get_openapi_schema()["components"]["schemas"]
    return found
