"""The image processors of transformers that are followed: what they do unless told.

A `preprocessor_config.json` often says the processor's name and half of its fields;
the other half is what stood in that processor's class. Knows names and values, no
pictures, and needs neither torch nor transformers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Rule = Literal["plain", "convnext", "levit", "poolformer", "textnet", "yolos"]

_HALF = [0.5, 0.5, 0.5]
_IMAGENET: dict[str, Any] = {
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
}
_CLIP: dict[str, Any] = {
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}
_BASE: dict[str, Any] = {
    "do_resize": True,
    "resample": 3,
    "do_center_crop": False,
    "crop_size": None,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": _HALF,
    "image_std": _HALF,
}


@dataclass(frozen=True, slots=True)
class Processor:
    """What a class does: the fields that it has with their defaults, and the rest.

    `rule` is how it reads `size`; one number there is a square or a shortest edge.
    """

    defaults: Mapping[str, Any]
    rule: Rule = "plain"
    is_square: bool = False
    ignored: tuple[str, ...] = ()

    def complete(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """All fields: a file leaves some out, as null or altogether.

        What the class doesn't know it doesn't do, whatever the file says.
        """
        given = {
            name: value
            for name, value in said.items()
            if name in self.defaults and name not in self.ignored and value is not None
        }
        return {**self.defaults, **given}


def _square(side: int) -> dict[str, int]:
    return {"height": side, "width": side}


def _cropped(edge: int, crop: int = 224, **fields: Any) -> dict[str, Any]:
    size = {"size": {"shortest_edge": edge}, "crop_size": _square(crop)}
    return {**_BASE, **size, "do_center_crop": True, **fields}


def _stretched(side: int, **fields: Any) -> dict[str, Any]:
    return {**_BASE, "size": _square(side), **fields}


_DETR: dict[str, Any] = {
    **_BASE,
    **_IMAGENET,
    "resample": 2,
    "size": {"shortest_edge": 800, "longest_edge": 1333},
    "max_size": 1333,
}
_RT_DETR = _stretched(640, resample=2, do_normalize=False, **_IMAGENET)
_CONVNEXT = {**_BASE, "size": {"shortest_edge": 384}, "crop_pct": 224 / 256}

PROCESSORS: dict[str, Processor] = {
    "BeitImageProcessor": Processor(
        _stretched(224, crop_size=_square(224)), is_square=True
    ),
    "BitImageProcessor": Processor(_cropped(224, **_CLIP)),
    "CLIPImageProcessor": Processor(_cropped(224, **_CLIP)),
    "ConvNextImageProcessor": Processor(_CONVNEXT, "convnext"),
    "DeiTImageProcessor": Processor(
        _stretched(256, do_center_crop=True, crop_size=_square(224)), is_square=True
    ),
    "EfficientNetImageProcessor": Processor(
        _stretched(346, crop_size=_square(289), rescale_offset=False, include_top=True),
        is_square=True,
    ),
    "LevitImageProcessor": Processor(_cropped(224, **_IMAGENET), "levit"),
    "MobileNetV1ImageProcessor": Processor(_cropped(256, resample=2)),
    "MobileNetV2ImageProcessor": Processor(_cropped(256, resample=2)),
    "MobileViTImageProcessor": Processor(
        _cropped(224, 256, do_normalize=False, do_flip_channel_order=True),
        ignored=("do_normalize",),
    ),
    "PoolFormerImageProcessor": Processor(
        _cropped(224, crop_pct=0.9, **_IMAGENET), "poolformer"
    ),
    "PvtImageProcessor": Processor(_stretched(224, **_IMAGENET), is_square=True),
    "SegformerImageProcessor": Processor(
        _stretched(512, resample=2, **_IMAGENET), is_square=True
    ),
    "SiglipImageProcessor": Processor(_stretched(224)),
    "TextNetImageProcessor": Processor(
        {
            **_cropped(640, resample=2, size_divisor=32, **_IMAGENET),
            "do_center_crop": False,
        },
        "textnet",
    ),
    "ViTImageProcessor": Processor(_stretched(224, resample=2), is_square=True),
    "ConditionalDetrImageProcessor": Processor(_DETR),
    "DeformableDetrImageProcessor": Processor(_DETR),
    "DetrImageProcessor": Processor(_DETR),
    "RTDetrImageProcessor": Processor(_RT_DETR),
    "YolosImageProcessor": Processor(_DETR, "yolos"),
}

# For files that don't name their processor: who prepares pictures for which network.
_BY_PROCESSOR = {
    "BeitImageProcessor": "beit data2vec-vision",
    "BitImageProcessor": "bit dinov2 focalnet hiera",
    "CLIPImageProcessor": "clip metaclip_2",
    "ConvNextImageProcessor": "convnext convnextv2 cvt regnet resnet",
    "DeiTImageProcessor": "deit",
    "EfficientNetImageProcessor": "efficientnet",
    "LevitImageProcessor": "levit",
    "MobileNetV1ImageProcessor": "mobilenet_v1",
    "MobileNetV2ImageProcessor": "mobilenet_v2",
    "MobileViTImageProcessor": "mobilevit mobilevitv2",
    "PoolFormerImageProcessor": "poolformer",
    "PvtImageProcessor": "pvt pvt_v2",
    "SegformerImageProcessor": "segformer",
    "SiglipImageProcessor": "siglip",
    "TextNetImageProcessor": "textnet",
    "ViTImageProcessor": "dinat ijepa swiftformer swin swinv2 vit vit_msn",
    "ConditionalDetrImageProcessor": "conditional_detr",
    "DeformableDetrImageProcessor": "deformable_detr lw_detr",
    "DetrImageProcessor": "detr table-transformer",
    "RTDetrImageProcessor": "deimv2 rt_detr",
    "YolosImageProcessor": "yolos",
}
PROCESSOR_OF_MODEL_TYPE = {
    model_type: name
    for name, model_types in _BY_PROCESSOR.items()
    for model_type in model_types.split()
}


def processor_name(said: Mapping[str, Any], model_type: str) -> str | None:
    """The processor's name as today's transformers has it; none if nobody says."""
    name = said.get("image_processor_type")
    if name is None and isinstance(legacy := said.get("feature_extractor_type"), str):
        name = legacy.replace("FeatureExtractor", "ImageProcessor")
    if name is None:
        return PROCESSOR_OF_MODEL_TYPE.get(model_type)
    return name.removesuffix("Fast") if isinstance(name, str) else None
