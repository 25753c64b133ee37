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
