//! The control plane's own certificate authority: one key, one certificate, and what it signs.

use std::net::IpAddr;

use flowforge_protocol::{Digest, HostId, SigningKey, VerifyingKey};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ED25519, PublicKeyData, SanType, SerialNumber, SignatureAlgorithm,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use time::OffsetDateTime;

/// How long a host's certificate is good, in days. It is renewed after two thirds of that.
pub const HOST_CERTIFICATE_DAYS: u64 = 7;
/// How long the server's certificate is good, in days. A new one is made at each start and each day.
pub const SERVER_CERTIFICATE_DAYS: u64 = 30;
/// How long the authority's own certificate is good, in days: ten years.
const AUTHORITY_DAYS: u64 = 3_653;
/// Certificates are good from a little before they are made, for clocks that are a little behind.
const BACKDATED_MS: u64 = 5 * 60 * 1_000;
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// Sixteen fresh random bytes, the number of a certificate.
pub type Serial = [u8; 16];

/// From when until when a certificate is good, milliseconds since 1970 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// Not good before.
    pub from_ms: u64,
    /// Not good after.
    pub until_ms: u64,
}

impl Validity {
    /// So many days from now on.
    #[must_use]
    pub fn days(now_ms: u64, days: u64) -> Self {
        // X.509 counts seconds: what is said here is what stands in the certificate.
        let whole = |ms: u64| ms - ms % 1_000;
        Self {
            from_ms: whole(now_ms.saturating_sub(BACKDATED_MS)),
            until_ms: whole(now_ms.saturating_add(days.saturating_mul(DAY_MS))),
        }
    }
}

/// Whose certificate it is.
#[derive(Debug, Clone)]
pub struct HostSubject<'a> {
    /// Tenant.
    pub workspace: &'a str,
    /// The host.
    pub host: &'a HostId,
    /// The key that it proved to have.
    pub link_key: &'a VerifyingKey,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The key cannot be used for signing certificates.
    #[error("the key of the certificate authority cannot be used")]
    Key,
    /// A name cannot stand in a certificate.
    #[error("`{0}` cannot stand in a certificate: expected a DNS name or an IP address")]
    Name(String),
    /// The certificate could not be made.
    #[error("the certificate cannot be made")]
    Make(#[source] rcgen::Error),
    /// A moment is outside what a certificate can say.
    #[error("the clock of this machine is out of range")]
    Time,
}

/// Signs certificates of hosts, and that of the server unless one is given.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

/// A public key that comes from outside, in the words of the library.
struct LinkKey<'a>(&'a VerifyingKey);

impl PublicKeyData for LinkKey<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ED25519
    }
}

impl Authority {
    /// A new authority of this key.
    ///
    /// # Errors
    /// [`AuthorityError`].
    pub fn create(
        workspace: &str,
        key: &SigningKey,
        now_ms: u64,
        serial: Serial,
    ) -> Result<Self, AuthorityError> {
        let pair = key_pair(key)?;
        let mut params = own_params(workspace);
        dated(&mut params, Validity::days(now_ms, AUTHORITY_DAYS))?;
        params.serial_number = Some(number(serial));
        let made = params.self_signed(&pair).map_err(AuthorityError::Make)?;
        Ok(Self {
            certificate: made.der().clone(),
            issuer: Issuer::new(params, pair),
        })
    }

    /// The authority of this key, with the certificate that [`Authority::create`] made for it.
    ///
    /// # Errors
    /// [`AuthorityError::Key`].
    pub fn open(workspace: &str, key: &SigningKey, certificate: Vec<u8>) -> Result<Self, AuthorityError> {
        let pair = key_pair(key)?;
        Ok(Self {
            issuer: Issuer::new(own_params(workspace), pair),
            certificate: CertificateDer::from(certificate),
        })
    }

