//! How people and programs show who they are.
//!
//! Owns: passwords, what somebody carries (of a session, an API token, a one-time link, the owner), the session's cookie and
//! its protection against other sites, and how often somebody may try. Leaves to others: where all of this is kept, which
//! door it stands at, what somebody may do. Pure: no I/O; time and entropy are parameters. Invariants: of what somebody
//! carries only a digest is kept; what is compared with a secret is compared in constant time; what cannot be read is a no.

mod cookie;
mod password;
mod secret;
mod throttle;

pub use cookie::{CsrfToken, SESSION_IDLE_MS, SESSION_LIFE_MS, cookie, cookie_of, expired_cookie};
pub use password::{MAX_PASSWORD_CHARS, MIN_PASSWORD_CHARS, PasswordHash, PasswordRule, check_password};
pub use secret::{LinkKind, Secret, SecretError, SecretKind, TOKEN_LIFE_MAX_MS};
pub use throttle::{Throttle, Wait};
