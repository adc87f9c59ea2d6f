"""The settings: sources and their order, every problem at once, and the example file."""

import configparser
from pathlib import Path

import msgspec
import pytest

from imtornado import config_sources
from imtornado.config import Config, sections
from imtornado.config_sources import ConfigError

EXAMPLE = Path(__file__).resolve().parents[1] / "config.example.ini"


def problems(*settings: str, environment: dict[str, str] | None = None, file: Path | None = None) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refused:
        config_sources.load(file, environment or {}, settings)
    return refused.value.problems


def test_nothing_set_gives_the_defaults() -> None:
    assert config_sources.load(environment={}) == Config()


def test_the_example_names_every_key_with_its_default() -> None:
    assert EXAMPLE.read_text(encoding="utf-8") == config_sources.example(), (
        "write it anew: imtornado check-config --example"
    )
    assert config_sources.load(EXAMPLE, environment={}) == Config()
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(EXAMPLE, encoding="utf-8")
    keys = {(section, key) for section in parser.sections() for key in parser[section]}
    assert keys == {(name, key) for name, kind in sections().items() for key in kind.__struct_fields__}


def test_every_key_is_described() -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        if " =" in line and not line.startswith("#"):
            assert lines[number - 1].startswith("# ")
            assert len(lines[number - 1]) > 10


def test_the_keys_that_scripts_rely_on() -> None:
    built = msgspec.to_builtins(Config())
    for name in (
        *("server.host", "server.port", "server.fast_transport", "storage.url", "uploads.folder", "contacts.confirm"),
        *("communities.max_owned", "messages.max_content_bytes", "messages.recall_s", "accounts.registration"),
        *("security.throttle", "server.hosts", "server.trusted_proxies", "storage.auto_migrate"),
    ):
        section, key = name.split(".")
        assert key in built[section]


def test_later_sources_win(tmp_path: Path) -> None:
    file = tmp_path / "config.ini"
    file.write_text("[server]\nport = 1\nhost = a\nheartbeat_s = 9\n[log]\nlevel = debug\n", encoding="utf-8")
    environment = {"IMTORNADO_SERVER_PORT": "2", "IMTORNADO_SERVER_HEARTBEAT_S": "8", "IMTORNADO_REQUIRE_ALL": "1"}
    loaded = config_sources.load(file, environment, ["server.port=3"])
    assert (loaded.server.port, loaded.server.heartbeat_s, loaded.server.host) == (3, 8, "a")
    assert loaded.log.level == "debug"


def test_values_are_read_as_people_write_them() -> None:
    loaded = config_sources.load(
        environment={},
        settings=[
            "contacts.confirm=Off",
            "security.throttle= yes ",
            "server.hosts=a.example, b.example  c.example",
            "storage.url=mysql://u:p%40=x@h/im",
            "server.trusted_proxies=10.0.0.0/8 ::1",
        ],
    )
    assert loaded.contacts.confirm is False
    assert loaded.security.throttle is True
    assert loaded.server.hosts == ("a.example", "b.example", "c.example")
    assert loaded.storage.url == "mysql://u:p%40=x@h/im"


def test_all_problems_are_told_at_once_with_their_keys(tmp_path: Path) -> None:
    file = tmp_path / "config.ini"
    file.write_text("[server]\nport = many\n[sever]\nport = 1\n[accounts]\nbcrypt_rounds = 3\n", encoding="utf-8")
    told = problems(
        "log.level=loud",
        "contacts.confirm=perhaps",
        "no-equals",
        "server.bort=1",
        environment={"IMTORNADO_MESSAGES_QUEUE": "0"},
        file=file,
    )
    for fragment in (
        "server.port = 'many': write a whole number from 0 to 65535",
        "no section [sever]",
        "accounts.bcrypt_rounds = '3': write a whole number from 4 to 16",
        "log.level = 'loud': write one of debug, info, warning, error",
        "contacts.confirm = 'perhaps': write yes or no",
        "--set no-equals: write section.key=value",
        "no key server.bort; known: host, port",
        "messages.queue = '0': write a whole number, at least 1",
    ):
        assert [line for line in told if fragment in line], fragment
    assert len(told) == 8


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("port = 1\n", "no section headers"),
        ("[server]\nport = 1\nport = 2\n", "already exists"),
        ("[server]\n\nnonsense\n", "nonsense"),
        (b"[server]\nhost = \xff\n", "utf-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, text: str | bytes, fragment: str) -> None:
    file = tmp_path / "config.ini"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    (told,) = problems(file=file)
    assert str(file) in told
    assert fragment in told


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert problems(file=tmp_path / "none.ini") == (f"{tmp_path / 'none.ini'}: No such file or directory",)


@pytest.mark.parametrize(
    ("settings", "fragment"),
    [
        (["server.tls_cert=setup.cfg"], "belong together"),
        (["server.tls_cert=/none/x", "server.tls_key=/none/x"], "no such file"),
        (["server.trusted_proxies=nginx"], "neither an IP address nor a network"),
        (["server.hosts=https://chat.example.org"], "not a host name"),
        (["server.hosts=*"], "not a host name"),
    ],
)
def test_values_that_contradict_each_other(settings: list[str], fragment: str) -> None:
    assert fragment in problems(*settings)[0]
