"""What the owners of accounts have deployed from generated/accounts: a stack in each account and region."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from keyferry.access.accounts import list_accounts, list_regions
from keyferry.cli.uninstall.removal import Step, delete_by_cloudformation
from keyferry.mapping.catalog import Catalog


def name_member(stack: str) -> str:
    """Return the name that the guide gives to these stacks."""
    return f"{stack}-member"


def list_member_regions(catalogs: Iterable[Catalog]) -> Mapping[str, Sequence[str]]:
    """Return each account that some catalogues name → its regions that they name, both sorted."""
    regions: dict[str, set[str]] = {}
    for catalog in catalogs:
        for account in list_accounts(catalog):
            regions.setdefault(account, set()).update(list_regions(catalog, account))
    return {account: sorted(named) for account, named in sorted(regions.items())}


def plan_members(stack: str, account: str, regions: Sequence[str], doubt: str = "") -> Iterator[Step]:
    """Yield the steps that delete these stacks in an account that is not looked at.

    Args:
        stack: the name of Keyferry's stack.
        account: the account.
        regions: its regions; none where nothing names them.
        doubt: what to say of whether they are there.
    """
    for region in regions:
        what = f"roles, access entries and event rules in account {account}, with credentials of it, {region}{doubt}"
        yield Step(what, delete_by_cloudformation(name_member(stack), region))
    if not regions:
        what = f"roles and event rules in account {account}, with credentials of it, where they were deployed"
        yield Step(what, delete_by_cloudformation(name_member(stack), "REGION"))
