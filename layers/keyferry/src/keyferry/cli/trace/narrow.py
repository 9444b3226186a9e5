"""Log lines without what nobody has asked about: of other mappings, and of other namespaces."""

from keyferry.cli.trace.logs import Focus, Line
from keyferry.delivery.report import MAX_LISTED


def list_own(line: Line, focus: Focus) -> list[str]:
    """Return the deliveries of a line of route that are asked about."""
    own = {f"{row['mapping']}/{row['cluster']}" for row in focus.rows}
    return [each for each in line["deliveries"] if each in own]


def narrow_route(line: Line, focus: Focus) -> Line:
    """Return a line of route with the deliveries that are asked about first, and without the refusals of others."""
    if not focus.is_of_namespace or "deliveries" not in line:
        return line
    own = list_own(line, focus)
    rejected = [each for each in line.get("rejected", ()) if each["mapping"] in focus.mappings]
    others = [each for each in line["deliveries"] if each not in own]
    more = {"rejected": rejected, "is_refused": "rejected" in line}
    return {**line, "deliveries": [*own, *others], **more}


def narrow_sweep(line: Line, focus: Focus) -> Line:
    """Return a line of a sweep that names no namespace which is not asked about; its reasons begin with one."""
    sent = [
        each
        if focus.has_target(each["mapping"], each["cluster"], each["why"].partition(":")[0])
        else {**each, "why": "another namespace"}
        for each in line["sent"]
    ]
    return {**line, "sent": sent}


def narrow_end(line: Line, focus: Focus) -> Line:
    """Return a line with those of its namespaces that are asked about.

    `listed` is how many it had, `is_narrow` whether the others are not asked about, and `unchanged` has those that are
    asked about and that it does not list, since nothing was done there.
    """
    kept = [
        each
        for each in line.get("namespaces", ())
        if focus.has_target(line["mapping"], line["cluster"], each["namespace"])
    ]
    listed = [each["namespace"] for each in line.get("namespaces", ())]
    more = {"listed": len(listed), "is_narrow": focus.is_of_namespace, "unchanged": list[str]()}
    is_for_asked = line.get("namespace") in (None, focus.namespace)
    if focus.is_of_namespace and is_for_asked and "unchanged" in line.get("targets", {}) and len(listed) < MAX_LISTED:
        pair = line["mapping"], line["cluster"]
        asked = {row["namespace"] for row in focus.rows if (row["mapping"], row["cluster"]) == pair}
        more["unchanged"] = sorted(asked - set(listed))
    return {**line, "namespaces": kept, **more}
