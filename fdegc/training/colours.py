"""Random colours of training crops: what no folder of aerial photographs shows, and users code all the same.

A network that saw natural colours only collapses on false colour, saturated pictures and radar.  The host
draws all numbers of a crop (:func:`draw`), and the crops are recoloured where they are (:func:`recolour`) by
the same few operations for all of them, so that a captured step can do it.  What a crop does not need is
drawn such that it changes nothing: its own bands, the unit matrix, a gamma of 1, no noise.
"""

from __future__ import annotations

from itertools import permutations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

#: What is done to a crop whose colours change, and how often.
KINDS = {
    "saturation": 0.22,  # times 0 to 5 about luma, with any hue
    "matrix": 0.18,  # any three mixtures of the bands, each with any mean and spread
    "exchange": 0.12,  # bands in another order, inverted, or both
    "gains": 0.16,  # pale, dark, of low contrast
    "gamma": 0.05,
    "single": 0.10,  # one band as grey
    "unrelated": 0.08,  # bands of several crops
    "speckle": 0.06,
    "noise": 0.03,
}
#: Chance of a second kind on top.
SECOND_CHANCE = 0.25
#: Ranges of what is drawn; spreads and gains evenly over their logarithms, as are gammas.
SATURATION, MEAN, SPREAD = (0.0, 5.0), (0.15, 0.85), (0.02, 0.3)
GAIN, GAMMA, NOISE, LOOKS = (0.05, 1.0), (0.4, 2.5), (0.005, 0.06), (1.0, 10.0)
#: A spread is magnified so many times at most: what is flat stays so, and no rounding becomes a picture.
MAGNIFIED = 8.0
#: Chances that speckle covers a single band, as in radar; that bands in another order are not inverted too;
#: that bands share gains; that noise is grey.
_RADAR_CHANCE = _ORDER_CHANCE = _ALIKE_CHANCE = _GREY_CHANCE = 0.5

#: The numbers of a crop, in this order.  Matrix and offset include inversions; noise is the standard
#: deviation of what is added, speckle the mean and standard deviation of the cube root of what is multiplied.
LAYOUT = {
    "chosen": 1,
    "crop": 3,
    "band": 3,
    "matrix": 9,
    "offset": 3,
    "rescaled": 1,
    "mean": 3,
    "spread": 3,
    "gamma": 1,
    "noise": 1,
    "speckle": 2,
    "grey": 1,
}
#: How many there are.
NUMBERS = sum(LAYOUT.values())

Array = npt.NDArray[np.float64]

_CHANCES = np.cumsum(list(KINDS.values()))
_UNIT = np.eye(3)
_ORDERS = np.array(list(permutations(range(3))))  # the first one is none
#: Projections on luma as grey, on the grey axis, and the cross product with that axis.
_LUMA = np.tile([0.299, 0.587, 0.114], (3, 1))
_CHROMA = _UNIT - _LUMA
_AXIS = np.full((3, 3), 1.0 / 3.0)
_CROSS = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / np.sqrt(3.0)


def draw(rng: np.random.Generator, batch: int, share: float) -> Array:
    """Numbers of random colours for a batch of crops.

    Parameters
    ----------
    rng : numpy.random.Generator
    batch : int
    share : float
        Of the crops that are recoloured, on average.

    Returns
    -------
    array, shape (batch, NUMBERS)
        For :func:`recolour`.
    """
    chosen = rng.random(batch) < share
    first, second = np.searchsorted(_CHANCES[:-1], rng.random((2, batch)), side="right")
    second = np.where(rng.random(batch) < SECOND_CHANCE, second, first)
    does = {name: (first == number) | (second == number) for number, name in enumerate(KINDS)}
    return _numbers(rng, chosen, does)


