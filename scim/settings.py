"""Every setting, from the environment, checked once. Nothing else reads the environment."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from scim.protocol.limits import DEFAULT, Limits, UnknownPaths

# Any of these says that the process runs in Azure Functions.
_AZURE: Final = ("WEBSITE_INSTANCE_ID", "WEBSITE_SITE_NAME", "WEBSITE_POD_NAME", "IDENTITY_ENDPOINT")
# Other container hosts set CONTAINER_NAME too, so it counts only beside one of the Functions host's own variables; and not
# under Core Tools, which says that it is for development.
_CONTAINER: Final = "CONTAINER_NAME"
_HOST: Final = ("FUNCTIONS_EXTENSION_VERSION", "FUNCTIONS_WORKER_RUNTIME")

# Settings whose variables the Functions worker reads as well.
_OTHERS: Final = {
    "azure_monitor": "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY",
    "opentelemetry": "PYTHON_ENABLE_OPENTELEMETRY",
}

# Variables of the same form that aren't settings of the service.
_NO_SETTINGS: Final = frozenset({"SCIM_DOCTOR_TOKEN"})

_BASE_URL: Final = re.compile(r"https?://[^\s/?#]+(/[^\s?#]*)?")
_WHOLE: Final = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_ON: Final = frozenset({"1", "on", "t", "true", "y", "yes"})
_OFF: Final = frozenset({"0", "off", "f", "false", "n", "no"})

# The smallest instance on Azure has 512 MB, which is enough for one request with such a body (docs/adr/0028).
_LARGEST_BODY: Final = 10 * 1024 * 1024

type StoreName = Literal["sqlite", "cosmos"]
_STORES: Final[Mapping[str, StoreName]] = {"sqlite": "sqlite", "cosmos": "cosmos"}

type PasswordsKept = Literal["drop", "hash"]
_PASSWORDS: Final[Mapping[str, PasswordsKept]] = {"drop": "drop", "hash": "hash"}
_UNKNOWN_PATHS: Final[Mapping[str, UnknownPaths]] = {"skip": "skip", "refuse": "refuse"}


class SettingsError(Exception):
    """A setting is wrong; the text is one line that says which and why, without its value."""


# How values are read. A `ValueError` says what one must be.


def _text(pattern: str, wrong: str) -> Callable[[str], str]:
    form = re.compile(pattern)

    def read(value: str) -> str:
        if not form.fullmatch(value):
            raise ValueError(wrong)
        return value

    return read


def _number(least: int, most: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        if not _WHOLE.fullmatch(value) or not least <= int(value) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(value)

    return read


def _base_url(value: str) -> str:
    if not _BASE_URL.fullmatch(value):
        raise ValueError("must be an absolute http or https URL without query")
    return value.rstrip("/")


def _switch(value: str) -> bool:
    if value.lower() not in _ON | _OFF:
        raise ValueError("must be true or false")
    return value.lower() in _ON


def _passwords(value: str) -> PasswordsKept:
    if value not in _PASSWORDS:
        raise ValueError("must be drop or hash")
    return _PASSWORDS[value]


def _unknown_paths(value: str) -> UnknownPaths:
    if value not in _UNKNOWN_PATHS:
        raise ValueError("must be skip or refuse")
    return _UNKNOWN_PATHS[value]


def _store(value: str) -> StoreName:
    if value not in _STORES:
        raise ValueError("must be sqlite or cosmos")
    return _STORES[value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of a process, which `from_environment` checks; `variable` says what each is called in the environment."""

    store: StoreName = "sqlite"
    data: Path | None = None
    """The file of the embedded store; none: in memory."""
    dev_token: str | None = field(default=None, repr=False)
    """A bearer token that lets in the tenant `default`; refused on Azure."""
    dev_keys: str | None = None
    """Where a stand-in for Entra ID's key endpoints listens: below it, `/<host>/<path>` of each; refused on Azure."""
    requests_per_second: int = 100
    """How many requests of one tenant each instance answers; ten times as many at once after a pause."""
    cosmos_endpoint: str | None = None
    """The address of the Cosmos DB account; from `COSMOS_ENDPOINT`, as the other three from variables of that form."""
    cosmos_key: str | None = field(default=None, repr=False)
    """The key of an emulator; without it the process's own identity is used."""
    cosmos_database: str = "scim"
    cosmos_container: str = "resources"
    base_url: str | None = None
    """The address in answers, such as `https://scim.example.com/scim/v2`; none: the one that the client used."""
    schemas: Path | None = None
    """A folder of JSON files that describe the deployment's own schemas and resource types."""
    me_attribute: str = "externalId"
    """The attribute of a user that holds the `oid` or `sub` of that user's tokens: who `/Me` is."""
    passwords: PasswordsKept = "drop"
    """What becomes of a `password` that a client sends: `drop` forgets it, `hash` keeps an Argon2id hash of it."""
    unknown_paths: UnknownPaths = DEFAULT.unknown_paths
    """What becomes of a PATCH operation on an unknown attribute: `skip` it beside others, or `refuse` the request."""
    max_body_bytes: int = DEFAULT.body_bytes
    """The Functions host holds about 19 bytes of memory for each byte of a request's body, before the service reads it: an
    instance needs 250 MB and 19 times the larger of this limit and the next, for each request that it takes at once."""
    max_bulk_bytes: int = DEFAULT.bulk_bytes
    """The same for the body of a bulk request. At 10 MiB each request needs 200 MB, at the default 41 MB."""
    max_bulk_operations: int = DEFAULT.bulk_operations
    cursor_seconds: int = DEFAULT.cursor_seconds
    max_resource_bytes: int = DEFAULT.resource_bytes
    max_filter_characters: int = DEFAULT.filter_characters
    max_filter_depth: int = DEFAULT.filter_depth
    max_filter_comparisons: int = DEFAULT.filter_comparisons
    max_patch_operations: int = DEFAULT.patch_operations
    max_members: int = DEFAULT.members
    default_page: int = DEFAULT.default_page
    max_page: int = DEFAULT.page
    max_list_bytes: int = DEFAULT.list_bytes
    azure_monitor: bool = False
    """Traces and metrics go to Application Insights; the worker reads the same variable."""
    opentelemetry: bool = False
    """Traces and metrics go by OTLP to where OpenTelemetry's own variables say; the worker reads the same variable."""
    on_azure: bool = False
    """Whether this is Azure Functions itself. No variable says it; several together do."""

    @property
    def limits(self) -> Limits:
        """The limits that requests are held to."""
        return Limits(
            body_bytes=self.max_body_bytes,
            bulk_bytes=self.max_bulk_bytes,
            bulk_operations=self.max_bulk_operations,
            resource_bytes=self.max_resource_bytes,
            filter_characters=self.max_filter_characters,
            filter_depth=self.max_filter_depth,
            filter_comparisons=self.max_filter_comparisons,
            patch_operations=self.max_patch_operations,
            members=self.max_members,
            page=self.max_page,
            default_page=min(self.default_page, self.max_page),
            list_bytes=self.max_list_bytes,
            cursor_seconds=self.cursor_seconds,
            unknown_paths=self.unknown_paths,
        )


