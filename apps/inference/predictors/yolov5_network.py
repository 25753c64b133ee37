"""The YOLOv5 network (v6 and v7 releases), written from the published architecture.

Knows tensors only: what a picture, a label or a threshold is, it doesn't. Its
state-dict keys are those of the official checkpoints, so these load unchanged: hence
the numbered layers, whose gaps are the steps that carry no weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

STRIDES = (8, 16, 32)

# Width and height in pixels, three shapes a level; found on COCO at 640 pixels.
DEFAULT_ANCHORS: Sequence[Sequence[float]] = (
    (10, 13, 16, 30, 33, 23),
    (30, 61, 62, 45, 59, 119),
    (116, 90, 156, 198, 373, 326),
)


def scaled_width(channels: int, multiple: float) -> int:
    """How many channels a layer has, rounded up to whole eights as officially."""
    return math.ceil(channels * multiple / 8) * 8


def scaled_depth(repeats: int, multiple: float) -> int:
    """How many bottlenecks a block has: at least one."""
    return max(round(repeats * multiple), 1)


class Conv(nn.Module):
    """Convolution, batch normalisation, SiLU; stride divides the size."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int = 1,
        stride: int = 1,
        padding: int | None = None,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            channels_in,
            channels_out,
            kernel,
            stride,
            kernel // 2 if padding is None else padding,
            bias=False,
        )
        self.bn = nn.BatchNorm2d(channels_out, eps=1e-3, momentum=0.03)
        self.act = nn.SiLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.act(self.bn(self.conv(x))))


class Bottleneck(nn.Module):
    def __init__(self, channels: int, *, shortcut: bool) -> None:
        super().__init__()
        self.cv1 = Conv(channels, channels, 1)
        self.cv2 = Conv(channels, channels, 3)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        y = cast(Tensor, self.cv2(self.cv1(x)))
        return x + y if self.shortcut else y


class C3(nn.Module):
    """Cross-stage partial block: one half goes through the bottlenecks, one past."""

    def __init__(
        self, channels_in: int, channels_out: int, depth: int, *, shortcut: bool = True
    ) -> None:
        super().__init__()
        hidden = channels_out // 2
        self.cv1 = Conv(channels_in, hidden)
        self.cv2 = Conv(channels_in, hidden)
        self.cv3 = Conv(2 * hidden, channels_out)
        self.m = nn.Sequential(
            *(Bottleneck(hidden, shortcut=shortcut) for _ in range(depth))
        )

    def forward(self, x: Tensor) -> Tensor:
        both = torch.cat((self.m(self.cv1(x)), self.cv2(x)), dim=1)
        return cast(Tensor, self.cv3(both))


