from django.db import migrations, models


def name_pictures(apps, schema_editor):
    """Each that was accepted has its example's."""
    examples = apps.get_model('inference', 'Example').objects
    captures = apps.get_model('emporium_sessions', 'Capture').objects
    captures.exclude(example=None).update(
        sha256=models.Subquery(
            examples.filter(pk=models.OuterRef('example')).values('sha256')[:1]
        )
    )


class Migration(migrations.Migration):

    dependencies = [
        ('emporium_sessions', '0007_capture_expires_at'),
        ('inference', '0005_modelops'),
    ]

    operations = [
        migrations.AddField(
            model_name='capture',
            name='sha256',
            field=models.CharField(blank=True, max_length=64, verbose_name='SHA-256 of its picture'),
        ),
        migrations.AddIndex(
            model_name='capture',
            index=models.Index(fields=['sha256'], name='emporium_se_sha256_a9a8ed_idx'),
        ),
        migrations.RunPython(name_pictures, migrations.RunPython.noop),
    ]
