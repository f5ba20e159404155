//! Knowing the control plane: its certificate must be signed by the one that the invitation named, and by no other.
//!
//! No list of authorities is asked: neither the machine's nor that of an inspecting proxy.

use std::sync::Arc;

use flowforge_protocol::Digest;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};

/// The certificate is signed by somebody else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("its certificate is signed by \"{issuer}\", not by the server in the invitation")]
pub(super) struct ForeignIssuer {
    /// The name that stands in the certificate, for people.
    pub issuer: String,
}

/// Verifies the control plane's certificate.
#[derive(Debug)]
pub(super) struct Pinned {
    anchor: Digest,
    provider: Arc<CryptoProvider>,
}

impl Pinned {
    pub(super) fn new(anchor: Digest, provider: Arc<CryptoProvider>) -> Self {
        Self { anchor, provider }
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let anchor = intermediates
            .iter()
            .find(|certificate| Digest::of(certificate) == self.anchor);
        let Some(anchor) = anchor else {
            let issuer = issuer_name(end_entity).unwrap_or_else(|| "an unnamed authority".to_owned());
            let foreign = OtherError(Arc::new(ForeignIssuer { issuer }));
            return Err(CertificateError::Other(foreign).into());
        };
        let mut roots = RootCertStore::empty();
        roots.add(anchor.clone().into_owned())?;
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider))
                .build()
                .map_err(|error| rustls::Error::General(error.to_string()))?;
        verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        // TLS 1.2 is not offered, so nobody gets here but by a fault.
        Err(rustls::Error::General("TLS 1.2 is not spoken here".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// One element of DER: its tag, its content, and what comes behind it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = bytes
                .iter()
                .fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte));
            (length, rest)
        }
        _ => return None,
    };
    let (content, behind) = rest.split_at_checked(length)?;
    Some((tag, content, behind))
}

/// The issuer's common name, or else its organisation, as a certificate says it. Nothing is believed of it.
fn issuer_name(certificate: &[u8]) -> Option<String> {
    const INTEGER: u8 = 2;
    const VERSION: u8 = 0xa0;
    let (_, whole, _) = element(certificate)?;
    let (_, mut fields, _) = element(whole)?;
    let (tag, _, behind) = element(fields)?;
    if tag == VERSION {
        fields = behind;
    }
    let (tag, _, behind) = element(fields)?;
    if tag != INTEGER {
        return None;
    }
    let (_, _, behind) = element(behind)?;
    let (_, mut names, _) = element(behind)?;
    let (mut common, mut organisation) = (None, None);
    while let Some((_, set, behind)) = element(names) {
        names = behind;
        let (_, pair, _) = element(set)?;
        let (_, kind, value) = element(pair)?;
        let (_, value, _) = element(value)?;
        let text: String = String::from_utf8_lossy(value)
            .chars()
            .filter(|c| !c.is_control())
            .take(80)
            .collect();
        match kind {
            [0x55, 4, 3] => common = Some(text),
            [0x55, 4, 10] => organisation = Some(text),
            _ => {}
        }
    }
    common.or(organisation)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_name_of_an_issuer_is_read() {
        // SEQUENCE { SEQUENCE { [0] v3, INTEGER 1, SEQUENCE {}, SEQUENCE { SET { SEQUENCE { OID cn, "ACME" } } } } }
        let cn = [0x30, 11, 6, 3, 0x55, 4, 3, 0x0c, 4, b'A', b'C', b'M', b'E'];
        let set = [&[0x31, 13][..], &cn].concat();
        let issuer = [&[0x30, 15][..], &set].concat();
        let fields = [&[0xa0, 3, 2, 1, 2, 2, 1, 1, 0x30, 0][..], &issuer].concat();
        let body = [&[0x30, u8::try_from(fields.len()).expect("short")][..], &fields].concat();
        let whole = [&[0x30, u8::try_from(body.len()).expect("short")][..], &body].concat();
        assert_eq!(issuer_name(&whole).as_deref(), Some("ACME"));
        for end in 0..whole.len() {
            assert_eq!(issuer_name(&whole[..end]), None, "cut at {end}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_end_the_program(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = issuer_name(&bytes);
        }
    }
}