class SPPF(nn.Module):
    """Spatial pyramid pooling: three 5x5 poolings in a row see 5, 9 and 13 cells."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.cv1 = Conv(channels, channels // 2)
        self.cv2 = Conv(channels // 2 * 4, channels)

    def forward(self, x: Tensor) -> Tensor:
        views = [cast(Tensor, self.cv1(x))]
        for _ in range(3):
            views.append(functional.max_pool2d(views[-1], 5, stride=1, padding=2))
        return cast(Tensor, self.cv2(torch.cat(views, dim=1)))


class Detect(nn.Module):
    """One 1x1 convolution a level; decodes what it says when not training."""

    anchors: Tensor

    def __init__(
        self,
        labels_count: int,
        channels: Sequence[int],
        anchors: Sequence[Sequence[float]],
    ) -> None:
        super().__init__()
        self.outputs = 5 + labels_count
        shapes = torch.tensor(anchors, dtype=torch.float32).view(len(STRIDES), -1, 2)
        strides = torch.tensor(STRIDES, dtype=torch.float32).view(-1, 1, 1)
        self.register_buffer("anchors", shapes / strides)  # in cells, as officially
        self.anchors_count = shapes.shape[1]
        self.m = nn.ModuleList(
            nn.Conv2d(c, self.anchors_count * self.outputs, 1) for c in channels
        )
        self._expect_few_objects(labels_count)

    def _expect_few_objects(self, labels_count: int) -> None:
        """Start from rare objects, or background drowns the first epochs' loss.

        About eight objects in a 640 pixel picture, each label equally likely.
        """
        label = math.log(0.6 / max(labels_count - 1, 1))
        for conv, stride in zip(self.m, STRIDES, strict=True):
            bias = cast(Tensor, cast(nn.Conv2d, conv).bias)
            with torch.no_grad():
                by_anchor = bias.view(self.anchors_count, -1)
                by_anchor[:, 4] += math.log(8 / (640 / stride) ** 2)
                by_anchor[:, 5:] += label

    def forward(self, levels: Sequence[Tensor]) -> list[Tensor] | Tensor:
        raw = [self._by_anchor(c(x)) for c, x in zip(self.m, levels, strict=True)]
        if self.training:
            return raw
        decoded = map(self._decode, raw, self.anchors.unbind(), STRIDES)
        return torch.cat([boxes.flatten(1, 3) for boxes in decoded], dim=1)

    def _by_anchor(self, x: Tensor) -> Tensor:
        """[B, anchors * outputs, h, w] to [B, anchors, h, w, outputs]."""
        batch, _, height, width = x.shape
        x = x.view(batch, self.anchors_count, self.outputs, height, width)
        return x.permute(0, 1, 3, 4, 2).contiguous()

    def _decode(self, raw: Tensor, anchors: Tensor, stride: int) -> Tensor:
        """Raw maps to (cx, cy, w, h) in input pixels, objectness and label scores.

        Never in half precision, which can't place a box to less than half a pixel.
        """
        raw = raw.to(torch.promote_types(raw.dtype, torch.float32))
        height, width = raw.shape[2:4]
        rows, columns = torch.meshgrid(
            torch.arange(height, device=raw.device, dtype=raw.dtype),
            torch.arange(width, device=raw.device, dtype=raw.dtype),
            indexing="ij",
        )
        corners = torch.stack((columns, rows), dim=-1) - 0.5
        y = raw.sigmoid()
        xy = (y[..., :2] * 2 + corners) * stride
        wh = (y[..., 2:4] * 2) ** 2 * (anchors * stride).view(1, -1, 1, 1, 2)
        return torch.cat((xy, wh, y[..., 4:]), dim=-1)


class YOLOv5(nn.Module):
    """Images [B, 3, H, W] in 0..1, H and W multiples of 32, to boxes.

    In training: three raw maps [B, 3, H/stride, W/stride, 5 + labels], logits. In
    evaluation: [B, N, 5 + labels] with (cx, cy, w, h) in input pixels, objectness and
    one score a label.
    """

    def __init__(
        self,
        labels_count: int = 80,
        depth_multiple: float = 0.33,
        width_multiple: float = 0.25,
        anchors: Sequence[Sequence[float]] = DEFAULT_ANCHORS,
    ) -> None:
        super().__init__()

        def wide(channels: int) -> int:
            return scaled_width(channels, width_multiple)

        def deep(repeats: int) -> int:
            return scaled_depth(repeats, depth_multiple)

        c1, c2, c3, c4, c5 = map(wide, (64, 128, 256, 512, 1024))
        layers: dict[int, nn.Module] = {
            0: Conv(3, c1, 6, 2, padding=2),
            1: Conv(c1, c2, 3, 2),
            2: C3(c2, c2, deep(3)),
            3: Conv(c2, c3, 3, 2),
            4: C3(c3, c3, deep(6)),
            5: Conv(c3, c4, 3, 2),
            6: C3(c4, c4, deep(9)),
            7: Conv(c4, c5, 3, 2),
            8: C3(c5, c5, deep(3)),
            9: SPPF(c5),
            10: Conv(c5, c4),
            13: C3(2 * c4, c4, deep(3), shortcut=False),
            14: Conv(c4, c3),
            17: C3(2 * c3, c3, deep(3), shortcut=False),
            18: Conv(c3, c3, 3, 2),
            20: C3(2 * c3, c4, deep(3), shortcut=False),
            21: Conv(c4, c4, 3, 2),
            23: C3(2 * c4, c5, deep(3), shortcut=False),
            24: Detect(labels_count, (c3, c4, c5), anchors),
        }
        self.model = nn.ModuleDict({str(i): layer for i, layer in layers.items()})

    def forward(self, images: Tensor) -> list[Tensor] | Tensor:
        quarter = self._through(images, 0, 1, 2)
        eighth = self._through(quarter, 3, 4)
        sixteenth = self._through(eighth, 5, 6)
        thirty_second = self._through(sixteenth, 7, 8, 9)

        # Down the pyramid what things are, then up again where they are.
        coarse = self._through(thirty_second, 10)
        middle = self._through(_join(_twice(coarse), sixteenth), 13, 14)
        small = self._through(_join(_twice(middle), eighth), 17)
        medium = self._through(_join(self._through(small, 18), middle), 20)
        large = self._through(_join(self._through(medium, 21), coarse), 23)
        return cast("list[Tensor] | Tensor", self.model["24"]((small, medium, large)))

    def _through(self, x: Tensor, *layers: int) -> Tensor:
        for layer in layers:
            x = self.model[str(layer)](x)
        return x


def _twice(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


def _join(x: Tensor, y: Tensor) -> Tensor:
    return torch.cat((x, y), dim=1)
