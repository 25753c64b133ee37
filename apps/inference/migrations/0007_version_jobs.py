from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


def fail_what_was_under_way(apps, schema_editor):
    """Its task is gone with the version of the Emporium that has sent it."""
    versions = apps.get_model("inference", "ModelVersion").objects
    under_way = versions.filter(state__in=["adding", "verifying"])
    words = "The Emporium was updated before that was done: {}."
    under_way.filter(sha256="").update(
        state="failed", reason=words.format("bring it in again")
    )
    under_way.update(state="failed", reason=words.format("verify it anew"))


class Migration(migrations.Migration):

    dependencies = [
        ("inference", "0006_activation"),
    ]

    operations = [
        migrations.RemoveField(model_name="modelversion", name="last_seen_at"),
        migrations.RemoveField(model_name="modelversion", name="progress"),
        migrations.RemoveField(model_name="modelversion", name="step"),
        migrations.AddField(
            model_name="modelversion",
            name="job",
            field=models.OneToOneField(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="version",
                to="inference.job",
            ),
        ),
        migrations.AlterField(
            model_name="modelversion",
            name="state",
            field=models.CharField(
                choices=[
                    ("adding", "Adding"),
                    ("verified", "Verified"),
                    ("failed", "Failed"),
                ],
                default="adding",
                max_length=20,
            ),
        ),
        migrations.RunPython(fail_what_was_under_way, migrations.RunPython.noop),
    ]
