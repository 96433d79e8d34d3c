"""What `npstream gateway --check` shows: who is taken for whom, and no secret."""

from rich import box
from rich.table import Table

from npstream.gateway.configuration import OPEN, Rules, Vendor


def overview(rules: Rules) -> Table:
    """A row for each vendor, and one for programs."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for title in ("Path", "Proof", "Secrets", "Accounts"):
        table.add_column(title)
    for vendor in rules.vendors.values():
        accounts = sorted({one.account for one in vendor.credentials if one.account} or {vendor.account or "-"})
        table.add_row(f"/webhooks/{vendor.name}", _proof(vendor), str(len(vendor.credentials)), ", ".join(accounts))
    accounts = sorted({one.account for one in rules.tokens if one.account} or {"-"})
    proof = "Authorization: Bearer" if rules.tokens else "closed: no token is set"
    table.add_row("/v1/responses", proof, str(len(rules.tokens)), ", ".join(accounts))
    return table


def _proof(vendor: Vendor) -> str:
    if vendor.open:
        return f"{OPEN}: anybody may send"
    if vendor.closed or vendor.scheme is None:
        return "closed: no secret is set"
    return vendor.scheme.proof
