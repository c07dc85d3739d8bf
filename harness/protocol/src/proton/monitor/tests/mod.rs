//! Each rule on traffic that keeps it and on traffic that breaks it.

mod closes;
mod rig;
mod second;
mod words;
