"""How the bands of a scene enter the network, three at a time, and come back out of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fdegc.format.header import StreamHeader
from fdegc.raster.mapping import band_groups

Float32Array = npt.NDArray[np.float32]


class NetworkInputs:
    """Network inputs of bands: as they are, three at a time, or through the header's component transform.

    Parameters
    ----------
    header : StreamHeader

    Attributes
    ----------
    groups : int
        Network inputs of a tile.
    plain : bool
        Whether bands enter as they are, so that what comes out is at once in [0, 1].
    predicts : bool
        Whether groups after the first are what bands differ by from a prediction: then :meth:`further` says
        what enters.
    """

    def __init__(self, header: StreamHeader) -> None:
        self._bands = header.bands
        self.groups = header.groups
        self.plain = header.components is None
        self.predicts = header.components is not None and header.components.predicts
        if header.components is not None:
            self._matrix = np.array(header.components.matrix, np.float32)
            self._means = np.array(header.components.means, np.float32)[:, None, None]
            self._inverse = np.linalg.pinv(self._matrix.astype(np.float64)).astype(np.float32)

    def of(self, unit: Float32Array) -> list[Float32Array]:
        """Inputs, each (3, height, width), of bands in [0, 1], (bands, height, width)."""
        if self.plain:
            return [unit[list(group)] for group in band_groups(self._bands)]
        # Not a matrix product: those of numpy start threads of their own.
        mixed: Float32Array = np.einsum("ij,jhw->ihw", self._matrix, unit - self._means)
        mixed += np.float32(0.5)
        return [mixed[start : start + 3] for start in range(0, len(mixed), 3)]

    def further(self, unit: Float32Array, first: Float32Array) -> list[Float32Array]:
        """Inputs after the first, of bands that are predicted from what the network gave for that.

        Parameters
        ----------
        unit : ndarray of float32, shape (bands, height, width)
            Bands in [0, 1].
        first : ndarray of float32, shape (3, height, width)
            Not clipped.
        """
        foreseen = np.einsum("ij,jhw->ihw", self._inverse[3:, :3], first - np.float32(0.5))
        foreseen += self._means[3:]
        mixed: Float32Array = np.einsum("ij,jhw->ihw", self._matrix[3:, 3:], unit[3:] - foreseen)
        mixed += np.float32(0.5)
        return [mixed[start : start + 3] for start in range(0, len(mixed), 3)]

    def bands(self, outputs: Sequence[Float32Array]) -> Float32Array:
        """Bands, (bands, height, width), of what the network gave for each input; not always in [0, 1]."""
        if not self.plain:
            moved = np.concatenate(outputs) - np.float32(0.5)
            bands: Float32Array = np.einsum("ij,jhw->ihw", self._inverse, moved)
            bands += self._means
            return bands
        unit = np.empty((self._bands, *outputs[0].shape[1:]), np.float32)
        for group, output in zip(band_groups(self._bands), outputs, strict=True):
            unit[list(group)] = output
        return unit
