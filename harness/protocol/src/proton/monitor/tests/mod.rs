//! Each rule on traffic that keeps it and on traffic that breaks it.

mod answers;
mod closes;
mod known;
mod messages;
mod rig;
mod second;
mod shown;
