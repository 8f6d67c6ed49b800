"""What is shipped: data folders, pins, the sample scene, the borders between packages."""

from __future__ import annotations

import ast
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import rasterio
from packaging.requirements import Requirement

from fdegc import __version__
from fdegc.resources import checkout_root, data_dir

ROOT = Path(__file__).resolve().parents[2]


def test_a_checkout_uses_its_own_folders() -> None:
    assert checkout_root() == ROOT
    assert data_dir("weights") == ROOT / "weights"
    assert data_dir("resources") == ROOT / "resources"


def test_a_wheel_uses_its_package_data(tmp_path: Path) -> None:
    package = tmp_path / "fdegc"
    (package / "_data" / "weights").mkdir(parents=True)
    for name in ("__init__.py", "resources.py"):
        shutil.copy(ROOT / "fdegc" / name, package / name)
    probe = "from fdegc.resources import *; print(checkout_root(), data_dir('weights'), sep='\\n')"
    result = subprocess.run(
        [sys.executable, "-c", probe], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    root, weights = result.stdout.splitlines()
    assert root == "None"
    assert Path(weights).resolve() == (package / "_data" / "weights").resolve()


def test_the_installed_version_is_that_of_the_package() -> None:
    assert importlib.metadata.version("fdegc") == __version__


def pins() -> dict[str, str]:
    """Name → version of every constraint."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    found = (Requirement(line) for line in lines if line.strip() and not line.startswith("#"))
    return {item.name.lower().replace("_", "-"): str(item.specifier).removeprefix("==") for item in found}


def test_every_direct_dependency_is_pinned_within_its_bounds() -> None:
    declared = [Requirement(text) for text in importlib.metadata.requires("fdegc") or []]
    direct = [item for item in declared if item.marker is None or item.marker.evaluate({"extra": "dev"})]
    assert len(direct) > 12
    for item in direct:
        version = pins().get(item.name.lower())
        assert version is not None, f"{item.name} is not in constraints.txt"
        assert item.specifier.contains(version), f"{item} does not allow {version}"


def test_the_sample_scene_is_a_small_lossless_geotiff() -> None:
    path = data_dir("resources") / "sample_scene.tif"
    assert path.stat().st_size < 2.5e6
    with rasterio.open(path) as dataset:
        assert (dataset.width, dataset.height, dataset.count) == (1024, 768, 3)
        assert dataset.crs.to_epsg() == 32633
        assert dataset.res == (0.5, 0.5)
        assert dataset.compression.name == "deflate"
        assert dataset.tags()["TIFFTAG_COPYRIGHT"] == "CC0 1.0"
        assert 20 < dataset.read().std() < 80


def imported_names(path: Path) -> set[str]:
    """Return every module and every name that a file imports, dotted."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def test_the_models_of_the_app_know_no_widgets() -> None:
    # import-linter sees only whole distributions, and QtCore is allowed.
    for path in (ROOT / "fdegc_gui" / "models").rglob("*.py"):
        used = {name.split(".")[1] for name in imported_names(path) if name.startswith("PySide6.")}
        assert used <= {"QtCore"}, path


@pytest.mark.skipif(os.name == "nt", reason="make and its scripts are for POSIX shells")
def test_a_missing_python_is_named(tmp_path: Path) -> None:
    bash = shutil.which("bash")
    assert bash is not None
    script = ROOT / "scripts" / "find_python.sh"
    result = subprocess.run(
        [bash, str(script)], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert "Python 3.10, 3.11 or 3.12" in result.stderr
    chosen = subprocess.run(
        [bash, str(script)],
        env={"PATH": str(tmp_path), "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(chosen.stdout.strip()) == Path(sys.executable)


def test_project_files_name_no_place_of_one_machine() -> None:
    suffixes = {".py", ".sh", ".md", ".toml", ".txt", ".json", ".desktop", ""}
    skipped = {"out", "runs", "build", "dist"}
    foreign = re.compile(r"(?<![\w.])/(?:work|root|home/\w+|opt|Users)/")
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in skipped and (name == ".ci" or name[0] != ".")]
        for name in files:
            path = Path(folder, name)
            if path.suffix in suffixes and path != Path(__file__):
                found = foreign.search(path.read_text(encoding="utf-8", errors="replace"))
                assert found is None, f"{path}: {found and found.group()}"
