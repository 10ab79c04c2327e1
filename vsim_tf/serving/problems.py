"""Errors as JSON: `{"detail": ...}` with what was given, what is accepted, and where."""

import logging
import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from vsim_tf.errors import UserError
from vsim_tf.serving.bodies import ARRAY, LISTS, Problem

STATUSES = {
    400: "not readable as JSON",
    413: "a body that is too large",
    422: "a request that cannot be used",
    500: "a failure of the server",
    503: "too many requests",
    504: "not answered in time",
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": words} for status, words in STATUSES.items()
}
"""Of requests with a body, for /openapi.json."""

logger = logging.getLogger(__name__)


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """A response that says what is wrong; what cannot be written as UTF-8 is escaped."""
    readable = detail.encode("utf-8", "backslashreplace").decode()
    return JSONResponse({"detail": readable}, status, dict(headers or {}))


def add_handlers(app: FastAPI) -> None:
    """Makes every error of an app such a response."""
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(UserError, _refused)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(Exception, _failed)


async def _invalid(request: Request, error: Any) -> JSONResponse:
    return problem(422, described(error.errors()))


async def _refused(request: Request, error: Any) -> JSONResponse:
    return problem(422, str(error))


async def _of_http(request: Request, error: Any) -> JSONResponse:
    detail = error.detail
    if error.status_code == 404:
        detail = f"there is no {request.url.path}; accepted are {', '.join(request.app.openapi()['paths'])}"
    return problem(error.status_code, detail, error.headers)


async def _failed(request: Request, error: Any) -> JSONResponse:
    logger.error(f"{request.url.path}: {type(error).__name__}: {error}")
    return problem(500, f"the server failed ({type(error).__name__}); its log says more")


def described(errors: Sequence[Mapping[str, Any]]) -> str:
    """The first of pydantic's errors, with its place and what was given, and how many more there are."""
    first, more = errors[0], f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    if first["type"] == "json_invalid":
        return f"the body is no JSON: {first['ctx']['error']} at character {first['loc'][-1]}"
    where, given = place(first["loc"]), first.get("input")
    if not where and not isinstance(given, dict):
        return "the body is no JSON object; accepted is one, with the header Content-Type: application/json"
    said = first["msg"][:1].lower() + first["msg"][1:]
    shown = "" if first["type"] in ("missing", "unknown_key") else f"; {reprlib.repr(given)} is given"
    return f"{where or 'the body'}: {said}{shown}{more}"


def place(steps: Sequence[str | int]) -> str:
    """`("body", "videos", 3, "frames", "[lists]", 0)` as `videos[3].frames[0]`; empty: the whole body."""
    named = [step for step in steps[1:] if step not in (LISTS, ARRAY)]
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in named).removeprefix(".")
