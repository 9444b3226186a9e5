"""`keyferry explain`: the change that an event reports, and the deliveries that follow."""

import json
from collections.abc import Iterator, Sequence
from typing import IO, Any

import click

from keyferry.cli.check.problems import nearest
from keyferry.cli.options import Settings, output
from keyferry.cli.output import console
from keyferry.errors import InvalidInput
from keyferry.mapping.catalog import Catalog
from keyferry.model import Change, Delivery
from keyferry.pipeline import route
from keyferry.stores.envelope import Ignored


@click.command()
@click.argument("event", type=click.File("rb"))
@output
@click.pass_obj
def explain(settings: Settings, event: IO[bytes]) -> None:
    """Show which change an EventBridge event is, or why it is none, and what follows.

    EVENT is a file with the event as JSON, or - for standard input. What is judged is the event itself: whether the
    stack's rules forward its kind is in events/verdicts.yaml.
    """
    catalog = settings.load_catalog()
    report = route.plan_deliveries(_parse(event), catalog)
    matches = [] if isinstance(report.change, Ignored) else list(_matches(catalog, report.change))
    if settings.is_json:
        console.print_json(_as_dict(report, matches))
    elif isinstance(report.change, Ignored):
        console.print_line(f"no change: {report.change.reason} ({report.change.detail})")
        if report.change.reason == "deployment":
            console.print_line("a sweep follows, where this is Keyferry's own stack")
    else:
        _print_change(catalog, report.change, matches, report.deliveries)


def _parse(event: IO[bytes]) -> object:
    path = str(getattr(event, "name", "-"))
    name = "standard input" if path in ("-", "<stdin>") else path
    try:
        return json.loads(event.read())
    except json.JSONDecodeError as error:
        raise InvalidInput(f"{name}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from None
    except (UnicodeDecodeError, RecursionError):
        raise InvalidInput(f"{name}: not JSON") from None


def _matches(catalog: Catalog, change: Change) -> Iterator[dict[str, str]]:
    """Yield the sources that the change names, each with the reason (`not`) if no delivery follows for it."""
    for match in catalog.matches_of(change):
        why = ""
        if change.kind == "rotation failed":
            why = "a failed rotation leaves the current value as it was"
        elif change.label not in (None, match.source.watched_label):
            label = match.source.label or match.source.watched_label
            why = f"it reads the label {label}, and the event moves {change.label}"
        elif not catalog.clusters_of(match.mapping):
            why = "it has no cluster"
        elif not any(match.concerns(cluster.name) for cluster in catalog.clusters_of(match.mapping)):
            why = f"it does not go to {' in '.join(filter(None, (match.namespace, match.cluster)))}"
        yield {"mapping": match.mapping.name, "source": match.alias} | ({"not": why} if why else {})


def _as_dict(report: route.RouteReport, matches: list[dict[str, str]]) -> dict[str, Any]:
    change = report.change
    return {
        "change": None
        if isinstance(change, Ignored)
        else {
            "kind": change.kind,
            "store": change.store,
            "names": list(change.names),
            "label": change.label,
            "version": change.version,
            "eventId": change.event_id,
            "time": change.time.isoformat(),
        },
        "ignored": {"reason": change.reason, "detail": change.detail} if isinstance(change, Ignored) else None,
        "mappings": matches,
        "deliveries": [
            delivery.model_dump(mode="json", by_alias=True, exclude_defaults=True) for delivery in report.deliveries
        ],
    }


def _print_change(
    catalog: Catalog, change: Change, matches: list[dict[str, str]], deliveries: Sequence[Delivery]
) -> None:
    parts = [change.kind, f"{change.store} {' or '.join(change.names)}"]
    parts += [f"{name} {text}" for name, text in (("label", change.label), ("version", change.version)) if text]
    console.print_line(f"change: {', '.join(parts)}")
    for match in matches:
        why = f": {match['not']}" if "not" in match else ""
        console.print_line(f"mapping {match['mapping']}, source {match['source']}{why}")
    if not matches:
        sources = [source for mapping in catalog.mappings.values() for source in mapping.spec.sources.values()]
        known = {name for source in sources for name in source.event_names}
        console.print_line(f"no mapping names it{nearest(change.names[0], known)}")
    for delivery in deliveries:
        namespace = f", namespace {delivery.namespace}" if delivery.namespace else ""
        console.print_line(f"delivery: {delivery.mapping} to {delivery.cluster}{namespace}")
    if not deliveries:
        console.print_line("no delivery follows")
