"""How programs of ours start and end: what they import, compile and leave behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numba
import pytest
import torch
from PIL import Image

from fdegc.coding import compiling
from fdegc.model.fdegcnet import FDEGCNet
from fdegc.model.uninitialised import Uninitialised

_PROBE = """
import json, sys
from fdegc import cli
sys.argv[0] = "fdegc"
assert cli.main() == 0
from fdegc.coding import compiling
needed = sorted(f"{f.__module__}.{f.__name__}{s}" for f in compiling.FUNCTIONS for s in f.signatures)
print(json.dumps({"modules": sorted(sys.modules), "needed": needed}))
"""
#: The same without touching what would import numba.
_PLAIN = """
import json, sys
from fdegc import cli
sys.argv[0] = "fdegc"
assert cli.main() == 0
print(json.dumps({"modules": sorted(sys.modules)}))
"""


def python(code: str, *arguments: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    variables = {**os.environ, **environment}
    return subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, check=False)


def seen(code: str, *arguments: object, cwd: Path, **environment: str) -> dict[str, Any]:
    """What the probe reports after a command."""
    result = python(code, *arguments, cwd=cwd, **environment)
    assert result.returncode == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return found


#: What is loaded when Python comes to torch's extension: the next finder after ours looks.
_LOADED = """
import json, sys
from importlib.abc import MetaPathFinder
from fdegc.process import other_threads_run

class Look(MetaPathFinder):
    loaded = None
    def find_spec(self, name, path, target=None):
        if name == "torch._C":
            Look.loaded = "libtorch_python.so" in open("/proc/self/maps").read()

finders = sys.meta_path[:]
with other_threads_run():
    sys.meta_path.insert(1, Look())
    import torch
    sys.meta_path.pop(1)
print(json.dumps({"loaded": Look.loaded, "same": finders == sys.meta_path}))
"""


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("starting") / "tiny.png"
    Image.radial_gradient("L").convert("RGB").resize((96, 80)).save(path)
    return path


# ------------------------------------------------------------------------------ imports


def test_commands_import_only_what_they_need(picture: Path) -> None:
    never = {"compressai", "matplotlib", "PySide6", "scipy.linalg", "sympy", "tensorboard", "torchvision"}
    never |= {"torch._decomp", "torch._dynamo", "torch._inductor", "torch._refs", "torch.onnx"}
    for arguments in (
        ("compress", "tiny.png", "tiny.fdegc", "--threads", "1"),
        ("decompress", "tiny.fdegc", "back.tif", "--threads", "1"),
        ("verify", "tiny.fdegc", "--threads", "1"),
    ):
        modules = set(seen(_PROBE, *arguments, cwd=picture.parent)["modules"])
        assert "torch" in modules
        assert sorted(never & modules) == [], arguments
    for name in ("tiny.png", "tiny.fdegc"):
        modules = set(seen(_PLAIN, "info", name, cwd=picture.parent)["modules"])
        assert sorted((never | {"torch", "numba"}) & modules) == [], name


def test_what_was_left_out_is_there_for_who_asks(tmp_path: Path) -> None:
    code = """
import sys
from fdegc.process import import_less
import_less()
import torch
assert "torch._decomp" not in sys.modules
from torch import _meta_registrations
assert callable(_meta_registrations.register_meta)
assert "torch._decomp" in sys.modules
torch.linalg.cholesky(torch.eye(2, device="meta"))
"""
    result = python(code, cwd=tmp_path)
    assert result.returncode == 0, result.stderr


# ------------------------------------------------------------------------------ the end


@pytest.mark.parametrize("code", [0, 3])
def test_a_quick_exit_loses_neither_output_nor_handlers(tmp_path: Path, code: int) -> None:
    program = f"""
