"""The gateway's paths, put together. An ASGI application that knows Kafka as a `Sink` alone."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Match, Route

from npstream.gateway.configuration import Rules
from npstream.gateway.limits import InFlight, Rate
from npstream.gateway.metrics import GatewayMetrics
from npstream.gateway.openapi import RESPONSES, WEBHOOK, Accepted, answers, completed
from npstream.gateway.reception import Reception
from npstream.gateway.refusals import Refused
from npstream.gateway.responses import Responses
from npstream.gateway.sink import Sink
from npstream.gateway.webhooks import Webhooks
from npstream.settings import Settings
from schemas.contract import CONTRACT_VERSION


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of everything that is taken. Units as in the settings of the same names."""

    max_body_bytes: int
    in_flight_bytes: int
    rate_per_s: float
    burst: int

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        """From the settings."""
        return cls(
            settings.gateway_max_body_bytes,
            settings.gateway_in_flight_bytes,
            settings.gateway_rate_per_s,
            settings.gateway_burst,
        )


class DirectRoute(APIRoute):
    """A route whose endpoint gets the request and the parts of its path as they are. FastAPI solves dependencies and serialises
    answers for every request, which costs a third of what a webhook costs, and none of it is needed here."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's way to have a handler of one's own."""
        endpoint = self.endpoint

        async def handle(request: Request) -> Response:
            response: Response = await endpoint(request, **request.path_params)
            return response

        return handle


def create_app(rules: Rules, limits: Limits, sink: Sink, metrics: GatewayMetrics, in_flight: InFlight) -> FastAPI:
    """All paths. `metrics` and `in_flight` belong together."""
    reception = Reception(sink, metrics, in_flight, limits.max_body_bytes)
    webhooks = Webhooks(rules.vendors, reception, limits.rate_per_s, limits.burst)
    responses = Responses(rules.tokens, reception, Rate(limits.rate_per_s, limits.burst))
    # Its pages of documentation load scripts from elsewhere; the document alone says as much.
    app = FastAPI(title="npstream gateway", version=CONTRACT_VERSION, docs_url=None, redoc_url=None)
    app.router.route_class = DirectRoute
    _webhook_paths(app, webhooks)

    @app.post(
        "/v1/responses",
        status_code=202,
        response_model=Accepted,
        responses=answers(400, 401, 408, 413, 422, 429, 503),
        openapi_extra=RESPONSES,
        summary="Send canonical responses",
    )
    async def send_responses(request: Request) -> Response:
        return await responses.receive(request)

    _health_paths(app, sink, metrics)
    app.add_exception_handler(405, _other_method)
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]  # FastAPI's documented way to extend it
    return app


def _webhook_paths(app: FastAPI, webhooks: Webhooks) -> None:
    refusals: dict[str, Any] = {"responses": answers(400, 401, 404, 408, 413, 422, 429, 503), "openapi_extra": WEBHOOK}

    @app.post("/webhooks/{vendor}", response_model=Accepted, summary="Take a vendor's webhook", **refusals)
    async def take_webhook(request: Request, vendor: str) -> Response:
        return await webhooks.receive(request, vendor, None)

    @app.post(
        "/webhooks/{vendor}/{token}", response_model=Accepted, summary="The same, proved by a token in the path", **refusals
    )
    async def take_webhook_with_token(request: Request, vendor: str, token: str) -> Response:
        return await webhooks.receive(request, vendor, token)

    @app.get("/webhooks/{vendor}", response_model=Accepted, responses=answers(404), summary="Ask whether somebody is here")
    async def ask(request: Request, vendor: str) -> Response:
        return await webhooks.known(vendor)

    @app.get("/webhooks/{vendor}/{token}", response_model=Accepted, responses=answers(404), summary="The same")
    async def ask_with_token(request: Request, vendor: str, token: str) -> Response:
        return await webhooks.known(vendor)

    app.add_api_route("/webhooks/{vendor}", ask, methods=["HEAD"], include_in_schema=False)
    app.add_api_route("/webhooks/{vendor}/{token}", ask_with_token, methods=["HEAD"], include_in_schema=False)


def _health_paths(app: FastAPI, sink: Sink, metrics: GatewayMetrics) -> None:
    @app.get("/health/live", response_class=PlainTextResponse, summary="Whether it runs")
    async def live(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    @app.get(
        "/health/ready",
        response_class=PlainTextResponse,
        responses={503: {"content": {"text/plain": {}}, "description": "Kafka cannot be reached: the text says why"}},
        summary="Whether Kafka can be reached",
    )
    async def ready(request: Request) -> Response:
        problem = sink.problem()
        return PlainTextResponse(f"{problem or 'ok'}\n", 200 if problem is None else 503)

    @app.get("/metrics", response_class=PlainTextResponse, summary="For Prometheus")
    async def scrape(request: Request) -> Response:
        return Response(generate_latest(metrics.registry), headers={"content-type": CONTENT_TYPE_LATEST})


async def _other_method(request: Request, error: Exception) -> Response:
    """405, with all methods of the path: Starlette names those of its first route alone."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    matching = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    allowed = sorted({method for route in matching for method in route.methods or ()})
    return Refused(405, f"this path takes {', '.join(allowed)}", allow=", ".join(allowed)).response()


def _document(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        app.openapi_schema = completed(
            get_openapi(title=app.title, version=app.version, description=__doc__, routes=app.routes)
        )
    return app.openapi_schema
