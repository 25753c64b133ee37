"""The forms with which an operator asks for an evaluation, or for least figures."""

from __future__ import annotations

from typing import Any

from django import forms

from apps.inference.evaluating.evaluations import BUILT_IN, NAMES
from apps.inference.models import Dataset, Deployment, ModelVersion


class EvaluateForm(forms.Form):
    version = forms.ModelChoiceField(
        ModelVersion.objects.select_related("model").filter(
            state=ModelVersion.State.VERIFIED
        )
    )
    dataset = forms.ModelChoiceField(
        Dataset.objects.all(),
        required=False,
        empty_label=BUILT_IN.capitalize(),
        help_text="Its held-out pictures are answered.",
    )


class GateForm(forms.ModelForm):
    """A field for each figure; what is left empty isn't asked for."""

    class Meta:
        model = Deployment
        fields = ("gate_dataset",)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        data = self.fields["gate_dataset"]
        data.label = "On"
        data.empty_label = BUILT_IN.capitalize()  # type: ignore[attr-defined]
        data.help_text = "A version must have been evaluated on it as it is then."
        for name, words in NAMES.items():
            self.fields[name] = forms.FloatField(
                label=f"Least {words}",
                required=False,
                min_value=0,
                max_value=1,
                initial=self.instance.gates.get(name),
                widget=forms.NumberInput({"step": "0.01"}),
            )

    def save(self, commit: bool = True) -> Deployment:
        said = {name: self.cleaned_data[name] for name in NAMES}
        self.instance.gates = {
            name: least for name, least in said.items() if least is not None
        }
        deployment: Deployment = super().save(commit=False)
        deployment.save(update_fields=["gates", "gate_dataset"])
        return deployment
