import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def name_deployments(apps, schema_editor):
    """Each capture's is its session's."""
    sessions = apps.get_model('emporium_sessions', 'CameraSession').objects
    apps.get_model('emporium_sessions', 'Capture').objects.update(
        deployment_id=models.Subquery(
            sessions.filter(pk=models.OuterRef('session')).values('deployment')[:1]
        )
    )


class Migration(migrations.Migration):

    dependencies = [
        ('emporium_sessions', '0005_watch'),
        ('inference', '0006_activation'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='HalfMinute',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveBigIntegerField()),
                ('since', models.DateTimeField()),
                ('until', models.DateTimeField()),
                ('inferred', models.PositiveBigIntegerField(default=0)),
                ('ages', models.JSONField(default=dict)),
                ('deployment', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='inference.deployment')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('number', 'deployment'), name='one_row_of_a_half_minute')],
            },
        ),
        migrations.AddField(
            model_name='capture',
            name='deployment',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='captures', to='inference.deployment'),
        ),
        migrations.RunPython(name_deployments, migrations.RunPython.noop),
        migrations.AlterField(
            model_name='capture',
            name='deployment',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='captures', to='inference.deployment'),
        ),
        migrations.AlterField(
            model_name='capture',
            name='model_version',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='captures', to='inference.modelversion'),
        ),
        migrations.AlterField(
            model_name='capture',
            name='reviewed_by',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AlterField(
            model_name='captureaccess',
            name='user',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddIndex(
            model_name='capture',
            index=models.Index(fields=['taken_at'], name='emporium_se_taken_a_feac71_idx'),
        ),
        migrations.AddIndex(
            model_name='capture',
            index=models.Index(fields=['reason', 'taken_at'], name='emporium_se_reason_73d951_idx'),
        ),
        migrations.AddIndex(
            model_name='capture',
            index=models.Index(fields=['deployment', 'taken_at'], name='emporium_se_deploym_5fcd1d_idx'),
        ),
        migrations.AddIndex(
            model_name='capture',
            index=models.Index(fields=['model_version', 'taken_at'], name='emporium_se_model_v_5db564_idx'),
        ),
        migrations.AddIndex(
            model_name='captureaccess',
            index=models.Index(fields=['at'], name='emporium_se_at_05130f_idx'),
        ),
        migrations.AddIndex(
            model_name='captureaccess',
            index=models.Index(fields=['act', 'at'], name='emporium_se_act_69685c_idx'),
        ),
        migrations.AddIndex(
            model_name='captureaccess',
            index=models.Index(fields=['user', 'at'], name='emporium_se_user_id_61b2e9_idx'),
        ),
        migrations.AddIndex(
            model_name='captureaccess',
            index=models.Index(fields=['capture_id'], name='emporium_se_capture_a883cc_idx'),
        ),
        migrations.AddIndex(
            model_name='captureaccess',
            index=models.Index(fields=['session_id'], name='emporium_se_session_03063d_idx'),
        ),
    ]
