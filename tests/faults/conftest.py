"""One product for all faults of a module: what one leaves, the next one meets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from apps.inference.hotdog import HOT_DOG
from apps.inference.starter.clips import Segment, render_clip
from bench import records
from bench.__main__ import start
from bench.clip import EncodedClip, encode
from bench.product import Product
from bench.sender import Sender


@pytest.fixture(scope="module")
def clip() -> EncodedClip:
    return encode(render_clip([Segment(HOT_DOG, 1.0)], size=(320, 240)), "vp8")


@pytest.fixture(scope="module")
def city(
    tmp_path_factory: pytest.TempPathFactory, clip: EncodedClip, empty_database: Path
) -> Iterator[Product]:
    """A product with a Redis of its own that has had its first session already."""
    directory = tmp_path_factory.mktemp("product")
    model = partial(
        records.deploy_written, directory / "model", "scripted", {"sleep_ms": 20}
    )
    with Product(
        directory, settings="tests.settings", database=empty_database
    ) as product:
        start(product, model)
        asyncio.run(_be_seen(product, clip))
        yield product


async def _be_seen(product: Product, clip: EncodedClip) -> None:
    async with Sender(product.url, clip) as sender:
        await sender.results(1)
