"""`python -m tests.closing.receiver PORT FILE`: takes webhooks, and writes a line for each into FILE: when it came in ms, its
webhook-id, and for each item its key, what happened, and when that began in ms.

A process of its own, so that nothing else in the program that measures makes it late, and so that it can be killed.
"""

import json
import sys
import time
from pathlib import Path
from typing import NamedTuple

from aiohttp import web

from schemas.times import parse_time

HOST = "127.0.0.1"


class Item(NamedTuple):
    """One thing that was told."""

    key: str
    what: str
    starts_ms: int


class Received(NamedTuple):
    """One delivery."""

    at_ms: float
    delivery_id: str
    account_id: str
    items: tuple[Item, ...]


def received(file: Path) -> list[Received]:
    """All deliveries so far."""
    if not file.exists():
        return []
    whole = file.read_text(encoding="utf-8")
    return [_read(line) for line in whole[: whole.rfind("\n") + 1].splitlines()]


def _read(line: str) -> Received:
    at_ms, delivery_id, account_id, items = json.loads(line)
    return Received(at_ms, delivery_id, account_id, tuple(Item(*item) for item in items))


def main(port: int, file: Path) -> None:
    """Until it is killed."""
    # Line by line, so that what was answered is written whatever happens.
    out = file.open("a", buffering=1, encoding="utf-8")

    async def take(request: web.Request) -> web.Response:
        alert = json.loads(await request.read())["data"]
        items = [(one["key"], one["what"], parse_time(one["starts_at"])) for one in alert["items"]]
        line = (time.time() * 1000, request.headers["webhook-id"], alert["account_id"], items)
        out.write(json.dumps(line) + "\n")
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/alerts", take)
    web.run_app(app, host=HOST, port=port, print=None, access_log=None)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
