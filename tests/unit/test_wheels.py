"""The wheels of the code layer: by their hashes, pruned, and kept. uv is the real one, the wheels are small."""

import base64
import hashlib
import os
import pwd
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from keyferry.cli.build.wheels import KUBERNETES, STEPS, find_cache, name_wheels, provide_wheels
from keyferry.errors import InvalidInput

FILES = {
    **{f"kubernetes/{name}": "" for name in KUBERNETES},
    "kubernetes/__init__.py": "raise ImportError('everything is imported')\n",
    "kubernetes/client/models/pod.py": "",
    "botocore/data/sqs/service.json": "{}",
    "botocore/data/s3/service.json": "{}",
    "botocore/data/endpoints.json": "{}",
    "botocore/__init__.py": "VALUE = 1\n",
    "pydantic/v1/__init__.py": "",
    "bin/program": "",
    "small-1.dist-info/licenses/LICENSE": "",
    "small-1.dist-info/NOTICE.txt": "",
}
"""What the wheel of `small` has: of each kind that is left out, and of each that stays."""
KEPT = {
    *(f"kubernetes/{name}" for name in KUBERNETES),
    *("botocore/data/sqs/service.json", "botocore/data/endpoints.json", "botocore/__init__.py"),
    *("small-1.dist-info/METADATA", "small-1.dist-info/licenses/LICENSE", "small-1.dist-info/NOTICE.txt"),
}


@pytest.fixture
def requirements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The lock of a small wheel, which is found on this machine alone."""
    (tmp_path / "found").mkdir()
    lock = tmp_path / "layer.txt"
    lock.write_text(make_wheels(tmp_path / "found", FILES))
    for name in [name for name in os.environ if name.startswith("UV_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path / "found"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    return lock


def make_wheels(folder: Path, files: dict[str, str]) -> str:
    """Make the wheels of `small`, with these files, and of `requests`, which is not needed; return their lock."""
    return make_wheel(folder, "small", files) + make_wheel(folder, "requests", {"requests/__init__.py": ""})


def make_wheel(folder: Path, name: str, files: dict[str, str]) -> str:
    path, record, lines = folder / f"{name}-1-py3-none-any.whl", f"{name}-1.dist-info", list[str]()
    tags = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    about = {"METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n", "WHEEL": tags}
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in {**files, **{f"{record}/{key}": value for key, value in about.items()}}.items():
            archive.writestr(file, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            lines.append(f"{file},sha256={digest},{len(text)}\n")
        archive.writestr(f"{record}/RECORD", "".join([*lines, f"{record}/RECORD,,\n"]))
    return f"{name}==1 --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


def test_what_no_function_needs_is_left_out_and_the_rest_is_bytecode(requirements: Path, tmp_path: Path) -> None:
    steps = list[None]()
    folder = provide_wheels(requirements, "arm64", tmp_path / "cache", lambda: steps.append(None))
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    compiled = {name for name in names if name.endswith(".pyc")}
    assert names - compiled == KEPT
    assert len(compiled) == sum(name.endswith(".py") for name in KEPT)
    assert not [path for path in folder.rglob("*") if path.is_dir() and not any(path.iterdir())]
    assert len(steps) == STEPS


def test_what_is_kept_is_not_installed_again(
    requirements: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = provide_wheels(requirements, "arm64", tmp_path / "cache")
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path / "none"))
    assert provide_wheels(requirements, "arm64", tmp_path / "cache") == first
    with pytest.raises(InvalidInput, match="cannot be installed for x86_64"):
        provide_wheels(requirements, "x86_64", tmp_path / "cache")
    assert [path.name for path in (tmp_path / "cache/layers").iterdir()] == [first.name]


def test_the_name_stands_for_the_lock_and_the_processor(requirements: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text(requirements.read_text() + "\n")
    names = {name_wheels(lock, architecture) for lock in (requirements, other) for architecture in ("arm64", "x86_64")}
    assert len(names) == 4


def test_builds_side_by_side_end_with_one_folder(requirements: Path, tmp_path: Path) -> None:
    with ThreadPoolExecutor() as pool:
        made = list(pool.map(lambda _: provide_wheels(requirements, "arm64", tmp_path / "cache"), range(3)))
    assert len(set(made)) == 1
    assert list((tmp_path / "cache/layers").iterdir()) == made[:1]


def test_what_a_killed_build_has_left_goes_and_what_may_still_run_stays(requirements: Path, tmp_path: Path) -> None:
    killed, running = (tmp_path / "cache/layers" / name for name in ("arm64-1.killed", "arm64-1.running"))
    for folder in (killed, running):
        folder.mkdir(parents=True)
    os.utime(killed, (time.time() - 100_000,) * 2)
    provide_wheels(requirements, "arm64", tmp_path / "cache")
    assert (killed.exists(), running.exists()) == (False, True)


def test_another_hash_is_refused_with_what_uv_says(requirements: Path, tmp_path: Path) -> None:
    requirements.write_text(f"small==1 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(
        InvalidInput, match=r"cannot be installed for arm64\. uv says: (?s:.*)[Hh]ash(?s:.*)They come from"
    ):
        provide_wheels(requirements, "arm64", tmp_path / "cache")
    assert list((tmp_path / "cache/layers").iterdir()) == []


def test_a_client_that_ends_python_without_a_word_is_seen(requirements: Path, tmp_path: Path) -> None:
    files = FILES | {"kubernetes/client/rest.py": "import os; os._exit(3)\n"}
    requirements.write_text(make_wheels(tmp_path / "found", files))
    with pytest.raises(InvalidInput, match="cannot be imported as it is pruned: Python ends with 3"):
        provide_wheels(requirements, "arm64", tmp_path / "cache")


def test_a_client_that_misses_a_module_is_seen(requirements: Path, tmp_path: Path) -> None:
    files = FILES | {"kubernetes/client/rest.py": "import gone\n"}
    requirements.write_text(make_wheels(tmp_path / "found", files))
    with pytest.raises(InvalidInput, match=r"cannot be imported as it is pruned: .*No module named 'gone'"):
        provide_wheels(requirements, "arm64", tmp_path / "cache")


def test_without_uv_it_is_said_what_brings_it(
    requirements: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "uv", None)
    with pytest.raises(InvalidInput, match=r"uv, which .* is missing: it comes with the extra cli of Keyferry's wheel"):
        provide_wheels(requirements, "arm64", tmp_path / "cache")


def test_a_cache_that_cannot_be_written_is_told_with_how_to_name_another(requirements: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")
    with pytest.raises(InvalidInput, match="cache/layers: cannot be written: Not a directory; KEYFERRY_CACHE names"):
        provide_wheels(requirements, "arm64", tmp_path / "cache")


def test_what_is_kept_is_among_the_caches_of_the_user() -> None:
    assert find_cache({"KEYFERRY_CACHE": "/a", "XDG_CACHE_HOME": "/b"}) == Path("/a")
    assert find_cache({"XDG_CACHE_HOME": "/b"}) == Path("/b/keyferry")
    assert find_cache({}) == Path.home() / ".cache/keyferry"


def test_who_has_no_home_folder_names_one_for_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def know_nobody(_: int) -> pwd.struct_passwd:
        raise KeyError("uid not found")

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", know_nobody)
    assert find_cache({"KEYFERRY_CACHE": "/a"}) == Path("/a")
    assert find_cache({"XDG_CACHE_HOME": "/b"}) == Path("/b/keyferry")
    with pytest.raises(InvalidInput, match="no home folder: KEYFERRY_CACHE names"):
        find_cache({})
