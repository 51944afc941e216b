"""The HTTP interface: ``POST /predict``, ``GET /health``, ``/ready``, ``/metrics`` and ``/openapi.json``.

``POST /predict`` takes ``{"documents": [{"id": "a1", "text": "…"}]}``, one document or many, and answers with documents of the
interchange format. Its body must be ``application/json``, which a page in a browser cannot send elsewhere unasked. Every error is
``{"error": "one message"}``.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager
from importlib import metadata

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException as StarletteError
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nisba.schema import Document
from nisba.serve import messages
from nisba.serve.limits import Limits
from nisba.serve.log import log, place
from nisba.serve.meters import CONTENT_TYPE, Meters
from nisba.serve.queueing import Batcher, UnavailableError

JSON = "application/json"
CLIENT_GONE = 499  # in the figures only: nobody is there to read it
ERRORS = {
    400: "The body is no JSON.",
    408: "The body did not come in time.",
    413: "The body is too long.",
    415: f"The body is not {JSON}.",
    422: "The body is not of the format, or beyond a limit.",
    500: "The model failed on every document.",
    503: "Not ready, stopping, or too busy: come back after the seconds in Retry-After.",
    504: "Not done in time.",
}


def application(batcher: Batcher, meters: Meters, limits: Limits) -> FastAPI:
    """The interface to a batcher, which it starts and closes."""
    form = messages.request_model(limits)
    room = asyncio.Semaphore(limits.max_requests)
    meters.waiting(batcher.__len__)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        batcher.start()
        yield
        await asyncio.to_thread(batcher.close)

    app = FastAPI(
        title="nisba",
        description="Who said what in Arabic news: names and attributed claims.",
        version=metadata.version("nisba"),
        docs_url=None,  # these pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.add_middleware(Guard, meters=meters)
    app.add_exception_handler(StarletteError, refused)

    @app.post("/predict", response_model=messages.Answer, responses=documented(*ERRORS), openapi_extra=body_schema())
    async def predict(request: Request) -> Response:
        """Find names and claims in texts."""
        check_headers(request, limits)
        if batcher.state != "ready":
            raise unavailable(batcher.state, 1)
        if room.locked():
            raise unavailable("too many requests", batcher.delay())
        async with room:
            try:
                async with asyncio.timeout(limits.timeout) as clock:
                    raw = await body(request, limits)
            except TimeoutError:
                raise HTTPException(
                    408, f"the body did not come within {limits.timeout} seconds", {"Connection": "close"}
                ) from None
            try:
                documents = messages.parse(raw, form)
                futures = batcher.submit(documents)
            except messages.RequestError as error:
                raise HTTPException(error.status, str(error)) from None
            except UnavailableError as error:
                raise unavailable(str(error), error.seconds) from None
            try:
                async with asyncio.timeout_at(clock.when()):
                    found = await answers(futures, request)
            except TimeoutError:
                raise HTTPException(504, f"not done within {limits.timeout} seconds") from None
        meters.failed(sum(one is None for one in found))
        return answer(documents, found)

    @app.get("/health", response_model=messages.State, responses=documented(503))
    async def health() -> Response:
        """Whether the process is alive: where this fails, start it anew."""
        if not batcher.alive:
            raise unavailable("the thread of the model has ended", 1)
        return JSONResponse({"status": "alive"})

    @app.get("/ready", response_model=messages.State, responses=documented(503))
    async def ready() -> Response:
        """Whether documents are taken: the model is loaded and the server is not stopping."""
        if batcher.state != "ready":
            raise unavailable(batcher.state, 1)
        return JSONResponse({"status": "ready"})

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Figures for Prometheus."""
        return Response(meters.page(), media_type=CONTENT_TYPE)

    schema = form.model_json_schema(ref_template="#/components/schemas/{model}")
    app.openapi()["components"]["schemas"] |= {**schema.pop("$defs"), "Request": schema}
    return app


def check_headers(request: Request, limits: Limits) -> None:
    """Raises HTTPException for a body that need not be read to be refused."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        raise HTTPException(415, f"the body must be {JSON}")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise HTTPException(415, "a packed body is not taken")
    declared = request.headers.get("content-length", "0")
    if declared.isascii() and declared.isdigit() and int(declared[:20]) > limits.max_bytes:
        raise too_long(limits)


async def body(request: Request, limits: Limits) -> bytes:
    """The body of a request, which is refused as soon as it has come to be too long. Raises HTTPException."""
    parts, size = [], 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > limits.max_bytes:
                raise too_long(limits)
            parts.append(part)
    except ClientDisconnect:
        raise gone() from None
    return b"".join(parts)


async def answers(futures: Sequence[Future[Document]], request: Request) -> list[Document | None]:
    """The annotated documents, None for one that the model failed on. What nobody waits for any more is taken back."""
    found = asyncio.gather(*map(asyncio.wrap_future, futures), return_exceptions=True)
    left = asyncio.ensure_future(disconnected(request))
    try:
        await asyncio.wait((found, left), return_when=asyncio.FIRST_COMPLETED)
        if not found.done():
            raise gone()
        return [one if isinstance(one, Document) else None for one in found.result()]
    finally:
        found.cancel()
        left.cancel()


async def disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def answer(documents: Sequence[Document], found: Sequence[Document | None]) -> Response:
    """What a request is answered. Raises HTTPException where nothing was found out."""
    done = [one.to_dict() for one in found if one is not None]
    failed = [
        {"position": i, "id": documents[i].id, "error": "the model failed on this document"}
        for i, one in enumerate(found)
        if one is None
    ]
    if not done:
        raise HTTPException(500, "the model failed; the server's log says where")
    content = json.dumps({"documents": done, "errors": failed}, ensure_ascii=False, allow_nan=False)
    return Response(content.encode(), media_type=JSON)


def too_long(limits: Limits) -> HTTPException:
    return HTTPException(413, f"the body has more than {limits.max_bytes:,} bytes")


def unavailable(message: str, seconds: int) -> HTTPException:
    return HTTPException(503, message, {"Retry-After": str(seconds)})


def gone() -> HTTPException:
    return HTTPException(CLIENT_GONE, "the client has gone")


async def refused(_: Request, error: Exception) -> Response:
    """Every error as JSON with one message; also those of the framework, for an unknown path or method."""
    assert isinstance(error, StarletteError)  # noqa: S101
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


def documented(*codes: int) -> dict[int | str, dict[str, object]]:
    """The errors of an operation, for the schema."""
    return {code: {"model": messages.Error, "description": ERRORS[code]} for code in codes}


def body_schema() -> dict[str, object]:
    """The body of ``predict``, for the schema; it is read there, because the framework would read it whole and repeat it."""
    return {"requestBody": {"required": True, "content": {JSON: {"schema": {"$ref": "#/components/schemas/Request"}}}}}


class Guard:
    """Counts every request, and lets no exception out: the server would log it with its message."""

    def __init__(self, app: ASGIApp, meters: Meters):
        self.app, self.meters = app, meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, code = time.perf_counter(), 0

        async def noted(message: Message) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                code = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noted)
        except Exception as error:
            log.error("a request failed: %s", place(error))
            if not code:
                await JSONResponse({"error": "the server failed; its log says where"}, 500)(scope, receive, noted)
        finally:
            self.meters.request(scope["path"], code or CLIENT_GONE, time.perf_counter() - began)
