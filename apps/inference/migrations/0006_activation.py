from __future__ import annotations

import django.utils.timezone
from django.conf import settings
from django.db import migrations, models
from django.db.models.functions import Coalesce


def tell_when_states_changed(apps, schema_editor):
    """Of what is over it is known: when it ended."""
    activations = apps.get_model("inference", "Activation").objects
    activations.update(changed_at=Coalesce("finished_at", "requested_at"))


class Migration(migrations.Migration):

    dependencies = [
        ('inference', '0005_modelops'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='activation',
            name='changed_at',
            field=models.DateTimeField(default=django.utils.timezone.now),
        ),
        migrations.RunPython(tell_when_states_changed, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name='activation',
            constraint=models.UniqueConstraint(condition=models.Q(('state__in', ('requested', 'loading', 'warming', 'checking'))), fields=('deployment',), name='one_activation_under_way_of_deployment'),
        ),
    ]