import atexit, sys
from fdegc.process import QuickExit
leaving = QuickExit()
atexit.register(print, "handled")
print("said")
leaving.code = {code}
sys.exit({code})
"""
    result = python(program, cwd=tmp_path)
    assert (result.returncode, result.stdout.split()) == (code, ["said", "handled"])


def test_an_exception_is_not_left_behind(tmp_path: Path) -> None:
    result = python("from fdegc.process import QuickExit; QuickExit(); raise KeyError('why')", cwd=tmp_path)
    assert result.returncode == 1
    assert "KeyError: 'why'" in result.stderr


def test_what_numba_was_not_to_find_can_be_imported_afterwards() -> None:
    program = (
        "from fdegc.process import import_less; import_less(); "
        "from fdegc.coding.warming import warm_up; warm_up(); import scipy.linalg; "
        "print(scipy.linalg.det([[2.0, 0.0], [0.0, 3.0]]))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert float(run.stdout) == 6.0


def test_functions_work_without_a_compiler() -> None:
    program = "from fdegc.coding.warming import warm_up; warm_up(); print('coded')"
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert run.stdout.strip() == "coded"


# ------------------------------------------------------------------------------ networks


@pytest.mark.skipif(sys.platform != "linux", reason="done on Linux alone")
def test_torch_is_loaded_before_python_would_hold_its_lock_for_it(tmp_path: Path) -> None:
    assert seen(_LOADED, cwd=tmp_path) == {"loaded": True, "same": True}


def test_a_network_without_drawn_numbers_is_the_same_once_loaded() -> None:
    sizes: dict[str, Any] = {"widths": (8, 8, 8), "latent": 8, "hidden": 16, "rate_points": 6, "hyper": 8}
    drawn = FDEGCNet(**sizes)
    before = torch.get_rng_state()
    with Uninitialised():
        net = FDEGCNet(**sizes)
    assert torch.equal(torch.get_rng_state(), before)
    net.load_state_dict(drawn.state_dict(), assign=True)
    # Buffers that no file holds, the mask of the causal convolution, are computed and so the same already.
    for (name, one), (_, other) in zip(drawn.named_buffers(), net.named_buffers(), strict=True):
        assert torch.equal(one, other), name
    x = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        expected, found = drawn.eval()(x), net.eval()(x)
        assert torch.equal(expected["x_hat"], found["x_hat"])


# ------------------------------------------------------------------------------ compiled functions


def test_one_process_compiles_and_all_others_load(tmp_path: Path) -> None:
    kept = {"NUMBA_CACHE_DIR": str(tmp_path)}
    # Without the entropy coder, which takes half a minute; scripts/check_wheel.sh sees all of it compiled.
    program = """
from unittest import mock
from fdegc.coding import compiling, warming
with mock.patch.object(warming, "UnitCoder") as coder:
    coder().decode.return_value = (None,)
    warming.warm_up()
print(compiling.compiled_here())
"""
    command = [sys.executable, "-c", program]
    both = [
        subprocess.Popen(command, env={**os.environ, **kept}, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    none, some = sorted(int(process.communicate()[0]) for process in both)
    assert none == 0 < some


def test_commands_need_nothing_that_is_not_warmed_up(picture: Path) -> None:
    warmed = _PROBE.replace("assert cli.main() == 0", "from fdegc.coding.warming import warm_up; warm_up()")
    ready = set(seen(warmed, cwd=picture.parent)["needed"])
    code = ("compress", "tiny.png", "w.fdegc", "--force", "--no-check")  # checks may need the rest
    for arguments in (code, ("decompress", "w.fdegc", "w.tif")):
        report = seen(_PROBE, *arguments, "--threads", 1, cwd=picture.parent)
        assert report["needed"] and set(report["needed"]) <= ready, arguments


def test_what_other_sources_compiled_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "_checked", set())
    index, foreign = tmp_path / "mixture.encode-1.py311.nbi", tmp_path / "theirs.encode-1.py311.nbi"
    for path in (index, foreign):
        path.touch()
    compiling._forget_others(str(tmp_path))
    assert not index.exists() and foreign.exists()
    index.touch()
    compiling._checked.clear()
    compiling._forget_others(str(tmp_path))
    assert index.exists(), "these sources compiled it"


def test_functions_are_compiled_where_nothing_can_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def unkept(**options: Any) -> Any:
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return numba.njit(**options)

    monkeypatch.setattr(compiling, "numba", SimpleNamespace(njit=unkept))
    monkeypatch.setattr(compiling, "FUNCTIONS", [])

    @compiling.njit(cache=True)
    def double(x: int) -> int:
        return 2 * x

    assert double(4) == 8
    assert compiling.cache_folder() is None
    with compiling.alone():
        assert compiling.compiled_here() == 1
