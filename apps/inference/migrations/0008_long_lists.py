import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('inference', '0007_version_jobs'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name='activation',
            name='requested_by',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AlterField(
            model_name='trial',
            name='started_by',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddIndex(
            model_name='activation',
            index=models.Index(fields=['deployment', 'requested_at'], name='inference_a_deploym_93994b_idx'),
        ),
        migrations.AddIndex(
            model_name='example',
            index=models.Index(fields=['added_at'], name='inference_e_added_a_d6d7f7_idx'),
        ),
        migrations.AddIndex(
            model_name='example',
            index=models.Index(fields=['split', 'added_at'], name='inference_e_split_92a7f0_idx'),
        ),
        migrations.AddIndex(
            model_name='example',
            index=models.Index(fields=['dataset', 'added_at'], name='inference_e_dataset_026397_idx'),
        ),
        migrations.AddIndex(
            model_name='example',
            index=models.Index(fields=['dataset', 'split', 'added_at'], name='inference_e_dataset_8d0b2c_idx'),
        ),
        migrations.AddIndex(
            model_name='example',
            index=models.Index(fields=['sha256'], name='inference_e_sha256_e38d27_idx'),
        ),
    ]
