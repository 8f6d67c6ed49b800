"""Latents of a whole scene in a temporary file: analysed once, coded at many qualities."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import TracebackType

import numpy as np
from typing_extensions import Self

from fdegc.errors import OutputFailed
from fdegc.inference import FloatArray


class LatentStore:
    """Keeps latents before gain and rounding: as many bytes as 8-bit samples have, or fewer.

    Parameters
    ----------
    folder : Path
        Where the file lies; it has no name that could stay behind.

    Raises
    ------
    OutputFailed
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._places: dict[int, list[tuple[int, tuple[int, ...]]]] = {}
        try:
            self._file = tempfile.TemporaryFile(dir=folder)
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> OutputFailed:
        return OutputFailed(
            f"The search for a quality needs room for a temporary file in {self._folder}: "
            f"{error.strerror or error}. Make room, or choose another folder for the output."
        )

    def put(self, index: int, latents: list[FloatArray]) -> None:
        """Keep the latents of a tile.

        Raises
        ------
        OutputFailed
        """
        try:
            self._places[index] = []
            for latent in latents:
                self._places[index].append((self._file.seek(0, 2), latent.shape))
                self._file.write(latent.tobytes())
        except OSError as error:
            raise self._failed(error) from error

    def latents(self, index: int) -> list[FloatArray]:
        """Latents of a tile, as they were put.

        Raises
        ------
        OutputFailed
        """
        found: list[FloatArray] = []
        try:
            for place, shape in self._places[index]:
                self._file.seek(place)
                data = self._file.read(4 * int(np.prod(shape)))
                found.append(np.frombuffer(data, np.float32).reshape(shape))
        except OSError as error:
            raise self._failed(error) from error
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
