"""The service as an ASGI application: who may ask, what is answered, what is counted."""

import hmac
import random
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from streaming import Model
from web.inference_protocol import infer, model_metadata, numeric_fields
from web.openapi import openapi
from web.predictions import ClientGone, Predictions
from web.prometheus_metrics import CONTENT_TYPE, Metrics
from web.replies import JSON, Refused, Reply, error_body
from web.request_log import FIRST_ERROR, RequestLog
from web.served_model import ServedModel, load_served_model
from web.web_settings import WebSettings

STATIC = Path(__file__).parent / "static"
PREDICT = "/predict"
REQUEST_ID = re.compile(rb"[!-~]{1,128}")
CLIENT_GONE = 499
"""The status in logs and metrics of a request whose client did not wait; as nginx has it."""

OPEN = re.compile(r"/(livez|readyz|openapi\.json|static/[a-z.]+|v2/health/(live|ready))?")
"""Paths without a key: the probes, and the files that say how to ask."""

PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
FILES = {path.name: path.read_bytes() for path in STATIC.iterdir()}
SERVICE_NAME = "predictions"
SERVICE_VERSION = "1"


class Service:
    """Answers HTTP requests with predictions.

    Args:
        served: The model.
        settings: The limits, and the key that callers must know.
        metrics: Counts.
        log: Logs.
        clock: Monotonic seconds.

    Attributes:
        is_stopping: Whether `/readyz` says that no more requests should come.
        log: Logs.
    """

    def __init__(
        self,
        served: ServedModel[Any],
        settings: WebSettings,
        metrics: Metrics,
        log: RequestLog,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.is_stopping = False
        self._served = served
        self._settings = settings
        self._metrics = metrics
        self.log = log
        self._clock = clock
        self._key = settings.api_key.encode() if settings.api_key else None
        self._predictions = Predictions(served, settings, metrics, clock)
        self._fields = numeric_fields(served.warm_up())
        self._shown: tuple[str, str] | None = None
        self._show_model()
        versions = "/v2/models/{name}/versions/{version}"
        self._app = Starlette(
            routes=[
                Route("/", self.index),
                Route("/static/{name}", self.static),
                Route(PREDICT, self.predict, methods=["POST"]),
                Route("/openapi.json", self.openapi),
                Route("/livez", self.live),
                Route("/readyz", self.ready),
                Route("/metrics", self.metrics),
                Route("/v2", self.server_metadata),
                Route("/v2/health/live", self.live),
                Route("/v2/health/ready", self.ready),
                *(
                    Route(f"{prefix}{path}", endpoint, methods=[method])
                    for prefix in ("/v2/models/{name}", versions)
                    for path, endpoint, method in (
                        ("", self.metadata, "GET"),
                        ("/ready", self.model_ready, "GET"),
                        ("/infer", self.infer, "POST"),
                    )
                ),
            ],
            exception_handlers={
                HTTPException: _http_error,
                ClientGone: lambda _request, _error: Response(status_code=CLIENT_GONE),
                Exception: lambda request, _error: _response(request, _failed()),
            },
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        started = self._clock()
        headers = dict(scope["headers"])
        request_id = headers.get(b"x-request-id", b"")
        if not REQUEST_ID.fullmatch(request_id):
            request_id = b"%032x" % random.getrandbits(128)
        scope["request_id"] = request_id.decode()
        status, reason = CLIENT_GONE, None

        async def with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id)]
            await send(message)

        try:
            reply = self._refusal(scope["path"], headers)
            if reply is None and scope["path"] == PREDICT and scope["method"] == "POST":
                # The way of most requests needs nothing of Starlette's.
                scope["endpoint"] = self.predict
                reply = await self._predict(receive, headers, scope["request_id"])
            if reply is None:
                await self._app(scope, receive, with_id)
                reason = scope.get("reason")
            else:
                status, reason = reply.status, reply.reason
                await _send(send, reply, request_id)
        except ClientGone:
            pass
        except Exception as error:  # noqa: BLE001  a bug costs its request, not the service
            self.log.model_error("request", error)
            reason = type(error).__name__
            if status == CLIENT_GONE:
                status = 500
                await _send(send, _failed(), request_id)
        finally:
            endpoint = getattr(scope.get("endpoint"), "__name__", "none")
            seconds = self._clock() - started
            self._metrics.request(endpoint, status, seconds)
            if status >= FIRST_ERROR or self.log.logs_all:
                self.log.request(endpoint, scope["request_id"], status, seconds, reason)

    @property
    def model(self) -> Model[Any]:
        """The model in use."""
        return self._served.model

    def take_turn(self, limit: float = 0.0) -> None:
        """Do what is due; to be called a few times a second, or after each request.

        Args:
            limit: How many seconds to wait for a model that is being loaded.
        """
        self._predictions.end_late_bodies()
        self._served.follow(limit)
        self._show_model()

    def _show_model(self) -> None:
        """Have the metrics show the model in use."""
        model = self.model
        if self._shown != (model.name, model.version):
            self._shown = (model.name, model.version)
            self._metrics.model(*self._shown)

    def _refusal(self, path: str, headers: dict[bytes, bytes]) -> Reply | None:
        """Return why a request is not answered; None if it is."""
        if self._key is None or OPEN.fullmatch(path):
            return None
        given = headers.get(b"x-api-key") or _bearer_token(headers.get(b"authorization", b""))
        if hmac.compare_digest(given, self._key):
            return None
        message = "the key is missing or wrong; send it as X-API-Key, or as a bearer token"
        return Refused(401, "Unauthorized", message, ((b"www-authenticate", b"Bearer"),)).reply()

    async def _predict(
        self, receive: Receive, headers: dict[bytes, bytes], request_id: str
    ) -> Reply:
        try:
            body = await self._predictions.read(receive, headers)
            try:
                return await self._predictions.predict(body, request_id)
            finally:
                self._predictions.release(body)
        except Refused as error:
            return error.reply()

    async def predict(self, request: Request) -> Response:
        """Predict an event, or a list; `__call__` comes here only if a path is spelt otherwise."""
        headers = dict(request.scope["headers"])
        reply = await self._predict(request.receive, headers, request.scope["request_id"])
        return _response(request, reply)

    async def infer(self, request: Request) -> Response:
        """Predict; the Open Inference Protocol."""
        try:
            self._check_model(request)
            headers = dict(request.scope["headers"])
            if b"inference-header-content-length" in headers:
                message = "the binary tensor extension is not supported; send JSON"
                raise Refused(400, "InvalidRequest", message)  # noqa: TRY301
            model = self.model
            body = await self._predictions.read(request.receive, headers)
            try:
                reply = await infer(
                    self._predictions,
                    body,
                    request.scope["request_id"],
                    model.name,
                    model.version,
                )
            finally:
                self._predictions.release(body)
        except Refused as error:
            reply = error.reply()
        return _response(request, reply)

    async def metadata(self, request: Request) -> Response:
        """Describe the model."""
        try:
            self._check_model(request)
        except Refused as error:
            return _response(request, error.reply())
        model = self.model
        return _json(model_metadata(model.name, model.version, self._fields))

    async def model_ready(self, request: Request) -> Response:
        """Return whether the model is ready."""
        try:
            self._check_model(request)
        except Refused as error:
            return _response(request, error.reply())
        ready = not self.is_stopping
        return _json({"name": self.model.name, "ready": ready}, 200 if ready else 503)

    async def server_metadata(self, _request: Request) -> Response:
        """Describe the server."""
        return _json({"name": SERVICE_NAME, "version": SERVICE_VERSION, "extensions": []})

    async def live(self, _request: Request) -> Response:
        """Return that the process answers."""
        return _json({"live": True})

    async def ready(self, _request: Request) -> Response:
        """Return whether to send requests here."""
        ready = not self.is_stopping
        return _json({"live": True, "ready": ready}, 200 if ready else 503)

    async def metrics(self, _request: Request) -> Response:
        """Return the metrics."""
        return Response(self._metrics.text(), headers={"content-type": CONTENT_TYPE})

    async def openapi(self, _request: Request) -> Response:
        """Return the OpenAPI document."""
        model = self.model
        return _json(openapi(model.name, model.version, self._served.examples, self._settings))

    async def index(self, _request: Request) -> Response:
        """Return the page."""
        return _file("index.html")

    async def static(self, request: Request) -> Response:
        """Return a file of the page."""
        return _file(request.path_params["name"])

    def _check_model(self, request: Request) -> None:
        model = self.model
        name = request.path_params["name"]
        version = request.path_params.get("version", model.version)
        if (name, version) != (model.name, model.version):
            message = f"no such model or version; allowed: {model.name}, {model.version}"
            raise Refused(404, "NotFound", message)


