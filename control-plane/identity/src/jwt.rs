//! Signed tokens of an identity provider (RFC 7515, 7517, 7519): as much of them as OpenID Connect needs.
//!
//! The algorithm comes from the key, never from the token alone: a token that names another one than its key is for is no
//! token. `none` and shared secrets are not known here.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;
use serde_json::Value;

/// Longest token, in bytes.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;
/// Most keys of a provider that are looked at.
const MAX_KEYS: usize = 32;

/// Why a token is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// It is no token of three parts, or too long.
    #[error("it is no signed token")]
    Form,
    /// Its algorithm is not one that is taken.
    #[error("it is signed with `{0}`; RS256, ES256 and EdDSA are taken")]
    Algorithm(String),
    /// The provider has no such key.
    #[error("the provider has no key for it; it may have changed them")]
    UnknownKey,
    /// The signature is not that key's.
    #[error("its signature does not hold")]
    Signature,
}

/// The keys of a provider.
#[derive(Debug, Clone, Default)]
pub struct KeySet {
    keys: Vec<Key>,
}

#[derive(Debug, Clone)]
struct Key {
    id: Option<String>,
    kind: KeyKind,
}

#[derive(Debug, Clone)]
enum KeyKind {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

#[derive(Deserialize)]
struct WireKey {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Extensions that must be understood: none are.
    crit: Option<Value>,
}

fn decoded(text: Option<&String>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text?).ok()
}

impl KeySet {
    /// The keys of a JWKS document. Those that are not known here, or not for signatures, are passed over.
    ///
    /// # Errors
    /// [`JwtError::Form`]: it is no such document.
    pub fn read(document: &[u8]) -> Result<Self, JwtError> {
        let document: Value = serde_json::from_slice(document).map_err(|_| JwtError::Form)?;
        let list = document
            .get("keys")
            .and_then(Value::as_array)
            .ok_or(JwtError::Form)?;
        let keys = list.iter().take(MAX_KEYS).filter_map(|key| {
            let wire: WireKey = serde_json::from_value(key.clone()).ok()?;
            if wire.purpose.as_deref().is_some_and(|purpose| purpose != "sig") {
                return None;
            }
            let kind = match (wire.kty.as_str(), wire.crv.as_deref()) {
                ("RSA", _) => KeyKind::Rsa {
                    modulus: decoded(wire.n.as_ref())?,
                    exponent: decoded(wire.e.as_ref())?,
                },
                ("EC", Some("P-256")) => {
                    let (x, y) = (decoded(wire.x.as_ref())?, decoded(wire.y.as_ref())?);
                    KeyKind::P256([&[4][..], &x, &y].concat())
                }
                ("OKP", Some("Ed25519")) => KeyKind::Ed25519(decoded(wire.x.as_ref())?),
                _ => return None,
            };
            Some(Key { id: wire.kid, kind })
        });
        Ok(Self { keys: keys.collect() })
    }

    /// The claims of a token that one of these keys signed.
    ///
    /// # Errors
    /// [`JwtError`]; nothing of the token may be used.
    pub fn verify(&self, token: &str) -> Result<Value, JwtError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(JwtError::Form);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(JwtError::Form)?;
        let (header, payload) = signed.split_once('.').ok_or(JwtError::Form)?;
        let part = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| JwtError::Form);
        let header: Header = serde_json::from_slice(&part(header)?).map_err(|_| JwtError::Form)?;
        if header.crit.is_some() {
            return Err(JwtError::Form);
        }
        let signature = part(signature)?;
        let known = ["RS256", "ES256", "EdDSA"];
        if !known.contains(&header.alg.as_str()) {
            return Err(JwtError::Algorithm(header.alg.chars().take(20).collect()));
        }
        let mut fitting = self
            .keys
            .iter()
            .filter(|key| key.kind.algorithm() == header.alg)
            .filter(|key| header.kid.is_none() || key.id.is_none() || key.id == header.kid)
            .peekable();
        if fitting.peek().is_none() {
            return Err(JwtError::UnknownKey);
        }
        if !fitting.any(|key| key.kind.signed(signed.as_bytes(), &signature)) {
            return Err(JwtError::Signature);
        }
        serde_json::from_slice(&part(payload)?).map_err(|_| JwtError::Form)
    }
}

