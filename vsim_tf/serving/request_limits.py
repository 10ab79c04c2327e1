"""How many requests are taken at a time, how long they may be, and how long they may take."""

import asyncio
from typing import Any

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vsim_tf.serving.limits import Limits
from vsim_tf.serving.problems import problem

RETRY_AFTER = {"Retry-After": "1"}


class RequestLimits:
    """ASGI middleware: a request with a body beyond the limits is answered without the app.

    One too many gets 503 before its body is read, so that bodies in memory are bounded too.

    Args:
        app: what answers the others.
        limits: see there.
    """

    def __init__(self, app: ASGIApp, limits: Limits):
        self.app, self.limits, self.requests = app, limits, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        if self.requests >= self.limits.max_queue:
            detail = f"{self.requests} requests are waiting, which is the limit; try again later"
            await problem(503, detail, RETRY_AFTER)(scope, receive, send)
            return
        self.requests += 1
        try:
            await self._limited(scope, receive, send)
        finally:
            self.requests -= 1

    async def _limited(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = _Answer(send)
        try:
            async with asyncio.timeout(self.limits.timeout):
                await self.app(scope, self._bounded(scope, receive), answer)
        except TimeoutError:
            if answer.started:
                raise
            await problem(504, f"not answered within {self.limits.timeout:g} s; send fewer videos")(scope, receive, send)

    def _bounded(self, scope: Scope, receive: Receive) -> Receive:
        """Receives a body as long as it is not too large; a length that is announced is looked at first."""
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        size = 0

        async def received() -> Message:
            nonlocal size
            if announced.isdigit() and int(announced) > self.limits.max_body:
                raise self._too_large()
            message = await receive()
            size += len(message.get("body", b""))
            if size > self.limits.max_body:
                raise self._too_large()
            return message

        return received

    def _too_large(self) -> HTTPException:
        detail = (
            f"the body has more than {self.limits.max_body_mb} MiB, which is the limit; send fewer videos, or frames in base64"
        )
        return HTTPException(413, detail)


class _Answer:
    """Sends a response, and remembers whether it has begun."""

    def __init__(self, send: Send):
        self.send, self.started = send, False

    async def __call__(self, message: Any) -> None:
        self.started = True
        await self.send(message)
