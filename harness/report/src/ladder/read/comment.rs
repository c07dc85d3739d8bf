//! What comments on packets add to a ladder.

use shakedown_engine::network::LOST;

use super::{FrameLabel, MOST_WORDS, Reader};
use crate::ladder::{Frame, RowContent};
use crate::requirements;
use crate::text::fit;

impl Reader {
    /// What a step, the network or a finding says of the newest datagram.
    pub(super) fn comment(&mut self, comment: &str) {
        let Some((_, packet, [from, to])) = self.newest else {
            return;
        };
        if let Some(place) = comment.strip_prefix(LOST) {
            match place.split_once(" this packet: ") {
                Some((place, step)) => self.sent_and_lost(packet, place, step),
                None => self.newest_is_lost(packet),
            }
            return;
        }
        let step = step_of(comment);
        match step.and_then(|step| step.split_once(": ")) {
            Some(("lose", lost)) => {
                self.lost(lost.strip_prefix("lost ").unwrap_or(lost));
                return;
            }
            Some(("send" | "send_raw" | "mutate", _)) => self.plays(from, to),
            Some(("expect", _)) => self.plays(to, from),
            Some(_) | None => {}
        }
        let is_broken = match step {
            Some(step) => step.contains(": FAILED "),
            None => {
                let id = comment.split_once(": ").map(|(id, _)| id);
                id.is_some_and(|id| requirements::find(id).is_some())
            }
        };
        let believed = self.believes_comments;
        let Some(row) = self.row_of_newest() else {
            return;
        };
        let text = fit(comment, MOST_WORDS);
        match is_broken {
            true if believed => row.findings.push(text),
            true => {}
            false => row.steps.push(text),
        }
    }

    /// The newest packet never arrives.
    fn newest_is_lost(&mut self, packet: u64) {
        let rows = self.ladder.rows.iter_mut().rev();
        for row in rows.take_while(|row| row.packet == Some(packet)) {
            match &mut row.what {
                RowContent::Frame(frame) if !self.is_quic => frame.lost = true,
                _ => row.steps.push(LOST.to_owned()),
            }
        }
    }

    /// The scripted peer sent something before or after the newest packet that is not in the capture.
    fn sent_and_lost(&mut self, packet: u64, place: &str, step: &str) {
        let rows = &self.ladder.rows;
        let of_packet = rows.iter().rev();
        let of_packet = of_packet.take_while(|row| row.packet == Some(packet));
        let at = rows.len() - of_packet.count();
        let sent = step_of(step).and_then(|step| step.split_once(": "));
        self.lost(sent.map_or(step, |(_, sent)| sent));
        let Some(mut row) = self.ladder.rows.pop() else {
            return;
        };
        row.steps.push(fit(step, MOST_WORDS));
        let rows = &mut self.ladder.rows;
        rows.insert(
            if place == " before" {
                at.min(rows.len())
            } else {
                rows.len()
            },
            row,
        );
    }

    /// Adds a frame that is not in the capture: its name and fields are what the scripted peer says of it.
    fn lost(&mut self, lost: &str) {
        let Some((time, packet, [from, to])) = self.newest else {
            return;
        };
        // Until it is known who plays, the newest packet is the implementation's.
        let way = match self.scripted {
            Some(scripted) if scripted == from => [from, to],
            Some(_) | None => [to, from],
        };
        let (name, fields) = lost.split_once(' ').unwrap_or((lost, ""));
        let mut label = FrameLabel::plain(name, String::new());
        for field in fields.split(' ') {
            label.add(field.replace('"', ""));
        }
        self.frame(time, packet, way, label, &[]);
        if let Some(row) = self.ladder.rows.last_mut()
            && let RowContent::Frame(frame) = &mut row.what
        {
            row.packet = None;
            frame.lost = true;
        }
    }

    fn plays(&mut self, scripted: usize, implementation: usize) {
        if self.scripted.is_some() || scripted == implementation {
            return;
        }
        self.scripted = Some(scripted);
        self.ladder.peers[scripted].is = Some("scripted peer");
        self.ladder.peers[implementation].is = Some("implementation");
        for row in &mut self.ladder.rows {
            if let (None, RowContent::Frame(Frame { from, to, .. })) = (row.packet, &mut row.what) {
                [*from, *to] = [scripted, implementation];
            }
        }
    }
}

/// What the comment of a step says, behind its number: its verb, a colon and the rest.
fn step_of(comment: &str) -> Option<&str> {
    let step = comment.strip_prefix("step ")?;
    step.split_once(' ').map(|(_, step)| step)
}
