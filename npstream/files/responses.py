"""From a draft to the record that is sent: validated here as the intake will, so that a row's fault is known by its place."""

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any, Final

from npstream.files.identity import Identity
from npstream.files.labels import Labels
from npstream.files.row import Row, canonical_record
from schemas.dead_letters import Reason, Unusable
from schemas.validation import canonical
from schemas.vendors.adapter import SourceSettings

PASSED_OVER: Final = (Reason.NOT_A_RESPONSE, Reason.NOT_NPS, Reason.NO_SCORE)
"""Why a mapping finds no response in a payload that is nobody's fault: an event of another kind, an unanswered question."""
_SOME: Final = "?"
"""Stands for what is not known yet, while everything else is validated."""


class Responses:
    """Makes the rows of one file."""

    def __init__(self, labels: Labels) -> None:
        self._labels = labels
        self._identity = Identity()
        self._headers = labels.headers(canonical=True)

    def of_draft(self, where: str, draft: Mapping[str, Any]) -> Row:
        """The row of a draft that a table's columns made."""
        try:
            response, made = self._response(draft, None, None)
        except Unusable as error:
            return Row(where, refused=str(error))
        return Row(where, (canonical_record(response, self._labels.account, self._headers),), made_id=made)

    def of_payload(self, where: str, payload: Any) -> Row:
        """The row of a payload that the mapping reads."""
        mapping, zone = self._labels.mapping, self._labels.zone
        if mapping is None:
            raise ValueError("there is no mapping")
        try:
            drafts = mapping.adapt(payload, SourceSettings(zone=zone))
            found = [self._response(draft, mapping.NAME, zone if mapping.VENDOR_TIMES else None) for draft in drafts]
        except Unusable as error:
            if error.reason in PASSED_OVER:
                return Row(where, passed_over=f"{error.reason.value}: {error}")
            return Row(where, refused=str(error), original=payload)
        records = tuple(canonical_record(response, self._labels.account, self._headers) for response, _ in found)
        return Row(where, records, made_id=any(made for _, made in found))

    def _response(self, draft: Mapping[str, Any], source: str | None, zone: tzinfo | None) -> tuple[dict[str, Any], bool]:
        """The canonical response, and whether its id was made."""
        response_id = draft.get("response_id")
        made = response_id in (None, "") and draft.get("kind") != "retraction"
        given = {**draft, "response_id": _SOME if made else response_id}
        response = validated(given, source or _SOME, zone, self._labels.account)
        if response["source"] == _SOME:
            del response["source"]
        if made:
            response["response_id"] = self._identity.of(response)
        return response, made


def validated(draft: Mapping[str, Any], source: str, zone: tzinfo | None, account: str | None) -> dict[str, Any]:
    """The canonical response of a draft; where nobody names the account, without one: the intake finds it by other means, or
    says that there is none. Raises Unusable."""
    account = draft.get("account_id") or account
    response = canonical({**draft, "account_id": account or _SOME}, source, zone, None)
    if not account:
        del response["account_id"]
    return response
