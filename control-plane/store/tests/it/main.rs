//! The store through its own methods, on a file.

mod faults;
mod kit;
mod lists;
mod writes;
