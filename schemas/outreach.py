"""Outreach: messages to respondents, and what they said of getting any. The types of what travels."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from schemas.events import Id, Text, Time

Suppression = Literal["answered", "opted out", "cool-down", "account cap", "daily cap", "no address", "closed", "too late"]
"""Why no message was sent: a person was faster; the respondent wants none; there was one not long ago; enough were sent today,
to the account or at all; there is nowhere to send it; the case is closed already; or it would come too late to be a reply."""


class Outreach(Struct, kw_only=True, omit_defaults=True):
    """A message that is to be sent to a respondent, or that was decided not to be."""

    outreach_id: Annotated[Id, Meta(description="the same for a repeat: send each once")]
    account_id: Id
    case_id: Id
    respondent_id: Id
    status: Literal["send", "suppressed"]
    reason: Annotated[Suppression, Meta(description="why it was suppressed")] | UnsetType = UNSET
    to: Annotated[Text, Meta(description="e-mail address")] | UnsetType = UNSET
    reply_to: Annotated[Text, Meta(description="e-mail address of the case's owner")] | UnsetType = UNSET
    locale: Annotated[Id, Meta(description="language of the text")] | UnsetType = UNSET
    template: Annotated[Id, Meta(description="by whose name it was made")] | UnsetType = UNSET
    subject: Text | UnsetType = UNSET
    text: Text | UnsetType = UNSET
    created_at: Time
    expires_at: Annotated[Time, Meta(description="from when on it must not be sent any more")] | UnsetType = UNSET


class Preference(Struct, kw_only=True):
    """What a respondent wants. The key is `account_id|respondent_id`, the partition that of the account_id; a tombstone takes
    it back."""

    account_id: Id
    respondent_id: Id
    outreach: Annotated[bool, Meta(description="false: no message is sent")]
