"""Weights from elsewhere: shipped files, checkpoints of a run, checkpoints of the research code."""

from __future__ import annotations

import json
import pickle
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fdegc.errors import WeightsInvalid, WeightsMissing
from fdegc.model.fdegcnet import PROFILES, FDEGCNet, Profile
from fdegc.model.research import translate
from fdegc.model.transforms import Analysis
from fdegc.training.config import lambda_quality
from fdegc.training.parts import read_whole, whole_name
from fdegc.training.recipes import paper_profile
from fdegc.weights import read_manifest

#: Parameters of the prior that research checkpoints lack.
PRIOR = "hyper_prior."


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """Weights that a network starts from, wherever they came from.

    Attributes
    ----------
    path : Path
    profile : Profile
        Sizes, found in the tensors.
    state : mapping
        State dict of :class:`~fdegc.model.fdegcnet.FDEGCNet`, float32, on the CPU.
    has_prior : bool
        False for the research code's checkpoints, whose prior of z cannot code and is left out.
    has_tables : bool
        Whether the file can code as it is.
    quality : float or None
        Of a network for one λ, where the file or the manifest beside it says so.
    """

    path: Path
    profile: Profile
    state: Mapping[str, Tensor]
    has_prior: bool
    has_tables: bool = False
    quality: float | None = None

    def network(self) -> FDEGCNet:
        """Network with these weights; without a prior of z, that is a fresh one.

        Raises
        ------
        WeightsInvalid
            If tensors are missing, superfluous or of the wrong shape.
        """
        net = FDEGCNet.from_profile(self.profile)
        self.load_into(net)
        return net

    def load_into(self, net: FDEGCNet) -> None:
        """Loading of the weights into a network's parameters.

        Raises
        ------
        WeightsInvalid
            As :meth:`network`.
        """
        try:
            missing, unexpected = net.load_state_dict(dict(self.state), strict=False)
        except RuntimeError as error:
            raise WeightsInvalid(f"“{self.path}” does not fit the network: {error}") from error
        wrong = [f"lacks {name}" for name in missing if self.has_prior or not name.startswith(PRIOR)]
        wrong += [f"holds an unknown {name}" for name in unexpected]
        if wrong:
            more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
            raise WeightsInvalid(f"“{self.path}” does not fit the network: it {wrong[0]}{more}.")

    def check_fits(self, profile: Profile, remedy: str) -> None:
        """Refusal of weights of other sizes than a run's.

        Raises
        ------
        WeightsInvalid
        """
        if replace(self.profile, name="") != replace(profile, name=""):
            raise WeightsInvalid(
                f"“{self.path}” holds {sizes_text(self.profile)}, but {sizes_text(profile)} is wanted; "
                f"{remedy}."
            )


def sizes_text(profile: Profile) -> str:
    """Sizes that tell networks apart, in words."""
    widths = "/".join(str(w) for w in profile.widths)
    rates = f"{profile.rate_points} rate points" if profile.rate_points else "one rate point"
    centred = ", centred input" if profile.centred else ""
    latent = f"M = {profile.latent}" + (f", H = {profile.hyper}" if profile.hyper else "")
    linear = ", a linear path" if profile.linear else ""
    return f"a network with N = {widths}, {latent}, hidden {profile.hidden}, {rates}{centred}{linear}"


