"""Every failure a user can meet, as a readable sentence.

One root, :class:`FdegcError`, and one subclass per kind of failure.  The message is a whole
sentence that says what went wrong, where, and what to do; front ends show it as it is.
"""

from __future__ import annotations


class FdegcError(Exception):
    """Root of all errors that are meant to be shown to a user."""


class InvalidOption(FdegcError):
    """Error of a parameter that is outside its range, or of two that contradict each other."""


class UnsupportedRaster(FdegcError):
    """Error of an input that is not a raster that can be read, or is one of a kind that cannot be coded."""


class SeveralRasters(UnsupportedRaster):
    """Error of a file that holds several rasters, of which one has to be chosen.

    Attributes
    ----------
    parts : tuple of str
        Their names, each of which can be opened.
    titles : tuple of str
        What each of them is, in a few words: size, bands, type; empty if nothing is known of it.
    """

    def __init__(self, message: str, parts: tuple[str, ...] = (), titles: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.parts, self.titles = parts, titles


class OutputExists(FdegcError):
    """Error of an output file that exists, where overwriting was not asked for."""


class OutputFailed(FdegcError):
    """Error of an output that could not be written (permission, full disk, unsuitable format)."""


class OutputBusy(OutputFailed):
    """Error of an output that another process is writing."""


class TargetMissed(FdegcError):
    """Error of a target that no quality reaches; nothing was written."""


class CorruptStream(FdegcError):
    """Error of a ``.fdegc`` file that is damaged, truncated, or not one at all."""


class UnsupportedStream(FdegcError):
    """Error of a ``.fdegc`` file that is intact but needs a newer version or weights of another kind."""


class DecoderMismatch(FdegcError):
    """Error of a decoder that computed other latents than the encoder; the result would be garbage."""


class WeightsMissing(FdegcError):
    """Error of weights that are not installed, or are not the ones a file was written with."""


class WeightsInvalid(FdegcError):
    """Error of a weights file that does not match its manifest or the network it is meant for."""


class MetricUnavailable(FdegcError):
    """Error of a metric that cannot be computed here (too small an image, missing backbone weights)."""


class OutOfMemory(FdegcError):
    """Error of work that would need, or needed, more memory than there is."""


class DeviceUnavailable(FdegcError):
    """Error of a requested compute device that does not exist on this machine."""


class PackageMissing(FdegcError, ImportError):
    """Error of a package that only this part needs and that is not installed."""


class ClusterUnavailable(FdegcError):
    """Error of a cluster that cannot be reached, has no workers or other versions, or was lost."""


class Cancelled(FdegcError):
    """Cancellation of the work by the user.

    Nothing is left behind, except by a compression that can be resumed: it keeps its finished tiles
    in ``<name>.part``, and the next run goes on from them.
    """
