"""A model from the Hugging Face Hub, held to one commit.

Takes configuration, labels and safetensors, never pickles. The files lie in the hub's
own cache, where other programs find them too and HF_HUB_OFFLINE=1 finds them again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import HfApi, constants, hf_hub_download, snapshot_download
from huggingface_hub.file_download import REGEX_COMMIT_HASH, repo_folder_name
from huggingface_hub.hf_api import ModelInfo, RepoSibling
from huggingface_hub.repocard import metadata_load
from yaml import YAMLError

from apps.inference.exceptions import SourceContentError, SourceTextError
from apps.inference.sources.content import refuse_other, weights_in
from apps.inference.sources.disk import refuse_too_large
from apps.inference.sources.hub_progress import Count
from apps.inference.sources.hub_refusals import explained, unreached
from apps.inference.sources.types import Fetched, Progress

CARD = "README.md"  # says the licence
SAFETENSORS = ".safetensors"
TIMEOUT_S = 10.0

# Whichever imports the library first: who uses the Emporium is nobody's business.
constants.HF_HUB_DISABLE_TELEMETRY = True


@dataclass(frozen=True, slots=True)
class HubSource:
    repository: str  # OWNER/NAME
    revision: str  # a branch, a tag or a commit; empty for what the hub shows first

    @classmethod
    def parse(cls, text: str) -> HubSource:
        repository, at, revision = text.partition("@")
        word = r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?"
        if not re.fullmatch(f"{word}/{word}", repository) or re.search(
            r"--|\.\.|\.git$", repository
        ):
            raise SourceTextError(
                f"A model of the hub is named OWNER/NAME, unlike {repository!r}."
            )
        if at and (
            not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._/+-]*", revision)
            or ".." in revision
        ):
            raise SourceTextError(
                f"After @ comes a branch, a tag or a commit, unlike {revision!r}."
            )
        return cls(repository, revision)

    def __str__(self) -> str:
        return f"hub:{self.repository}" + (f"@{self.revision}" if self.revision else "")

    @property
    def origin(self) -> str:
        return str(self)

    @contextmanager
    def fetch(
        self, downloads: Path, *, sha256: str | None, progress: Progress
    ) -> Iterator[Fetched]:
        with explained(self.repository, self.revision):
            if constants.is_offline_mode():
                snapshot = self._cached()
            else:
                snapshot = self._download(progress)
        weights = weights_in(snapshot, SAFETENSORS)
        if not weights:
            raise SourceContentError(
                f"The hub's cache has no complete copy of {self}; without"
                " HF_HUB_OFFLINE it can be fetched."
            )
        refuse_other(sha256, weights)
        if constants.is_offline_mode():
            size = sum(path.stat().st_size for path in weights)
            progress(size, size)
        yield Fetched(
            path=snapshot,
            origin=f"hub:{self.repository}@{snapshot.name}",
            licence=_licence(snapshot / CARD),
        )

    def _cached(self) -> Path:
        return Path(
            snapshot_download(
                self.repository,
                revision=self.revision or None,
                cache_dir=constants.HF_HUB_CACHE,
                local_files_only=True,
                allow_patterns=[f"*{SAFETENSORS}", "*.json"],
                ignore_patterns=["*/*"],
            )
        )

    def _download(self, progress: Progress) -> Path:
        info = HfApi(endpoint=constants.ENDPOINT).model_info(
            self.repository,
            revision=self.revision or None,
            files_metadata=True,
            timeout=TIMEOUT_S,
        )
        files = self._wanted(info)
        commit = info.sha or ""
        if not REGEX_COMMIT_HASH.fullmatch(commit):
            raise unreached(self.repository)
        snapshot = self._cache / "snapshots" / commit
        self._refuse_too_large(files, snapshot)
        count = Count(sum(file.size or 0 for file in files), progress)
        for file in files:
            hf_hub_download(
                self.repository,
                file.rfilename,
                revision=commit,
                cache_dir=constants.HF_HUB_CACHE,
                endpoint=constants.ENDPOINT,
                tqdm_class=count.bar(),
            )
            count.finish(file.size or 0)
        self._remember(commit)
        return snapshot

    @property
    def _cache(self) -> Path:
        name = repo_folder_name(repo_id=self.repository, repo_type="model")
        return Path(constants.HF_HUB_CACHE).expanduser().resolve() / name

    def _wanted(self, info: ModelInfo) -> list[RepoSibling]:
        """The files to fetch, weights last: where they are, the others are too."""
        files = [file for file in info.siblings or [] if _is_wanted(file.rfilename)]
        files.sort(key=lambda file: file.rfilename.endswith(SAFETENSORS))
        if not files or not files[-1].rfilename.endswith(SAFETENSORS):
            raise SourceContentError(
                f"{self} has no weights as safetensors, and pickled ones aren't taken:"
                " they can run code."
            )
        return files

    def _refuse_too_large(self, files: list[RepoSibling], snapshot: Path) -> None:
        self._cache.mkdir(parents=True, exist_ok=True)
        missing = [file for file in files if not (snapshot / file.rfilename).exists()]
        needed = sum(file.size or 0 for file in missing)
        refuse_too_large(str(self), needed, self._cache)

    def _remember(self, commit: str) -> None:
        """Note in the cache what a name stands for, as its library does for a branch.

        Not by the library, which would ask again and might hear of a newer commit.
        """
        name = self.revision or constants.DEFAULT_REVISION
        if name == commit:
            return
        path = self._cache / "refs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # Never half of it, whoever reads or writes it too.
        beside = path.with_name(f"{path.name}.{os.getpid()}")
        beside.write_text(commit)
        beside.replace(path)


def _is_wanted(name: str) -> bool:
    return "/" not in name and (
        name == CARD or name.endswith((".json", ".txt", SAFETENSORS))
    )


def _licence(card: Path) -> str:
    try:
        licence = (metadata_load(card) or {}).get("license", "")
    except (OSError, ValueError, YAMLError):
        return ""
    return ", ".join(licence) if isinstance(licence, list) else str(licence or "")
