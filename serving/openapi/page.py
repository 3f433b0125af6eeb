"""The documentation page: the OpenAPI document as HTML without scripts, fonts or other resources."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shlex
from importlib.resources import files
from typing import Any, Final

import msgspec

from customer_risk.model.escaping import escape_html

_METHODS: Final = ("get", "post", "delete")
_STYLE: Final = "page.css"
_INPUT_FIRST: Final = ("RiskRequest", "Profile", "Transaction", "Columns", "BatchRequest")


def render_page(document: bytes) -> tuple[bytes, str]:
    """Return a document of `render_document` as one HTML page, and the page's Content-Security-Policy."""
    style = files("customer_risk.serving.openapi").joinpath(_STYLE).read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    spec = msgspec.json.decode(document)
    title = escape_html(spec["info"]["title"])
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{style}</style></head><body>"
        f"<nav><h1>{title}</h1>{_contents(spec)}</nav><main>{_introduction(spec)}{_sections(spec)}"
        f"{_refusals(spec)}{_schemas(spec)}</main></body></html>\n"
    )
    return page.encode(), policy


def _contents(spec: dict[str, Any]) -> str:
    groups = []
    for tag in spec["tags"]:
        links = "".join(
            f'<li><a href="#{operation["operationId"]}">{_badge(method)}{escape_html(operation["summary"])}</a></li>'
            for _, method, operation in _operations(spec, tag["name"])
        )
        groups.append(f"<h2>{escape_html(tag['name'])}</h2><ul>{links}</ul>")
    more = '<ul><li><a href="#refusals">Refusals</a></li><li><a href="#schemas">Schemas</a></li></ul>'
    return "".join(groups) + "<h2>reference</h2>" + more


def _introduction(spec: dict[str, Any]) -> str:
    scheme = spec["components"]["securitySchemes"]["bearer"]
    return (
        f"<header><p>{_words(spec['info']['description'])}</p><p>{_words(scheme['description'])}</p>"
        '<p>The same as a document for tools: <a href="/ai/v1/openapi.json">/ai/v1/openapi.json</a> '
        f"(OpenAPI {escape_html(spec['openapi'])}).</p></header>"
    )


def _sections(spec: dict[str, Any]) -> str:
    sections = []
    for tag in spec["tags"]:
        shown = "".join(_operation(spec, *each) for each in _operations(spec, tag["name"]))
        sections.append(
            f"<section><h2>{escape_html(tag['name'])}</h2><p>{_words(tag['description'])}</p>{shown}</section>"
        )
    return "".join(sections)


def _operations(spec: dict[str, Any], tag: str) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, item[method])
        for path, item in spec["paths"].items()
        for method in _METHODS
        if method in item and tag in item[method]["tags"]
    ]


def _operation(spec: dict[str, Any], path: str, method: str, operation: dict[str, Any]) -> str:
    scopes = [scope for each in operation["security"] for scope in each.get("bearer", ())]
    needs = f"scope <code>{escape_html(scopes[0])}</code>" if scopes else "open to all"
    parts = [
        f'<article id="{operation["operationId"]}"><h3>{escape_html(operation["summary"])}</h3>',
        f'<p class="line">{_badge(method)}<code>{escape_html(path)}</code><small>{needs}</small></p>',
        f"<p>{_words(operation.get('description', ''))}</p>",
        _parameters(spec, operation.get("parameters", [])),
    ]
    body = operation.get("requestBody", {}).get("content", {})
    for media_type, content in body.items():
        parts.append(f"<h4>Body: <code>{escape_html(media_type)}</code>{_link(content['schema'])}</h4>")
        parts += [
            _example(name, each["value"], _curl(method, path, bool(scopes), each["value"]), shown_first=not place)
            for place, (name, each) in enumerate(content.get("examples", {}).items())
        ]
    if not body:
        parts.append(f"<pre>{escape_html(_curl(method, path, bool(scopes)))}</pre>")
    parts.append(_responses(spec, operation["responses"]))
    return "".join((*parts, "</article>"))


def _parameters(spec: dict[str, Any], parameters: list[dict[str, Any]]) -> str:
    rows = []
    for each in (_resolve(spec, parameter) for parameter in parameters):
        required = " (required)" if each.get("required") else ""
        rows.append(
            f"<tr><td><code>{escape_html(each['name'])}</code></td><td>{escape_html(each['in'])}{required}</td>"
            f"<td>{_words(each['description'])}</td></tr>"
        )
    return _table(("parameter", "where", "what"), rows)


def _responses(spec: dict[str, Any], responses: dict[str, Any]) -> str:
    good, bad = [], []
    for status, response in responses.items():
        whole = _resolve(spec, response)
        if "$ref" in response:
            bad.append(f'<a href="#refusal-{status}" title="{escape_html(whole["description"])}">{status}</a>')
            continue
        contents = whole.get("content", {})
        for media_type, content in contents.items():
            good.append(f"<h4>{status}: <code>{escape_html(media_type)}</code>{_link(content['schema'])}</h4>")
            good.append(f"<p>{_words(whole['description'])}</p>")
            good += [
                _example(name, each["value"], shown_first=not place)
                for place, (name, each) in enumerate(content.get("examples", {}).items())
            ]
    refused = f'<p class="refused">Refusals: {" ".join(bad)}</p>' if bad else ""
    return "".join(good) + refused


