"""Names of the research code's checkpoints (``iter_*.pth.tar``) translated to ours."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from fdegc.errors import WeightsInvalid

#: Parameters that the research code carries but never uses, or whose rate cannot be coded.
DROPPED = re.compile(r"^(bottelneck\.fgm\.conv\.|entropy\.maskedconv\.mask$|bitEstimator_z\.)")

_SAMPLING = {"shortcut": "shortcut", "layer2": "conv1", "layer3": "conv2"}
_MCAM = {
    "in_conv.0": "conv_in",
    "out_conv": "conv_out",
    "fac_conv": "factor_o",
    "conv": "factor_f",
    "fgm.dwconv1": "fgm.p1",
    "fgm.dwconv2": "fgm.p2",
}
_HYPER = {"heam1": 0, "conv1": 1, "conv2": 3, "heam2": 5, "conv3": 6, "conv4": 8, "conv5": 10}
_CONTEXT = {
    "maskedconv": "masked",
    "conv1": "parameters_net.0",
    "conv2": "parameters_net.2",
    "conv3": "parameters_net.4",
}
# (block, residual?) → index in g_a or g_s; a block's layers 0 and 1 are residual, the others resample.
_ANALYSIS = {
    ("b0", False): 0,
    ("b1", True): 1,
    ("b1", False): 2,
    ("b2", True): 4,
    ("b2", False): 5,
    ("b3", True): 6,
}
_SYNTHESIS = {
    ("b0", True): 1, ("b0", False): 2, ("b1", True): 3, ("b1", False): 4,
    ("b2", True): 6, ("b2", False): 7, ("b3", True): 8,
}  # fmt: skip
_ATTENTION = {("Encoder", "1"): 3, ("Encoder", "2"): 8, ("Decoder", "1"): 0, ("Decoder", "2"): 5}


def odam_name(name: str) -> str:
    """Our name of a parameter inside the research code's ODAM."""
    name = re.sub(r"^trunk_ResBlock(\d)", lambda m: f"trunk.{int(m[1]) - 1}", name)
    name = re.sub(r"^attention_ResBlock(\d)", lambda m: f"mask.{int(m[1]) - 1}", name)
    return re.sub(r"^conv1\.", "conv.", name)


def mcam_name(name: str) -> str:
    """Our name of a parameter inside the research code's MCAM."""
    module, _, leaf = name.rpartition(".")
    return f"{_MCAM.get(module, module)}.{leaf}"


def _transform_name(side: str, name: str) -> str:
    prefix = "g_a" if side == "Encoder" else "g_s"
    if attention := re.match(r"attention(\d)\.(.*)", name):
        return f"{prefix}.{_ATTENTION[side, attention[1]]}.{odam_name(attention[2])}"
    match = re.match(r"(b\d)_(shortcut|layer\d)(_GDN|_igdn)?\.(.*)", name)
    if match is None:
        raise KeyError(name)
    block, layer, gdn, leaf = match.groups()
    if (block, layer) == ("b3", "layer2"):
        return f"{prefix}.{7 if side == 'Encoder' else 9}.{leaf}"
    residual = layer in ("layer0", "layer1")
    index = (_ANALYSIS if side == "Encoder" else _SYNTHESIS)[block, residual]
    if residual:
        return f"{prefix}.{index}.conv{int(layer[-1]) + 1}.{leaf}"
    if gdn:
        return f"{prefix}.{index}.{'gdn' if side == 'Encoder' else 'igdn'}.{leaf}"
    return f"{prefix}.{index}.{_SAMPLING[layer]}.{leaf}"


def translate(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Parameters of a research checkpoint under our names, without what is never used.

    Parameters
    ----------
    state : mapping
        State dict of the research code's model (an optional ``module.`` prefix is removed).

    Returns
    -------
    dict
        Lacks the factorised prior, which must be refitted, and GDN's constant buffers.

    Raises
    ------
    WeightsInvalid
        If a name is not one of the research code's.
    """
    out: dict[str, Tensor] = {}
    for full, tensor in state.items():
        name = full.removeprefix("module.")
        if DROPPED.match(name):
            continue
        part, _, rest = name.partition(".")
        try:
            if part in ("Encoder", "Decoder"):
                new = _transform_name(part, rest)
            elif part in ("priorEncoder", "priorDecoder"):
                module, _, leaf = rest.partition(".")
                new = f"{'h_a' if part == 'priorEncoder' else 'h_s'}.{_HYPER[module]}.{leaf}"
            elif part == "entropy":
                module, _, leaf = rest.partition(".")
                new = f"context.{_CONTEXT[module]}.{leaf}"
            elif part == "bottelneck":
                new = f"mcam.{mcam_name(rest)}"
            else:
                raise KeyError(name)
        except KeyError:
            raise WeightsInvalid(f"The checkpoint holds an unknown parameter '{name}'.") from None
        out[new] = tensor
    return out
