"""The cluster's own certificate authority, and the certificates that it issues.

Elliptic-curve P-256 keys (FIPS 186-5): a handshake costs a tenth of what RSA-2048 does. What was issued is
kept and handed out again until its names change or its end comes near: applying twice changes nothing.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from quorate.errors import PreconditionError
from quorate.home import Home
from quorate.secrets.store import write_private

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

CA_VALIDITY = timedelta(days=3650)
VALIDITY = timedelta(days=825)
"""The longest that the strictest clients accept of a private CA (Apple, support article 103769)."""
RENEW_BEFORE = timedelta(days=60)
CLOCK_SKEW = timedelta(days=1)
"""Certificates begin this long in the past, for nodes whose clocks run behind."""


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


class Pki:
    """The certificate authority of one cluster, made on first use.

    Args:
        home: its folder ``pki`` holds ``ca.crt``, ``ca.key``, and such a pair for each name that was issued.
        now: the clock, for tests.
    """

    def __init__(self, home: Home, now: datetime | None = None) -> None:
        self._home = home
        self._now = now or datetime.now(UTC)

    @property
    def ca(self) -> str:
        """The CA's certificate, PEM: what a client has to trust."""
        self._authority()
        return self._home.ca_file.read_text()

    def certificate(
        self, name: str, addresses: Iterable[str], names: Iterable[str] = (), *, client: bool = False
    ) -> tuple[str, str]:
        """A server certificate and its private key, both PEM; the same ones again while they are good.

        Args:
            name: what it is for, and its common name: unique in the cluster.
            addresses: IP addresses that it has to be valid for.
            names: DNS names that it has to be valid for.
            client: whoever has it may show it to a server, too, as proof of who he is.
        """
        wanted_addresses = {ipaddress.ip_address(address) for address in addresses}
        wanted_names = set(names) or {name}
        crt, key = self._home.pki / f"{name}.crt", self._home.pki / f"{name}.key"
        uses = [ExtendedKeyUsageOID.SERVER_AUTH] + ([ExtendedKeyUsageOID.CLIENT_AUTH] if client else [])
        there = crt.exists() and key.exists()
        if not (there and self._good(crt.read_bytes(), wanted_addresses, wanted_names, uses)):
            new_crt, new_key = self._issue(name, wanted_addresses, wanted_names, uses)
            crt.unlink(missing_ok=True)
            write_private(key, new_key)
            write_private(crt, new_crt)
        return crt.read_text(), key.read_text()

    def _good(
        self, pem: bytes, addresses: set[Address], names: set[str], uses: list[x509.ObjectIdentifier]
    ) -> bool:
        certificate = x509.load_pem_x509_certificate(pem)
        ca, _ = self._authority()
        sans = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        has = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        return (
            certificate.issuer == ca.subject
            and certificate.not_valid_after_utc - self._now > RENEW_BEFORE
            and set(sans.get_values_for_type(x509.IPAddress)) == set(addresses)
            and set(sans.get_values_for_type(x509.DNSName)) == names
            and set(has) == set(uses)
        )

    def _authority(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        crt, key_file = self._home.ca_file, self._home.pki / "ca.key"
        if not crt.exists():
            self._home.create()
            # The serial number in the name keeps the CAs of two clusters, or of two lives of one, apart.
            serial = x509.random_serial_number()
            common_name = f"quorate CA {self._home.path.name} {serial:040x}"[:64]
            title = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
            key = ec.generate_private_key(ec.SECP256R1())
            certificate = (
                x509.CertificateBuilder(title, title, key.public_key(), serial)
                .not_valid_before(self._now - CLOCK_SKEW)
                .not_valid_after(self._now + CA_VALIDITY)
                .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
                .add_extension(_usage(sign=True), critical=True)
                .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
                .sign(key, hashes.SHA256())
            )
            write_private(key_file, _key_pem(key))
            write_private(crt, _pem(certificate))
            crt.chmod(0o644)
        try:
            loaded = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
            if not isinstance(loaded, ec.EllipticCurvePrivateKey):
                raise ValueError("it is not an elliptic-curve key")
        except (OSError, ValueError, TypeError) as error:
            raise PreconditionError(
                "the CA's key cannot be used",
                where=str(key_file),
                evidence=str(error),
                next_step="put the key back that quorate made, or move the folder away to start a new CA",
            ) from error
        return x509.load_pem_x509_certificate(crt.read_bytes()), loaded

    def _issue(
        self, name: str, addresses: set[Address], names: set[str], uses: list[x509.ObjectIdentifier]
    ) -> tuple[bytes, bytes]:
        ca, ca_key = self._authority()
        key = ec.generate_private_key(ec.SECP256R1())
        sans: list[x509.GeneralName] = [x509.DNSName(text) for text in sorted(names)]
        sans += [x509.IPAddress(address) for address in sorted(addresses, key=str)]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = (
            x509.CertificateBuilder(ca.subject, subject, key.public_key(), x509.random_serial_number())
            .not_valid_before(self._now - CLOCK_SKEW)
            .not_valid_after(min(self._now + VALIDITY, ca.not_valid_after_utc))
            .add_extension(x509.SubjectAlternativeName(sans), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(sign=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
            )
            .sign(ca_key, hashes.SHA256())
        )
        return _pem(certificate), _key_pem(key)


def _usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign,
        crl_sign=sign,
        encipher_only=False,
        decipher_only=False,
    )
