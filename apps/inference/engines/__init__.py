"""What runs a network: one file an engine, `choice.py` the door to them all.

Their names stand here, where the settings can read them without importing torch.
"""

from __future__ import annotations

AUTO = "auto"

TORCH_CPU = "torch-cpu"
TORCH_CUDA = "torch-cuda"
OPENVINO = "openvino"
OPENVINO_F32 = "openvino-f32"
TENSORRT = "tensorrt"

ENGINES = (TORCH_CUDA, TENSORRT, OPENVINO, OPENVINO_F32, TORCH_CPU)

# These keep what they have compiled for the next process that asks for it.
KEEPING = (OPENVINO, OPENVINO_F32, TENSORRT)

# What can run a network that is built here, and what an exported one by the ending of
# its file: the reference first.
ENGINES_OF_MODULES = (TORCH_CPU, TORCH_CUDA, TENSORRT, OPENVINO, OPENVINO_F32)
ENGINES_OF_EXPORTS = {
    ".torchscript": (TORCH_CPU, TORCH_CUDA, OPENVINO, OPENVINO_F32),
    ".onnx": (OPENVINO_F32, OPENVINO),
}
