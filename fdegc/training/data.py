"""Training crops; images are held in memory as far as there is room for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from fdegc.errors import InvalidOption
from fdegc.training import colours as colouring

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".avif", ".tif", ".tiff", ".bmp"}
#: Chance of shrinking a crop, and the range of the factor: more scales, and fewer traces of JPEG blocks.
SCALE_CHANCE = 0.25
SCALE_RANGE = (0.5, 1.0)
#: Range of the factor for sources with compression artefacts: blocks of 8 pixels become 5 at most.
ARTEFACT_RANGE = (0.5, 2 / 3)
#: Bytes of decoded images that a process keeps; what is beyond is read again whenever it is drawn.
KEPT_BYTES = 2_000_000_000


def image_paths(folder: Path) -> list[Path]:
    """Paths of all images below a folder, sorted.

    Raises
    ------
    InvalidOption
        If there is none.
    """
    paths = sorted(p for p in Path(folder).rglob("*") if p.suffix.lower() in SUFFIXES)
    if not paths:
        raise InvalidOption(f"There are no images in “{folder}”; give a folder that holds some.")
    return paths


def sources_of(paths: Sequence[Path], folder: Path) -> list[str]:
    """Source of each image: the first folder below ``folder`` that it lies in, "" if it lies in none."""
    parts = [path.relative_to(folder).parts for path in paths]
    return [own[0] if len(own) > 1 else "" for own in parts]


def chances(sources: Sequence[Hashable]) -> npt.NDArray[np.float64]:
    """Cumulative chances of images, of which each is named by its source.

    A source is drawn ∝ the square root of its number of images, and any of its images equally often.
    """
    count = Counter(sources)
    each = np.cumsum([count[source] ** -0.5 for source in sources])
    out: npt.NDArray[np.float64] = each / each[-1]
    return out


def load_image(path: Path) -> npt.NDArray[np.uint8]:
    """Pixels of an image as (H, W, 3) uint8."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def image_size(path: Path) -> tuple[int, int]:
    """Size (height, width) of an image, from its header alone."""
    with Image.open(path) as image:
        return image.height, image.width


def too_small(crop: int) -> InvalidOption:
    """Error for folders in which no image is large enough."""
    return InvalidOption(f"No training image is large enough for {crop} px crops; use a smaller crop.")


class CropSource(Protocol):
    """Source of a step's crops: chosen on the host ahead of the step, made on the device within it."""

    @property
    def used(self) -> int:
        """Number of images that crops are taken of."""

    @property
    def left_out(self) -> int:
        """Number of images that are too small."""

    def draw(self, size: int) -> Tensor:
        """Choice of a number of crops, made on the host."""

    def crops(self, drawn: Tensor) -> Tensor:
        """Crops, float32 (B, 3, crop, crop) in [0, 1], from what :meth:`draw` gave, on the device."""


class CropSampler:
    """Random native-resolution crops with flips and, if asked for, quarter turns and other scales.

    Parameters
    ----------
    paths : sequence of Path
    crop : int
        Side of a crop in pixels; images smaller than that are left out.
    seed : int or sequence of int
    shrink_only : sequence of str
        Folder names whose images are always shrunk, by 0.5 to ⅔, for sources with compression artefacts;
        they are left out if they are smaller than 1.5 crops.
    augment : bool
        Whether crops are also turned by quarters, and a quarter of them shrunk (Lanczos) by 0.5–1.
        Without it they are flipped only, and ``shrink_only`` means nothing.
    sources : sequence, optional
        The source of each path, by which they are drawn (:func:`chances`); by default each is its own, so
        that all are drawn equally often.
    colours : float
        Share of the crops in random colours (:mod:`~fdegc.training.colours`).

    Attributes
    ----------
    paths : list of Path
        The images that crops are taken of.
    used, left_out : int
        Number of images that are large enough, and that are not.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        crop: int,
        seed: int | Sequence[int],
        shrink_only: Sequence[str] = (),
        augment: bool = True,
        sources: Sequence[Hashable] | None = None,
        colours: float = 0.0,
    ) -> None:
        self.crop = crop
        self.colours = colours
        self.augment = augment
        self.rng = np.random.default_rng(seed)
        self._colour_rng = self.rng.spawn(1)[0]  # so that the crops are the same with any colours
        self.paths: list[Path] = []
        self.always_shrink: list[bool] = []
        self._kept: dict[int, npt.NDArray[np.uint8]] = {}
        self._room = KEPT_BYTES
        used: list[Hashable] = []
        for path, source in zip(paths, sources or range(len(paths)), strict=True):
            shrink = augment and path.parent.name in shrink_only
            if min(image_size(path)) >= crop / (ARTEFACT_RANGE[1] if shrink else 1.0):
                self.paths.append(path)
                self.always_shrink.append(shrink)
                used.append(source)
        self.left_out = len(paths) - len(self.paths)
        self.used = len(self.paths)
        if not self.paths:
            raise too_small(crop)
        self._chances = chances(used)

    def draw(self, size: int) -> Tensor:
        """Crops of :meth:`batch` as a tensor, in random colours: here the host makes the crops themselves."""
        crops = torch.from_numpy(self.batch(size))
        if not self.colours:
            return crops
        numbers = torch.from_numpy(colouring.draw(self._colour_rng, size, self.colours))
        chosen = colouring.is_chosen(numbers)
        if not chosen.any():
            return crops
        # The host need not work on the others: no graph holds it to fixed shapes.
        normal = self._colour_rng.standard_normal((int(chosen.sum()), *crops.shape[1:]), np.float32)
        crops[chosen] = colouring.coloured(crops, numbers[chosen], torch.from_numpy(normal))
        return crops

    def crops(self, drawn: Tensor) -> Tensor:
        """Crops that :meth:`draw` gave, as they are."""
        return drawn

    def batch(self, size: int) -> npt.NDArray[np.float32]:
        """Crops of shape (size, 3, crop, crop), float32 in [0, 1], in their own colours."""
        out = np.empty((size, 3, self.crop, self.crop), np.float32)
        for i in range(size):
            out[i] = self._crop().transpose(2, 0, 1)
        out /= 255.0
        return out

    def _image(self, index: int) -> npt.NDArray[np.uint8]:
        if index in self._kept:
            return self._kept[index]
        image = load_image(self.paths[index])
        if image.nbytes <= self._room:
            self._room -= image.nbytes
            self._kept[index] = image
        return image

    def _crop(self) -> npt.NDArray[np.uint8]:
        index = int(np.searchsorted(self._chances, self.rng.random(), side="right"))
        image = self._image(index)
        side = self.crop
        if self.always_shrink[index]:
            smallest = max(ARTEFACT_RANGE[0], self.crop / min(image.shape[:2]))
            side = int(self.crop / self.rng.uniform(smallest, ARTEFACT_RANGE[1]))
        elif self.augment and self.rng.random() < SCALE_CHANCE:
            side = int(self.crop / self.rng.uniform(*SCALE_RANGE))
        side = min(side, *image.shape[:2])
        y = int(self.rng.integers(image.shape[0] - side + 1))
        x = int(self.rng.integers(image.shape[1] - side + 1))
        piece = image[y : y + side, x : x + side]
        if side != self.crop:
            resized = Image.fromarray(piece).resize((self.crop, self.crop), Image.Resampling.LANCZOS)
            piece = np.asarray(resized)
        if self.augment:
            piece = np.rot90(piece, int(self.rng.integers(4)))
        elif self.rng.random() < 0.5:
            piece = piece[::-1]
        return piece[:, ::-1] if self.rng.random() < 0.5 else piece