    /// Its own certificate, as DER.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// What hosts know the server by, if its certificate is this authority's.
    #[must_use]
    pub fn anchor(&self) -> Digest {
        Digest::of(&self.certificate)
    }

    /// A host's certificate, as DER.
    ///
    /// # Errors
    /// [`AuthorityError`].
    pub fn certify_host(
        &self,
        subject: &HostSubject<'_>,
        validity: Validity,
        serial: Serial,
    ) -> Result<Vec<u8>, AuthorityError> {
        let name = format!(
            "spiffe://{}.flowforge.internal/host/{}",
            subject.workspace, subject.host
        );
        let uri = name.clone().try_into().map_err(|_| AuthorityError::Name(name))?;
        let mut params = leaf_params(subject.host.as_str(), ExtendedKeyUsagePurpose::ClientAuth);
        params.subject_alt_names = vec![SanType::URI(uri)];
        self.sign(params, &LinkKey(subject.link_key), validity, serial)
    }

    /// The server's certificate for these names or addresses, as DER.
    ///
    /// # Errors
    /// [`AuthorityError`]; one of the names may be none.
    pub fn certify_server(
        &self,
        names: &[String],
        key: &VerifyingKey,
        validity: Validity,
        serial: Serial,
    ) -> Result<Vec<u8>, AuthorityError> {
        let mut params = leaf_params("FlowForge control plane", ExtendedKeyUsagePurpose::ServerAuth);
        params.subject_alt_names = names
            .iter()
            .map(|name| match name.parse::<IpAddr>() {
                Ok(address) => Ok(SanType::IpAddress(address)),
                Err(_) => name
                    .clone()
                    .try_into()
                    .map(SanType::DnsName)
                    .map_err(|_| AuthorityError::Name(name.clone())),
            })
            .collect::<Result<_, _>>()?;
        self.sign(params, &LinkKey(key), validity, serial)
    }

    fn sign(
        &self,
        mut params: CertificateParams,
        key: &LinkKey<'_>,
        validity: Validity,
        serial: Serial,
    ) -> Result<Vec<u8>, AuthorityError> {
        dated(&mut params, validity)?;
        params.serial_number = Some(number(serial));
        let made = params
            .signed_by(key, &self.issuer)
            .map_err(AuthorityError::Make)?;
        Ok(made.der().to_vec())
    }
}

/// What every certificate of an authority says; its name does not change as long as the workspace does not.
fn own_params(workspace: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, format!("FlowForge hosts of {workspace}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn leaf_params(name: &str, usage: ExtendedKeyUsagePurpose) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    params.use_authority_key_identifier_extension = true;
    params
}

fn dated(params: &mut CertificateParams, validity: Validity) -> Result<(), AuthorityError> {
    let moment = |ms: u64| {
        let seconds = i64::try_from(ms / 1_000).map_err(|_| AuthorityError::Time)?;
        OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| AuthorityError::Time)
    };
    params.not_before = moment(validity.from_ms)?;
    params.not_after = moment(validity.until_ms)?;
    Ok(())
}

/// A positive number of sixteen bytes.
fn number(mut serial: Serial) -> SerialNumber {
    let [first, ..] = &mut serial;
    *first = (*first & 0x7f) | 0x40;
    SerialNumber::from_slice(&serial)
}

/// A private key as TLS libraries take it.
pub(crate) fn private_key(key: &SigningKey) -> Result<PrivateKeyDer<'static>, AuthorityError> {
    PrivatePkcs8KeyDer::from_pem_slice(key.to_pem().as_bytes())
        .map(PrivateKeyDer::Pkcs8)
        .map_err(|_| AuthorityError::Key)
}

fn key_pair(key: &SigningKey) -> Result<KeyPair, AuthorityError> {
    let der = PrivatePkcs8KeyDer::from_pem_slice(key.to_pem().as_bytes()).map_err(|_| AuthorityError::Key)?;
    KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_ED25519).map_err(|_| AuthorityError::Key)
}
