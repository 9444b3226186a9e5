"""Rows of `keyferry status` to make pages of: a fleet with something of everything, as large as asked for."""

from datetime import UTC, datetime, timedelta
from typing import Any

from keyferry.cli.states import Row
from keyferry.model import format_time

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
MEAN = """</script><script>document.title="mean"</script><img src=x onerror='document.title="mean"'>"&{{ 7 * 7 }}"""
"""What a name would be that somebody hopes a page takes for markup."""
_TEAMS = ("payments", "checkout", "platform", "search")
_THINGS = ("db", "tls", "session", "smtp", "registry", "cache", "webhook")
_ENVIRONMENTS = ("prod-eu", "prod-us", "staging-eu", "dev-eu")
_WRONG: tuple[dict[str, Any], ...] = (
    {
        "state": "failed",
        "error": "SourceUnusable: key password: source db: path password finds nothing: the value has no key password",
        "at": "mappings/payments/db.yaml:12",
    },
    {
        "state": "failed",
        "error": "Forbidden: the cluster forbids to patch secrets/tls: grant the verb patch by RBAC",
        "failed": format_time(NOW - timedelta(minutes=2)),
        "nextTry": format_time(NOW + timedelta(minutes=3)),
    },
    {"state": "stale", "why": "new version of db"},
    {"state": "restart due", "why": "restarts are due"},
    {"state": "conflict", "why": "helm has key password again, which was taken back"},
    {"state": "gone", "why": "the Secret is missing"},
    {"state": "unknown", "why": "ClusterUnreachable: cluster dev-eu: no answer in time"},
    {"state": "held"},
)


def build_rows(targets: int = 60, *, namespaces: int = 5) -> list[Row]:
    """Return so many rows: for each mapping some namespaces on each of a few clusters; one in 23 is not right."""
    per_mapping = namespaces * len(_ENVIRONMENTS)
    return [_build_row(number, *divmod(number, per_mapping), namespaces) for number in range(targets)]


def _build_row(number: int, m: int, place: int, namespaces: int) -> Row:
    team, thing = _TEAMS[m % len(_TEAMS)], _THINGS[m // len(_TEAMS) % len(_THINGS)]
    name = f"{team}-{thing}" + (f"-{m}" if m >= len(_TEAMS) * len(_THINGS) else "")
    wrong = _WRONG[number // 23 % len(_WRONG)] if number % 23 == 7 else {"state": "right"}
    rotation = {"on": m % 3 != 0, "next": format_time(NOW + timedelta(days=m % 8 - 1))}
    source = {
        **{"alias": "db", "store": "secretsmanager", "name": f"prod/{team}/{thing}", "region": "eu-west-1"},
        **{"held": f"{m:08x}-aaaa", "wanted": f"{m + (wrong['state'] == 'stale'):08x}-aaaa"},
        **{"changed": format_time(NOW - timedelta(days=3 * m + 1)), "rotation": rotation},
    }
    expires = {"certificateExpires": format_time(NOW + timedelta(days=m * 5 - 4))} if thing == "tls" else {}
    restart: Any = ["Deployment/api", "StatefulSet/worker"] if m % 3 == 0 else "auto" if m % 3 == 1 else "none"
    return {
        "mapping": name,
        "cluster": _ENVIRONMENTS[place // namespaces],
        "namespace": f"{team}-{place % namespaces}",
        "secret": f"{team}-{thing}",
        "owner": {"team": team, "contact": f"#{team}-oncall"},
        "restart": restart,
        "since": format_time(NOW - timedelta(hours=number % 400)),
        "sources": [source],
        **expires,
        **wrong,
    }


def build_mean_row() -> Row:
    """Return a row in which everything that somebody names is markup."""
    source = {
        "alias": "db",
        "store": "secretsmanager",
        "name": MEAN,
        "region": "eu-west-1",
        "changed": format_time(NOW),
    }
    return {
        **dict.fromkeys(("mapping", "cluster", "namespace", "secret", "error", "at"), MEAN),
        **{"state": "failed", "owner": {"team": MEAN, "contact": MEAN}, "restart": [MEAN], "sources": [source]},
        "certificateExpires": format_time(NOW),
    }