def build_service(
    environment: Mapping[str, str], settings: WebSettings, *, wait_seconds: float = 0.0
) -> Service:
    """Build the service that environment variables describe.

    Args:
        environment: Such as `os.environ`.
        settings: Those of the service, from the same variables.
        wait_seconds: See `load_served_model`.

    Raises:
        SettingsError: A variable has a value that is not allowed.
        ModelBundleError: The model bundle is missing, damaged or incompatible.
        InvalidModel: The model lacks a member.
    """
    metrics = Metrics()

    def log(name: str) -> RequestLog:
        return RequestLog(name, settings.log_level, metrics.refresh_failed)

    served = load_served_model(environment, settings, log, wait_seconds=wait_seconds)
    return Service(served, settings, metrics, log(served.model.name))


def _bearer_token(credentials: bytes) -> bytes:
    """Return the token of the scheme Bearer, in either case (RFC 9110, 11.4); else nothing."""
    scheme, _, token = credentials.partition(b" ")
    return token.lstrip(b" ") if scheme.lower() == b"bearer" else b""


async def _send(send: Send, reply: Reply, request_id: bytes) -> None:
    headers = [
        (b"content-type", JSON),
        (b"content-length", b"%d" % len(reply.body)),
        (b"x-request-id", request_id),
        *reply.headers,
    ]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


def _response(request: Request, reply: Reply) -> Response:
    request.scope["reason"] = reply.reason
    headers = {name.decode(): value.decode() for name, value in reply.headers}
    return Response(reply.body, reply.status, headers, "application/json")


def _file(name: str) -> Response:
    if name not in FILES:
        raise HTTPException(404)
    return Response(FILES[name], 200, PAGE_HEADERS, TYPES[Path(name).suffix])


def _json(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def _failed() -> Reply:
    return Reply(500, error_body("InternalError", "the service failed; its log says where"))


def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  it is registered for these only
    allowed = (error.headers or {}).get("Allow")
    message = f"the method is not allowed; allowed: {allowed}" if allowed else "no such path"
    kind = "MethodNotAllowed" if allowed else "NotFound"
    body = error_body(kind, message)
    return Response(body, error.status_code, error.headers, "application/json")
