"""Every failure a user can meet, as a readable sentence.

One root, :class:`FdegcError`, and one subclass per kind of failure.  The message is a whole
sentence that says what went wrong, where, and what to do; front ends show it as it is.
"""

from __future__ import annotations


class FdegcError(Exception):
    """Root of all errors that are meant to be shown to a user."""


class InvalidOption(FdegcError):
    """A parameter is outside its range or two of them contradict each other."""


class UnsupportedRaster(FdegcError):
    """The input is not a raster that can be read, or one of a kind that cannot be coded."""


class OutputExists(FdegcError):
    """The output file exists and overwriting was not asked for."""


class OutputFailed(FdegcError):
    """The output could not be written (permission, full disk, unsuitable format)."""


class OutputBusy(OutputFailed):
    """Another process is writing the same output."""


class TargetMissed(FdegcError):
    """No quality gives what was asked for; nothing was written."""


class CorruptStream(FdegcError):
    """A ``.fdegc`` file is damaged, truncated, or not one at all."""


class UnsupportedStream(FdegcError):
    """A ``.fdegc`` file is intact but needs a newer version or weights of another kind."""


class DecoderMismatch(FdegcError):
    """The decoder computed other latents than the encoder; the result would be garbage."""


class WeightsMissing(FdegcError):
    """Weights are not installed, or are not the ones a file was written with."""


class WeightsInvalid(FdegcError):
    """A weights file does not match its manifest or the network it is meant for."""


class MetricUnavailable(FdegcError):
    """A metric cannot be computed here (too small an image, missing backbone weights)."""


class OutOfMemory(FdegcError):
    """The work would need, or needed, more memory than there is."""


class DeviceUnavailable(FdegcError):
    """The requested compute device does not exist on this machine."""


class PackageMissing(FdegcError, ImportError):
    """A package that only this part needs is not installed."""


class ClusterUnavailable(FdegcError):
    """The cluster cannot be reached, has no workers or other versions, or was lost."""


class Cancelled(FdegcError):
    """The user cancelled the work.

    Nothing is left behind, except by a compression that can be resumed: it keeps its finished tiles
    in ``<name>.part``, and the next run goes on from them.
    """
