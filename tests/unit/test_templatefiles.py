"""Templates in files of their own: read with the mappings, and what is wrong with them is told at their lines."""

import os
from pathlib import Path

import pytest

from keyferry.cli.check import files
from keyferry.cli.check.problems import InvalidFiles
from keyferry.render.render import render_metadata
from tests.unit.samples import PLACE, rendered, value
from tests.unit.test_files import CLUSTERS, MAPPING


def write(folder: Path, entry: str = "{templateFile: app.conf.j2}", **more: str) -> None:
    """Write a mapping in teams/ whose one key is made so, and files beside it."""
    (folder / "teams").mkdir(exist_ok=True)
    (folder / "clusters.yaml").write_text(CLUSTERS)
    (folder / "teams/a.yaml").write_text(MAPPING.replace("{from: db, path: password}", entry))
    for name, text in more.items():
        (folder / "teams" / name.replace("_", ".")).write_text(text)


def told(folder: Path) -> list[str]:
    with pytest.raises(InvalidFiles) as raised:
        files.load(folder)
    return [str(problem).removeprefix(f"{folder}/") for problem in raised.value.problems]


def test_a_template_may_be_in_a_file_beside_the_mapping(tmp_path: Path) -> None:
    write(tmp_path, app_conf_j2="[db]\npassword = {{ db.password }}\n")
    (found,) = files.load(tmp_path).mappings.values()
    assert "templateFile" not in found.model_dump_json(by_alias=True, exclude_defaults=True)
    made = rendered(found, {"db": value('{"password": "canary-1"}')})
    assert made["password"].reveal() == b"[db]\npassword = canary-1\n"


def test_it_may_be_elsewhere_in_the_folder_of_the_mappings(tmp_path: Path) -> None:
    write(tmp_path, "{templateFile: ../shared/x.j2}")
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/x.j2").write_bytes("\ufeff{{ db }}".encode())
    (tmp_path / "shared/link.j2").symlink_to("x.j2")
    (found,) = files.load(tmp_path).mappings.values()
    assert found.spec.secret.data["password"].template == "{{ db }}"
    write(tmp_path, "{templateFile: ../shared/link.j2}")
    assert files.load(tmp_path).mappings


def test_the_line_ends_of_a_file_stay(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "teams/app.conf.j2").write_bytes(b"[db]\r\npassword = {{ db.password }}\r\n")
    (found,) = files.load(tmp_path).mappings.values()
    made = rendered(found, {"db": value('{"password": "canary-1"}')})
    assert made["password"].reveal() == b"[db]\r\npassword = canary-1\r\n"


def test_labels_and_annotations_may_be_in_files_too(tmp_path: Path) -> None:
    write(tmp_path, "{value: x}", notice_j2="in {{ cluster }}")
    path, place = tmp_path / "teams/a.yaml", "  secret:\n"
    given = "    annotations: {notice: {templateFile: notice.j2}}\n    labels: {app: pay}\n"
    path.write_text(path.read_text().replace(place, place + given))
    (found,) = files.load(tmp_path).mappings.values()
    assert render_metadata(found, PLACE, {}) == ({"app": "pay"}, {"notice": "in prod-eu"})
    (tmp_path / "teams/notice.j2").write_text("\n{{ db }}")
    assert "teams/notice.j2:2" in told(tmp_path)[0]
    path.write_text(path.read_text().replace("{templateFile: notice.j2}", "{templateFile: a, template: b}"))
    assert "needs exactly one of template and templateFile" in told(tmp_path)[0]


def test_parts_of_certificates_and_sign_ins_may_be_in_files_too(tmp_path: Path) -> None:
    write(tmp_path, app_conf_j2="{{ db.p }}")
    place = "    data:\n      password: {templateFile: app.conf.j2}\n"
    registries = "    registries: [{server: x, username: {value: me}, password: {templateFile: app.conf.j2}}]\n"
    file = tmp_path / "teams/a.yaml"
    file.write_text(file.read_text().replace(place, registries))
    (found,) = files.load(tmp_path).mappings.values()
    assert found.spec.secret.registries[0].password.template == "{{ db.p }}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\n{{ db.x | nope }}", "teams/app.conf.j2:2:1: No filter named 'nope'."),
        ("a\n\n{{ dv.x }}", "teams/app.conf.j2:3:1: the template names dv, and no source is called so"),
        ("{% if %}", "teams/app.conf.j2:1:1: Expected an expression"),
        ("\n{{ db | bcrypt(cost=1) }}", "teams/app.conf.j2:2:1: filter bcrypt: got an unexpected keyword argument"),
    ],
)
def test_what_is_wrong_is_told_at_the_line_of_the_file(tmp_path: Path, text: str, said: str) -> None:
    write(tmp_path, app_conf_j2=text)
    (problem,) = told(tmp_path)
    assert problem.startswith(said)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{templateFile: none.j2}", "none.j2 is no file; name one beside the mapping"),
        ("{templateFile: ../teams}", "../teams is no file"),
        ("{templateFile: ../../x.j2}", "../../x.j2 is outside the folder of the mappings"),
        ("{templateFile: /etc/passwd}", "/etc/passwd is outside the folder of the mappings"),
        ("{templateFile: ../.git/config}", "../.git/config is hidden, as files of Git and of editors are"),
        ("{templateFile: hidden.j2}", "hidden.j2 is hidden"),
        ("{templateFile: out.j2}", "out.j2 is outside the folder of the mappings"),
        ("{templateFile: loop.j2}", "loop.j2 "),
        ("{templateFile: x.yaml}", "x.yaml ends as mapping files do; call it another name, as x.j2"),
        ("{templateFile: big.j2}", "big.j2 is larger than 262,144 bytes"),
        ("{templateFile: latin.j2}", "latin.j2 is not UTF-8"),
        ("{templateFile: shut.j2}", "shut.j2 cannot be read"),
        ('{templateFile: "a\\0b"}', "a\0b "),
        ("{templateFile: [x]}", "spec.secret.data.password.templateFile should be"),
        ("{templateFile: app.j2, template: x}", "needs exactly one of from, template, templateFile and value"),
    ],
)
def test_a_file_that_cannot_be_taken_is_told_where_it_is_named(tmp_path: Path, entry: str, said: str) -> None:
    folder = tmp_path / "mappings"
    folder.mkdir()
    write(folder, entry)
    (tmp_path / "x.j2").write_text("outside")
    teams = folder / "teams"
    (teams / "out.j2").symlink_to("../../x.j2")
    (folder / ".git").mkdir()
    (folder / ".git/config").write_text("token = canary")
    (teams / "hidden.j2").symlink_to("../.git/config")
    (teams / "loop.j2").symlink_to("loop.j2")
    (teams / "big.j2").write_text("x" * 300_000)
    (teams / "latin.j2").write_bytes(b"\xfc")
    (teams / "shut.j2").write_text("x")
    (teams / "shut.j2").chmod(0)
    if os.access(teams / "shut.j2", os.R_OK) and "shut" in entry:
        pytest.skip("nothing is shut to this user")
    problems = told(folder)
    assert any(each.startswith("teams/a.yaml:13:") and said in each for each in problems), problems
