import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('inference', '0008_long_lists'),
    ]

    operations = [
        migrations.AlterField(
            model_name='deployment',
            name='retention_days',
            field=models.PositiveSmallIntegerField(default=30, help_text='For how long captures that nobody has used are kept.', validators=[django.core.validators.MinValueValidator(1)]),
        ),
    ]
