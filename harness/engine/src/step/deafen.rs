/// Whose packets are sent, and none of the other side's read.
pub type Deafen = super::blackhole::DropPackets<true>;
