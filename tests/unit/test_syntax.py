"""What is not YAML, or looks like it alone, is told at the line that causes it, with the likely cause."""

from pathlib import Path

import pytest

from keyferry.cli.check import files
from tests.unit.test_files import CLUSTERS, MAPPING, load, told

ENTRY = "{from: db, path: password}"
NAME = "    name: payments-db\n"
INDENTED = "; begin the keys of one mapping alike"
SPACE = "; write an ordinary space, or write a text that needs it in quotes"
LIST = "is no hyphen; an item of a list begins with - and a space"
TEMPLATE = 'a template is written in quotes, as "{{ db.password }}"'
INNER = "ends the text here; inside of it are the other quotes, as \"{{ db['password'] }}\""
BLOCK = "each line of a text after | or > is indented deeper than its key, and all alike"
JOINED = "a colon and a space stand between a key and its value"
HELM = "a template of Helm; mapping files are plain YAML: render it first"
QUOTE = "this quote is never closed; take it out, or close it on this line"
OF_ECS = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-AbCdEf:username::"
ECS = "the form that ECS takes; write the ARN without what follows the name of the secret, and the JSON key as path"
NEITHER = "neither a key nor an item; these are written as key: value, and as - item"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (NAME, "   \u00a0name: payments-db\n", f"11:4: a non-breaking space (U+00A0) stands here{SPACE}"),
        ("auto", "auto\n  owner: {team:\u00a0a}", f"15:16: a non-breaking space (U+00A0) stands here{SPACE}"),
        ("  name: pay", "\u00a0\u00a0name: pay", f"4:1: a non-breaking space (U+00A0) stands here{SPACE}"),
        ("payments/db}", "payments/\u200bdb}", "7:40: a space without width (U+200B) stands here; take it out"),
        ("restart", "re\u00adstart", "14:5: a soft hyphen (U+00AD) stands here; take it out"),
        ("spec:", "\ufeffspec:", "5:1: a byte order mark (U+FEFF) stands here; take it out"),
        ("name: payments-db\nspec", "name: \u201cpayments-db\u201d\nspec", "4:9: \u201c (U+201C) is a quote of print"),
        ("[payments]", "\n  \u2013 payments", f"10:3: \u2013 (U+2013) {LIST}"),
        ("[payments]", "\n  \u2022 payments", f"10:3: \u2022 (U+2022) {LIST}"),
        ("  restart: auto", "  restart\uff1aauto", "14:10: \uff1a (U+FF1A) is a wide character; YAML takes :"),
        ("{secretsManager: prod/payments/db}", "\n      secretsManager\uff1aprod", "8:7: \uff1a (U+FF1A) is a wide"),
    ],
)
def test_a_character_that_looks_like_another_is_told(tmp_path: Path, old: str, new: str, said: str) -> None:
    [problem] = told(tmp_path, a=MAPPING.replace(old, new, 1))
    assert problem.removeprefix("a.yaml:").replace("spec.sources.db: ", "").startswith(said)


