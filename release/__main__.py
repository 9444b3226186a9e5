"""What `make release` runs: `python -m release VERSION`. It writes `dist/VERSION/`, and then makes the tag."""

import shutil
import sys
from pathlib import Path

import click

from release.artifacts import build_layer, build_wheels, write_checksums
from release.changelog import read_section
from release.errors import Refused
from release.repository import Repository
from release.sbom import describe_layer

ROOT = Path(__file__).resolve().parents[1]


@click.command()
@click.argument("version")
def main(version: str) -> None:
    """Make the release VERSION, such as 1.2.0, of what is committed."""
    repository = Repository(ROOT)
    try:
        made = make(repository, version)
    except Refused as error:
        sys.exit(f"no release is made: {error}")
    for path in sorted(made.iterdir()):
        click.echo(f"{path.relative_to(ROOT)}  {path.stat().st_size:,} bytes")
    click.echo(f"tagged v{version}. To publish it: git push origin v{version}, and put the files beside it.")


def make(repository: Repository, version: str) -> Path:
    """Write the files of a release into `dist/VERSION`, make its tag, and return that folder.

    Raises:
        Refused: something is wrong with the repository or the changelog, or does not build; there is no tag then, and
            what an earlier try has left in that folder is as it was.
    """
    repository.check(version)
    section = read_section((repository.root / "CHANGELOG.md").read_text(), version)
    target = repository.root / "dist" / version
    making = target.with_name(f".{version}")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    try:
        _write(repository, version, section, making)
        shutil.rmtree(target, ignore_errors=True)
        (making / "files").rename(target)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    repository.tag(version, section)
    return target


def _write(repository: Repository, version: str, section: str, making: Path) -> None:
    source, files, seconds = repository.copy(making / "source"), making / "files", repository.read_commit_time()
    files.mkdir()
    click.echo("building the wheels", err=True)
    build_wheels(source, files, seconds)
    click.echo("building the code layer, for what is in it", err=True)
    [wheel] = files.glob("keyferry-*.whl")
    bill = describe_layer(build_layer(source), wheel, version, seconds)
    (files / f"keyferry-{version}.cdx.json").write_text(bill)
    (files / "CHANGELOG.md").write_text(section)
    write_checksums(files)


if __name__ == "__main__":
    main()
