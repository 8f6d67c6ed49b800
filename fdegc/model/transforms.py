"""Analysis and synthesis transforms g_a and g_s of FDEGCNet."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional as F

from fdegc.model.layers import GDN
from fdegc.model.odam import ODAM
from fdegc.types import STRIDE

#: Slope of every LeakyReLU in the network.
SLOPE = 0.01


def lrelu(x: Tensor) -> Tensor:
    """LeakyReLU with the network's slope."""
    return F.leaky_relu(x, SLOPE)


def conv3x3(in_channels: int, out_channels: int, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    """Convolution 3×3 with padding 1."""
    return nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=bias)


def deconv3x3(in_channels: int, out_channels: int, stride: int = 1) -> nn.ConvTranspose2d:
    """Transposed convolution 3×3 that multiplies the size by ``stride`` (1 or 2)."""
    return nn.ConvTranspose2d(
        in_channels, out_channels, 3, stride=stride, padding=1, output_padding=stride - 1
    )


class Residual(nn.Module):
    """Residual block ``x + LReLU(conv(LReLU(conv(x))))``; transposed 3×3 kernels in the synthesis."""

    def __init__(self, channels: int, transposed: bool = False) -> None:
        super().__init__()
        make = deconv3x3 if transposed else conv3x3
        self.conv1 = make(channels, channels)
        self.conv2 = make(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Output of the residual block: (B, N, H, W) to the same shape."""
        return x + lrelu(self.conv2(lrelu(self.conv1(x))))


class Down(nn.Module):
    """Downsampling block, half the resolution: ``shortcut(x) + GDN(conv3x3(LReLU(conv3x3 s2 (x))))``.

    Parameters
    ----------
    in_channels, out_channels : int
    taps : int
        Side of the shortcut's kernel: 1 in the paper, which sees one sample in four; 2 sees them all.
    """

    def __init__(self, in_channels: int, out_channels: int, taps: int = 1) -> None:
        super().__init__()
        self.shortcut = nn.Conv2d(in_channels, out_channels, taps, stride=2)
        self.conv1 = conv3x3(in_channels, out_channels, stride=2)
        self.conv2 = conv3x3(out_channels, out_channels)
        self.gdn = GDN(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Features at half the resolution: (B, N, H, W) to (B, N', H/2, W/2)."""
        return self.shortcut(x) + self.gdn(self.conv2(lrelu(self.conv1(x))))


class Up(nn.Module):
    """Upsampling block, double the resolution: ``shortcut(x) + IGDN(T3x3(LReLU(T3x3 s2 (x))))``.

    Parameters
    ----------
    in_channels, out_channels : int
    taps : int
        Side of the transposed shortcut's kernel: 1 in the paper, which writes one sample in four; 2 all.
    """

    def __init__(self, in_channels: int, out_channels: int, taps: int = 1) -> None:
        super().__init__()
        self.shortcut = nn.ConvTranspose2d(in_channels, out_channels, taps, stride=2, output_padding=2 - taps)
        self.conv1 = deconv3x3(in_channels, out_channels, stride=2)
        self.conv2 = deconv3x3(out_channels, out_channels)
        self.igdn = GDN(out_channels, inverse=True)

    def forward(self, x: Tensor) -> Tensor:
        """Features at double the resolution: (B, N, H, W) to (B, N', 2H, 2W)."""
        return self.shortcut(x) + self.igdn(self.conv2(lrelu(self.conv1(x))))


class Analysis(nn.Sequential):
    """Analysis transform g_a: (B, 3, H, W) pixels to (B, M, H/16, W/16) latent; H and W multiples of 16."""

    def __init__(self, widths: tuple[int, int, int], latent: int, taps: int = 1) -> None:
        n1, n2, n3 = widths
        super().__init__(
            Down(3, n1, taps),
            Residual(n1),
            Down(n1, n2, taps),
            ODAM(n2),
            Residual(n2),
            Down(n2, n3, taps),
            Residual(n3),
            conv3x3(n3, latent, stride=2, bias=False),
            ODAM(latent),
        )

    @staticmethod
    def sizes_in(state: Mapping[str, Tensor]) -> tuple[tuple[int, int, int], int]:
        """Widths and M of the network whose state dict this is.

        Raises
        ------
        KeyError
            If it lacks tensors of g_a.
        """
        n1, n2, n3 = (state[f"g_a.{place}.conv2.weight"].shape[0] for place in (0, 2, 5))
        return (n1, n2, n3), state["g_a.7.weight"].shape[0]

    @property
    def to_features(self) -> nn.Sequential:
        """Layers before the one that makes the latent."""
        return nn.Sequential(*list(self)[:7])

    @property
    def to_latent(self) -> nn.Conv2d:
        """Convolution that makes the latent of the last features."""
        layer = self[7]
        assert isinstance(layer, nn.Conv2d)
        return layer

    @property
    def attention(self) -> ODAM:
        """Attention that the latent goes through last."""
        layer = self[8]
        assert isinstance(layer, ODAM)
        return layer


class Synthesis(nn.Sequential):
    """Synthesis transform g_s: (B, M, h, w) latent to (B, 3, 16h, 16w) pixels."""

    def __init__(self, widths: tuple[int, int, int], latent: int, taps: int = 1) -> None:
        n1, n2, n3 = widths
        super().__init__(
            ODAM(latent),
            Residual(latent, transposed=True),
            Up(latent, n3, taps),
            Residual(n3, transposed=True),
            Up(n3, n2, taps),
            ODAM(n2),
            Residual(n2, transposed=True),
            Up(n2, n1, taps),
            Residual(n1, transposed=True),
            deconv3x3(n1, 3, stride=2),
        )

    @property
    def attention(self) -> ODAM:
        """Attention that the latent goes through first."""
        layer = self[0]
        assert isinstance(layer, ODAM)
        return layer

    @property
    def first_residual(self) -> Residual:
        """Residual layer at the resolution of the latent."""
        layer = self[1]
        assert isinstance(layer, Residual)
        return layer

    @property
    def first_up(self) -> Up:
        """Upsampling layer that leaves the resolution of the latent."""
        layer = self[2]
        assert isinstance(layer, Up)
        return layer


class LinearAnalysis(nn.Sequential):
    """Block transform beside g_a: (B, 3, H, W) pixels to (B, M, H/16, W/16), without bias.

    After the auxiliary transform of Li et al., "On disentangled training for nonlinear transform in
    learned image compression", ICLR 2025; theirs is made of wavelets, this one of one matrix.
    """

    def __init__(self, latent: int) -> None:
        super().__init__(nn.PixelUnshuffle(STRIDE), nn.Conv2d(3 * STRIDE**2, latent, 1, bias=False))


class LinearSynthesis(nn.Sequential):
    """Block transform beside g_s: (B, M, h, w) latent to (B, 3, 16h, 16w) pixels, without bias."""

    def __init__(self, latent: int) -> None:
        super().__init__(nn.Conv2d(latent, 3 * STRIDE**2, 1, bias=False), nn.PixelShuffle(STRIDE))