def _refusals(spec: dict[str, Any]) -> str:
    parts = ['<section id="refusals"><h2>Refusals</h2><p>Each is <code>application/problem+json</code>. In KServe\'s ']
    parts.append("protocols (<code>/v1</code>, <code>/v2</code>), each is <code>application/json</code> and has the ")
    parts.append("member <code>error</code>, a text that KServe's and Triton's clients show.</p>")
    for name, response in spec["components"]["responses"].items():
        if name.startswith("Kserve"):
            continue
        status = name.removeprefix("Problem")
        headers = ", ".join(f"<code>{escape_html(each)}</code>" for each in response.get("headers", {}))
        parts.append(f'<article id="refusal-{status}"><h3>{status}</h3><p>{_words(response["description"])}</p>')
        parts.append(f"<p>With the header {headers}.</p>" if headers else "")
        (content,) = response["content"].values()
        parts += [_example(kind, each["value"]) for kind, each in content["examples"].items()]
        parts.append("</article>")
    return "".join((*parts, "</section>"))


def _schemas(spec: dict[str, Any]) -> str:
    schemas = spec["components"]["schemas"]
    names = sorted(schemas, key=lambda name: (name not in _INPUT_FIRST, name))
    parts = ['<section id="schemas"><h2>Schemas</h2>']
    for name in names:
        schema = schemas[name]
        parts.append(f'<article id="schema-{name}"><h3>{escape_html(name)}</h3>')
        parts.append(f"<p>{_words(schema.get('description', ''))}</p>")
        parts.append(_features(schema) if name == "Features" else _fields(schema))
        parts.append("</article>")
    return "".join((*parts, "</section>"))


def _fields(schema: dict[str, Any]) -> str:
    required = schema.get("required", ())
    rows = [
        f"<tr><td><code>{escape_html(field)}</code>{'' if field in required else '<small>optional</small>'}</td>"
        f"<td>{_kind(each)}</td><td>{_words(each.get('description', ''))}</td></tr>"
        for field, each in schema.get("properties", {}).items()
    ]
    return _table(("field", "type", "what"), rows)


def _features(schema: dict[str, Any]) -> str:
    rows = [
        f"<tr><td><code>{escape_html(name)}</code></td><td>{_words(each['description'])}</td></tr>"
        for name, each in schema.get("properties", {}).items()
    ]
    return f"<details><summary>{len(rows)} features</summary>{_table(('feature', 'what'), rows)}</details>"


def _kind(schema: dict[str, Any]) -> str:
    """Return a short HTML description of a schema's type."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#schema-{name}">{escape_html(name)}</a>'
    for alternatives in ("anyOf", "oneOf"):
        if alternatives in schema:
            return " or ".join(_kind(part) for part in schema[alternatives])
    if "enum" in schema:
        return " or ".join(f"<code>{escape_html(json.dumps(value))}</code>" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}" if "items" in schema else "list"
    kinds = schema.get("type", "anything")
    if isinstance(kinds, list):  # of one type and null
        return " or ".join(_kind(schema | {"type": kind}) if kind != "null" else "null" for kind in kinds)
    return escape_html(schema.get("format") or kinds) + _bounds(schema)


def _bounds(schema: dict[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f" {low:g} to {high:g}"
    if "maxLength" in schema:
        return f" of {schema.get('minLength', 0)} to {schema['maxLength']}"
    return ""


def _example(name: str, value: Any, curl: str = "", *, shown_first: bool = False) -> str:
    shown = json.dumps(value, indent=2, ensure_ascii=False)
    said = f"<pre>{escape_html(curl)}</pre>" if curl else ""
    opened = " open" if shown_first else ""
    title = f"<summary>example: {escape_html(name)}</summary>"
    return f"<details{opened}>{title}{said}<pre>{escape_html(shown)}</pre></details>"


def _curl(method: str, path: str, needs_token: bool, value: Any = None) -> str:
    parts = ["curl"]
    parts += ["-X", method.upper()] if method == "delete" else []
    line = shlex.join(parts)
    line += ' -H "Authorization: Bearer $TOKEN"' if needs_token else ""
    if value is not None:
        line += f" --json {shlex.quote(json.dumps(value, ensure_ascii=False))}"
    return f'{line} "$URL{path.replace("{job_id}", "$JOB")}"'


def _link(schema: dict[str, Any]) -> str:
    return f" {_kind(schema)}" if "$ref" in schema else ""


def _badge(method: str) -> str:
    return f'<b class="{method}">{method.upper()}</b>'


def _table(heads: tuple[str, ...], rows: list[str]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{name}</th>" for name in heads)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _words(text: str) -> str:
    """Return a text as HTML, with text between backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape_html(text))


def _resolve(spec: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in value:
        return value
    found: Any = spec
    for name in value["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return dict(found)