_READ: Final[Mapping[str, Callable[[str], object]]] = {
    "store": _store,
    "data": Path,
    "dev_token": str,
    "dev_keys": _text(r"https?://[^\s/?#]+", "must be an http or https address without a path"),
    "requests_per_second": _number(1, 100_000),
    "cosmos_endpoint": _text(r"https?://[^\s/?#]+/?", "must be the http or https address of a Cosmos DB account"),
    "cosmos_key": str,
    "cosmos_database": str,
    "cosmos_container": str,
    "base_url": _base_url,
    "schemas": Path,
    "me_attribute": str,
    "passwords": _passwords,
    "unknown_paths": _unknown_paths,
    "max_body_bytes": _number(1024, _LARGEST_BODY),
    "max_bulk_bytes": _number(1024, _LARGEST_BODY),
    "max_bulk_operations": _number(1, 10_000),
    "cursor_seconds": _number(60, 7 * 24 * 3600),
    "max_resource_bytes": _number(1024, 1024 * 1024),
    "max_filter_characters": _number(100, 100_000),
    "max_filter_depth": _number(1, 100),
    "max_filter_comparisons": _number(1, 1_000),
    "max_patch_operations": _number(1, 10_000),
    "max_members": _number(1, 100_000),
    "default_page": _number(1, 1_000),
    "max_page": _number(1, 1_000),
    "max_list_bytes": _number(64 * 1024, 64 * 1024 * 1024),
    "azure_monitor": _switch,
    "opentelemetry": _switch,
}
"""Every setting that a variable may give."""


