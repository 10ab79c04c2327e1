"""A model served over HTTP by uvicorn, from a bound port to the last answer."""

import contextlib
import logging
import signal
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from vsim_tf.errors import UserError
from vsim_tf.inference.given import FRAMES, PICTURES, TITLE, Item
from vsim_tf.serving.application import computations, make_app
from vsim_tf.serving.batcher import Batcher
from vsim_tf.serving.limits import Limits

if TYPE_CHECKING:
    from vsim_tf.inference.model import Model
    from vsim_tf.search.index import Index

SIGNALS = (signal.SIGTERM, signal.SIGINT)

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def bound(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that has its port before a model is loaded, and does not listen yet.

    Raises:
        UserError: the port is in use, or the address is none of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except OSError as error:
        raise UserError(f"host={host}: {error.strerror}", ["host"]) from None
    with socket.socket(family, kind, protocol) as bound_socket:  # asyncio sends at once where the protocol is said to be TCP
        bound_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound_socket.bind(address)
        except OSError as error:
            raise UserError(f"host={host} and port={port}: {error.strerror}; give another port", ["host", "port"]) from None
        yield bound_socket


def serve(
    model: "Model", bound_socket: socket.socket, limits: Limits, max_batch: int, max_wait: float, index: "Index | None" = None
) -> None:
    """Serves a model until SIGTERM or SIGINT; then requests that have come are answered, and no others are taken.

    Args:
        model: what is served; nobody else may need it meanwhile.
        bound_socket: see `bound`.
        limits: of requests.
        max_batch: videos that are computed together.
        max_wait: seconds that a request waits for others to be computed with.
        index: of the model's embeddings; None: nothing is searched.
    """
    import uvicorn

    with Batcher(computations(model, max_batch), max_batch, max_wait) as batcher:
        warm_up(batcher, model)
        config = uvicorn.Config(
            make_app(model, batcher, limits, index), lifespan="off", log_config=None, access_log=False, server_header=False,
            proxy_headers=False, timeout_graceful_shutdown=int(limits.timeout) + 1,
        )  # fmt: skip
        server = uvicorn.Server(config)
        with _handled(server.handle_exit):  # uvicorn raises a signal again when it has ended, which must not kill the process
            host, port = bound_socket.getsockname()[:2]
            bound_socket.listen(config.backlog)  # before the address is printed: whoever reads it may ask
            logger.info(f"{model!r} at http://{f'[{host}]' if ':' in host else host}:{port}; Ctrl-C ends it")
            server.run([bound_socket])
    logger.info("stopped: all requests have been answered")


def warm_up(batcher: Batcher, model: "Model") -> None:
    """Computes a video and a full batch by everything that the batcher computes, so that no request waits for a compilation."""
    video = _first_video(model)
    for kind in batcher.compute:
        for count in (1, batcher.max_batch):
            batcher.submit(kind, [video] * count).result()


def _first_video(model: "Model") -> Item:
    """A video with features and pictures, of which a model reads one."""
    frames: dict[str, Any] = {FRAMES: np.zeros((1, model.frame_dim), np.float32)} if model.frame_dim else {}
    return {TITLE: "", PICTURES: [np.zeros((64, 64, 3), np.uint8)]} | frames


@contextlib.contextmanager
def _handled(handler: Any) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
