//! Errors of libraries in words that a person can act upon: what happened on the line, without the names of our tools.

use std::error::Error as StdError;
use std::io;

/// Why a connection could not be opened.
#[must_use]
pub fn of_connect(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "nobody listens there".to_owned(),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            "there is no route to it".to_owned()
        }
        io::ErrorKind::TimedOut => "it does not answer".to_owned(),
        kind => kind.to_string(),
    }
}

/// Why TLS could not be agreed upon.
#[must_use]
pub fn of_tls(error: &io::Error) -> String {
    let tls = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidCertificate(certificate)) => of_certificate(certificate).to_owned(),
        Some(rustls::Error::AlertReceived(_)) => "it refused the TLS handshake".to_owned(),
        Some(rustls::Error::PeerIncompatible(_)) => {
            "it speaks no version of TLS that is accepted here".to_owned()
        }
        Some(_) => "it does not speak TLS correctly".to_owned(),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            "it closed during the TLS handshake".to_owned()
        }
        None => format!("the TLS handshake broke off: {}", error.kind()),
    }
}

fn of_certificate(error: &rustls::CertificateError) -> &'static str {
    use rustls::CertificateError as E;
    match error {
        E::Expired | E::ExpiredContext { .. } => "its certificate has expired",
        E::NotValidYet | E::NotValidYetContext { .. } => {
            "its certificate is not valid yet; is the clock here right?"
        }
        E::Revoked => "its certificate was revoked",
        E::UnknownIssuer => "its certificate is signed by nobody who is trusted here",
        E::NotValidForName | E::NotValidForNameContext { .. } => "its certificate is for another name",
        _ => "its certificate is not valid",
    }
}

/// What went wrong in an exchange after sending began.
#[derive(Debug)]
pub enum Broken {
    /// The answer is not HTTP as it is taken here.
    Malformed(String),
    /// The connection ended too early.
    Cut(String),
}

/// How an exchange broke.
#[must_use]
pub fn of_exchange(error: &hyper::Error) -> Broken {
    if error.is_parse_too_large() {
        return Broken::Malformed("the answer has more header fields than are taken".to_owned());
    }
    if error.is_parse() || error.is_parse_status() {
        return Broken::Malformed("the answer is not HTTP".to_owned());
    }
    if error.is_user() {
        return Broken::Cut("the body of the request broke off".to_owned());
    }
    let io = source_of::<io::Error>(error).map(io::Error::kind);
    Broken::Cut(match io {
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => {
            "the connection was reset".to_owned()
        }
        Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) => {
            return Broken::Malformed("the answer breaks the rules of chunked bodies".to_owned());
        }
        _ => "the connection closed before the whole response had come".to_owned(),
    })
}

fn source_of<'e, T: StdError + 'static>(error: &'e (dyn StdError + 'static)) -> Option<&'e T> {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref() {
            return Some(found);
        }
        next = cause.source();
    }
    None
}

/// An error with its causes in one line, for this program's own log.
#[must_use]
pub fn describe(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
