"""Somebody's own endpoint, signed as Standard Webhooks says: webhook-id is the delivery's, the same for every repeat, so that a
receiver that remembers ids takes each delivery once.

Source: the Standard Webhooks specification 1.0.0: headers, signature, and the form of the body.
"""

from datetime import UTC, datetime

import msgspec
from standardwebhooks import Webhook

from npstream.care.sinks import WebhookTable
from npstream.notifying.orders import Order
from npstream.notifying.sinks.http import Making, Request
from npstream.notifying.sinks.telling import alert_of, plain_id
from schemas.cloudevents import ALERT


def webhook(table: WebhookTable) -> Making:
    """Requests to one endpoint."""
    url, signing = str(table.url), Webhook(str(table.secret))

    def make(order: Order, now_ms: int) -> Request:
        alert = alert_of(order, "webhook")
        body = msgspec.json.encode({"type": ALERT, "timestamp": alert.created_at, "data": alert})
        identity = plain_id(order.delivery_id)
        moment = datetime.fromtimestamp(now_ms // 1000, UTC)
        headers = {
            "webhook-id": identity,
            "webhook-timestamp": str(now_ms // 1000),
            "webhook-signature": signing.sign(identity, moment, body.decode()),
        }
        return Request(url, body, headers)

    return make
