//! Sockets, processes and the system clock: the only crate besides the program that touches them
