"""Settings: each wrong one is told in one line that names it, and on Azure nothing that is for development opens a door."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import fields

import pytest
from click.testing import CliRunner

import function_app
import scim
from scim.cli import main
from scim.settings import Settings, SettingsError, from_environment, variable, warnings
from tests.conftest import TOKEN, Client, Loop, TriggerClient
from tests.http.checks import UNKNOWN_ID, is_error

AZURE = ["WEBSITE_INSTANCE_ID", "WEBSITE_SITE_NAME", "WEBSITE_POD_NAME", "IDENTITY_ENDPOINT"]

WRONG = [
    ("SCIM_STORE", "postgres"),
    ("SCIM_STORE", "SQLITE "),
    ("SCIM_BASE_URL", "scim.example.com"),
    ("SCIM_BASE_URL", "ftp://scim.example.com"),
    ("SCIM_BASE_URL", "https://scim.example.com/?x=secret"),
    ("SCIM_BASE_URL", "https://scim.example.com/#secret"),
    ("SCIM_BASE_URL", "https://"),
    ("SCIM_BASE_URL", "https:// scim.example.com"),
    ("SCIM_MAX_BODY_BYTES", "secret"),
    ("SCIM_MAX_BODY_BYTES", "-1"),
    ("SCIM_MAX_BODY_BYTES", "1e6"),
    ("SCIM_MAX_RESOURCE_BYTES", "0"),
    ("SCIM_MAX_FILTER_CHARACTERS", "99999999"),
    ("SCIM_MAX_FILTER_DEPTH", "101"),
    ("SCIM_MAX_FILTER_COMPARISONS", "0"),
    ("SCIM_MAX_FILTER_COMPARISONS", "1001"),
    ("SCIM_MAX_PATCH_OPERATIONS", "0"),
    ("SCIM_MAX_MEMBERS", "1.5"),
    ("SCIM_MAX_BODY_BYTES", "10485761"),
    ("SCIM_MAX_BULK_BYTES", "1023"),
    ("SCIM_MAX_BULK_BYTES", "10485761"),
    ("SCIM_MAX_BULK_OPERATIONS", "0"),
    ("SCIM_MAX_BULK_OPERATIONS", "10001"),
    ("SCIM_CURSOR_SECONDS", "59"),
    ("SCIM_CURSOR_SECONDS", "604801"),
    ("SCIM_PASSWORDS", "bcrypt"),
    ("SCIM_PASSWORDS", "HASH"),
    ("SCIM_UNKNOWN_PATHS", "ignore"),
    ("SCIM_DEFAULT_PAGE", "0"),
    ("SCIM_MAX_PAGE", "1001"),
    ("SCIM_REQUESTS_PER_SECOND", "0"),
    ("SCIM_REQUESTS_PER_SECOND", "-1"),
    ("SCIM_REQUESTS_PER_SECOND", "100001"),
    ("SCIM_REQUESTS_PER_SECOND", "1.5"),
    ("SCIM_REQUESTS_PER_SECOND", "1e3"),
    ("SCIM_REQUESTS_PER_SECOND", "secret"),
    ("SCIM_DEV_KEYS", "secret"),
    ("SCIM_DEV_KEYS", "127.0.0.1:8080"),
    ("SCIM_DEV_KEYS", "ftp://127.0.0.1"),
    ("SCIM_DEV_KEYS", "http://"),
    ("SCIM_DEV_KEYS", "http://127.0.0.1/"),
    ("SCIM_DEV_KEYS", "http://127.0.0.1/secret"),
    ("SCIM_DEV_KEYS", "http://127.0.0.1?secret"),
    ("SCIM_DEV_KEYS", "http://127.0.0.1#secret"),
    ("SCIM_DEV_KEYS", "http://127.0.0.1 secret"),
    ("SCIM_DEV_KEYS", "http://127.0.0.1\n"),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_setting_is_an_error_of_one_line_without_its_value(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as error:
        from_environment({name: value})
    text = str(error.value)
    assert text.startswith(f"{name}: ")
    assert "\n" not in text
    assert "secret" not in text


@pytest.mark.parametrize(
    ("name", "value"), [WRONG[0], WRONG[8], ("SCIM_ME_ATTRIBUTE", "secret"), ("WEBSITE_INSTANCE_ID", "1")]
)
def test_serve_does_not_start_on_a_wrong_setting(name: str, value: str) -> None:
    ended = CliRunner(env={name: value}).invoke(main, ["serve", "--port", "0"])
    assert ended.exit_code == 1
    [line] = ended.output.splitlines()
    assert line.startswith("Error: SCIM_")
    assert "secret" not in line


def test_an_empty_variable_counts_as_missing() -> None:
    assert from_environment({"SCIM_STORE": "", "SCIM_MAX_PAGE": "", "SCIM_DEV_TOKEN": ""}) == from_environment({})
    assert from_environment({"SCIM_DEV_TOKEN": "t", "WEBSITE_INSTANCE_ID": ""}).dev_token is not None


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("SCIM_SHEMAS", "SCIM_SCHEMAS"),
        ("SCIM_MAX_BULK_BYTE", "SCIM_MAX_BULK_BYTES"),
        ("SCIM_REQUEST_PER_SECOND", "SCIM_REQUESTS_PER_SECOND"),
        ("SCIM_COSMOS_ENDPOINT", "COSMOS_ENDPOINT"),
        ("scim_data", "SCIM_DATA"),
        ("Scim_Store", "SCIM_STORE"),
        ("COSMOS_ENDPONT", "COSMOS_ENDPOINT"),
        ("COSMOSDB_ENDPOINT", "COSMOS_ENDPOINT"),
        ("cosmos_key", "COSMOS_KEY"),
        ("SCIM_XYZZY", None),
    ],
)
def test_the_warning_about_a_misspelt_setting_has_the_closest_name_and_no_value(name: str, meant: str | None) -> None:
    [warning] = warnings({name: "secret"})
    assert warning.startswith(f"{name} is not a setting")
    assert warning.endswith(f"did you mean {meant}?" if meant else "has no effect.")
    assert "secret" not in warning


@pytest.mark.parametrize(
    "name",
    [
        *(variable(setting.name) for setting in fields(Settings) if setting.name != "on_azure"),
        "SCIM_DOCTOR_TOKEN",
        "COSMOS_ACCOUNT_NAME",
        "COSMOS_CONNECTION_STRING",
        "AZURE_COSMOS_HEALTH_CHECK_RETRY_AFTER_MS",
        "PYTHON_ENABLE_DEBUG_LOGGING",
        "WEBSITE_SITE_NAME",
        "PATH",
    ],
)
def test_settings_and_variables_of_other_programs_are_no_misspellings(name: str) -> None:
    assert warnings({name: "sqlite"}) == []
    assert warnings({"SCIM_SHEMAS": ""}) == []


def test_a_data_file_beside_cosmos_db_is_a_warning() -> None:
    assert warnings({"SCIM_STORE": "cosmos", "SCIM_DATA": "secret.db"}) == [
        "SCIM_DATA has no effect, because SCIM_STORE=cosmos chooses Cosmos DB."
    ]


def test_a_command_and_serve_warn_of_a_misspelt_setting_and_continue() -> None:
    for command in (["serve", "--port", "65536"], ["serve", "--host", "example.com"], ["customer", "list"]):
        ended = CliRunner(env={"SCIM_SHEMAS": "secret", "COSMOS_ENDPONT": "secret"}).invoke(main, command)
        assert ended.exit_code == 2
        warned = [line for line in ended.stderr.splitlines() if line.startswith("Warning: ")]
        assert [line.split()[1] for line in warned] == ([] if "65536" in command else ["COSMOS_ENDPONT", "SCIM_SHEMAS"])
        assert "secret" not in ended.output


def test_every_setting_but_one_has_a_variable() -> None:
    """Each with a value that isn't the default; `on_azure` is told by others."""
    default = Settings()
    names = {setting.name for setting in fields(Settings)} - {"on_azure"}
    numbers = {name: f"{getattr(default, name) - 1}" for name in names if type(getattr(default, name)) is int}
    given = numbers | {
        "store": "cosmos",
        "cosmos_endpoint": "https://x.example",
        "data": "scim.db",
        "dev_keys": "http://127.0.0.1:8080",
        "base_url": "https://scim.example.com",
        "schemas": "schemas",
        "unknown_paths": "refuse",
        "me_attribute": "userName",
        "passwords": "hash",
        **dict.fromkeys(("dev_token", "cosmos_key", "cosmos_database", "cosmos_container"), "other"),
        **dict.fromkeys(("azure_monitor", "opentelemetry"), "true"),
    }
    read = from_environment({variable(name): value for name, value in given.items()})
    assert [name for name in names if getattr(read, name) == getattr(default, name)] == []