@pytest.mark.parametrize("text", ["caf\u00e9 \u2013 \u201cpayments\u201d", '"\u00a0"', "'\u2013 x'"])
def test_such_a_character_may_stand_where_it_is_meant(tmp_path: Path, text: str) -> None:
    wrong = MAPPING.replace("restart: auto", f"restart: auto # \u00a0\n  owner: {{team: {text}}}")
    assert load(tmp_path, a=wrong).mappings


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (NAME, f" {NAME}", f"11:6: indented by 5, and what stands beside it by 4{INDENTED}"),
        ("  restart", "   restart", f"14:4: indented by 3, and what stands beside it by 4{INDENTED}"),
        ("  restart", " restart", f"14:2: indented by 1, and what stands beside it by 2{INDENTED}"),
        ("apiVersion", "  apiVersion", f"1:3: indented by 2, and what stands beside it by 0{INDENTED}"),
        ("[payments]", "\n    - a\n   - b", f"11:4: indented by 3, and what stands beside it by 4{INDENTED}"),
        (ENTRY, ENTRY[:-1], "13:17: { is never closed; close it, as in {from: db} and [prod-eu]"),
        ("[prod-eu]", "[prod-eu", "8:13: [ is never closed; close it, as in {from: db} and [prod-eu]"),
        (ENTRY, f"{ENTRY}}}", "13:43: } closes nothing that is open here; take it out, or change it"),
        (ENTRY, f"{ENTRY[:-1]}]", "13:42: ] closes nothing that is open here; take it out, or change it"),
        (NAME, '    name: "payments-db\n', '11:11: the quote " is never closed; close it on this line'),
        ("[payments]", "['payments]", "9:16: the quote ' is never closed; close it on this line"),
        ("  restart: ", "  restart:", "14:10: a space is missing after the colon"),
        ("name: payments-db\n    data", "name:payments-db\n    data", "11:9: a space is missing after the colon"),
        ("password: {", "password:{", f"13:15: {JOINED}"),
        ("password: {", "password = {", f"13:17: {JOINED}"),
        ("restart: auto", "restart = auto", f"14:3: {NEITHER}"),
        ("[payments]", "\n    - payments\n    shop", f"11:5: {NEITHER}"),
        ("from: db, path", "from: db path", "13:31: a comma is missing before this, or a text with special"),
        (ENTRY, "{from: db, // x\n path: a}", "13:28: a comment begins with #"),
        (ENTRY, "{from: db, path: a #b}", "13:36: # begins a comment, up to the end of the line; write this text"),
        (ENTRY, "{template: a{{ db }}}", f"13:29: {TEMPLATE}"),
        (ENTRY, '{template: "{{ db["password"] }}"}', f"13:35: \" {INNER}"),
        (ENTRY, "{template: 'a {{ db['password'] }}'}", f"13:37: ' {INNER}"),
        (ENTRY, '\n        template: "{{ db["password"] }}"', f"14:26: \" {INNER}"),
        ("spec:", "{{- if .Values.on }}\nspec:", f"5:1: {HELM}"),
        ("path: password", "path: !password", "13:34: a text that begins with ! is written in quotes"),
        (NAME, "    name: |payments-db\n", "11:11: a text that begins with | is written in quotes; a longer one"),
        ("apiVersion", "%foo\napiVersion", "1:1: a text that begins with % is written in quotes"),
        (ENTRY, "\n        template: |\n      a={{ db.x }}", f"15:1: {BLOCK}"),
        (ENTRY, "\n        template: |\n          a\n         b", f"16:1: {BLOCK}"),
        ("restart: auto", "restart: auto\n<<<<<<< HEAD", "15:1: a conflict of a merge stands here; keep one of the"),
        ("from: db, path", 'from: "db"", path', f"13:28: {QUOTE}"),
        (NAME, '    name: "payments-db""\n', f"11:24: {QUOTE}"),
        ("prod/payments/db", OF_ECS, f"7:26: {ECS}"),
        ("{secretsManager: prod/payments/db}", f"\n      secretsManager: {OF_ECS}", f"8:23: {ECS}"),
        ("[payments]", "\n    - payments\n  - shop", "11:3: an item without a list; begin all hyphens of one list"),
        ("[payments]", "\n    -names: [a]\n     exclude: [b]", "10:5: a space is missing after the hyphen of an item"),
        ("  clusters: [prod-eu]", "clusters:\n- prod-eu", "10:3: indented as a part of the item above, which is text"),
        ("[prod-eu]\n", "\n  - prod-eu\n  ", "10:5: indented as a part of the item above, which is text; begin the"),
        ("path: password", "path: a.b[", "13:37: [ is never closed; close it, as in {from: db} and [prod-eu]"),
        ("restart: auto", f"restart: auto\n...\n{CLUSTERS}", "16:1: a document begins here; write --- on"),
        ("name: payments-db\nspec", "name: 'a' b\nspec", "4:13: the value has ended before this; take it out, or"),
    ],
)  # fmt: skip
def test_a_slip_in_yaml_is_told_at_its_own_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    [problem] = told(tmp_path, a=MAPPING.replace(old, new, 1))
    assert problem.removeprefix("a.yaml:").replace("not YAML: ", "").startswith(said)


def test_documents_without_a_line_between_them_are_one_problem(tmp_path: Path) -> None:
    text = "a second document begins here; write --- on a line of its own above it"
    assert told(tmp_path, a=MAPPING + MAPPING.replace("payments-db", "other")) == [f"a.yaml:15:1: {text}"]
    assert told(tmp_path, a=CLUSTERS + MAPPING, clusters="") == [f"a.yaml:7:1: {text}"]


@pytest.mark.parametrize("text", ["#payments", "  #payments"])
def test_a_value_that_a_comment_hides_is_told(tmp_path: Path, text: str) -> None:
    wrong = MAPPING.replace("auto", f"auto\n  owner:\n    team: a\n    contact: {text}")
    [problem] = told(tmp_path, a=wrong)
    assert problem.startswith(
        f"a.yaml:17:{14 + len(text) - 9}: # begins a comment, so that no value stands here; write"
    )
    assert "payments" not in problem
    [problem] = told(tmp_path, a=wrong.replace("#payments", "# later"))
    assert problem.startswith("a.yaml:17:") and problem.endswith(
        "spec.owner.contact: empty; give it a value, or take it out"
    )


def test_a_text_that_a_comment_cuts_is_a_warning(tmp_path: Path) -> None:
    text = MAPPING.replace("auto", "auto\n  owner:\n    team: a # the payers\n    contact: chat #payments")
    load(tmp_path, a=text)
    [warning] = files.check(tmp_path)[1]
    assert (warning.line, warning.column, warning.level) == (17, 14, "warning")
    assert warning.message.startswith("# begins a comment, so the text ends before it")


@pytest.mark.parametrize("coding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_file_of_utf_16_is_told_by_its_name(tmp_path: Path, coding: str) -> None:
    assert told(tmp_path, a=MAPPING.encode(coding)) == [
        "a.yaml:1:1: UTF-16, as editors of Windows write; save the file as UTF-8"
    ]


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends_of_other_systems_are_no_mistake(tmp_path: Path, end: str) -> None:
    assert load(tmp_path, a=MAPPING.replace("\n", end)).mappings


@pytest.mark.parametrize(
    "secret", ["!canary-1", "canary-1: x", "{canary-1", "'canary-1", "@canary-1", "canary-1 canary-2: {", "#canary-1"]
)
@pytest.mark.parametrize(
    "entry", ["{{value: {}}}", "\n        value: {}\n       x: y", "\n        value: |\n       x\n      {} {{"]
)
def test_what_is_not_yaml_is_never_quoted(tmp_path: Path, entry: str, secret: str) -> None:
    assert "canary" not in "".join(told(tmp_path, a=MAPPING.replace(ENTRY, entry.format(secret))))
