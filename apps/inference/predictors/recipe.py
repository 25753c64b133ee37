"""A model's own way from a picture to its input: `preprocessor_config.json`, followed.

Refuses, by the field's name, what it can't follow to the pixel. Knows frames and
pictures, no network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from torch import Tensor

from apps.inference import weights
from apps.inference.exceptions import ConfigError
from apps.inference.i420 import Image, i420_to_rgb, upright
from apps.inference.predictors.fields import Fields, is_number, is_positive, is_whole
from apps.inference.predictors.processors import (
    PROCESSORS,
    Processor,
    processor_name,
)
from apps.inference.predictors.scaling import (
    LARGEST_SIDE,
    Scaling,
    Size,
    Stretch,
    is_side,
    read_scaling,
)
from apps.inference.preprocessing import center_crop, stack
from apps.inference.resampling import HAMMING, NEAREST, scale
from apps.inference.types import Frame

RECIPE_NAME = weights.RECIPE_NAME

# The steps that are followed, and those that change nothing for a camera's frame: it is
# RGB already, carries no annotations, and is padded by nothing where it stands alone.
_STEPS = {
    "do_resize",
    "do_center_crop",
    "do_rescale",
    "do_normalize",
    "do_flip_channel_order",
    "do_pad",
    "do_convert_rgb",
    "do_convert_annotations",
    "do_reduce_labels",
}
_CROP = f"a height and a width in whole pixels up to {LARGEST_SIDE}"
_CHANNELS = "one number or three"


# Which frames are in it goes with each batch of pictures, uint8 [B, H, W, 3].
Batches = list[tuple[list[int], Tensor]]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How pictures became tensors in training.

    `mean` and `std`, of channels in 0..1, hold whatever is done to the numbers.
    """

    scaling: Scaling
    resample: int
    crop: Size | None
    is_bgr: bool
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def read(cls, said: Mapping[str, Any], model_type: str = "") -> Self:
        """Follow a file's fields, and its processor's class where it leaves some out.

        Raises:
            ConfigError: a field asks for what isn't followed here.
        """
        _refuse_foreign_steps(said)
        processor = _processor(said, model_type)
        fields = Fields(RECIPE_NAME, processor.complete(said))
        fields.take("do_resize", "true, for cameras differ", lambda said: said is True)
        scaling, crop = read_scaling(fields, processor)
        if fields.flag("do_center_crop"):
            if crop is not None:
                raise fields.wrong("do_center_crop", "false: crop_pct crops already")
            crop = _crop(fields)
        mean, std = _normalisation(fields)
        return cls(
            scaling=scaling,
            resample=fields.take(
                "resample",
                f"a filter of Pillow, {NEAREST} to {HAMMING}",
                lambda said: is_whole(said, least=NEAREST) and said <= HAMMING,
            ),
            crop=crop,
            is_bgr=fields.flag("do_flip_channel_order"),
            mean=mean,
            std=std,
        )

    def prepare(self, frame: Frame) -> Image:
        return self.fit(upright(i420_to_rgb(frame), frame.rotation))

    def fit(self, image: Image) -> Image:
        """An upright picture, uint8 RGB, as the network is to see it."""
        height, width = image.shape[:2]
        image = scale(image, self.scaling.target((width, height)), self.resample)
        if self.crop is not None:
            image = center_crop(image, self.crop)
        return image[..., ::-1] if self.is_bgr else image

    @property
    def is_resizable(self) -> bool:
        """Whether pictures come out at sizes that depend on their shapes."""
        return self.crop is None and not isinstance(self.scaling, Stretch)

    def batches(self, frames: Sequence[Frame]) -> Batches:
        """The frames' pictures, one batch for each size.

        Padding them to one size would let a frame's answer depend on its neighbours.
        """
        images = [self.prepare(frame) for frame in frames]
        batches: dict[tuple[int, ...], list[int]] = {}
        for number, image in enumerate(images):
            batches.setdefault(image.shape, []).append(number)
        return [
            (numbers, stack([images[number] for number in numbers]))
            for numbers in batches.values()
        ]


def read_recipe(directory: Path, model_type: str) -> Recipe:
    """The recipe in a version's directory.

    Raises:
        MissingFileError, ConfigError
    """
    return Recipe.read(weights.read_config(directory, RECIPE_NAME), model_type)


def _processor(said: Mapping[str, Any], model_type: str) -> Processor:
    name = processor_name(said, model_type)
    if name not in PROCESSORS:
        raise ConfigError(
            f"The field image_processor_type in {RECIPE_NAME} must be the name of a"
            f" processor that is followed here: {', '.join(sorted(PROCESSORS))}."
        )
    return PROCESSORS[name]


def _refuse_foreign_steps(said: Mapping[str, Any]) -> None:
    for name, value in said.items():
        if name.startswith("do_") and value and name not in _STEPS:
            raise ConfigError(
                f"The field {name} in {RECIPE_NAME} asks for a step that isn't"
                " followed here."
            )
    for name in ("auto_map", "pad_size"):
        if said.get(name) is not None:
            raise ConfigError(f"The field {name} in {RECIPE_NAME} isn't followed here.")


def _crop(fields: Fields) -> Size:
    """Height and width, which older files say as one number."""
    size = fields.take("crop_size", _CROP, bool)
    if is_whole(size):
        size = {"height": size, "width": size}
    match size:
        case {"height": height, "width": width} if is_side(height) and is_side(width):
            return width, height
    raise fields.wrong("crop_size", _CROP)


def _normalisation(fields: Fields) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """All that is done to a channel x in 0..1, as (x - mean) / std."""
    range_ = 1.0
    offset = 0.0
    if fields.flag("do_rescale"):
        range_ = fields.number("rescale_factor", largest=1)
        offset = float(fields.flag("rescale_offset"))
    mean: tuple[float, ...] = (0.0,) * 3
    std: tuple[float, ...] = (1.0,) * 3
    again: tuple[float, ...] = (1.0,) * 3
    if fields.flag("do_normalize"):
        mean = _channels(fields, "image_mean", is_number)
        std = _channels(fields, "image_std", is_positive)
    if fields.flag("include_top"):  # EfficientNet divides once more
        again = _channels(fields, "image_std", is_positive)
    white = 255 * range_
    return (
        tuple((offset + middle) / white for middle in mean),
        tuple(spread * more / white for spread, more in zip(std, again, strict=True)),
    )


def _channels(
    fields: Fields, name: str, is_right: Callable[[object], bool]
) -> tuple[float, ...]:
    said = fields.take(name, _CHANNELS, lambda _: True)
    channels = said if isinstance(said, list) else [said] * 3
    if len(channels) != 3 or not all(map(is_right, channels)):
        raise fields.wrong(name, _CHANNELS)
    return tuple(map(float, channels))
