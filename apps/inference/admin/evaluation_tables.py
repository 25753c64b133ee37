"""An evaluation's figures by label, as the admin shows them."""

from __future__ import annotations

from django.utils.safestring import SafeString

from apps.inference.admin.columns import NOTHING, table
from apps.inference.charts import heat_map
from apps.inference.evaluating.evaluations import shown
from apps.inference.models import Evaluation

_COLUMNS = {
    "precision": "Precision",
    "recall": "Recall",
    "ap50": "AP50",
    "ap50_95": "AP50-95",
}


def labels_table(evaluation: Evaluation) -> SafeString | str:
    rows = evaluation.figures.get("labels", ())
    if not rows:
        return NOTHING
    names = [name for name in _COLUMNS if any(name in row for row in rows)]
    return table(
        ("Label", "There", *(_COLUMNS[name] for name in names)),
        (
            (row["label"], row["there"], *(shown(row.get(name)) for name in names))
            for row in rows
        ),
    )


def confusion_map(evaluation: Evaluation) -> SafeString:
    matrix = evaluation.figures.get("confusion") or {"labels": [], "counts": []}
    return heat_map(
        "What was taken for what",
        matrix["labels"],
        matrix["labels"],
        matrix["counts"],
        about=("what it is", "what it is called"),
    )
