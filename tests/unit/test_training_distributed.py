"""Two processes train as one does: gradients, metrics, resuming, stopping."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils._pytree import tree_map

from fdegc.control import CancelToken
from fdegc.errors import InvalidOption
from fdegc.model.fdegcnet import PROFILES, Profile
from fdegc.training.config import ResearchConfig
from fdegc.training.distributed import Group, process_group
from fdegc.training.loop import Trainer
from fdegc.training.run_options import TrainOptions, share_of_batch
from fdegc.weights import read_manifest

TINY = Profile("tiny", (16, 16, 16), 16, hidden=32, rate_points=6, centred=True)
CONFIG = ResearchConfig(1000, 4, 512.0, 1e-4, 0.1, 3, 4, 2, 8, 8)
BATCH = 4

pytestmark = pytest.mark.skipif(
    not torch.distributed.is_available(), reason="this PyTorch has no distributed training"
)


class StopAfter(CancelToken):
    """Is set from the n-th time on that it is looked at."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.looks = looks

    @property
    def cancelled(self) -> bool:
        self.looks -= 1
        return self.looks < 0


def options(root: Path, out: str, **changes: Any) -> TrainOptions:
    PROFILES["tiny"] = TINY
    base: dict[str, Any] = {"profile": "tiny", "batch": BATCH, "crop": 64, "precision": "fp32"}
    # BatchNorm frozen: its statistics are those of each process's own crops otherwise.
    base |= {"freeze_norm": 0.0, "warmup_steps": 1}
    return TrainOptions(root / "images", root / "images", root / out, **(base | changes))


def fixed_batches() -> list[tuple[torch.Tensor, torch.Tensor]]:
    rng = np.random.default_rng(5)
    coarse = rng.random((5, BATCH, 3, 8, 8)).astype(np.float32)
    x = torch.nn.functional.interpolate(
        torch.from_numpy(coarse).flatten(0, 1), scale_factor=8, mode="bilinear"
    )
    return [(batch, torch.tensor([1.0, 6.0, 3.0, 4.0])) for batch in x.view(5, BATCH, 3, 64, 64)]


