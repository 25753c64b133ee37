"""The form with which an operator brings pictures into a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from apps.inference.exceptions import InferenceError
from apps.inference.registering import uploads


class ImportForm(forms.Form):
    """Only who may do anything at all may name files of the jobs' machine."""

    upload = forms.FileField(
        label="ZIP file",
        required=False,
        error_messages={"empty": "The file is empty."},
        help_text="COCO's JSON beside its pictures, or a folder for each label.",
    )
    path = forms.CharField(
        label="Or a path",
        required=False,
        widget=forms.TextInput({"class": "vLargeTextField"}),
        help_text="Of a folder or a ZIP file on the machine of the jobs.",
    )

    def __init__(self, *args: Any, may_name_paths: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        if not may_name_paths:
            del self.fields["path"]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        given = [name for name in ("upload", "path") if cleaned.get(name)]
        if len(given) > 1:
            raise ValidationError("Choose a file or give a path: one of the two.")
        if not given and not self.errors:
            raise ValidationError("Choose a ZIP file.")
        if "path" in given and not Path(cleaned["path"]).is_absolute():
            raise ValidationError("A path begins with a slash.")
        return cleaned

    def source(self) -> str | None:
        """Where the jobs find it; None, with an error of the form, if nowhere."""
        if path := self.cleaned_data.get("path"):
            return f"file:{path}"
        try:
            return uploads.store(self.cleaned_data["upload"])
        except InferenceError as error:
            self.add_error(None, ValidationError(str(error)))
            return None