@pytest.mark.parametrize("rate", [1, 100_000])
def test_requests_per_second_have_bounds(rate: int) -> None:
    assert from_environment({"SCIM_REQUESTS_PER_SECOND": str(rate)}).requests_per_second == rate


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8080", "https://keys.example", "http://[::1]:80"])
def test_the_keys_may_come_from_a_stand_in(origin: str) -> None:
    assert from_environment({"SCIM_DEV_KEYS": origin}).dev_keys == origin


def test_settings_do_not_show_the_token() -> None:
    settings = from_environment({"SCIM_DEV_TOKEN": "secret"})
    assert "secret" not in f"{settings} {settings!r}"


@pytest.mark.parametrize("azure", AZURE)
def test_on_azure_the_embedded_store_and_the_development_token_are_refused(azure: str) -> None:
    with pytest.raises(SettingsError, match=r"^SCIM_STORE: "):
        from_environment({azure: "x"})
    with pytest.raises(SettingsError, match=r"^SCIM_DEV_TOKEN: "):
        from_environment({azure: "x", "SCIM_DEV_TOKEN": "t"})


ON_AZURE = {"WEBSITE_INSTANCE_ID": "1", "SCIM_STORE": "cosmos", "COSMOS_ENDPOINT": "https://x.example"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SCIM_DEV_KEYS", "http://secret.example"),
        ("SCIM_DEV_TOKEN", "secret"),
        ("COSMOS_KEY", "secret"),
        ("SCIM_STORE", "sqlite"),
    ],
)
def test_on_azure_what_is_for_development_is_refused_by_its_name(name: str, value: str) -> None:
    assert from_environment(ON_AZURE).on_azure
    with pytest.raises(SettingsError) as error:
        from_environment(ON_AZURE | {name: value})
    assert str(error.value).startswith(f"{name}: ")
    assert "secret" not in str(error.value)
    assert "\n" not in str(error.value)


