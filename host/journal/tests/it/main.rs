//! The journal through its public surface.

#[cfg(test)]
mod acts;
#[cfg(test)]
mod cells;
#[cfg(test)]
mod fence;
#[cfg(test)]
mod file_bytes;
#[cfg(test)]
mod flights;
#[cfg(test)]
mod folder;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod inbox;
#[cfg(test)]
mod life;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod open;
#[cfg(test)]
mod retention;
#[cfg(test)]
mod support;
#[cfg(test)]
mod uploads;
mod values;
