"""Reads a version as transformers saves it: from a directory, and from nowhere else.

No code that comes with a model is run and nothing is fetched, whatever the files ask
for. Knows configurations, labels and weights, not what the network answers.
transformers, which takes seconds, is imported only where a network has to be built.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from apps.inference import weights
from apps.inference.exceptions import ConfigError
from apps.inference.predictors.fields import Fields
from apps.inference.predictors.recipe import Recipe, read_recipe

# Counts of batches seen in training, which no answer depends on: some published weights
# have them where the network doesn't, or the other way round.
_COUNTER = ".num_batches_tracked"

_A_TYPE = "that of a network of transformers"
_WITHOUT_WHICH = {
    "auto_map": "asks for code that comes with the model, which is never run",
    "quantization_config": "asks for quantised weights, which no engine takes",
    "transformers_weights": "names another weights file, which isn't looked at",
}


@dataclass(frozen=True, slots=True)
class Pretrained:
    directory: Path
    labels: Sequence[str]
    recipe: Recipe
    model_type: str
    config: Fields


def read_pretrained(directory: Path) -> Pretrained:
    """Read what `save_pretrained` has written: all but the weights.

    Raises:
        WeightsError: with a sentence for the operator.
    """
    said = weights.read_config(directory)
    _refuse_foreign(directory, said)
    config = Fields(weights.CONFIG_NAME, said)
    model_type = config.take("model_type", _A_TYPE, lambda name: isinstance(name, str))
    labels = config.take("id2label", "an object of numbers and names", _are_labels)
    return Pretrained(
        directory=directory,
        labels=[labels[str(number)] for number in range(len(labels))],
        recipe=read_recipe(directory, model_type),
        model_type=model_type,
        config=config,
    )


def refuse_other_types(
    version: Pretrained, model_types: Container[str], purpose: str
) -> None:
    """Refuse a network that isn't one of these types, which serve this purpose.

    Raises:
        ConfigError
    """
    if version.model_type not in model_types:
        raise version.config.wrong("model_type", f"{_A_TYPE} that {purpose}")


def build_pretrained(version: Pretrained, auto_model: str) -> nn.Module:
    """Build the network with its weights, by the class of transformers of that name.

    Raises:
        WeightsError: with a sentence for the operator.
    """
    import transformers
    from transformers.utils.logging import disable_progress_bar, set_verbosity_error

    weights.load_state_dict(version.directory)  # for our own words if it can't be read
    # A worker's log is no terminal, and what counts is refused below, in our words.
    disable_progress_bar()  # type: ignore[no-untyped-call]
    set_verbosity_error()  # type: ignore[no-untyped-call]
    with _in_our_words():
        config = transformers.AutoConfig.from_pretrained(
            version.directory, local_files_only=True, trust_remote_code=False
        )
        _refuse_timm(config.to_dict())
        network, report = getattr(transformers, auto_model).from_pretrained(
            version.directory,
            config=config,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            # Or the configuration could name a kernel, which is code to be fetched.
            attn_implementation="eager",
            dtype=torch.float32,
            # What doesn't fit would stay at random and only be logged: we refuse it.
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    _refuse_unfit(report, len(version.labels))
    return cast(nn.Module, network)


@contextmanager
def _in_our_words() -> Iterator[None]:
    try:
        yield
    except ConfigError:
        raise
    except Exception as error:  # transformers raises whatever a field leads to
        package = re.search(r"requires the (\w+) library", str(error))
        if isinstance(error, ImportError) and package:
            raise ConfigError(
                f"{weights.CONFIG_NAME} describes a network that needs the package"
                f" {package[1]}, which isn't used here."
            ) from error
        raise ConfigError(
            f"{weights.CONFIG_NAME} describes a network that transformers can't build."
        ) from error


def _refuse_foreign(directory: Path, said: dict[str, Any]) -> None:
    """Whatever would make transformers look elsewhere than in these files."""
    if (directory / "adapter_config.json").exists():
        raise ConfigError(
            "adapter_config.json makes this an adapter, a change to another model that"
            " isn't here: merge them before it is added."
        )
    for part in _objects_in(said):
        for field, why in _WITHOUT_WHICH.items():
            if part.get(field) is not None:
                raise ConfigError(f"{weights.CONFIG_NAME} {why} (field {field}).")
        if part.get("backbone") is not None and not part.get("backbone_config"):
            raise _needs_timm()
    _refuse_timm(said)


def _refuse_timm(config: dict[str, Any]) -> None:
    for part in _objects_in(config):
        if str(part.get("model_type")).startswith("timm") or (
            part.get("use_timm_backbone") and not part.get("backbone_config")
        ):
            raise _needs_timm()


def _needs_timm() -> ConfigError:
    return ConfigError(
        f"{weights.CONFIG_NAME} describes a network whose backbone comes from the"
        " package timm or from elsewhere: only what transformers builds alone is used"
        " here."
    )


def _objects_in(value: Any) -> Iterator[dict[str, Any]]:
    """Each JSON object in it, itself first."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _objects_in(inner)


def _refuse_unfit(report: dict[str, Any], labels_count: int) -> None:
    """Read transformers' own report of what it couldn't place."""
    mismatched: dict[str, tuple[torch.Size, torch.Size]] = {
        name: (given, wanted) for name, given, wanted in report["mismatched_keys"]
    }
    for given, wanted in mismatched.values():
        # A head has an output for each label, some one more for no object at all.
        if given[1:] == wanted[1:] and wanted[:1] in (
            (labels_count,),
            (labels_count + 1,),
        ):
            more = wanted[0] - labels_count
            weights.refuse_other_labels(
                in_weights=given[0] - more, in_config=labels_count
            )
    unplaced = [*report["missing_keys"], *report["unexpected_keys"]]
    weights.refuse_unfit(
        [
            *(name for name in unplaced if not name.endswith(_COUNTER)),
            *mismatched,
        ]
    )


def _are_labels(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == {str(number) for number in range(len(value))}
        and len(value) > 0
        and all(isinstance(label, str) and label for label in value.values())
    )
