//! The journal through its public surface.

#[cfg(test)]
mod folder;
#[cfg(test)]
mod life;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod open;
#[cfg(test)]
mod support;
