"""`keyferry migrate verify`: shows whether mappings make the very Secrets that are in the clusters."""

import os
import sys

import click

from keyferry.aws.sessions import open_session
from keyferry.cli.deliveries import MAX_SECONDS, Selection, run_all, select
from keyferry.cli.migrate.verify.show import VerifiedTargets, build_answer, print_verified
from keyferry.cli.migrate.verify.verify import Verified, fail, verify
from keyferry.cli.names import complete_clusters, complete_mappings, complete_namespaces
from keyferry.cli.options import PROBLEMS, Settings, examples, output
from keyferry.cli.output import console
from keyferry.deadline import Deadline
from keyferry.errors import KeyferryError
from keyferry.model import Delivery
from keyferry.runtime.wiring import Runtime

ANSWER = VerifiedTargets


@click.command(
    "verify",
    epilog=examples("keyferry migrate verify", "keyferry migrate verify payments-db --cluster prod-eu --output json"),
)
@click.argument("mappings", nargs=-1, metavar="[MAPPING]...", shell_complete=complete_mappings)
@click.option("--cluster", metavar="NAME", shell_complete=complete_clusters, help="Only in this cluster.")
@click.option("--namespace", metavar="NAME", shell_complete=complete_namespaces, help="Only in this namespace.")
@output
@click.pass_obj
def verify_(settings: Settings, mappings: tuple[str, ...], cluster: str | None, namespace: str | None) -> None:
    """Show whether mappings make the very Secrets that are in the clusters.

    Makes each Secret of the mappings named, or of all, from what AWS has now, and compares it with the Secret in the
    cluster: keys, bytes, type, labels, annotations. Names what differs, and never a value. Takes the rights of a push,
    and writes nothing. Exits with 0 when all are equal.
    """
    catalog = settings.load_catalog()
    deliveries = select(catalog, Selection(mappings, cluster, namespace))
    runtime = Runtime(os.environ, catalog, open_session(settings.choose_region(os.environ)))

    def compare(delivery: Delivery) -> list[Verified]:
        secret = catalog.mappings[delivery.mapping].spec.secret.name
        try:
            return verify(runtime.prepare(delivery, Deadline.after(MAX_SECONDS)), catalog.locate)
        except KeyferryError as error:
            return [fail(delivery, secret, error, catalog.locate)]

    found = [each for some in run_all(deliveries, compare, "comparing") for each in some]
    if settings.is_json:
        console.print_json(build_answer(found))
    else:
        print_verified(found)
    sys.exit(0 if all(each.is_equal for each in found) else PROBLEMS)
