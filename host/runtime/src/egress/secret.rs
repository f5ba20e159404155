//! Writing a secret into a request. The guest names a slot; the value exists only on the host's copy of the request.

use base64::Engine as _;
use flowforge_protocol::grants::SecretGrant;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use url::Url;
use zeroize::Zeroizing;

use flowforge_connect::Destination;

/// One form of a secret, as it stands on the wire.
pub(super) type Written = Zeroizing<Vec<u8>>;

/// A secret that is to be attached.
#[derive(Debug, Clone)]
pub(crate) struct Attachment {
    pub(crate) slot: String,
    pub(crate) placement: Placement,
}

/// Where the value goes.
#[derive(Debug, Clone)]
pub(crate) enum Placement {
    Bearer,
    /// Password of this user.
    Basic(String),
    /// The value is `user:password`.
    BasicPair,
    Header {
        name: String,
        prefix: String,
    },
    Query(String),
}

/// Where the value goes, checked.
pub(super) enum Place {
    Header(HeaderName),
    Query(String),
}

impl Placement {
    /// Checks the place against what the guest has set.
    ///
    /// # Errors
    /// Which rule is broken, for people.
    pub(super) fn place(&self, headers: &HeaderMap, url: &Url) -> Result<Place, String> {
        let name = match self {
            Self::Bearer | Self::Basic(_) | Self::BasicPair => AUTHORIZATION,
            Self::Header { name, .. } => HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| format!("`{name}` is not a header name"))?,
            Self::Query(name) => {
                if name.is_empty() {
                    return Err("the query parameter of a secret has no name".to_owned());
                }
                if url.query_pairs().any(|(key, _)| key == name.as_str()) {
                    return Err(format!(
                        "query parameter `{name}` is already set, the host would set it"
                    ));
                }
                return Ok(Place::Query(name.clone()));
            }
        };
        if super::headers::is_forbidden(&name) {
            return Err(format!("header `{name}` cannot hold a secret"));
        }
        if headers.contains_key(&name) {
            return Err(format!("header `{name}` is already set, the host would set it"));
        }
        Ok(Place::Header(name))
    }

    /// Writes the value, and gives back each form of it that will stand on the wire.
    ///
    /// # Errors
    /// That the value does not fit into a header; the value itself is not told.
    pub(super) fn write(
        &self,
        place: &Place,
        secret: &[u8],
        headers: &mut HeaderMap,
        url: &mut Url,
    ) -> Result<Vec<Written>, String> {
        let mut written = vec![Zeroizing::new(secret.to_vec())];
        match place {
            Place::Query(name) => {
                let text = std::str::from_utf8(secret).map_err(|_| "the secret is not text".to_owned())?;
                url.query_pairs_mut().append_pair(name, text);
                let encoded: String = url::form_urlencoded::byte_serialize(secret).collect();
                written.push(Zeroizing::new(encoded.into_bytes()));
            }
            Place::Header(name) => {
                let text = self.header_text(secret, &mut written);
                let mut value = HeaderValue::from_bytes(&text)
                    .map_err(|_| "the secret cannot stand in a header".to_owned())?;
                value.set_sensitive(true);
                headers.insert(name.clone(), value);
            }
        }
        Ok(written)
    }

    fn header_text(&self, secret: &[u8], written: &mut Vec<Written>) -> Written {
        let mut basic = |pair: Written| {
            let encoded = Zeroizing::new(base64::engine::general_purpose::STANDARD.encode(pair.as_slice()));
            written.push(pair);
            written.push(Zeroizing::new(encoded.as_bytes().to_vec()));
            [b"Basic ", encoded.as_bytes()].concat()
        };
        Zeroizing::new(match self {
            Self::Bearer => [b"Bearer ", secret].concat(),
            Self::Basic(user) => basic(Zeroizing::new([user.as_bytes(), b":", secret].concat())),
            Self::BasicPair => basic(Zeroizing::new(secret.to_vec())),
            Self::Header { prefix, .. } => [prefix.as_bytes(), secret].concat(),
            Self::Query(_) => secret.to_vec(),
        })
    }

    /// The placement that a kind of secret has by itself, for guests that cannot name one.
    pub(crate) fn of_kind(kind: &str) -> Option<Self> {
        match kind {
            "bearer" => Some(Self::Bearer),
            "basic" => Some(Self::BasicPair),
            "api-key" => Some(Self::Header {
                name: "x-api-key".to_owned(),
                prefix: String::new(),
            }),
            _ => None,
        }
    }
}

/// Whether the grant lets the secret go to this destination.
pub(crate) fn covers(grant: &SecretGrant, destination: &Destination) -> bool {
    names(&grant.destinations, destination)
}

/// Whether one of these destinations is this one.
pub(super) fn names(destinations: &[String], destination: &Destination) -> bool {
    destinations
        .iter()
        .any(|text| Destination::of_grant(text).is_ok_and(|granted| granted == *destination))
}
