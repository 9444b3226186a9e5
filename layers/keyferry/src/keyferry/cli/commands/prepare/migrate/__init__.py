"""`keyferry migrate`: manifests of External Secrets and the Secrets Store CSI driver become mappings."""

import importlib
import json
import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from pydantic import TypeAdapter, ValidationError

from keyferry.cli.check.problems import nearest
from keyferry.cli.migrate import live, manifests, writing
from keyferry.cli.migrate.conversions import Outcomes, convert_all
from keyferry.cli.migrate.external_secrets.namespaces import list_rules
from keyferry.cli.migrate.handover.show import HandedOverTargets
from keyferry.cli.migrate.manifests import STANDARD_INPUT
from keyferry.cli.migrate.model import Estate, Manifest, Options
from keyferry.cli.migrate.objections import Objections, find_objections
from keyferry.cli.migrate.reloader import list_differences
from keyferry.cli.migrate.report import Migrated, Result, build_answer, print_result, write_report
from keyferry.cli.migrate.rules import build_rules
from keyferry.cli.migrate.verify.show import VerifiedTargets
from keyferry.cli.migrate.writing import Written
from keyferry.cli.names import complete_clusters
from keyferry.cli.options import PROBLEMS, Settings, examples, output
from keyferry.cli.output import console
from keyferry.errors import InvalidInput
from keyferry.formats import yamltext
from keyferry.formats.fields import Label, Name, Region
from keyferry.role import RoleArn

ANSWER = Migrated | VerifiedTargets | HandedOverTargets
BELOW = {
    "verify": "Show whether mappings make the very Secrets that are in the clusters",
    "handover": "Let mappings take over Secrets from External Secrets and the CSI driver",
}
"""Name of a command below this one → the first sentence of its help, without the full stop."""
_SERVICES = ("SecretsManager", "ParameterStore")


class Migrate(click.Group):
    """A command with commands below it: where the first word is the name of none, the words are paths.

    The commands are modules of `keyferry.cli.migrate.commands`, and imported when they are asked for.
    """

    allow_interspersed_args = True

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # as click calls it
        """Return the names of the commands below."""
        return list(BELOW)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return a command; None if there is none of that name."""
        if cmd_name not in BELOW:
            return None
        module = importlib.import_module(f"keyferry.cli.migrate.commands.{cmd_name}")
        command: click.Command = getattr(module, f"{cmd_name}_")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the summaries."""
        with formatter.section("Commands"):
            formatter.write_dl(list(BELOW.items()))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the arguments for those of a command below, or for those of the conversion."""
        if args and args[0] in self.list_commands(ctx):
            ctx.args = list(args)
            return []
        ctx.args = []
        return click.Command.parse_args(self, ctx, args)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  # as click has it
        """Run the command below, or the conversion."""
        if not ctx.args:
            return click.Command.invoke(self, ctx)
        name, *args = ctx.args
        command = self.get_command(ctx, name)
        with command.make_context(f"{ctx.info_name} {name}", args, parent=ctx.parent) as below:  # type: ignore[union-attr]  # it is in the list
            return command.invoke(below)  # type: ignore[union-attr]

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Return what the usage says: nothing of a command, for there need not be one."""
        return click.Command.collect_usage_pieces(self, ctx)


def _check(kind: Any, example: str) -> Callable[[click.Context, click.Parameter, Any], Any]:  # noqa: ANN401  # a type
    """Return what refuses an option that is not of a type: else each manifest would be refused for it."""

    def check(_context: click.Context, _option: click.Parameter, value: Any) -> Any:  # noqa: ANN401  # as click has it
        for each in dict.fromkeys(value) if isinstance(value, tuple) else filter(None, [value]):
            try:
                TypeAdapter(kind).validate_python(each)
            except ValidationError:
                raise click.BadParameter(f"{each!r} is none; one is {example}") from None
        return tuple(dict.fromkeys(value)) if isinstance(value, tuple) else value

    return check


@click.command(
    cls=Migrate,
    epilog=examples(
        "keyferry migrate manifests --cluster prod-eu",
        "helm template shop charts/shop | keyferry migrate - --cluster prod-eu",
        "keyferry migrate manifests --cluster prod-eu --dry-run --report report.md",
    ),
)
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option(
    "--cluster", "clusters", metavar="NAME", multiple=True, required=True, shell_complete=complete_clusters,
    callback=_check(Name, "prod-eu"),
    help="Cluster of the mappings, as clusters.yaml calls it; several are possible.",
)  # fmt: skip
@click.option(
    "--to", "folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False),
    help="Where the mappings are written.  [default: the folder of the mappings]",
)  # fmt: skip
@click.option("--from-cluster", "context", metavar="CONTEXT", help="Read this cluster too, by your kubeconfig.")
@click.option(
    "--namespace", "-n", metavar="NAME", callback=_check(Label, "payments"),
    help="Namespace of manifests that name none; the one that is read.",
)  # fmt: skip
@click.option(
    "--region", metavar="NAME", callback=_check(Region, "eu-west-1"),
    help="Region of stores that are not among the manifests.",
)  # fmt: skip
@click.option(
    "--role", metavar="ARN", callback=_check(RoleArn, "arn:aws:iam::111122223333:role/reader"),
    help="Role of stores that are not among the manifests.",
)  # fmt: skip
@click.option(
    "--service", type=click.Choice(_SERVICES), default=_SERVICES[0], show_default=True,
    help="Service of stores that are not among the manifests.",
)  # fmt: skip
@click.option("--files", is_flag=True, help="Make a Secret of the files of a SecretProviderClass, too.")
@click.option("--dry-run", is_flag=True, help="Write no mapping; show what would be done.")
@click.option("--report", "report_file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
              help="Write the report there too: JSON where the name ends in .json, else Markdown.")  # fmt: skip
