"""Answers to requests that failed: JSON for scripts, a page where a browser opens the address."""

import importlib.resources
import json
from collections.abc import Mapping
from html import escape
from string import Template
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

ERROR_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""Policy of the page: its style is in it, and no code."""


def error_page(error: Mapping[str, str]) -> str:
    """Return the page that says an error.

    Args:
        error: Key of a text in ``texts.json``, ``key``; if it is empty, ``what``, ``expected`` and
            ``hint`` of a ``UserError``.
    """
    folder = importlib.resources.files("fewact.page").joinpath("static")
    texts = json.loads(folder.joinpath("texts.json").read_text(encoding="utf-8"))
    page = Template(folder.joinpath("refused.html").read_text(encoding="utf-8"))
    return page.substitute(lang=texts["lang"], dir=texts["dir"], text=escape(_text(error, texts)))


def error_response(
    request: Request,
    error: Mapping[str, str],
    status: int,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the answer to a request that failed: JSON, or a page where a browser opens one.

    Args:
        request: The request.
        error: As for ``error_page``.
        status: HTTP status.
        headers: Headers of the answer.
    """
    # Scripts do not name HTML; only browsers open the page itself.
    if request.scope["path"] != "/" and "text/html" not in request.headers.get("accept", ""):
        return JSONResponse({"error": error}, status, headers)
    policy = {"content-security-policy": ERROR_POLICY}
    return HTMLResponse(error_page(error), status, {**policy, **(headers or {})})


def _text(error: Mapping[str, str], texts: Mapping[str, Any]) -> str:
    """Return the words of an error, as ``errorText`` of texts.js does."""
    if error["key"]:
        return str(texts["errors"][error["key"]])
    expected = f" ({error['expected']})" if error["expected"] else ""
    hint = f". {error['hint']}" if error["hint"] else ""
    return f"{error['what']}{expected}{hint}"
