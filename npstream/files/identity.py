"""The id of a response that comes without one: made of what it says, so that whoever sends a file twice sends nothing twice."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

PARTS: Final = ("account_id", "respondent_id", "responded_at", "score", "comment")
"""The fields that make the id, as they are in the canonical response."""
PREFIX: Final = "made-"
"""What such ids begin with."""
HEX_DIGITS: Final = 32
"""128 bits: no two responses share them."""


class Identity:
    """Makes the ids of one file. Two rows of it that say the same of one respondent are the same response; anonymous ones are
    as many responses as there are rows, told apart by which of them it is."""

    def __init__(self) -> None:
        self._anonymous: Counter[bytes] = Counter()

    def of(self, response: Mapping[str, Any]) -> str:
        """The id of a canonical response."""
        digest = hashlib.sha256()
        for name in PARTS:
            part = str(response.get(name, "")).encode()
            digest.update(len(part).to_bytes(8, "big") + part)
        if not response.get("respondent_id"):
            said = digest.digest()[:16]
            digest.update(self._anonymous[said].to_bytes(8, "big"))
            self._anonymous[said] += 1
        return PREFIX + digest.hexdigest()[:HEX_DIGITS]
