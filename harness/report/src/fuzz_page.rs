//! The page of a fuzzing run: what was found, each with its exchange.

use std::path::{Path, PathBuf};

use maud::html;

use crate::link::target;
use crate::run_page::whole;
use crate::text::{clean, clean_line};
use crate::{Ladder, ladder};

/// The content of a fuzzing report.
#[derive(Debug, Clone, Default)]
pub struct FuzzPage {
    /// The run and its result.
    pub paragraphs: Vec<String>,
    pub findings: Vec<ReportedFault>,
    pub notes: Vec<String>,
}

/// A fault of an implementation.
#[derive(Debug, Clone)]
pub struct ReportedFault {
    /// Such as `exit`.
    pub kind: String,
    /// The fault in a sentence.
    pub fault: String,
    /// When it was found, and its steps.
    pub text: String,
    /// The conversations that show it.
    pub files: Vec<PathBuf>,
    pub capture: Option<PathBuf>,
    /// The command that reproduces it.
    pub replay: String,
}

impl FuzzPage {
    /// A page of HTML that lies in `directory`.
    #[must_use]
    pub fn render(&self, directory: &Path) -> String {
        let body = html! {
            @for paragraph in &self.paragraphs { p { (clean_line(paragraph)) } }
            @for note in &self.notes { p.unsure { (clean_line(note)) } }
            @if !self.findings.is_empty() {
                section {
                    h2 { "Findings" }
                    @for found in &self.findings {
                        details open {
                            summary { span.bad { (clean_line(&found.kind)) } " " (clean_line(&found.fault)) }
                            pre { (clean(&found.text)) }
                            @if let Some(ladder) = found.exchange() { (ladder::drawn(&ladder)) }
                            p {
                                @if let Some(capture) = &found.capture { (link("capture", capture, directory)) }
                                @for file in &found.files { " " (link("conversation", file, directory)) }
                            }
                            p { "Replay: " code { (clean_line(&found.replay)) } }
                        }
                    }
                }
            }
        };
        whole("Fuzzing", &body).into_string()
    }
}

impl ReportedFault {
    fn exchange(&self) -> Option<Ladder> {
        let capture = self.capture.as_ref()?;
        Ladder::of(&capture.display().to_string(), std::iter::empty())
    }
}

fn link(name: &str, path: &Path, directory: &Path) -> maud::Markup {
    let target = target(&path.display().to_string(), directory);
    html! { a href=(target) { (name) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_has_its_exchange_its_files_and_its_command_and_hostile_text_stays_text() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pcaps/golden");
        let capture = "mediastream/3way/responder/a-lost-syn-ack-is-repeated-once.pcapng";
        let page = FuzzPage {
            paragraphs: vec!["fuzzing \u{1b}[31macme".to_owned()],
            findings: vec![ReportedFault {
                kind: "exit".to_owned(),
                fault: "<script>killed by signal 6</script>".to_owned(),
                text: "after 3 conversations\n  send SYN".to_owned(),
                files: vec![PathBuf::from("reports/x/findings/exit-1.json")],
                capture: Some(golden.join(capture)),
                replay: "shakedown fuzz --iut acme.toml --replay x.json".to_owned(),
            }],
            notes: Vec::new(),
        };
        let page = page.render(Path::new("reports/x"));
        assert!(page.contains("SYN-ACK from B to A"), "{page}");
        assert!(page.contains("href=\"findings/exit-1.json\""), "{page}");
        assert!(page.contains("shakedown fuzz --iut acme.toml"), "{page}");
        assert!(
            !page.contains("<script>killed") && !page.contains('\u{1b}'),
            "{page}"
        );
    }
}