def steps_on_fixed_batches(root: Path, group: Group, out: str) -> dict[str, Any]:
    """Three steps, a checkpoint, two more with what was read from it."""
    mine = slice(group.rank * BATCH // group.size, (group.rank + 1) * BATCH // group.size)
    batches = [(x[mine], quality[mine]) for x, quality in fixed_batches()]
    result: dict[str, Any] = {}
    trainer = Trainer(options(root, out), group)
    result["start"] = {n: p.detach().clone() for n, p in trainer.net.named_parameters()}
    draw = torch.Tensor.uniform_
    # The noise of quantisation, which every process draws for itself.
    torch.Tensor.uniform_ = lambda self, *_: self.fill_(0.2)  # type: ignore[method-assign]
    try:
        means = [trainer._step(*batch, 0.1).tolist() for batch in batches[:1]]
        result["gradients"] = {n: p.grad.clone() for n, p in trainer.net.named_parameters()}
        result["first"] = {n: p.detach().clone() for n, p in trainer.net.named_parameters()}
        means += [trainer._step(*batch, 0.1).tolist() for batch in batches[1:3]]
        trainer.save()
        group.wait()
        torch.Tensor.uniform_ = draw  # type: ignore[method-assign]
        again = Trainer(options(root, out), group)
        torch.Tensor.uniform_ = lambda self, *_: self.fill_(0.2)  # type: ignore[method-assign]
        result["resumed"] = again.step
        result["validation"] = again.validate()
        means += [again._step(*batch, 0.1).tolist() for batch in batches[3:]]
    finally:
        torch.Tensor.uniform_ = draw  # type: ignore[method-assign]
    result["means"] = group.sum(np.array(means).ravel()).reshape(5, 3) / group.size
    result["state"] = again.net.state_dict()
    result["muon"] = [s["momentum"] for s in again.optimisers["muon"].state_dict()["state"].values()]
    result["ema"] = again.ema.state_dict()
    return result


def steps_on_own_crops(root: Path, group: Group) -> dict[str, Any]:
    """A run that only the last process wants to stop, and its second part."""
    own = options(root, "research", config=CONFIG, val_steps=2)
    first = Trainer(own, group)
    crops = first.sampler.batch(1)
    finished = [first.train(StopAfter(2) if group.rank == group.size - 1 else CancelToken())]
    second = Trainer(own, group)
    finished.append(second.train())
    state = second.net.state_dict()
    return {"crops": crops, "steps": (first.step, second.step), "finished": finished, "state": state}


def worker(rank: int, root: str, port: int, device: str) -> None:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    plain_products()
    with process_group(device) as group:
        result = steps_on_fixed_batches(Path(root), group, "two")
        result["own"] = steps_on_own_crops(Path(root), group)
    torch.save(result, Path(root, f"rank{rank}.pt"))


def plain_products() -> None:
    """GPUs compute in float32, as the comparison needs; set in every process."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False


def two_gpus() -> bool:
    return torch.cuda.is_available() and torch.cuda.device_count() > 1


@pytest.fixture(
    scope="module",
    params=[
        "cpu",
        pytest.param("cuda", marks=pytest.mark.skipif(not two_gpus(), reason="NCCL needs two GPUs")),
    ],
    ids=["gloo", "nccl"],
)
def results(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[dict[str, Any]], dict[str, Any]]:
    """Folder, what each of two processes found, and what one process finds."""
    device = request.param
    root = tmp_path_factory.mktemp("ddp")
    (root / "images").mkdir()
    for number in range(3):
        coarse = np.random.default_rng(number).integers(0, 256, (8, 8, 3)).astype(np.uint8)
        picture = Image.fromarray(coarse).resize((96, 96), Image.Resampling.BICUBIC)
        picture.save(root / "images" / f"{number}.png")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    threads = torch.get_num_threads()
    torch.multiprocessing.spawn(worker, (str(root), port, device), nprocs=2)
    torch.set_num_threads(1)
    plain_products()
    single = steps_on_fixed_batches(root, Group(device=f"{device}:0" if device == "cuda" else device), "one")
    single = tree_map(lambda leaf: leaf.cpu() if isinstance(leaf, torch.Tensor) else leaf, single)
    torch.set_num_threads(threads)
    pair = [torch.load(root / f"rank{rank}.pt", map_location="cpu", weights_only=False) for rank in range(2)]
    return root, pair, single


def test_gradients_are_those_of_the_whole_batch(results: Any) -> None:
    _, pair, single = results
    for name, reference in single["gradients"].items():
        assert torch.equal(pair[0]["gradients"][name], pair[1]["gradients"][name]), name
        error = (pair[0]["gradients"][name] - reference).norm()
        assert error <= 1e-4 * reference.norm() + 1e-12, name


def test_every_process_makes_the_same_step(results: Any) -> None:
    _, pair, single = results
    for key in ("state", "ema"):
        for name, tensor in pair[0][key].items():
            assert torch.equal(tensor, pair[1][key][name]), name
    for ours, theirs in zip(pair[0]["muon"], pair[1]["muon"], strict=True):
        assert torch.equal(ours, theirs)
    # Muon and Adam make full steps of gradients that are nothing but rounding, too; so compare the way of
    # all parameters with a real gradient together, and after one step, before roundings feed back.
    real = [name for name, gradient in single["gradients"].items() if gradient.norm() > 1e-6]
    ours, reference = (
        torch.cat([(result["first"][name] - result["start"][name]).flatten() for name in real])
        for result in (pair[0], single)
    )
    assert len(real) > 300
    assert (ours - reference).norm() < 0.02 * reference.norm()


def test_metrics_agree_with_one_process(results: Any) -> None:
    root, pair, single = results
    figures = Trainer(options(root, "two")).validate()  # of the checkpoint that both validated
    for result in pair:
        np.testing.assert_allclose(result["means"], single["means"], rtol=5e-3)
        for ours, reference in zip(result["validation"], figures, strict=True):
            assert ours == pytest.approx(reference, rel=1e-5)


def test_a_checkpoint_is_resumed_by_all(results: Any) -> None:
    _, pair, single = results
    assert [result["resumed"] for result in (*pair, single)] == [3, 3, 3]


def test_one_process_stops_all_and_none_hangs(results: Any) -> None:
    root, pair, _ = results
    for result in pair:
        assert result["own"]["finished"] == [False, True]
        assert result["own"]["steps"] == (2, 4)
    assert not np.array_equal(pair[0]["own"]["crops"], pair[1]["own"]["crops"])
    for name, tensor in pair[0]["own"]["state"].items():
        if not name.endswith(("running_mean", "running_var")):
            assert torch.equal(tensor, pair[1]["own"]["state"][name]), name
    # Only the main process wrote: one line for every two steps, none of them twice.
    rows = [r for r in (root / "research" / "log.jsonl").read_text().splitlines() if '"kind"' not in r]
    assert len(rows) == 2


def test_the_command_of_the_documentation_trains_with_two_processes(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    picture = np.random.default_rng(4).integers(0, 256, (12, 12, 3)).astype(np.uint8)
    Image.fromarray(picture).resize((96, 96), Image.Resampling.BICUBIC).save(tmp_path / "images" / "0.png")
    document = {"tot_epoch": 9, "tot_step": 3, "train_lambda": 512, "batch_size": 4, "print_freq": 1}
    document |= {"lr": {"base": 1e-4, "decay": 0.1, "decay_interval": 5}}
    document |= {"out_channel_N": 8, "out_channel_M": 8}
    (tmp_path / "config.json").write_text(json.dumps(document))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["-m", "fdegc", "train", "--config", "config.json", "--train", "images", "--val", "images"]
    command += ["--out", "run", "--crop", "64"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "kind" not in row] == [1, 2, 3]
    assert done.stderr.count("step 3 ") == done.stdout.count("Written ") == 1  # the second one is silent
    (entry,) = read_manifest(tmp_path / "run" / "weights")
    assert entry.profile == "paper-8" and entry.path.is_file()
    report = json.loads((tmp_path / "run" / "test.json").read_text())
    assert [image["image"] for image in report["images"]] == ["0.png"]


@pytest.mark.parametrize(
    ("batch", "processes", "said"), [(8, 3, "shared equally"), (8, 8, "batch of 16 or more")]
)
def test_a_batch_that_cannot_be_shared_is_refused(batch: int, processes: int, said: str) -> None:
    with pytest.raises(InvalidOption, match=said):
        share_of_batch(batch, processes)


def test_without_torchrun_there_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with process_group("cpu") as group:
        assert (group.rank, group.size, group.device, group.main) == (0, 1, "cpu", True)
        assert group.agree(True, 0.5) == (True, 0.5)
        assert group.share("value") == "value"
