"""npstream schema: the published contract as AsyncAPI 3 and JSON Schema."""

from pathlib import Path
from typing import Any

import click
import orjson

from npstream.failures import UserError
from npstream.terminal import console, print_json

ASYNCAPI_FILE = "asyncapi.json"
"""JSON is YAML, so every AsyncAPI tool reads it."""


@click.command(help="Write AsyncAPI 3 and JSON Schema of the topics: to stdout, or into a folder.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder to write files into; made if missing.",
)
@click.option("--asyncapi", "only_asyncapi", is_flag=True, help="Only the AsyncAPI document.")
@click.option("--json-schema", "only_json_schema", is_flag=True, help="Only the JSON Schemas, one for each type.")
def command(out: Path | None, only_asyncapi: bool, only_json_schema: bool) -> None:
    """Without --out: the AsyncAPI document, or with --json-schema one object of schemas by name."""
    if only_asyncapi and only_json_schema:
        raise click.UsageError("--asyncapi and --json-schema exclude each other: without either, both are written")
    # imported here, since making the contract's types takes longer than refusing
    from schemas.contract import asyncapi, json_schemas

    if out is None:
        print_json(json_schemas() if only_json_schema else asyncapi())
        return
    documents: dict[str, Any] = {}
    if not only_json_schema:
        documents[ASYNCAPI_FILE] = asyncapi()
    if not only_asyncapi:
        documents |= {f"{name}.schema.json": schema for name, schema in json_schemas().items()}
    terminal = console()
    for name, document in documents.items():
        terminal.print(str(_written(out / name, document)), soft_wrap=True)


def _written(path: Path, document: Any) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; choose another folder with --out") from error
    return path