def from_environment(environ: Mapping[str, str]) -> Settings:
    """The settings of the environment; an empty variable counts as missing. Raises `SettingsError`."""
    given: dict[str, Any] = {}
    for name, read in _READ.items():
        if value := environ.get(variable(name)):
            try:
                given[name] = read(value)
            except ValueError as error:
                raise SettingsError(f"{variable(name)}: {error}") from None
    settings = Settings(**given, on_azure=_is_azure(environ))
    if settings.store == "cosmos" and settings.cosmos_endpoint is None:
        raise SettingsError("COSMOS_ENDPOINT: the store cosmos needs the address of a Cosmos DB account or emulator")
    if settings.on_azure:
        _check_azure(settings)
    return settings


def warnings(environ: Mapping[str, str]) -> list[str]:
    """Variables that look like settings and have no effect: a sentence for each, with the closest name and no value."""
    known = {variable(name) for name in _READ}
    short = {name.removeprefix("SCIM_"): name for name in known}  # the common prefix would make all names look alike
    found = []
    for name in sorted(name for name in environ if environ[name] and name not in known | _NO_SETTINGS):
        is_ours = name.upper().startswith("SCIM_")
        if not is_ours and not name.upper().startswith("COSMOS"):
            continue
        import difflib  # noqa: PLC0415 - only paid for where such a variable exists

        # Names that begin with COSMOS may be another program's, so only a close one counts as a misspelling.
        cutoff = 0.6 if is_ours else 0.85
        closest = difflib.get_close_matches(name.upper().removeprefix("SCIM_"), sorted(short), n=1, cutoff=cutoff)
        if closest:
            found.append(f"{name} is not a setting and has no effect; did you mean {short[closest[0]]}?")
        elif is_ours:
            found.append(f"{name} is not a setting of this version and has no effect.")
    if environ.get(variable("store")) == "cosmos" and environ.get(variable("data")):
        found.append("SCIM_DATA has no effect, because SCIM_STORE=cosmos chooses Cosmos DB.")
    return found


def variable(field: str) -> str:
    """The environment's name of a setting."""
    if field in _OTHERS:
        return _OTHERS[field]
    return field.upper() if field.startswith("cosmos_") else f"SCIM_{field.upper()}"


def _is_azure(environ: Mapping[str, str]) -> bool:
    if any(environ.get(name) for name in _AZURE):
        return True
    hosted = any(environ.get(name) for name in _HOST) and environ.get("AZURE_FUNCTIONS_ENVIRONMENT") != "Development"
    return bool(environ.get(_CONTAINER)) and hosted


def _check_azure(settings: Settings) -> None:
    if settings.dev_token is not None:
        raise SettingsError("SCIM_DEV_TOKEN: a development token is refused on Azure")
    if settings.dev_keys is not None:
        raise SettingsError("SCIM_DEV_KEYS: on Azure the keys of tokens come from Entra ID itself")
    if settings.store == "sqlite":
        raise SettingsError("SCIM_STORE: on Azure every instance would have an embedded store of its own")
    if settings.cosmos_key is not None:
        raise SettingsError("COSMOS_KEY: on Azure the app's own identity opens Cosmos DB; a key is for an emulator")