def _numbers(
    rng: np.random.Generator, chosen: npt.NDArray[np.bool_], does: dict[str, npt.NDArray[np.bool_]]
) -> Array:
    """Numbers of crops of which it is known what is done to them."""
    batch = len(chosen)
    chance = rng.random((4, batch))
    single = does["single"] | (does["speckle"] & (chance[0] < _RADAR_CHANCE))
    # Bands: a later choice replaces an earlier one.
    code = rng.integers(1, 48, batch)  # of six orders and eight inversions all but the pair that is nothing
    order, inverted = does["exchange"] * (code // 8), does["exchange"] * (code % 8)
    inverted = np.where((order > 0) & (chance[1] < _ORDER_CHANCE), 0, inverted)
    crop = np.repeat(np.arange(batch)[:, None], 3, 1)
    band = _ORDERS[order]
    unrelated = does["unrelated"][:, None]
    crop = np.where(unrelated, rng.integers(batch, size=(batch, 3)), crop)
    any_band = rng.integers(3, size=(batch, 3))
    band = np.where(unrelated, any_band, band)
    crop = np.where(single[:, None], crop[:, :1], crop)
    band = np.where(single[:, None], any_band[:, :1], band)
    # An affine map of the bands: inversions, then saturation or a matrix, then gains.
    flips = (inverted[:, None] >> np.arange(3)) & 1
    matrix = np.where(does["saturation"][:, None, None], _saturations(rng, batch), _UNIT)
    matrix = np.where(does["matrix"][:, None, None], rng.standard_normal((batch, 3, 3)), matrix)
    offset = (matrix * flips[:, None, :]).sum(2)
    matrix = matrix * (1 - 2 * flips)[:, None, :]
    mean, spread = rng.uniform(*MEAN, (batch, 3)), _log_uniform(rng, SPREAD, (batch, 3))
    gain, height = _log_uniform(rng, GAIN, (batch, 3)), rng.random((batch, 3))
    alike = (chance[2] < _ALIKE_CHANCE)[:, None]
    gain, height = np.where(alike, gain[:, :1], gain), np.where(alike, height[:, :1], height)
    gain = np.where(does["gains"][:, None], gain, 1.0)
    lift = height * (1.0 - gain)  # so that [0, 1] stays in it
    matrix, offset = matrix * gain[:, :, None], offset * gain + lift
    mean, spread = mean * gain + lift, spread * gain
    # Tone and noise.
    gamma = np.where(does["gamma"], _log_uniform(rng, GAMMA, batch), 1.0)
    noise = np.where(does["noise"], rng.uniform(*NOISE, batch), 0.0)
    looks = np.where(does["speckle"], rng.uniform(*LOOKS, batch), np.inf)
    # Wilson and Hilferty (1931): the cube root of a gamma variable is all but normal.
    speckle = np.stack((1.0 - 1.0 / (9.0 * looks), 1.0 / (3.0 * np.sqrt(looks))), 1)
    grey = single | (chance[3] < _GREY_CHANCE)
    parts = {
        "chosen": chosen[:, None],
        "crop": crop,
        "band": band,
        "matrix": matrix.reshape(batch, 9),
        "offset": offset,
        "rescaled": does["matrix"][:, None],
        "mean": mean,
        "spread": spread,
        "gamma": gamma[:, None],
        "noise": noise[:, None],
        "speckle": speckle,
        "grey": grey[:, None],
    }
    return np.concatenate([parts[name] for name in LAYOUT], 1, dtype=np.float64)


def _saturations(rng: np.random.Generator, batch: int) -> Array:
    """Matrices that keep luma and greys, and scale and turn what is left."""
    amount, angle = rng.uniform(*SATURATION, batch), rng.uniform(0.0, 2 * np.pi, batch)
    cosine, sine = (part[:, None, None] for part in (np.cos(angle), np.sin(angle)))
    turn = _AXIS + cosine * (_UNIT - _AXIS) + sine * _CROSS  # about the grey axis
    out: Array = _LUMA + amount[:, None, None] * (_CHROMA @ turn @ _CHROMA)
    return out


def _log_uniform(
    rng: np.random.Generator, limits: tuple[float, float], shape: int | tuple[int, int]
) -> Array:
    out: Array = np.exp(rng.uniform(np.log(limits[0]), np.log(limits[1]), shape))
    return out


def recolour(x: Tensor, parameters: Tensor, normal: Tensor | None = None) -> Tensor:
    """Crops in the random colours drawn for them, on their device and without waiting for it.

    Parameters
    ----------
    x : Tensor of float32, shape (B, 3, H, W), in [0, 1]
    parameters : Tensor of float64, shape (B, NUMBERS)
        What :func:`draw` gave.
    normal : Tensor, shape of the result, optional
        Standard normal numbers for noise; by default drawn with PyTorch's generator.  Who works beside a
        training step gives them, since that draws from the same generator.

    Returns
    -------
    Tensor of float32, shape (B, 3, H, W)
        In [0, 1]: multiples of 1/255, or what was given for crops that were not chosen.
    """
    chosen = is_chosen(parameters)[:, None, None, None]
    return torch.where(chosen, coloured(x, parameters, normal), x)


def is_chosen(parameters: Tensor) -> Tensor:
    """Whether crops are recoloured at all, shape (B,)."""
    return parameters[:, 0] > 0


def coloured(x: Tensor, parameters: Tensor, normal: Tensor | None = None) -> Tensor:
    """Crops, one for each row of numbers, chosen or not, made of ``x``; otherwise as :func:`recolour`."""
    columns = parameters.float()[:, :, None, None].split(list(LAYOUT.values()), 1)
    p = dict(zip(LAYOUT, columns, strict=True))
    crop, band = (p[name].flatten(1).long() for name in ("crop", "band"))
    y = x[crop, band]
    y = (p["matrix"].reshape(-1, 3, 3) @ y.flatten(2)).view_as(y) + p["offset"]
    spread, mean = torch.std_mean(y, (2, 3), correction=0, keepdim=True)
    scale = (p["spread"] / spread.clamp(min=1e-6)).clamp(max=MAGNIFIED)
    y = torch.where(p["rescaled"] > 0, (y - mean) * scale + p["mean"], y)
    y = y.clamp(0.0, 1.0) ** p["gamma"]
    normal = torch.randn_like(y) if normal is None else normal
    normal = torch.where(p["grey"] > 0, normal[:, :1], normal)
    root, deviation = p["speckle"].split(1, 1)
    y = y * (root + deviation * normal).clamp(min=0.0) ** 3 + p["noise"] * normal
    return (y.clamp(0.0, 1.0) * 255.0).round() / 255.0
