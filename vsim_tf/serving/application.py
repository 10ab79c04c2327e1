"""A model as a FastAPI application: embeddings, similarities, neighbours and classes of videos in JSON."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

import vsim_tf
from vsim_tf.errors import UserError
from vsim_tf.inference.cosine import cosine_similarity
from vsim_tf.inference.quantization import formed
from vsim_tf.serving import bodies
from vsim_tf.serving.batcher import Batcher, Compute, Rows
from vsim_tf.serving.limits import Limits
from vsim_tf.serving.problems import RESPONSES, add_handlers
from vsim_tf.serving.request_items import items_of
from vsim_tf.serving.request_limits import RequestLimits

if TYPE_CHECKING:
    from vsim_tf.inference.model import Model
    from vsim_tf.search.index import Index

EMBEDDINGS, PREDICTIONS = "embeddings", "predictions"


def computations(model: "Model", batch_size: int) -> Mapping[str, Compute]:
    """What a batcher computes by a model: embeddings where it has some, categories with probabilities of a classifier."""
    found: dict[str, Compute] = {}
    if model.dim:
        found[EMBEDDINGS] = lambda items: model.encode(items, batch_size=batch_size)
    if model.classes:
        found[PREDICTIONS] = lambda items: list(zip(*model.predict(items, batch_size=batch_size), strict=True))
    return found


def make_app(model: "Model", batcher: Batcher, limits: Limits, index: "Index | None" = None) -> FastAPI:
    """An application with the endpoints that a model has: /health, and /embed, /similarity, /search and /predict.

    Args:
        model: reads the videos, and computes in the batcher alone.
        batcher: of the model's `computations`.
        limits: of requests.
        index: of the model's embeddings, for /search.
    """
    app = FastAPI(title="vsim_tf", version=vsim_tf.__version__, docs_url=None, redoc_url=None)
    app.add_middleware(RequestLimits, limits=limits)
    add_handlers(app)
    endpoints, requests = Endpoints(model, batcher, index), bodies.requests_of(model, limits)
    app.add_api_route("/health", endpoints.health, response_model=bodies.Health)

    def add(path: str, answer: Callable[[Any], Awaitable[Any]], request: type[BaseModel], response: type[BaseModel]) -> None:
        async def endpoint(body: Any) -> JSONResponse:
            return JSONResponse(await answer(body))

        endpoint.__annotations__["body"] = request  # of this model, with its dimension and limits
        app.add_api_route(
            path, endpoint, methods=["POST"], name=path[1:], response_model=response, responses=RESPONSES,
            description=answer.__doc__,
        )  # fmt: skip

    if model.dim:
        add("/embed", endpoints.embed, requests.embed, bodies.Embedded)
        add("/similarity", endpoints.similarity, requests.similarity, bodies.Similarities)
    if index is not None:
        add("/search", endpoints.search, requests.search, bodies.Found)
    if model.classes:
        add("/predict", endpoints.predict, requests.predict, bodies.Predicted)
    return app


class Endpoints:
    """What each endpoint answers to a body that its schema accepts; arguments are those of `make_app`."""

    def __init__(self, model: "Model", batcher: Batcher, index: "Index | None"):
        self.model, self.batcher, self.index = model, batcher, index

    async def health(self) -> bodies.Health:
        """Whether the server is ready, and what it serves."""
        model = self.model
        return bodies.Health(
            status="ready", version=vsim_tf.__version__, model=Path(model.name).name, dim=model.dim, frame_dim=model.frame_dim,
            classes=len(model.classes), index=None if self.index is None else len(self.index), waiting=self.batcher.waiting(),
        )  # fmt: skip

    async def embed(self, body: Any) -> dict[str, Any]:
        """Embeddings of videos, in their order."""
        form: dict[str, Any] = {name: getattr(body, name) for name in bodies.Form.model_fields}
        formed(np.zeros((len(body.videos), self.model.dim)), **form)  # says now if it cannot be done
        rows = await self._rows(EMBEDDINGS, videos=body.videos)
        return {"embeddings": formed(np.asarray(rows), **form).tolist()}

    async def similarity(self, body: Any) -> dict[str, Any]:
        """Cosines of the videos of two lists, each with that at the same place in the other."""
        if len(body.a) != len(body.b):
            raise UserError(f"a has {len(body.a)} videos, b has {len(body.b)}; accepted are two equally long lists")
        rows = np.asarray(await self._rows(EMBEDDINGS, a=body.a, b=body.b))
        return {"similarities": cosine_similarity(rows[: len(body.a)], rows[len(body.a) :]).tolist()}

    async def search(self, body: Any) -> dict[str, Any]:
        """The most similar videos of the index; a video of the index, by its id, does not find itself."""
        assert self.index is not None
        rows = np.asarray(await self._rows(EMBEDDINGS, videos=body.videos))
        found = await run_in_threadpool(self.index.search, rows, body.top, [video.id for video in body.videos])
        return {"neighbours": [[neighbour._asdict() for neighbour in row] for row in found]}

    async def predict(self, body: Any) -> dict[str, Any]:
        """Classes of videos, with the probabilities of all classes."""
        categories, probabilities = zip(*await self._rows(PREDICTIONS, videos=body.videos), strict=True)
        return {
            "categories": list(categories),
            "probabilities": [row.tolist() for row in probabilities],
            "classes": list(self.model.classes),
        }

    async def _rows(self, kind: str, **lists: Sequence[BaseModel]) -> Rows:
        """The model's results for the videos of named lists, one after the other."""
        items = []
        for name, videos in lists.items():
            items += await run_in_threadpool(items_of, videos, name, self.model)
        try:
            return await asyncio.wrap_future(self.batcher.submit(kind, items))
        except UserError as error:  # the request is not to blame: memory
            raise HTTPException(500, str(error)) from error
