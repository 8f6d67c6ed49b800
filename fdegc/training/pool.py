"""Training images as one tensor on the device, with their smaller scales; crops are cut there in one gather.

Decoding, Lanczos and flips on the host keep a GPU waiting: a step of 2 Mpx takes it less time than one core
needs for its crops.  So all images are decoded once, each with a pyramid of scales that stand for the
continuous ones of :class:`~fdegc.training.data.CropSampler`, and the host only draws which crops: three whole
numbers each, since a flip or turn is nothing but another first pixel and other strides, and those of its
colours.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from fdegc.errors import InvalidOption
from fdegc.text import bytes_text
from fdegc.training import colours as colouring
from fdegc.training.data import (
    ARTEFACT_RANGE,
    KEPT_BYTES,
    SCALE_CHANCE,
    chances,
    image_size,
    load_image,
    too_small,
)

#: Scales besides the native one, evenly over the range of :data:`~fdegc.training.data.SCALE_RANGE`.
FACTORS = tuple(twelfths / 12 for twelfths in (11, 10, 9, 8, 7, 6))
#: What is tried in turn where memory is short; the last one serves images with artefacts.
_FEWER_FACTORS = (FACTORS, FACTORS[1::2], FACTORS[3:4])
#: Share of a GPU's free memory that images may take.
MEMORY_SHARE = 0.4
#: Threads that decode images, at most.
_DECODERS = 32
_CHANNELS = 3


@dataclass(frozen=True, slots=True)
class Level:
    """Scale of one image in the pool.

    Attributes
    ----------
    image : int
        Index into the pool's paths.
    factor : float
        1.0: the image's own scale.
    offset : int
        Of its first byte; rows follow each other, pixels are R, G, B.
    height, width : int
    """

    image: int
    factor: float
    offset: int
    height: int
    width: int

    @property
    def bytes(self) -> int:
        """Size in the pool in bytes."""
        return _CHANNELS * self.height * self.width


def memory_budget(device: str) -> int:
    """Bytes that a pool may take on a device."""
    if torch.device(device).type != "cuda":
        return KEPT_BYTES
    free, _ = torch.cuda.mem_get_info(torch.device(device))
    return int(MEMORY_SHARE * free)


class ImagePool:
    """Tensor of bytes that holds all training images and their smaller scales.

    Parameters
    ----------
    paths : sequence of Path
    crop : int
        Smallest side of a crop; scales that are smaller are left out.
    shrink_only : sequence of str
        Folder names whose images are only ever seen at ⅔ of their scale or less.
    augment : bool
        Whether smaller scales are wanted at all.
    device : str
    budget : int, optional
        Bytes; by default :func:`memory_budget`.  If all does not fit there are fewer scales, then fewer
        images.

    Attributes
    ----------
    levels : list of Level
    pixels : Tensor of uint8, shape (n,)
    note : str
        What it takes, for the user.

    Raises
    ------
    InvalidOption
        If no image is large enough, or memory takes none.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        crop: int,
        *,
        shrink_only: Sequence[str] = (),
        augment: bool = True,
        device: str = "cpu",
        budget: int | None = None,
    ) -> None:
        self.paths = list(paths)
        self.always_shrink = np.array([augment and path.parent.name in shrink_only for path in paths])
        budget = memory_budget(device) if budget is None else budget
        with ThreadPoolExecutor(_threads()) as threads:
            sizes = list(threads.map(image_size, self.paths))
        self.levels, scales = self._plan(sizes, crop, augment, budget)
        if not self.levels:
            raise too_small(crop)
        used, total = len({level.image for level in self.levels}), self._size(self.levels)
        self.note = (
            f"{used} of {len(paths)} training images with {scales} smaller scales take {bytes_text(total)} "
            f"of the memory of {device} ({bytes_text(budget)} are allowed)"
        )
        self.pixels = self._load(total).to(device)

    def _plan(
        self, sizes: Sequence[tuple[int, int]], crop: int, augment: bool, budget: int
    ) -> tuple[list[Level], int]:
        """Levels that fit, and how many scales there are."""
        everything = range(len(sizes))
        for factors in _FEWER_FACTORS if augment else ((),):
            levels = self._levels(sizes, crop, factors, everything)
            if self._size(levels) <= budget:
                return levels, len(factors)
        for keep in range(len(sizes), 0, -1 - len(sizes) // 64):  # evenly over the folders
            chosen = np.linspace(0, len(sizes) - 1, keep).astype(int).tolist()
            levels = self._levels(sizes, crop, factors, chosen)
            if levels and self._size(levels) <= budget:
                return levels, len(factors)
        if self._levels(sizes, crop, factors, everything):
            raise InvalidOption(
                f"The training images do not fit into {bytes_text(budget)} of memory; use --images host."
            )
        return [], 0

    def _levels(
        self, sizes: Sequence[tuple[int, int]], crop: int, factors: Sequence[float], images: Sequence[int]
    ) -> list[Level]:
        levels: list[Level] = []
        offset = 0
        for image in images:
            height, width = sizes[image]
            own = (
                [f for f in factors if f <= ARTEFACT_RANGE[1]]
                if self.always_shrink[image]
                else [1.0, *factors]
            )
            for factor in own:
                level = Level(image, factor, offset, round(height * factor), round(width * factor))
                if min(level.height, level.width) >= crop:
                    levels.append(level)
                    offset += level.bytes
        return levels

    @staticmethod
    def _size(levels: Sequence[Level]) -> int:
        return levels[-1].offset + levels[-1].bytes if levels else 0

    def _load(self, total: int) -> Tensor:
        pixels = torch.empty(total, dtype=torch.uint8)
        flat = pixels.numpy()
        of_image: dict[int, list[Level]] = {}
        for level in self.levels:
            of_image.setdefault(level.image, []).append(level)

        def fill(image: int) -> None:
            picture = Image.fromarray(load_image(self.paths[image]))
            for level in of_image[image]:
                size = (level.width, level.height)
                scaled = picture if size == picture.size else picture.resize(size, Image.Resampling.LANCZOS)
                flat[level.offset : level.offset + level.bytes] = np.asarray(scaled).reshape(-1)

        with ThreadPoolExecutor(_threads()) as threads:  # Pillow works without Python's lock
            list(threads.map(fill, of_image))
        return pixels

    def cut(self, drawn: Tensor, crop: int) -> Tensor:
        """Crops of the pool, cut in one gather.

        Parameters
        ----------
        drawn : Tensor of int64, shape (B, 3)
            For each crop the index of its first pixel, and the steps in bytes from one row to the next and
            from one column to the next; negative ones are flips, exchanged ones turns.
        crop : int

        Returns
        -------
        Tensor of float32, shape (B, 3, crop, crop), in [0, 1]
            Channels-last on GPUs.
        """
        side = torch.arange(crop, device=self.pixels.device)
        first, row, column = (part.view(-1, 1, 1, 1) for part in drawn.unbind(1))
        channels = torch.arange(_CHANNELS, device=self.pixels.device)
        index = (first + row * side.view(-1, 1, 1)) + (column * side.view(-1, 1) + channels)
        crops = self.pixels.take(index).permute(0, 3, 1, 2)
        if not crops.is_cuda:
            crops = crops.contiguous()
        return crops / 255.0


class PoolSampler:
    """Random crops of a pool, as :class:`~fdegc.training.data.CropSampler` draws them of files.

    Parameters
    ----------
    pool : ImagePool
    crop : int
        Not smaller than the pool's.
    seed : int or sequence of int
    augment : bool
        Whether crops are also turned by quarters, and a quarter of them are of a smaller scale.
    sources : sequence, optional
        The source of each path of the pool, by which they are drawn
        (:func:`~fdegc.training.data.chances`); by default all are drawn equally often.
    colours : float
        Share of the crops in random colours (:mod:`~fdegc.training.colours`).

    Attributes
    ----------
    used, left_out : int
        Images that are large enough, and that are not.

    Raises
    ------
    InvalidOption
        If none is.
    """

    def __init__(
        self,
        pool: ImagePool,
        crop: int,
        seed: int | Sequence[int],
        augment: bool = True,
        sources: Sequence[Hashable] | None = None,
        colours: float = 0.0,
    ) -> None:
        self.pool, self.crop, self.augment, self.colours = pool, crop, augment, colours
        self.rng = np.random.default_rng(seed)
        self._colour_rng = self.rng.spawn(1)[0]  # so that the crops are the same with any colours
        fits = [level for level in pool.levels if min(level.height, level.width) >= crop]
        if not fits:
            raise too_small(crop)
        self._table = np.array([(level.offset, level.height, level.width) for level in fits])
        images, self._first, count = np.unique(
            [level.image for level in fits], return_index=True, return_counts=True
        )
        named = sources or range(len(pool.paths))
        self._chances = chances([named[image] for image in images])
        self._native = ~pool.always_shrink[images]
        self._smaller = count - self._native
        self.used, self.left_out = len(images), len(pool.paths) - len(images)

    def draw(self, size: int) -> Tensor:
        """Choice of crops: int64, shape (size, 3), for :meth:`ImagePool.cut`.

        With colours float64, shape (size, 3 + NUMBERS): pixels are counted exactly up to 2⁵³.
        """
        which = self._which(size)
        if self.colours:
            which = np.concatenate((which, colouring.draw(self._colour_rng, size, self.colours)), 1)
        return torch.from_numpy(which)

    def _which(self, size: int) -> npt.NDArray[Any]:
        rng = self.rng
        image = np.searchsorted(self._chances, rng.random(size), side="right")
        native, smaller = self._native[image], self._smaller[image]
        shrunk = ~native | (self.augment & (rng.random(size) < SCALE_CHANCE) & (smaller > 0))
        which = native + rng.integers(np.maximum(smaller, 1), size=size)
        offset, height, width = self._table[self._first[image] + np.where(shrunk, which, 0)].T
        top, left = rng.integers(height - self.crop + 1), rng.integers(width - self.crop + 1)
        down, right, turned = rng.integers(2, size=(3, size)).astype(bool)
        turned &= self.augment
        rows, columns = _CHANNELS * width, np.full(size, _CHANNELS)
        first = offset + top * rows + left * columns
        last = self.crop - 1
        first += np.where(down, 0, last * rows) + np.where(right, 0, last * columns)
        rows, columns = np.where(down, rows, -rows), np.where(right, columns, -columns)
        rows, columns = np.where(turned, columns, rows), np.where(turned, rows, columns)
        return np.stack((first, rows, columns), 1).astype(np.int64)

    def crops(self, drawn: Tensor) -> Tensor:
        """Crops that :meth:`draw` chose, on the pool's device."""
        crops = self.pool.cut(drawn[:, :3].long(), self.crop)
        return colouring.recolour(crops, drawn[:, 3:]) if self.colours else crops


def _threads() -> int:
    return min(_DECODERS, os.cpu_count() or 1)
