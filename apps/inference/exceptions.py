"""What can go wrong in inference, each with one plain sentence for the operator.

InferenceError
├── NoModelError               a deployment has no loaded model that could answer
├── EngineError                an engine can't run here, or can't run this network
└── WeightsError               a model version that can't be trusted or read
    ├── MissingFileError       a file isn't in its folder
    ├── ChecksumError          the weights aren't those that were registered
    ├── CorruptWeightsError    the weights can't be read as safetensors
    ├── ConfigError            a configuration isn't JSON or lacks a right field
    └── ArchitectureError      the weights belong to another network
        └── LabelsError        the weights answer for more or fewer labels than named
"""

from __future__ import annotations


class InferenceError(Exception):
    pass


class NoModelError(InferenceError):
    pass


class EngineError(InferenceError):
    pass


class WeightsError(InferenceError):
    pass


class MissingFileError(WeightsError):
    pass


class ChecksumError(WeightsError):
    pass


class CorruptWeightsError(WeightsError):
    pass


class ConfigError(WeightsError):
    pass


class ArchitectureError(WeightsError):
    pass


class LabelsError(ArchitectureError):
    pass
