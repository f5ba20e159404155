//! Why the registry does not do what it is asked: the protocol's code, and a sentence with the mend.

use std::fmt;
use std::io;

/// The protocol's error codes. Source: OCI Distribution 1.1, error codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// No such blob in this repository.
    BlobUnknown,
    /// The upload's bytes are out of order, or stopped.
    BlobUploadInvalid,
    /// No such upload; begin a new one.
    BlobUploadUnknown,
    /// The bytes have another digest, or the digest is none.
    DigestInvalid,
    /// A manifest names a blob that was not pushed to this repository.
    ManifestBlobUnknown,
    /// The manifest, or what it names, does not pass the gates.
    ManifestInvalid,
    /// No such manifest in this repository.
    ManifestUnknown,
    /// Not a connector name.
    NameInvalid,
    /// No such repository.
    NameUnknown,
    /// Too large, or another size than stated.
    SizeInvalid,
    /// Nobody knows who asks; sign in.
    Unauthorized,
    /// Not allowed: the version is taken, or the signer may not publish this name.
    Denied,
    /// Not offered here.
    Unsupported,
    /// Too much at once; try again later.
    TooManyRequests,
    /// The registry's own trouble; see its log.
    Unknown,
}

impl Code {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BlobUnknown => "BLOB_UNKNOWN",
            Self::BlobUploadInvalid => "BLOB_UPLOAD_INVALID",
            Self::BlobUploadUnknown => "BLOB_UPLOAD_UNKNOWN",
            Self::DigestInvalid => "DIGEST_INVALID",
            Self::ManifestBlobUnknown => "MANIFEST_BLOB_UNKNOWN",
            Self::ManifestInvalid => "MANIFEST_INVALID",
            Self::ManifestUnknown => "MANIFEST_UNKNOWN",
            Self::NameInvalid => "NAME_INVALID",
            Self::NameUnknown => "NAME_UNKNOWN",
            Self::SizeInvalid => "SIZE_INVALID",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Denied => "DENIED",
            Self::Unsupported => "UNSUPPORTED",
            Self::TooManyRequests => "TOOMANYREQUESTS",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// The HTTP status that goes with it.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::BlobUnknown
            | Self::BlobUploadUnknown
            | Self::ManifestUnknown
            | Self::NameUnknown
            | Self::ManifestBlobUnknown => 404,
            Self::BlobUploadInvalid | Self::DigestInvalid | Self::ManifestInvalid | Self::NameInvalid => 400,
            Self::SizeInvalid => 413,
            Self::Unauthorized => 401,
            Self::Denied => 403,
            Self::Unsupported => 405,
            Self::TooManyRequests => 429,
            Self::Unknown => 500,
        }
    }
}

/// Longest message, in characters.
const MESSAGE_CHARS_MAX: usize = 1000;

/// A request that is not carried out. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", code.as_str())]
pub struct Refusal {
    /// What kind.
    pub code: Code,
    /// For people: what is wrong and what to do.
    pub message: String,
}

impl Refusal {
    pub(crate) fn new(code: Code, message: impl fmt::Display) -> Self {
        Self {
            code,
            // It may repeat what the client sent.
            message: message.to_string().chars().take(MESSAGE_CHARS_MAX).collect(),
        }
    }

    /// The disk's trouble: the cause goes to the log, the client hears that it is not its fault.
    pub(crate) fn storage(what: &str, error: &io::Error) -> Self {
        tracing::error!(what, %error, "registry storage failed");
        if error.kind() == io::ErrorKind::StorageFull {
            return Self::new(
                Code::Unknown,
                "the registry's disk is full; free some space, then push again",
            );
        }
        Self::new(
            Code::Unknown,
            "the registry could not read or write its folder; its log says why",
        )
    }
}
