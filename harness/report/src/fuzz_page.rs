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
    /// What was fuzzed, how it ended, and how far it came: a paragraph each.
    pub told: Vec<String>,
    pub findings: Vec<FuzzFound>,
    pub notes: Vec<String>,
}

/// Something that an implementation did not outlive.
#[derive(Debug, Clone)]
pub struct FuzzFound {
    /// What became of it, in a word: `ended`.
    pub kind: String,
    /// What became of it, in a sentence.
    pub sign: String,
    /// Its text: when, by which steps.
    pub text: String,
    /// The conversations that show it.
    pub files: Vec<PathBuf>,
    pub capture: Option<PathBuf>,
    /// The call that shows it again.
    pub again: String,
}

impl FuzzPage {
    /// A page of HTML that lies in `directory`.
    #[must_use]
    pub fn render(&self, directory: &Path) -> String {
        let body = html! {
            @for told in &self.told { p { (clean_line(told)) } }
            @for note in &self.notes { p.unsure { (clean_line(note)) } }
            @if !self.findings.is_empty() {
                section {
                    h2 { "What was found" }
                    @for found in &self.findings {
                        details open {
                            summary { span.bad { (clean_line(&found.kind)) } " " (clean_line(&found.sign)) }
                            pre { (clean(&found.text)) }
                            @if let Some(ladder) = found.exchange() { (ladder::drawn(&ladder)) }
                            p {
                                @if let Some(capture) = &found.capture { (link("capture", capture, directory)) }
                                @for file in &found.files { " " (link("conversation", file, directory)) }
                            }
                            p { "Again: " code { (clean_line(&found.again)) } }
                        }
                    }
                }
            }
        };
        whole("Fuzzing", &body).into_string()
    }
}

impl FuzzFound {
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
    fn a_finding_has_its_exchange_its_files_and_its_call_and_hostile_text_stays_text() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pcaps/golden");
        let capture = "mediastream/3way/responder/a-lost-syn-ack-is-repeated-once.pcapng";
        let page = FuzzPage {
            told: vec!["fuzzing \u{1b}[31macme".to_owned()],
            findings: vec![FuzzFound {
                kind: "ended".to_owned(),
                sign: "<script>killed by signal 6</script>".to_owned(),
                text: "after 3 conversations\n  send SYN".to_owned(),
                files: vec![PathBuf::from("reports/x/findings/ended-1.json")],
                capture: Some(golden.join(capture)),
                again: "shakedown fuzz --iut acme.toml --replay x.json".to_owned(),
            }],
            notes: Vec::new(),
        };
        let page = page.render(Path::new("reports/x"));
        assert!(page.contains("SYN-ACK from B to A"), "{page}");
        assert!(page.contains("href=\"findings/ended-1.json\""), "{page}");
        assert!(page.contains("shakedown fuzz --iut acme.toml"), "{page}");
        assert!(
            !page.contains("<script>killed") && !page.contains('\u{1b}'),
            "{page}"
        );
    }
}
