"""`/api/docs`: the OpenAPI document as a page to read. Made on the server, without scripts and without a CDN. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any, Final

_STYLE: Final = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}
h2{margin-top:2.5rem;text-transform:capitalize}article{border-top:1px solid #ccc;padding:.75rem 0}
code{font-family:ui-monospace,monospace;font-size:.9em}table{border-collapse:collapse;margin:.5rem 0}
td{padding:.1rem 1rem .1rem 0;vertical-align:top}summary{cursor:pointer}
.verb{display:inline-block;min-width:4.5rem;font-weight:600}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}article{border-color:#444}a{color:#9bf}}
"""
_VERBS: Final = ("get", "post", "put", "patch", "delete")


def docs_page(document: Mapping[str, Any]) -> str:
    """HTML of an OpenAPI document: every route with its parameters, its body and its answers."""
    sections: dict[str, list[str]] = {}
    for path, item in document["paths"].items():
        for verb in _VERBS:
            if verb in item:
                tag = next(iter(item[verb].get("tags", ["other"])))
                sections.setdefault(tag, []).append(_operation(document, path, verb, item[verb]))
    title = escape(document["info"]["title"])
    body = "".join(
        f"<section><h2>{escape(tag)}</h2>{''.join(articles)}</section>" for tag, articles in sections.items()
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>'
        f"<body><h1>{title}</h1><p>{escape(document['info'].get('description', ''))}</p>"
        f'<p>For programs: <a href="/api/openapi.json">/api/openapi.json</a></p>{body}</body></html>'
    )


def _operation(document: Mapping[str, Any], path: str, verb: str, operation: Mapping[str, Any]) -> str:
    text = escape(operation.get("description") or operation.get("summary", ""))
    parts = [f"<article><h3><code><span class=verb>{verb.upper()}</span> {escape(path)}</code></h3><p>{text}</p>"]
    parameters = [each for each in operation.get("parameters", []) if each["in"] != "path"]
    if parameters:
        parts.append("<h4>Parameters</h4>" + _table([_parameter(document, each) for each in parameters]))
    body = _json_schema(operation.get("requestBody", {}))
    if body is not None:
        parts.append("<h4>Body</h4>" + _fields(document, body))
    for status, answer in operation.get("responses", {}).items():
        schema = _json_schema(answer)
        if status.startswith("2") and schema is not None:
            parts.append(f"<h4>Answer {escape(status)}</h4>" + _fields(document, schema))
    others = [
        f"<tr><td><code>{escape(status)}</code></td><td>{escape(answer.get('description', ''))}</td></tr>"
        for status, answer in operation.get("responses", {}).items()
        if not status.startswith("2")
    ]
    parts.append(f"<details><summary>Refusals</summary>{_table(others)}</details></article>")
    return "".join(parts)


def _parameter(document: Mapping[str, Any], parameter: Mapping[str, Any]) -> str:
    name = parameter["name"] + (" (required)" if parameter.get("required") else "")
    return _row(name, _kind(document, parameter.get("schema", {})), parameter.get("description", ""))


def _fields(document: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    schema = _resolved(document, schema)
    required = set(schema.get("required", []))
    rows = [
        _row(name + ("" if name in required else "?"), _kind(document, each), each.get("description", ""))
        for name, each in schema.get("properties", {}).items()
    ]
    return _table(rows)


def _kind(document: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """What a value is, in a few words."""
    if "enum" in schema:
        return " · ".join(str(value) for value in schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    if "anyOf" in schema:
        return " or ".join(_kind(document, each) for each in schema["anyOf"])
    if "$ref" in schema:
        target = _resolved(document, schema)
        if "properties" not in target:
            return _kind(document, target)
        return "{" + ", ".join(target["properties"]) + "}"
    if schema.get("type") == "array":
        return f"list of {_kind(document, schema.get('items', {}))}"
    return str(schema.get("format") or schema.get("type", "anything"))


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    found: Mapping[str, Any] = document["components"]["schemas"][reference.rsplit("/", 1)[1]]
    return found


def _json_schema(holder: Mapping[str, Any]) -> Mapping[str, Any] | None:
    schema: Mapping[str, Any] | None = holder.get("content", {}).get("application/json", {}).get("schema")
    return schema


def _row(name: str, kind: str, meaning: str) -> str:
    return f"<tr><td><code>{escape(name)}</code></td><td>{escape(kind)}</td><td>{escape(meaning)}</td></tr>"


def _table(rows: list[str]) -> str:
    return f"<table>{''.join(rows)}</table>"
