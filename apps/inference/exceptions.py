"""What can go wrong in inference, each with one plain sentence for the operator.

InferenceError
├── NoModelError               a deployment has no loaded model that could answer
├── EngineError                an engine can't run here, or can't run this network
├── NotKeptError               a network must be built where nothing may be built
├── DuplicateError             the same weights are registered already
├── VerificationError          a version answers, but not as it must
├── InUseError               a version is to be removed that something needs
├── DatasetError               pictures or labels that a dataset can't take, or give
├── GateError                  a version's figures aren't what its deployment asks for
├── NotVerifiedError           a version is asked to answer that nobody has verified
├── TrialError                 a trial can't be started, stopped or promoted as it is
├── SourceError                a model's files can't be had
│   ├── SourceTextError        the text names no source, or the checksum is none
│   ├── SourceMissingError     nothing is there by that name
│   ├── SourceRefusedError     it is there, but not for us
│   ├── SourceUnreachableError no answer, or half of one: trying again may help
│   ├── SourceContentError     what is there is no model that we take
│   ├── SourceChecksumError    the weights aren't those that the checksum is of
│   └── SourceDiskError        the disk has no room or no right for the download
└── WeightsError               a model version that can't be trusted or read
    ├── MissingFileError       a file isn't in its folder
    ├── ChecksumError          the weights aren't those that were registered
    ├── CorruptWeightsError    the weights are cut short, damaged or in no known format
    ├── ForeignFileError       a file of another kind than the one asked for
    ├── UntrustedPickleError   a pickle or a program asks for more than a network needs
    ├── StorageError           the version's files can't be written
    ├── NotFiniteError         a weight is NaN or infinite
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


class NotKeptError(InferenceError):
    pass


class DuplicateError(InferenceError):
    pass


class VerificationError(InferenceError):
    pass


class InUseError(InferenceError):
    pass


class GateError(InferenceError):
    pass


class DatasetError(InferenceError):
    pass


class NotVerifiedError(InferenceError):
    pass


class TrialError(InferenceError):
    pass


class SourceError(InferenceError):
    pass


class SourceTextError(SourceError):
    pass


class SourceMissingError(SourceError):
    pass


class SourceRefusedError(SourceError):
    pass


class SourceUnreachableError(SourceError):
    pass


class SourceContentError(SourceError):
    pass


class SourceChecksumError(SourceError):
    pass


class SourceDiskError(SourceError):
    pass


class WeightsError(InferenceError):
    pass


class MissingFileError(WeightsError):
    pass


class ChecksumError(WeightsError):
    pass


class CorruptWeightsError(WeightsError):
    pass


class ForeignFileError(WeightsError):
    pass


class UntrustedPickleError(WeightsError):
    pass


class StorageError(WeightsError):
    pass


class NotFiniteError(WeightsError):
    pass


class ConfigError(WeightsError):
    pass


class ArchitectureError(WeightsError):
    pass


class LabelsError(ArchitectureError):
    pass


def sentence_of(error: Exception) -> str:
    """What the operator reads of a failure; what nobody foresaw, the log must tell."""
    if isinstance(error, InferenceError):
        return str(error)
    if isinstance(error, OSError):
        return f"The disk refused: {error.strerror or error}."
    return "It failed in a way nobody foresaw; the log says how."
