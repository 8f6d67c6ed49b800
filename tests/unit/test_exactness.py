"""A file written anywhere decodes to the same latents everywhere.

Encoder and decoder run in processes of their own, under every pair of the switches that change how
torch, oneDNN and MKL compute, which are three libraries: instruction sets, reproducibility modes; and in each
under every combination of threads and batches.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

WORKER = Path(__file__).parent.parent / "exactness_worker.py"
SWITCHES = {
    "ATEN_CPU_CAPABILITY": ("default", "avx2"),
    "ONEDNN_MAX_CPU_ISA": ("DEFAULT", "AVX2"),
    "MKL_CBWR": ("AUTO", "COMPATIBLE"),
}
#: Every pair of settings of two switches, each in one environment.
PAIRS = ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0))
ENVIRONMENTS = [
    {name: values[place] for (name, values), place in zip(SWITCHES.items(), places, strict=True)}
    for places in PAIRS
]


def run(environment: dict[str, str], *arguments: object, python: str = sys.executable) -> str:
    """Run the worker in a process with this environment; return what it printed."""
    result = subprocess.run(
        [python, "-W", "ignore", str(WORKER), *map(str, arguments)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder for files of the same scene from encoders in every environment; equal ones are kept once."""
    return tmp_path_factory.mktemp("exactness")


@pytest.fixture(scope="session")
def found_when_coded(files: Path) -> list[dict[str, list[str]]]:
    """What each environment's encoder decoded right away: its own files and those of all before it."""
    return [
        json.loads(run(environment, "code", files, f"encoder{number}"))
        for number, environment in enumerate(ENVIRONMENTS)
    ]


@pytest.fixture(scope="session")
def digests(files: Path, found_when_coded: list[dict[str, list[str]]]) -> dict[str, str]:
    """Digest of each file's latents, as this process's defaults decode them."""
    assert all(found_when_coded)
    found = json.loads(run({}, "decode", files))
    for values in found.values():
        assert values[0] is not None
        assert set(values) == {values[0]}
    return {name: values[0] for name, values in found.items()}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", range(len(ENVIRONMENTS)), ids=["-".join(e.values()) for e in ENVIRONMENTS])
def test_latents_are_the_same_everywhere(
    number: int, files: Path, found_when_coded: list[dict[str, list[str]]], digests: dict[str, str]
) -> None:
    found = found_when_coded[number]
    if found.keys() != digests.keys():  # files that were written later
        found = json.loads(run(ENVIRONMENTS[number], "decode", files))
    assert found.keys() == digests.keys()
    for name, values in found.items():
        assert len(values) == 6
        assert set(values) == {digests[name]}, name


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_another_torch_release_decodes_the_same(files: Path, digests: dict[str, str]) -> None:
    """``scripts/other_torch.sh`` makes an environment with another release of torch for this."""
    python = os.environ.get("FDEGC_OTHER_TORCH")
    if not python:
        pytest.skip("FDEGC_OTHER_TORCH names no interpreter with another torch (scripts/other_torch.sh)")
    versions = [
        subprocess.run(
            [p, "-c", "import torch; print(torch.__version__)"], capture_output=True, text=True, check=True
        ).stdout
        for p in (python, sys.executable)
    ]
    assert versions[0] != versions[1]
    found = json.loads(run({}, "decode", files, python=python))
    assert {name: set(values) for name, values in found.items()} == {n: {d} for n, d in digests.items()}
