"""Versions as transformers saves them, of many families, tiny and random."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForImageClassification,
    AutoModelForObjectDetection,
)

from .versions import FOODS, write_json

VIT = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "image_size": 32,
    "patch_size": 8,
}
STAGES = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1]}
PYRAMID = {
    "hidden_sizes": [8, 16, 16, 16],
    "depths": [1, 1, 1, 1],
    "num_attention_heads": [1, 2, 2, 2],
}
SWIN = {
    "image_size": 32,
    "patch_size": 4,
    "embed_dim": 8,
    "depths": [1, 1],
    "num_heads": [2, 2],
    "window_size": 4,
}

CLASSIFIERS: dict[str, dict[str, Any]] = {
    "beit": {**VIT, "use_relative_position_bias": True},
    "bit": {**STAGES, "embedding_size": 8, "num_groups": 4},
    "convnext": STAGES,
    "convnextv2": STAGES,
    "cvt": {"embed_dim": [8, 16, 24], "num_heads": [1, 2, 3], "depth": [1, 2, 3]},
    "deit": {**VIT, "architectures": ["DeiTForImageClassification"]},
    "dinov2": VIT,
    "efficientnet": {
        "width_coefficient": 0.25,
        "depth_coefficient": 0.1,
        "hidden_dim": 320,
        "image_size": 64,
    },
    "focalnet": {
        "image_size": 32,
        "embed_dim": 8,
        "depths": [1, 1],
        "hidden_sizes": [8, 16],
        "focal_levels": [1, 1],
        "focal_windows": [3, 3],
    },
    "levit": {
        "image_size": 64,
        "hidden_sizes": [16, 16, 24],
        "num_attention_heads": [1, 1, 1],
        "depths": [1, 1, 1],
        "key_dim": [8, 8, 8],
        "architectures": ["LevitForImageClassification"],
    },
    "mobilenet_v1": {"depth_multiplier": 0.25, "image_size": 64},
    "mobilenet_v2": {"depth_multiplier": 0.35, "image_size": 64},
    "mobilevit": {
        "image_size": 64,
        "hidden_sizes": [16, 16, 16],
        "neck_hidden_sizes": [8, 8, 8, 8, 8, 8, 16],
    },
    "poolformer": STAGES,
    "pvt_v2": {**PYRAMID, "image_size": 32},
    "regnet": {**STAGES, "embedding_size": 8, "groups_width": 4},
    "resnet": STAGES,
    "segformer": {**PYRAMID, "decoder_hidden_size": 16},
    "siglip": {"vision_config": VIT},
    "swiftformer": {"embed_dims": [8, 16, 24, 32], "depths": [1, 1, 1, 1]},
    "swin": SWIN,
    "swinv2": SWIN,
    "vit": VIT,
}

RESNET = {
    "model_type": "resnet",
    "embedding_size": 8,
    **STAGES,
    "out_features": ["stage2", "stage3", "stage4"],
}
DETR = {
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 16,
    "decoder_ffn_dim": 16,
    "num_queries": 7,
}
RT_DETR = {
    "d_model": 16,
    "encoder_hidden_dim": 16,
    "encoder_in_channels": [16, 24, 32],
    "encoder_ffn_dim": 16,
    "decoder_in_channels": [16, 16, 16],
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "decoder_ffn_dim": 16,
    "decoder_layers": 2,
    "num_queries": 9,
    "num_denoising": 0,
    "backbone_config": {
        **RESNET,
        "model_type": "rt_detr_resnet",
        "layer_type": "basic",
    },
}
DETECTORS: dict[str, dict[str, Any]] = {
    "conditional_detr": {**DETR, "backbone_config": RESNET},
    "d_fine": {**RT_DETR, "backbone_config": {**RESNET, "model_type": "resnet"}},
    "deformable_detr": {**DETR, "d_model": 32, "backbone_config": RESNET},
    "deimv2": {**RT_DETR, "backbone_config": RESNET},
    "detr": {**DETR, "backbone_config": RESNET},
    "lw_detr": {
        **DETR,
        "decoder_self_attention_heads": 2,
        "decoder_cross_attention_heads": 2,
        "projector_scale_factors": [1.0],
        "group_detr": 1,
        "backbone_config": {
            **VIT,
            "model_type": "lw_detr_vit",
            "image_size": 64,
            "pretrain_image_size": 64,
            "window_block_indices": [0],
            "out_indices": [0, 1],
            "num_windows": 4,
        },
    },
    "rt_detr": RT_DETR,
    "rt_detr_v2": RT_DETR,
    "table-transformer": {**DETR, "backbone_config": RESNET},
    "yolos": {
        **VIT,
        "image_size": [64, 96],
        "num_detection_tokens": 6,
        "use_mid_position_embeddings": False,
    },
}


def build(auto_model: Any, model_type: str, changes: dict[str, Any]) -> Any:
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        model_type,
        **changes,
        id2label=dict(enumerate(FOODS)),
        label2id={label: number for number, label in enumerate(FOODS)},
    )
    return lively(auto_model.from_config(config))


def lively(network: nn.Module) -> nn.Module:
    """Spread what starts out as one: a forgotten normalisation must show."""
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d | nn.BatchNorm1d):
                layer.get_buffer("running_mean").uniform_(-0.5, 0.5)
                layer.get_buffer("running_var").uniform_(0.5, 2)
                layer.weight.uniform_(0.5, 2)
                layer.bias.uniform_(-0.5, 0.5)
        for parameter in network.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=1 / parameter[0].numel() ** 0.5)
            elif (parameter < -2).all():  # the prior that nothing is there
                parameter.zero_()
    return network.eval()


def write_transformers_classifier(
    directory: Path, model_type: str, recipe: dict[str, Any]
) -> Path:
    network = build(
        AutoModelForImageClassification, model_type, CLASSIFIERS[model_type]
    )
    network.save_pretrained(directory)
    write_json(directory / "preprocessor_config.json", recipe)
    return directory


def write_transformers_detector(
    directory: Path, model_type: str, recipe: dict[str, Any]
) -> Path:
    network = build(AutoModelForObjectDetection, model_type, DETECTORS[model_type])
    network.save_pretrained(directory)
    write_json(directory / "preprocessor_config.json", recipe)
    return directory
