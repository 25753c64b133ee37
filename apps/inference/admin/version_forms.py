"""The form with which an operator adds a model in the admin."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from apps.inference import sources
from apps.inference.exceptions import InferenceError
from apps.inference.models import ModelVersion
from apps.inference.registering import asking, uploads


class AddVersionForm(forms.ModelForm):
    name = forms.SlugField(
        label="Model",
        max_length=80,
        widget=forms.TextInput({"class": "vTextField"}),
        error_messages={"invalid": "A name has letters, digits, - and _ only."},
        help_text="A new name, or that of a model of which this is another version.",
    )
    source = forms.CharField(
        required=False,
        max_length=1000,
        widget=forms.TextInput({"class": "vLargeTextField"}),
        help_text="hub:OWNER/NAME, https://…, or file:PATH on the machine of the jobs.",
    )
    upload = forms.FileField(
        label="Or a file",
        required=False,
        error_messages={"empty": "The file is empty."},
        help_text="YOLOv5's own .pt file, or a detector as .torchscript or .onnx.",
    )
    expected_sha256 = forms.CharField(
        label="SHA-256",
        required=False,
        widget=forms.TextInput({"class": "vLargeTextField"}),
        help_text="What the checksum of the file must be, if you know it: 64 digits.",
    )

    class Meta:
        model = ModelVersion
        fields = ("name", "source", "upload", "expected_sha256")

    def clean_expected_sha256(self) -> str:
        try:
            return sources.checksum(self.cleaned_data["expected_sha256"])
        except InferenceError as error:
            raise ValidationError(str(error)) from error

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        given = {"source", "upload"} & {name for name in cleaned if cleaned[name]}
        if len(given) > 1:
            raise ValidationError(
                "Give a source or choose a file: one of the two, not both."
            )
        if not given and not {"source", "upload"} & self.errors.keys():
            raise ValidationError("Say where the model comes from, or choose a file.")
        return cleaned

    def _post_clean(self) -> None:
        """The version is checked and made by `asking`, not field by field."""
        if self.errors:
            return
        source = self.cleaned_data["source"]
        try:
            source = source or uploads.store(self.cleaned_data["upload"])
            self.instance = asking.request_version(
                self.cleaned_data["name"],
                source,
                sha256=self.cleaned_data["expected_sha256"],
            )
        except InferenceError as error:
            uploads.remove(source)
            self.add_error(None, ValidationError(str(error)))
