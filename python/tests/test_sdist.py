"""The source package holds all that its programs are built from."""

import json
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from running import REPOSITORY

INCLUDED = re.compile(r"include_(?:str|bytes)!\(\s*\"([^\"]+)\"", re.DOTALL)


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    maturin = Path(sys.executable).with_name("maturin")
    if not maturin.exists():
        pytest.skip("no maturin is installed")
    base = tmp_path_factory.mktemp("sdist")
    command = [maturin, "sdist", "--out", base]
    subprocess.run(command, cwd=REPOSITORY / "python", capture_output=True, check=True, timeout=120)
    (archive,) = base.glob("weir_server-*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(base / "unpacked", filter="data")
    (root,) = (base / "unpacked").iterdir()
    yield root


def test_whatever_the_sources_include_is_there(unpacked: Path) -> None:
    missing, seen = [], 0
    for file in unpacked.rglob("*.rs"):
        place = file.relative_to(unpacked).as_posix()
        for included in INCLUDED.findall(file.read_text()):
            # What only tests and the fuzzer read stays outside.
            if not (file.parent / included).exists() and not ("test" in place or "fuzzed" in place):
                missing.append(f"{place}: {included}")
            seen += 1
    assert seen > 3 and missing == []


def test_it_is_a_whole_workspace_with_its_lock(unpacked: Path) -> None:
    command = ["cargo", "metadata", "--offline", "--locked", "--format-version", "1"]
    found = subprocess.run(command, cwd=unpacked / "weir", capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stderr
    packages = {package["name"]: package for package in json.loads(found.stdout)["packages"]}
    for name in ("weir", "edge", "cache-node", "wsgi-adapter", "weir-proto", "http-cache"):
        assert Path(packages[name]["manifest_path"]).is_relative_to(unpacked)
        for target in packages[name]["targets"]:
            is_built = not {"test", "bench", "example"} & set(target["kind"])
            assert not is_built or Path(target["src_path"]).exists(), target["src_path"]
    assert (unpacked / "src/weir_server/django/templatetags/weir.py").exists()
    assert 'manifest-path = "weir/Cargo.toml"' in (unpacked / "pyproject.toml").read_text()
