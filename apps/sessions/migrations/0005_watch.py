import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def name_deployments(apps, schema_editor):
    """Each run's is its session's."""
    sessions = apps.get_model('emporium_sessions', 'CameraSession').objects
    apps.get_model('emporium_sessions', 'Run').objects.update(
        deployment_id=models.Subquery(
            sessions.filter(pk=models.OuterRef('session')).values('deployment')[:1]
        )
    )


class Migration(migrations.Migration):

    dependencies = [
        ('emporium_sessions', '0004_captures'),
        ('inference', '0005_modelops'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='run',
            name='deployment',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='runs', to='inference.deployment'),
        ),
        migrations.AlterField(
            model_name='camerasession',
            name='deployment',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='sessions', to='inference.deployment'),
        ),
        migrations.AlterField(
            model_name='run',
            name='model_version',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='runs', to='inference.modelversion'),
        ),
        migrations.RunPython(name_deployments, migrations.RunPython.noop),
        migrations.AlterField(
            model_name='run',
            name='deployment',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='runs', to='inference.deployment'),
        ),
        migrations.AddField(
            model_name='run',
            name='drops',
            field=models.GeneratedField(db_persist=True, expression=models.Case(models.When(models.Q(('failed__gt', 0), ('lost__gt', 0), _connector='OR'), then=2), models.When(models.Q(('superseded__gt', 0), ('expired__gt', 0), ('throttled__gt', 0), _connector='OR'), then=1), default=0), output_field=models.PositiveSmallIntegerField(choices=[(0, 'none dropped'), (1, 'some dropped'), (2, 'some failed or lost')])),
        ),
        migrations.RemoveIndex(
            model_name='camerasession',
            name='emporium_se_opened__eb7ad7_idx',
        ),
        migrations.AddIndex(
            model_name='camerasession',
            index=models.Index(fields=['-opened_at', '-id'], name='emporium_se_opened__901ff9_idx'),
        ),
        migrations.AddIndex(
            model_name='camerasession',
            index=models.Index(fields=['status', '-opened_at', '-id'], name='emporium_se_status_97210f_idx'),
        ),
        migrations.AddIndex(
            model_name='camerasession',
            index=models.Index(fields=['deployment', '-opened_at', '-id'], name='emporium_se_deploym_9185ab_idx'),
        ),
        migrations.AddIndex(
            model_name='run',
            index=models.Index(fields=['deployment', '-started_at'], name='emporium_se_deploym_101cd2_idx'),
        ),
        migrations.AddIndex(
            model_name='run',
            index=models.Index(fields=['model_version', '-started_at'], name='emporium_se_model_v_bf3939_idx'),
        ),
        migrations.AddIndex(
            model_name='run',
            index=models.Index(fields=['engine', '-started_at'], name='emporium_se_engine_7eae7b_idx'),
        ),
        migrations.AddIndex(
            model_name='run',
            index=models.Index(fields=['worker', '-started_at'], name='emporium_se_worker_6f1364_idx'),
        ),
        migrations.AddIndex(
            model_name='run',
            index=models.Index(fields=['drops', '-started_at'], name='emporium_se_drops_7bb6f5_idx'),
        ),
        migrations.AddIndex(
            model_name='run',
            index=models.Index(fields=['ended_at'], name='emporium_se_ended_a_96c027_idx'),
        ),
        migrations.AlterField(
            model_name='run',
            name='session',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='runs', to='emporium_sessions.camerasession'),
        ),
        migrations.AddIndex(
            model_name='run',
            index=models.Index(fields=['session', 'model_version', 'started_at'], name='emporium_se_session_02d008_idx'),
        ),
    ]
