"""What `make bench --only layer` says of the imports of the functions that are built."""

from pathlib import Path

import pytest

from benchmarks import imports

APP = "import dependency\nassert dependency.value == 1\n"


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """Make a folder as `keyferry build` leaves it."""
    for function in imports.FUNCTIONS:
        write(tmp_path / "functions" / function / "app.py", APP)
    write(tmp_path / imports.CODE / "dependency.py", "value = 1\n")
    write(tmp_path / imports.CODE / "boto3.py", "def client(name, region_name): return name\n")
    return tmp_path


def test_each_handler_is_imported_from_its_folder_and_the_layer(built: Path) -> None:
    measured = imports.measure(built)
    assert [one.name for one in measured] == [imports.BASELINE, *imports.FUNCTIONS]
    assert all(one.seconds > 0 and one.megabytes > 1 for one in measured)
    assert [one.ratio for one in measured] == [one.seconds / measured[0].seconds for one in measured]


def test_a_handler_that_cannot_be_imported_is_told_of_with_pythons_words(built: Path) -> None:
    write(built / "functions/deliver/app.py", "import missing\n")
    with pytest.raises(imports.ImportFailed, match="No module named 'missing'"):
        imports.measure(built)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
