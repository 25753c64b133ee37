"""What the hub, the network or the disk has refused, in sentences for the operator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from json import JSONDecodeError
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
from huggingface_hub import constants
from huggingface_hub.errors import (
    DisabledRepoError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import repo_folder_name

from apps.inference.exceptions import (
    SourceError,
    SourceMissingError,
    SourceRefusedError,
    SourceUnreachableError,
)
from apps.inference.sources.disk import unwritten


@contextmanager
def explained(repository: str, revision: str) -> Iterator[None]:
    """Translate what huggingface_hub raises.

    Raises:
        SourceError
    """
    try:
        yield
    except HfHubHTTPError as error:
        raise _answered(error, repository, revision) from error
    except LocalEntryNotFoundError as error:
        if constants.is_offline_mode():
            raise SourceMissingError(
                f"{repository} isn't in the hub's cache {constants.HF_HUB_CACHE} in"
                " that revision, and HF_HUB_OFFLINE forbids to fetch it."
            ) from error
        raise unreached(repository) from error
    except OSError as error:
        if error.errno is not None:
            raise unwritten(repository, Path(constants.HF_HUB_CACHE), error) from error
        # What the library says of a file that isn't as long as announced.
        raise unreached(repository) from error
    # The last two are of hf_xet, and of an answer such as a hotel's login page.
    except (httpx2.HTTPError, RuntimeError, JSONDecodeError) as error:
        raise unreached(repository) from error


def unreached(repository: str) -> SourceUnreachableError:
    said = f"{_host()} can't be reached, or stopped answering: is the network up?"
    name = repo_folder_name(repo_id=repository, repo_type="model")
    if (Path(constants.HF_HUB_CACHE).expanduser() / name / "snapshots").is_dir():
        said += " What was fetched before is found with HF_HUB_OFFLINE=1."
    return SourceUnreachableError(said)


def _answered(error: HfHubHTTPError, repository: str, revision: str) -> SourceError:
    status = error.response.status_code
    match error:
        case GatedRepoError():
            return SourceRefusedError(
                f"{repository} is given only to who has accepted its terms at"
                f" {constants.ENDPOINT}/{repository}: do so, and set HF_TOKEN to a"
                " token of that account."
            )
        case RepositoryNotFoundError():
            return SourceMissingError(
                f"{_host()} has no model {repository}, or it is private: then set"
                " HF_TOKEN to a token that may read it."
            )
        case RevisionNotFoundError():
            return SourceMissingError(
                f"{repository} has no branch, tag or commit {revision!r}."
            )
        case DisabledRepoError():
            return SourceRefusedError(f"{_host()} has disabled {repository}.")
        case _ if status in {401, 403}:
            return SourceRefusedError(
                f"{_host()} doesn't let this HF_TOKEN read {repository}."
            )
    return SourceUnreachableError(
        f"{_host()} answers with an error (HTTP {status}); it may be better later."
    )


def _host() -> str:
    return urlsplit(constants.ENDPOINT).hostname or constants.ENDPOINT