def load_start(path: Path) -> Start:
    """Weights of ``*.safetensors``, a run's ``checkpoint.pt`` or a research ``iter_*.pth.tar``.

    A ``*.safetensors`` may lie there in parts (:mod:`fdegc.training.parts`); any of them names it.

    Raises
    ------
    WeightsMissing
        If there is no such file.
    WeightsInvalid
        If it is none of the three, or tensors do not make a network.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsMissing(f"There is no weights file “{path}”; give a .safetensors, .pt or .pth.tar file.")
    try:
        start = _load_safetensors(path) if whole_name(path).endswith(".safetensors") else _load_pickled(path)
    except KeyError as error:
        raise WeightsInvalid(f"“{path}” is not a checkpoint of FDEGCNet: it lacks {error}.") from error
    bad = [name for name, tensor in start.state.items() if not torch.isfinite(tensor).all()]
    if bad:
        raise WeightsInvalid(f"“{path}” is useless: {bad[0]} holds values that are not finite.")
    return start


def _load_safetensors(path: Path) -> Start:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        content = read_whole(path)
        tensors = load(content)
        (length,) = struct.unpack("<Q", content[:8])
        metadata = json.loads(content[8 : 8 + length]).get("__metadata__", {})
    except OSError as error:
        raise WeightsInvalid(f"“{path}” cannot be read: {error.strerror}.") from error
    except (SafetensorError, ValueError, struct.error) as error:
        raise WeightsInvalid(f"“{path}” is not a safetensors file: {error}.") from error
    state = {k: _float(v) for k, v in tensors.items() if not k.startswith("coding.")}
    profile, quality = _profile(state, metadata.get("profile", "")), None
    for entry in read_manifest(path.parent):
        if entry.path.name == whole_name(path):
            network = {**entry.network, "widths": tuple(entry.network["widths"])}
            profile = Profile(entry.profile, **network)
            quality = entry.rates[0].quality if len(entry.rates) == 1 else None
    return Start(path, profile, state, True, "coding.layer3" in tensors, quality)


def read_checkpoint(path: Path) -> Any:
    """Contents of a checkpoint, on the CPU; nothing but tensors and plain values is unpickled.

    Raises
    ------
    WeightsInvalid
        If it is damaged or no checkpoint.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsInvalid(
            f"“{path}” is not a checkpoint that can be read safely ({reason}); "
            "give a .safetensors, a run's checkpoint.pt or an iter_*.pth.tar file."
        ) from error


def _load_pickled(path: Path) -> Start:
    document = read_checkpoint(path)
    if isinstance(document, dict) and "profile" in document and "ema" in document:
        state = {k: _float(v) for k, v in document["ema"].items()}
        lmbda = document.get("lambda")
        quality = None if lmbda is None else lambda_quality(lmbda)
        return Start(path, checkpoint_profile(document), state, True, quality=quality)
    if not isinstance(document, dict) or not all(isinstance(v, Tensor) for v in document.values()):
        raise WeightsInvalid(f"“{path}” is neither a run's checkpoint nor one of the research code.")
    state = {k: _float(v) for k, v in translate(document).items()}
    return Start(path, _profile(state, ""), state, False)


def checkpoint_profile(document: Mapping[str, Any]) -> Profile:
    """Profile that a run's checkpoint was made with."""
    network = document.get("network")
    if network is None:  # checkpoints of before there were others than named profiles
        return PROFILES[document["profile"]]
    return Profile(document["profile"], **{**network, "widths": tuple(network["widths"])})


def network_sizes(profile: Profile) -> dict[str, Any]:
    """Sizes of a profile's network as JSON values, without its name."""
    sizes = asdict(profile)
    sizes.pop("name")
    return sizes


def _float(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor


def _profile(state: Mapping[str, Tensor], name: str) -> Profile:
    """Sizes from tensors; pixels are centred where there are gains, as in all profiles that have them."""
    widths, latent = Analysis.sizes_in(state)
    hyper = state["mcam.conv_in.weight"].shape[0]
    hidden = state["context.parameters_net.0.weight"].shape[0]
    gains = state.get("log_gain")
    if gains is None and len(set(widths)) == 1 and hyper == latent:
        profile = paper_profile(widths[0], latent, hidden)
        return replace(profile, name=name) if name else profile
    return Profile(
        name or "imported",
        widths,
        latent,
        hidden=hidden,
        rate_points=0 if gains is None else gains.shape[0],
        centred=gains is not None,
        hyper=0 if hyper == latent else hyper,
        linear="linear_a.1.weight" in state,
    )