impl KeyKind {
    fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa { .. } => "RS256",
            Self::P256(_) => "ES256",
            Self::Ed25519(_) => "EdDSA",
        }
    }

    fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let checked = match self {
            Self::Rsa { modulus, exponent } => RsaPublicKeyComponents {
                n: modulus,
                e: exponent,
            }
            .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature),
            Self::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            Self::Ed25519(point) => UnparsedPublicKey::new(&ED25519, point).verify(message, signature),
        };
        checked.is_ok()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
    use serde_json::json;

    use super::*;

    /// A provider's key and what it publishes of it.
    pub(crate) struct Signer {
        pair: EcdsaKeyPair,
        random: SystemRandom,
    }

    impl Signer {
        pub(crate) fn new() -> Self {
            let random = SystemRandom::new();
            let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("key");
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random)
                .expect("key");
            Self { pair, random }
        }

        pub(crate) fn jwks(&self) -> Vec<u8> {
            let point = self.pair.public_key().as_ref();
            let (x, y) = (
                URL_SAFE_NO_PAD.encode(&point[1..33]),
                URL_SAFE_NO_PAD.encode(&point[33..]),
            );
            json!({"keys": [
                {"kty": "EC", "crv": "P-256", "kid": "one", "use": "sig", "x": x, "y": y},
                {"kty": "oct", "k": "c2VjcmV0", "kid": "shared"},
                {"kty": "EC", "crv": "P-521", "kid": "unknown", "x": "AA", "y": "AA"}
            ]})
            .to_string()
            .into_bytes()
        }

        pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
            let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
            let signed = format!("{}.{}", part(header), part(claims));
            let signature = self.pair.sign(&self.random, signed.as_bytes()).expect("signs");
            format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
        }
    }

    #[test]
    fn a_token_of_the_provider_is_read_and_every_change_is_found() {
        let signer = Signer::new();
        let keys = KeySet::read(&signer.jwks()).expect("keys");
        let token = signer.sign(&json!({"alg": "ES256", "kid": "one"}), &json!({"sub": "ann"}));
        assert_eq!(keys.verify(&token).expect("good")["sub"], "ann");
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ASCII");
            // The last character of a part may carry bits that are no part of it.
            let same = changed.split('.').zip(token.split('.')).all(|(a, b)| {
                URL_SAFE_NO_PAD
                    .decode(a)
                    .ok()
                    .is_some_and(|a| URL_SAFE_NO_PAD.decode(b).is_ok_and(|b| a == b))
            });
            assert!(same || keys.verify(&changed).is_err(), "byte {at}");
        }
    }

    #[test]
    fn the_algorithm_is_that_of_the_key() {
        let signer = Signer::new();
        let keys = KeySet::read(&signer.jwks()).expect("keys");
        for algorithm in ["none", "HS256", "None", ""] {
            let token = signer.sign(&json!({"alg": algorithm, "kid": "one"}), &json!({}));
            assert_eq!(
                keys.verify(&token),
                Err(JwtError::Algorithm(algorithm.to_owned()))
            );
        }
        let token = signer.sign(&json!({"alg": "RS256", "kid": "one"}), &json!({}));
        assert_eq!(
            keys.verify(&token),
            Err(JwtError::UnknownKey),
            "the key is for another one"
        );
        let token = signer.sign(&json!({"alg": "ES256", "kid": "two"}), &json!({}));
        assert_eq!(keys.verify(&token), Err(JwtError::UnknownKey));
        let token = signer.sign(&json!({"alg": "ES256", "kid": "one", "crit": ["x"]}), &json!({}));
        assert_eq!(keys.verify(&token), Err(JwtError::Form));
        let stranger = Signer::new().sign(&json!({"alg": "ES256", "kid": "one"}), &json!({}));
        assert_eq!(keys.verify(&stranger), Err(JwtError::Signature));
        for wrong in ["", ".", "..", "a.b", "a.b.c"] {
            assert_eq!(keys.verify(wrong), Err(JwtError::Form), "{wrong}");
        }
    }

    /// RFC 7515, appendix A.2.
    #[test]
    fn rsa_signatures_are_those_of_the_standard() {
        let modulus = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
        let document = json!({"keys": [{"kty": "RSA", "n": modulus, "e": "AQAB"}]}).to_string();
        let keys = KeySet::read(document.as_bytes()).expect("keys");
        assert_eq!(keys.verify(token).expect("the standard's")["iss"], "joe");
        assert_eq!(
            keys.verify(&token.replacen("eyJpc3Mi", "eyJpc3Nj", 1)),
            Err(JwtError::Signature)
        );
    }

    #[test]
    fn ed25519_is_known_too() {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("key");
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).expect("key");
        let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        let document = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x}]}).to_string();
        let keys = KeySet::read(document.as_bytes()).expect("keys");
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!(
            "{}.{}",
            part(json!({"alg": "EdDSA"})),
            part(json!({"sub": "ann"}))
        );
        let token = format!(
            "{signed}.{}",
            URL_SAFE_NO_PAD.encode(pair.sign(signed.as_bytes()).as_ref())
        );
        assert_eq!(keys.verify(&token).expect("good")["sub"], "ann");
    }
}
