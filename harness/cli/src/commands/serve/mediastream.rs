//! `shakedown serve mediastream`.

use std::net::{Ipv4Addr, SocketAddr};

use shakedown_protocol::mediastream;
use shakedown_protocol::requirement::Role;

use crate::exit::{Exit, Failure};
use crate::reference::{self, Chosen, Common, DEFAULT_PORT};

/// The command's arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Address and port to listen on; port 0 for any that is free
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT)),
    )]
    listen: SocketAddr,

    #[command(flatten)]
    common: Common,

    /// Serve the START token too (3way, start3)
    #[arg(long)]
    allow_legacy_start: bool,

    /// Stream before the ACK has come, up to 64 KiB (3way)
    #[arg(long, visible_alias = "optimistic")]
    optimistic_start: bool,

    /// Stream before the START_CONFIRM has come, up to 64 KiB (start3)
    #[arg(long)]
    begin_immediately: bool,

    /// Largest datagram to send, in bytes [default: 1400]
    #[arg(long, value_name = "BYTES")]
    max_datagram: Option<usize>,

    /// How a frame larger than a datagram is carried: split or fragments [default: split]
    #[arg(long, value_name = "WAY")]
    carry: Option<String>,

    /// Half-open sessions at a time; a SYN or START beyond them is refused [default: 1024]
    #[arg(long, value_name = "N")]
    max_half_open: Option<usize>,

    /// Longest life of a half-open session, such as 10s [default: 10s]
    #[arg(long, value_name = "TIME")]
    half_open_age: Option<String>,

    /// Sessions at a time; whoever asks beyond them is refused [default: 65536]
    #[arg(long, value_name = "N")]
    max_sessions: Option<usize>,

    /// Streams at a time; a START token beyond them waits its turn, SYN and START are refused
    /// [default: as many as sessions]
    #[arg(long, value_name = "N")]
    slots: Option<usize>,

    /// Uploads (JOIN) at a time; more wait their turn (legacy) [default: none are taken]
    #[arg(long, value_name = "N")]
    upload_slots: Option<usize>,

    /// Requests that wait for a slot, at most; those beyond are dropped [default: 1024]
    #[arg(long, value_name = "N")]
    max_awaiting: Option<usize>,

    /// How long an upload may be silent until its slot is freed, such as 3s [default: 3s]
    #[arg(long, value_name = "TIME")]
    buffer_period: Option<String>,
}

impl Args {
    /// Serves until a signal comes.
    pub(super) fn execute(self) -> Result<Exit, Failure> {
        reference::block_on(self.serve())
    }

    async fn serve(self) -> Result<Exit, Failure> {
        let chosen = self.chosen();
        let mut machine = self
            .common
            .machine(&mediastream::PROTOCOL, Role::Responder, None, chosen)?;
        let (mut host, mut stop) = reference::open(self.listen, "--listen")?;
        reference::print_line(&format!("listening on {}", host.local()))?;
        self.common
            .run(machine.as_mut(), &mut host, &mut stop)
            .await?;
        Ok(Exit::Success)
    }

    fn chosen(&self) -> Chosen {
        let mut chosen = Chosen::default();
        chosen.option("allow_legacy_start", self.allow_legacy_start);
        chosen.option("optimistic_start", self.optimistic_start);
        chosen.option("begin_immediately", self.begin_immediately);
        chosen.setting("max_datagram", self.max_datagram);
        chosen.setting("carry", self.carry.as_deref());
        chosen.setting("max_half_open", self.max_half_open);
        chosen.setting("half_open_age", self.half_open_age.as_deref());
        chosen.setting("max_sessions", self.max_sessions);
        chosen.counted("slots", self.slots);
        chosen.counted("upload_slots", self.upload_slots);
        chosen.setting("max_awaiting", self.max_awaiting);
        chosen.setting("buffer_period", self.buffer_period.as_deref());
        chosen
    }
}
