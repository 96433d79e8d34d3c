"""Properties, however a vendor lists them, as one object."""

from typing import Any, Final

NAMES: Final = ("name", "label", "key")
"""Fields of a pair that may name its value; a pair may have several, then each of them does."""
VALUE: Final = "value"


def as_object(found: Any) -> Any:
    """A list of pairs such as {"name": "plan", "value": "pro"} as the object {"plan": "pro"}, in which the first of a name
    counts; in an object, a value that stands in an object as its `value` by itself. Anything else stays as it is."""
    if isinstance(found, list):
        pairs: dict[str, Any] = {}
        for pair in found:
            if isinstance(pair, dict) and VALUE in pair:
                for name in (pair[field] for field in NAMES if isinstance(pair.get(field), str)):
                    pairs.setdefault(name, pair[VALUE])
        return pairs
    if isinstance(found, dict):
        return {name: value[VALUE] if isinstance(value, dict) and VALUE in value else value for name, value in found.items()}
    return found
