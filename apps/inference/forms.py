"""The form with which an operator adds a model in the admin."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from apps.inference import asking, uploads
from apps.inference.exceptions import InferenceError
from apps.inference.models import ModelVersion


class AddVersionForm(forms.ModelForm):  # type: ignore[type-arg]
    name = forms.SlugField(
        label="Model",
        max_length=80,
        widget=forms.TextInput({"class": "vTextField"}),
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
        help_text="YOLOv5's own .pt file, or a detector as .torchscript or .onnx.",
    )
    expected_sha256 = forms.CharField(
        label="SHA-256",
        required=False,
        max_length=64,
        widget=forms.TextInput({"class": "vLargeTextField"}),
        help_text="What the checksum of the file must be, if you know it.",
    )

    class Meta:
        model = ModelVersion
        fields = ("name", "source", "upload", "expected_sha256")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if bool(cleaned.get("source")) == bool(cleaned.get("upload")):
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
