"""What `make build` says of the layers and functions that SAM has built."""

import json
from pathlib import Path

import pytest

from keyferry_local import layer
from keyferry_local.stack import find_architecture

APP = "import dependency\nassert dependency.value == 1\n"


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """Make a folder as `sam build` leaves it."""
    for function in layer.FUNCTIONS:
        write(tmp_path / function / "app.py", APP)
    write(tmp_path / "CodeLayer/python/dependency.py", "value = 1\n" + "# padding\n" * 100_000)
    write(tmp_path / "CodeLayer/python/boto3.py", "def client(name, region_name): return name\n")
    write(tmp_path / "CodeLayer/python/keyferry/kube.py", "import dependency\n")
    write(tmp_path / "CodeLayer/python/keyferry/built.json", json.dumps({"architecture": find_architecture()}))
    write(tmp_path / "MappingsLayer/keyferry/mappings/mappings.json", "{}")
    return tmp_path


def test_layers_are_weighed(built: Path) -> None:
    code, mappings = layer.measure(built)[:2]
    assert isinstance(code, layer.Layer)
    assert code.megabytes == pytest.approx(1.0, rel=0.01)
    assert code.zipped < 0.1
    assert str(mappings).split() == ["MappingsLayer", "0.0", "MB", "0.0", "MB", "zipped", "1", "files"]


def test_each_handler_is_imported_from_its_folder_and_the_layer(built: Path) -> None:
    imports = [one for one in layer.measure(built) if isinstance(one, layer.Import)]
    assert [one.name for one in imports] == [layer.BASELINE, *layer.FUNCTIONS]
    assert all(one.seconds > 0 and one.megabytes > 1 for one in imports)
    assert [one.ratio for one in imports] == [one.seconds / imports[0].seconds for one in imports]


def test_a_handler_that_cannot_be_imported_is_told_of_with_pythons_words(built: Path) -> None:
    write(built / "Deliver/app.py", "import missing\n")
    with pytest.raises(layer.ImportFailed, match="No module named 'missing'"):
        layer.measure(built)


def test_a_layer_for_another_architecture_is_weighed_but_not_imported(built: Path) -> None:
    other = "x86_64" if find_architecture() == "arm64" else "arm64"
    write(built / "CodeLayer/python/keyferry/built.json", json.dumps({"architecture": other}))
    assert [one for one in layer.measure(built) if isinstance(one, layer.Import)] == []
    assert f"built for {other}, this machine is {find_architecture()}" in "\n".join(layer.lines(layer.measure(built)))


def test_the_sum_is_compared_with_what_lambda_takes(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layer.show(layer.measure(built))
    assert capsys.readouterr().out.splitlines()[-1].split(" of ")[0].split() == ["together", "1.0", "MB"]


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
