"""The life of a GPU worker: what it holds from its start to its end.

Connected to Celery's signals. A worker of another queue holds none of it, and no torch;
only its heart beats, too.
"""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from celery import current_app
from celery.signals import (
    worker_process_init,
    worker_shutdown,
    worker_shutting_down,
)
from celery.worker.control import inspect_command

from apps.inference import client
from apps.inference.connections import sync_redis
from apps.inference.mailbox import WorkerMailbox
from apps.inference.presence import THIS_WORKER, Heartbeat
from apps.inference.queues import DEFAULT_QUEUE, frame_queues
from apps.inference.serving.company import Company
from apps.inference.serving.rehearsal import rehearse

if TYPE_CHECKING:
    from apps.inference.draining import Drain
    from apps.inference.serving.following import Follower
    from apps.inference.serving.watchdog import Watchdog
    from apps.inference.trials.trying import Trials

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Runtime:
    mailbox: WorkerMailbox
    drain: Drain
    follower: Follower
    trials: Trials
    watchdog: Watchdog


_runtime: Runtime | None = None
_heartbeat: Heartbeat | None = None


def runtime() -> Runtime:
    """What this worker holds; made by its start."""
    if _runtime is None:
        raise RuntimeError(
            f"This worker has no queue of frames: start it with -Q {DEFAULT_QUEUE}."
        )
    return _runtime


@inspect_command(name=client.HOLDINGS_COMMAND)
def holdings(state: Any) -> dict[str, Any]:
    """What a worker of any queue says of itself through Celery's remote control."""
    queues = sorted(current_app.amqp.queues.consume_from)
    if _runtime is None:
        return {"queues": queues, "device": "", "serving": {}}
    serving = _runtime.follower.host.describe()
    return {"queues": queues, "device": _device(), "serving": serving}


def _device() -> str:
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"a CPU with {os.cpu_count()} cores"


@worker_process_init.connect
def start(**_: Any) -> None:
    """Load the models before the first doorbell is answered."""
    global _runtime, _heartbeat
    queues = sorted(current_app.amqp.queues.consume_from)
    if frames := frame_queues(queues):
        _runtime = _made(frames)
        _runtime.follower.start()
        _runtime.trials.start()
        _runtime.watchdog.start()
    busy_s = _runtime.drain.busy_s if _runtime else None
    _heartbeat = Heartbeat(sync_redis(), queues, busy_s=busy_s)
    _heartbeat.start()


def _made(queues: Sequence[str]) -> Runtime:
    from apps.inference.draining import Drain
    from apps.inference.serving.following import Follower
    from apps.inference.serving.host import ModelHost
    from apps.inference.serving.watchdog import Watchdog
    from apps.inference.trials.trying import Trials

    redis, company = sync_redis(), Company(sync_redis(), THIS_WORKER)
    host = ModelHost()
    mailbox = WorkerMailbox(redis, queues)
    trials = Trials(redis, rehearse, host, company, queues)
    return Runtime(
        mailbox=mailbox,
        drain=Drain(redis, mailbox, host, trials),
        follower=Follower(host, rehearse, company, queues),
        trials=trials,
        watchdog=Watchdog(host, company),
    )


@worker_shutting_down.connect
def end(**_: Any) -> None:
    """On SIGTERM: finish what has been taken, and leave the rest to other workers."""
    if _runtime is not None:
        # Who is told to end isn't to begin anew.
        _runtime.watchdog.stop()
        _runtime.drain.end()


@worker_shutdown.connect
def stop(**_: Any) -> None:
    global _runtime
    if _runtime is not None:
        _runtime.follower.leave()
    if _heartbeat is not None:
        _heartbeat.stop()
    if _runtime is not None:
        _runtime.drain.close()
        _runtime.trials.stop()
        _runtime.follower.stop()
        _runtime = None
        # The interpreter's last collection would walk through all of torch, a second of
        # work for nothing: supervisors kill who takes long to end.
        gc.freeze()
