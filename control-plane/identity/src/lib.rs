//! Who people and programs are.
//!
//! Owns: passwords, sessions and their protection against other sites, API tokens, one-time links, codes of an authenticator,
//! sign-in by an identity provider, and how often somebody may try. Leaves to others: where all of this is kept, which door it stands at, what somebody may do,
//! and what is done about an answer. Pure: no I/O; time and entropy are parameters. Invariants: no secret is kept, only
//! its digest; what is compared with a secret is compared in constant time; what cannot be read is a no.

mod code;
mod jwt;
mod oidc;
mod password;
mod secret;
mod session;
mod throttle;
mod token;

pub use code::{CodeKey, CodeUse, RECOVERY_CODES, STEP_MS};
pub use jwt::{JwtError, KeySet, MAX_TOKEN_BYTES};
pub use oidc::{ATTEMPT_LIFE_MS, Attempt, Client, OidcError, Person, Provider};
pub use password::{MAX_PASSWORD_CHARS, MIN_PASSWORD_CHARS, PasswordHash, PasswordRule, check_password};
pub use secret::{Link, LinkKind, LinkState, Secret, SecretError, SecretKind};
pub use session::{
    CsrfToken, SESSION_IDLE_MS, SESSION_LIFE_MS, Session, SessionState, cookie, expired_cookie,
};
pub use throttle::{Throttle, Wait};
pub use token::{ApiToken, TOKEN_LIFE_MAX_MS, TokenState};
