"""Accounts over a real store: what needs two steps to meet in the wrong moment."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from imtornado import config_sources as settings
from imtornado.clock import Clock
from imtornado.errors import AccountDisabled, NotAllowed, NotFound, WrongCredentials
from imtornado.passwords import Passwords
from imtornado.services.accounts import Accounts, Device, Registration
from imtornado.services.administration import Administration
from storage.backends import open_store
from storage.store import Store

PASSWORD = "correct horse 7"
HERE = Device("test", "127.0.0.1")
PASSWORDS = Passwords(4)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path}/im.db", Clock())
    yield opened
    opened.close()


@pytest.fixture
def accounts(store: Store) -> Accounts:
    return Accounts(store, settings.load(environment={}), store.clock)


@pytest.fixture
def administration(store: Store) -> Administration:
    return Administration(store, store.clock)


def test_an_old_password_that_was_checked_in_time_opens_no_session_after_the_change(accounts: Accounts) -> None:
    user = accounts.register(Registration("13800000001"), PASSWORDS.hash(PASSWORD), "", HERE).user
    proven = PASSWORDS.check(PASSWORD, accounts.credentials("13800000001"))
    accounts.set_password(proven, PASSWORDS.hash("another horse 8"), 0)
    with pytest.raises(WrongCredentials):
        accounts.log_in(proven, HERE)
    assert accounts.sessions(user.user_id) == ()
    with pytest.raises(WrongCredentials):
        accounts.set_password(proven, PASSWORDS.hash("a stranger's horse 9"), 0)
    assert PASSWORDS.check("another horse 8", accounts.credentials("13800000001"))


def test_an_account_disabled_while_its_password_was_checked_gets_no_session(
    accounts: Accounts, administration: Administration
) -> None:
    user = accounts.register(Registration("13800000001"), PASSWORDS.hash(PASSWORD), "", HERE).user
    proven = PASSWORDS.check(PASSWORD, accounts.credentials("13800000001"))
    administration.set_disabled(user.user_id, disabled=True)
    with pytest.raises(AccountDisabled):
        accounts.log_in(proven, HERE)


def test_a_link_of_a_disabled_account_opens_nothing(accounts: Accounts, administration: Administration) -> None:
    user = accounts.register(Registration("13800000001"), PASSWORDS.hash(PASSWORD), "", HERE).user
    token = administration.password_link(user.user_id, 1).partition("#")[2]
    administration.set_disabled(user.user_id, disabled=True)
    with pytest.raises(AccountDisabled):
        accounts.reset(token, PASSWORDS.hash("another horse 8"), HERE)
    assert PASSWORDS.check(PASSWORD, accounts.credentials("13800000001"))  # not the new one
    administration.set_disabled(user.user_id, disabled=False)
    assert accounts.reset(token, PASSWORDS.hash("another horse 8"), HERE).user.user_id == user.user_id


def test_a_link_ends_when_the_password_is_changed_otherwise(accounts: Accounts, administration: Administration) -> None:
    user = accounts.register(Registration("13800000001"), PASSWORDS.hash(PASSWORD), "", HERE).user
    token = administration.password_link(user.user_id, 1).partition("#")[2]
    accounts.set_password(PASSWORDS.check(PASSWORD, accounts.credentials("13800000001")), "a new hash", 0)
    with pytest.raises(NotFound):
        accounts.reset(token, PASSWORDS.hash("another horse 8"), HERE)


def test_links_end_with_their_time(accounts: Accounts, administration: Administration, store: Store) -> None:
    user = accounts.register(Registration("13800000001"), PASSWORDS.hash(PASSWORD), "", HERE).user
    token = administration.password_link(user.user_id, 1).partition("#")[2]
    accounts.require_reset(token)
    store.clock.at_least(store.clock.now_ms() + 3_600_001)
    with pytest.raises(NotFound):
        accounts.require_reset(token)


def test_sessions_end_with_their_time(accounts: Accounts, store: Store) -> None:
    grant = accounts.register(Registration("13800000001"), PASSWORDS.hash(PASSWORD), "", HERE)
    assert accounts.identify(grant.token) is not None
    store.clock.at_least(grant.session.expires_at_ms + 1)
    assert accounts.identify(grant.token) is None
    assert accounts.opening(grant.token) is None


def test_who_may_register_is_open_until_somebody_did(tmp_path: Path, store: Store) -> None:
    closed = Accounts(store, settings.load(environment={}, settings=["accounts.registration=closed"]), store.clock)
    assert closed.registration() == "open"
    closed.register(Registration("13800000001"), PASSWORDS.hash(PASSWORD), "", HERE)
    assert closed.registration() == "closed"


@pytest.mark.parametrize("mode", ["closed", "invite"])
def test_whoever_is_second_on_another_node_is_not_let_in_as_the_first(store: Store, mode: str) -> None:
    loaded = settings.load(environment={}, settings=[f"accounts.registration={mode}"])
    node, other = (Accounts(store, loaded, store.clock) for _ in range(2))
    node.admit("")
    other.admit("")  # there is nobody yet: both may
    other.register(Registration("13800000001"), PASSWORDS.hash(PASSWORD), "", HERE)
    with pytest.raises(NotAllowed):
        node.register(Registration("13800000002"), PASSWORDS.hash(PASSWORD), "", HERE)
    assert store.users.count() == 1
