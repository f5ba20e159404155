//! The journal through its public surface.

#[cfg(test)]
mod life;
#[cfg(test)]
mod open;
#[cfg(test)]
mod support;