CONTAINER = {"CONTAINER_NAME": "x"}


@pytest.mark.parametrize(
    ("environment", "is_azure"),
    [
        ({}, False),
        (CONTAINER, False),
        ({"FUNCTIONS_EXTENSION_VERSION": "~4"}, False),
        ({"FUNCTIONS_WORKER_RUNTIME": "python"}, False),
        (CONTAINER | {"FUNCTIONS_EXTENSION_VERSION": "~4"}, True),
        (CONTAINER | {"FUNCTIONS_WORKER_RUNTIME": "python"}, True),
        (CONTAINER | {"FUNCTIONS_EXTENSION_VERSION": "~4", "FUNCTIONS_WORKER_RUNTIME": "python"}, True),
        (CONTAINER | {"FUNCTIONS_WORKER_RUNTIME": ""}, False),
        ({"CONTAINER_NAME": "", "FUNCTIONS_WORKER_RUNTIME": "python"}, False),
        (CONTAINER | {"FUNCTIONS_WORKER_RUNTIME": "python", "AZURE_FUNCTIONS_ENVIRONMENT": "Development"}, False),
        (CONTAINER | {"FUNCTIONS_WORKER_RUNTIME": "python", "AZURE_FUNCTIONS_ENVIRONMENT": "Production"}, True),
        ({"WEBSITE_INSTANCE_ID": "1", "AZURE_FUNCTIONS_ENVIRONMENT": "Development"}, True),
        *(({name: "x"}, True) for name in AZURE),
    ],
    ids=lambda value: "+".join(f"{name}={text}" for name, text in value.items()) if isinstance(value, dict) else None,
)
def test_variables_that_identify_azure(environment: dict[str, str], is_azure: bool) -> None:
    """`CONTAINER_NAME` alone may be any container host's, and Core Tools say that they are for development."""
    given = {"SCIM_STORE": "cosmos", "COSMOS_ENDPOINT": "https://x.example"} | environment
    assert from_environment(given).on_azure is is_azure