@output
@click.pass_obj
def migrate(
    settings: Settings,
    /,
    paths: tuple[str, ...],
    context: str | None,
    folder: Path | None,
    report_file: Path | None,
    *,
    dry_run: bool,
    **given: Any,  # noqa: ANN401  # the fields of Options
) -> None:
    """Make mappings of manifests of External Secrets and of the Secrets Store CSI driver.

    A PATH is a file, a folder, or - for standard input. Each manifest becomes a file with a mapping that makes exactly
    the same Secret; or it is refused, with the line, the reason, and what to do. A file that somebody has edited since
    is kept, and the difference shown. Exits with 0 when everything was converted.
    """
    if not (paths or context):
        raise click.UsageError("name a file, a folder, or - for standard input; or a cluster by --from-cluster")
    if report_file:
        with _telling(report_file):
            writing.check_writable(report_file)
    target = folder or settings.mappings
    regions = _read_regions(given["clusters"], target)
    options = Options(**given, own_region=settings.config.region, cluster_regions=regions)
    reading = manifests.read(paths, manifests.take(sys.stdin.buffer) if STANDARD_INPUT in paths else b"")
    estate = Estate([*reading.manifests, *_read_cluster(context, options.namespace)], options)
    outcomes = _convert(estate, target)
    advice = _list_advice(estate, outcomes)
    written = _choose_files(outcomes, target)
    objections = _find_objections(target, written.values())
    advice += _list_missing_rules(target, written, outcomes, objections, options.clusters)
    outcomes.outcomes = [objections.refuse(each, written.get(n)) for n, each in enumerate(outcomes.outcomes)]
    written = {number: each for number, each in written.items() if each.file not in objections.refused}
    if not dry_run:
        _write(written.values())
    result = Result(outcomes, reading.broken, written, advice, list(objections.describe_others()))
    _tell(settings, result, report_file, dry_run=dry_run)
    sys.exit(0 if result.is_whole else PROBLEMS)


def _read_cluster(context: str | None, namespace: str | None) -> list[Manifest]:
    """Return the manifests of a cluster, or of one namespace of it."""
    if context is None:
        return []
    client = live.connect(context, os.environ)
    with console.show_progress(f"reading {context}", live.STEPS) as step:
        return live.read_objects(client, namespace, step)


def _read_regions(clusters: Sequence[str], folder: Path) -> dict[str, str]:
    """Return the regions of the clusters, as far as they are known, and tell where none is.

    Raises:
        InvalidInput: clusters.yaml does not have one.
    """
    path = folder / "clusters.yaml"
    if not path.exists():
        console.print_note(f"{path} is missing: `keyferry init` writes it, and mappings need it")
        return {}
    known = writing.read_clusters(path)
    for name in clusters:
        if known and name not in known:
            raise InvalidInput(f"{path} has no cluster {name}{nearest(name, known, 'there is')}")
    return {name: known[name] for name in clusters if known.get(name)}


def _convert(estate: Estate, folder: Path) -> Outcomes:
    with console.show_progress("converting", len(estate.manifests)) as step:
        return convert_all(estate, step, writing.read_names(folder))


def _choose_files(outcomes: Outcomes, folder: Path) -> dict[int, Written]:
    """Return the number of each manifest that was converted with the file of its mappings. Nothing is written yet."""
    written: dict[int, Written] = {}
    for number, outcome in enumerate(outcomes.outcomes):
        if outcome.conversions:
            used = {each.file for each in written.values()}
            path = writing.choose_file(folder, writing.name_file(outcome.conversions), used)
            content = writing.format_conversions(outcome.conversions)
            with _telling(path):
                written[number] = writing.compare(path, content)
                writing.check_writable(path)
    return written


def _find_objections(folder: Path, written: Collection[Written]) -> Objections:
    """Return what `keyferry validate` has against the files, by a policy or other mappings of the folder."""
    if not (written and (folder / "clusters.yaml").exists()):
        return Objections()
    return find_objections(folder, list(written), console.show_progress)


def _list_missing_rules(
    folder: Path, written: Mapping[int, Written], outcomes: Outcomes, objections: Objections, clusters: Sequence[str]
) -> list[str]:
    """Return the rules without which the policy refuses mappings."""
    refused = objections.list_by_policy(folder)
    files = {
        each.file.relative_to(folder): outcomes.outcomes[number].conversions
        for number, each in written.items()
        if each.file in refused
    }
    return [
        f"this rule of {folder / 'policy.yaml'} would allow what it refuses in {', '.join(rule['mappings'])}:"
        f" {yamltext.text(rule, flow=True)}"
        for rule in build_rules(files, clusters)
    ]


def _write(written: Collection[Written]) -> None:
    for each in written:
        with _telling(each.file):
            writing.write(each)


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    """Say which file it is that cannot be written.

    Raises:
        InvalidInput: it cannot be.
    """
    try:
        yield
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}") from None


def _list_advice(estate: Estate, outcomes: Outcomes) -> list[str]:
    if not any(each.conversions for each in outcomes.outcomes):
        return []
    return [*list_differences(estate), *list_rules(estate)]


def _tell(settings: Settings, result: Result, report_file: Path | None, *, dry_run: bool) -> None:
    answer = build_answer(result)
    if report_file:
        with _telling(report_file):
            write_report(report_file, result, json.dumps(answer, indent=2) + "\n")
    if settings.is_json:
        console.print_json(answer)
        return
    print_result(result, dry_run=dry_run)
