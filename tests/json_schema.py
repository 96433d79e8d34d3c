"""Hold values against JSON Schemas."""

from typing import Any

import jsonschema


def errors(schema: Any, value: Any) -> list[str]:
    """Why a value does not fit a JSON Schema."""
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in validator.iter_errors(value)]
