"""The certificate authority, and what it issues."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from quorate.errors import PreconditionError
from quorate.home import Home
from quorate.secrets.pki import RENEW_BEFORE, VALIDITY, Pki

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "demo")


def test_the_same_certificate_comes_again(home: Home) -> None:
    first = Pki(home, NOW).certificate("web", ["10.0.0.1"], ["web.demo"])
    assert Pki(home, NOW).certificate("web", ["10.0.0.1"], ["web.demo"]) == first


def test_it_is_signed_by_the_ca_and_valid_for_what_was_asked(home: Home) -> None:
    pki = Pki(home, NOW)
    crt, key = pki.certificate("web", ["10.0.0.1", "10.0.0.2"], ["web.demo"])
    certificate, ca = (x509.load_pem_x509_certificate(text.encode()) for text in (crt, pki.ca))
    certificate.verify_directly_issued_by(ca)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = {ipaddress.ip_address("10.0.0.1"), ipaddress.ip_address("10.0.0.2")}
    assert set(names.get_values_for_type(x509.IPAddress)) == addresses
    assert names.get_values_for_type(x509.DNSName) == ["web.demo"]
    assert "PRIVATE KEY" in key


@pytest.mark.parametrize("later", [timedelta(), VALIDITY - RENEW_BEFORE - timedelta(days=1)])
def test_other_names_or_a_near_end_make_a_new_one(home: Home, later: timedelta) -> None:
    first = Pki(home, NOW).certificate("web", ["10.0.0.1"], ["web.demo"])
    assert Pki(home, NOW + later).certificate("web", ["10.0.0.1"], ["web.demo"]) == first
    assert Pki(home, NOW + later).certificate("web", ["10.0.0.9"], ["web.demo"]) != first
    end = NOW + VALIDITY - RENEW_BEFORE + timedelta(days=1)
    second = Pki(home, NOW + later).certificate("web", ["10.0.0.1"], ["web.demo"])
    assert Pki(home, end + later).certificate("web", ["10.0.0.1"], ["web.demo"]) != second


def test_one_that_may_not_do_what_is_wanted_is_made_anew(home: Home) -> None:
    server = Pki(home, NOW).certificate("web", ["10.0.0.1"])
    both = Pki(home, NOW).certificate("web", ["10.0.0.1"], client=True)
    assert both != server
    assert Pki(home, NOW).certificate("web", ["10.0.0.1"], client=True) == both


def test_keys_are_for_their_owner_only(home: Home) -> None:
    Pki(home, NOW).certificate("web", ["10.0.0.1"])
    assert {
        path.name: path.stat().st_mode & 0o777 for path in home.pki.iterdir() if path.suffix == ".key"
    } == {
        "ca.key": 0o600,
        "web.key": 0o600,
    }


def test_two_clusters_do_not_trust_each_other(tmp_path: Path) -> None:
    crt, _ = Pki(Home(tmp_path / "a"), NOW).certificate("web", ["10.0.0.1"])
    other = x509.load_pem_x509_certificate(Pki(Home(tmp_path / "b"), NOW).ca.encode())
    with pytest.raises(ValueError, match="ssuer"):
        x509.load_pem_x509_certificate(crt.encode()).verify_directly_issued_by(other)


def test_a_lost_key_of_the_authority_says_what_to_do(home: Home) -> None:
    assert Pki(home, NOW).ca
    (home.pki / "ca.key").unlink()
    with pytest.raises(PreconditionError, match="cannot be used") as caught:
        Pki(home, NOW).certificate("web", ["10.0.0.1"])
    assert "put the key back" in str(caught.value)
