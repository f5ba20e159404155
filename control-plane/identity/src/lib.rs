//! Who people and programs are.
//!
//! Owns: passwords, sessions and their protection against other sites, API tokens, one-time links, codes of an authenticator,
//! sign-in by an identity provider, and how often somebody may try. Leaves to others: where all of this is kept, which door
//! it stands at, what somebody may do, and what is done about an answer. Pure: no I/O; time and entropy are parameters.
//! Invariants: of what somebody carries only a digest is kept; what is compared with a secret is compared in constant time;
//! what cannot be read is a no. No door of the control plane asks it yet: people call over loopback, without sign-in.

mod code;
mod jwt;
mod oidc;
mod password;
mod provider;
mod secret;
mod session;
mod throttle;
mod token;

pub use code::{CodeKey, CodeUse, RECOVERY_CODES, STEP_MS};
pub use jwt::{JwtError, KeySet, MAX_TOKEN_BYTES};
pub use oidc::{Attempt, Client, Person};
pub use password::{MAX_PASSWORD_CHARS, MIN_PASSWORD_CHARS, PasswordHash, PasswordRule, check_password};
pub use provider::{ATTEMPT_LIFE_MS, OidcError, Provider};
pub use secret::{Link, LinkKind, LinkState, Secret, SecretError, SecretKind};
pub use session::{
    CsrfToken, SESSION_IDLE_MS, SESSION_LIFE_MS, Session, SessionState, cookie, expired_cookie,
};
pub use throttle::{Throttle, Wait};
pub use token::{ApiToken, TOKEN_LIFE_MAX_MS, TokenState};