@pytest.mark.parametrize("name", ["SCIM_ON_AZURE", "ON_AZURE", "scim_on_azure"])
def test_no_single_setting_switches_azure_mode(name: str) -> None:
    """Neither does one open the door to a development token, nor close it."""
    assert from_environment({name: "true"}) == from_environment({})
    with pytest.raises(SettingsError, match=r"^SCIM_DEV_TOKEN: "):
        from_environment(ON_AZURE | {name: "false", "SCIM_DEV_TOKEN": "t"})


# --- through the triggers ---------------------------------------------------------------------------------------


@pytest.fixture
def configured(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Client]]:
    """Makes a worker with these variables of the environment."""
    function_app.service_of_this_worker.cache_clear()

    def make(**environment: str) -> Client:
        for name in (*AZURE, "SCIM_DATA", "SCIM_BASE_URL", "SCIM_STORE", "SCIM_DEV_TOKEN", "SCIM_ME_ATTRIBUTE"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return TriggerClient(loop)

    yield make
    loop.run(function_app.service_of_this_worker().close())
    function_app.service_of_this_worker.cache_clear()


REQUESTS = [
    ("GET", "/Users"),
    ("POST", "/Users"),
    ("PATCH", f"/Groups/{UNKNOWN_ID}"),
    ("DELETE", f"/Users/{UNKNOWN_ID}"),
    ("POST", "/.search"),
    ("GET", "/ServiceProviderConfig"),
    ("GET", "/nowhere"),
    ("GET", "~/healthz"),
]


@pytest.mark.parametrize("token", [TOKEN, None, "wrong"])
@pytest.mark.parametrize(
    "environment",
    [
        {"WEBSITE_INSTANCE_ID": "1"},
        {"WEBSITE_INSTANCE_ID": "1", "SCIM_DEV_TOKEN": TOKEN},
        {"IDENTITY_ENDPOINT": "http://x", "SCIM_DEV_TOKEN": TOKEN, "SCIM_STORE": "sqlite"},
        {"SCIM_STORE": "postgres", "SCIM_DEV_TOKEN": TOKEN},
        {"SCIM_BASE_URL": "nonsense-secret", "SCIM_DEV_TOKEN": TOKEN},
        {"SCIM_ME_ATTRIBUTE": "nonsense-secret", "SCIM_DEV_TOKEN": TOKEN},
        {"SCIM_DATA": "/missing/at/all/scim.db", "SCIM_DEV_TOKEN": TOKEN},
    ],
    ids="+".join,
)
def test_with_a_wrong_setting_every_request_gets_503_and_the_log_says_why(
    configured: Callable[..., Client], caplog: pytest.LogCaptureFixture, environment: dict[str, str], token: str | None
) -> None:
    """An empty 500 would tell nobody anything."""
    client = configured(**environment)
    with caplog.at_level(logging.ERROR):
        for method, path in REQUESTS:
            answer = client.request(method, path, {"userName": "u"}, token=token)
            is_error(answer, 503)
            assert int(answer.headers["retry-after"]) > 0
            assert b"secret" not in answer.body
            assert TOKEN.encode() not in answer.body
    assert any(record.levelno >= logging.ERROR for record in caplog.records)
    assert TOKEN not in caplog.text


def test_the_log_has_the_version_and_misspelt_settings_at_the_start(
    configured: Callable[..., Client], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        client = configured(SCIM_SHEMAS="planted-value")
        for _ in range(2):
            client.get("~/healthz", token=None)
    assert [record.getMessage() for record in caplog.records if record.name == "scim.app"] == [
        f"scim {scim.__version__} starts",
        "SCIM_SHEMAS is not a setting and has no effect; did you mean SCIM_SCHEMAS?",
    ]
    assert "planted-value" not in caplog.text


def test_requests_without_a_token_are_refused(configured: Callable[..., Client]) -> None:
    client = configured()
    for token in (TOKEN, "", "None", "default"):
        is_error(client.get("/Users", token=token), 401)
    assert client.get("~/healthz", token=None).status == 200


def test_limits_come_from_the_environment(configured: Callable[..., Client]) -> None:
    client = configured(SCIM_DEV_TOKEN=TOKEN, SCIM_MAX_PAGE="3", SCIM_BASE_URL="https://fixed.example/x/")
    assert client.get("/ServiceProviderConfig").json["filter"]["maxResults"] == 3
    assert client.user()["meta"]["location"].startswith("https://fixed.example/x/Users/")
