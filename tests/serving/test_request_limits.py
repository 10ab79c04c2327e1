"""The middleware by itself: what passes, and what is answered without the application."""

import asyncio
import json

import pytest

pytest.importorskip("fastapi")

from vsim_tf.serving.limits import Limits
from vsim_tf.serving.request_limits import RequestLimits

MIB = 1 << 20


class Application:
    """Reads a body and answers with its length; waits for `gate` before."""

    def __init__(self):
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, scope, receive, send):
        await self.gate.wait()
        size, more = 0, True
        while more:
            message = await receive()
            size, more = size + len(message["body"]), message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(size).encode()})


async def called(app, parts=(b"",), method="POST", scheme="http", length=None):
    """Status and body of the answer."""
    sent, left = [], list(parts)
    headers = [(b"content-length", str(length).encode())] if length is not None else []

    async def receive():
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    async def send(message):
        sent.append(message)

    await app({"type": scheme, "method": method, "headers": headers}, receive, send)
    return sent[0]["status"], json.loads(sent[1]["body"])


def test_a_body_up_to_the_limit_passes():
    async def run():
        app = RequestLimits(Application(), Limits(max_body_mb=1))
        assert await called(app, [b"x" * (MIB - 1), b"y"], length=MIB) == (200, MIB)
        assert await called(app, [b"x" * 2 * MIB], method="GET") == (200, 2 * MIB)  # no endpoint reads it

    asyncio.run(run())


@pytest.mark.parametrize(("parts", "length"), [([b"x" * MIB, b"y"], None), ([], MIB + 1)])
def test_a_body_beyond_the_limit(parts, length):
    """One that is announced is not even received."""
    from starlette.exceptions import HTTPException

    async def run():
        with pytest.raises(HTTPException, match="more than 1 MiB") as caught:
            await called(RequestLimits(Application(), Limits(max_body_mb=1)), parts, length=length)
        assert caught.value.status_code == 413

    asyncio.run(run())


def test_one_request_too_many():
    async def run():
        application = Application()
        app = RequestLimits(application, Limits(max_queue=2))
        application.gate.clear()
        waiting = [asyncio.create_task(called(app)) for _ in range(2)]
        await asyncio.sleep(0)
        status, body = await called(app)
        assert (status, body["detail"]) == (503, "2 requests are waiting, which is the limit; try again later")
        application.gate.set()
        assert [await task for task in waiting] == [(200, 0)] * 2
        assert await called(app) == (200, 0)

    asyncio.run(run())


def test_a_request_that_takes_too_long():
    """Also one whose body never comes."""

    async def run():
        application = Application()
        application.gate.clear()
        app = RequestLimits(application, Limits(timeout=0.01))
        assert await called(app) == (504, {"detail": "not answered within 0.01 s; send fewer videos"})
        assert app.requests == 0

    asyncio.run(run())
