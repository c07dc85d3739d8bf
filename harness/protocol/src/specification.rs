//! A protocol's specification: the page in `docs/spec/`, and the sections of its requirements.

use crate::requirement::Requirement;

/// The head of a table of requirements.
const HEAD: &str = "| id | level | binds | requirement | seen | source |";

/// A page of Markdown with numbered headings: `## 3. Handshakes`, `### 3.1 legacy`.
#[derive(Debug, Clone, Copy)]
pub struct Specification {
    /// Where the page is, from the root of the repository.
    pub file: &'static str,
    /// What stands on it.
    pub text: &'static str,
}

impl Specification {
    /// The section in which a requirement stands, of whose table of requirements only its own row is there.
    /// Empty if the page has no such section.
    #[must_use]
    pub fn around(&self, requirement: &Requirement) -> String {
        let row = format!("| {} |", requirement.id);
        let mut text = String::new();
        let mut are_requirements = false;
        for line in self.section(&requirement.section) {
            are_requirements = line.starts_with('|') && (are_requirements || line == HEAD);
            let is_wanted = !are_requirements || line.starts_with(&row);
            // What is left out leaves no gap.
            let is_gap = line.is_empty() && (text.is_empty() || text.ends_with("\n\n"));
            if is_wanted && !is_gap {
                text.push_str(line);
                text.push('\n');
            }
        }
        text.truncate(text.trim_end().len());
        text
    }

    /// The lines of a section, from its heading to the next one.
    fn section(&self, number: &str) -> impl Iterator<Item = &'static str> {
        let begins = move |line: &&str| heading(line) == Some(number);
        let mut lines = self.text.lines().skip_while(move |line| !begins(line));
        let first = lines.next();
        let rest = lines.take_while(|line| heading(line).is_none());
        first.into_iter().chain(rest)
    }
}

/// The number of a heading.
fn heading(line: &str) -> Option<&str> {
    let title = line.strip_prefix("##")?.trim_start_matches('#');
    Some(title.split_whitespace().next()?.trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::PROTOCOLS;

    /// The page with the rows that its requirements give: those of a section below the head of its table.
    fn written(page: &str, requirements: &[Requirement]) -> String {
        let (mut section, mut is_row) = ("", false);
        let mut written = String::new();
        for line in page.lines() {
            section = heading(line).unwrap_or(section);
            let is_head = line == HEAD;
            if is_row && line.starts_with('|') {
                continue;
            }
            written.push_str(line);
            written.push('\n');
            is_row = is_head;
            if is_head {
                written.push_str("|---|---|---|---|---|---|\n");
                let rows = requirements.iter().filter(|one| one.section == section);
                written.extend(rows.map(row));
            }
        }
        written
    }

    fn row(one: &Requirement) -> String {
        let seen: Vec<_> = one.seen.iter().map(|seen| seen.name()).collect();
        let (id, level, seen) = (&one.id, one.level.name(), seen.join(", "));
        let (binds, text, source) = (&one.binds, &one.text, &one.source);
        format!("| {id} | {level} | {binds} | {text} | {seen} | {source} |\n")
    }

    #[test]
    fn the_rows_of_each_page_are_the_requirements() {
        for protocol in PROTOCOLS {
            let page = protocol.specification.unwrap();
            let requirements = (protocol.requirements)();
            let rows = written(page.text, requirements);
            for one in requirements {
                let (id, section) = (&one.id, &one.section);
                assert!(
                    rows.contains(&row(one)),
                    "{id}: no table in section {section}"
                );
            }
            if std::env::var("SPECIFICATION_UPDATE").is_ok_and(|update| update == "always") {
                let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
                std::fs::write(root.join(page.file), rows).unwrap();
            } else {
                assert_eq!(page.text, rows, "{}: `make specification`", page.file);
            }
        }
    }

    #[test]
    fn a_section_has_one_row_of_its_requirements_and_all_of_its_other_tables() {
        let (first, second) = ("| A-B-01 | MUST |", "| A-B-02 | MUST |");
        let other = "| type | name |\n|---|---|\n| 1 | a |";
        let text = format!(
            "# a\n\n## 1. One\n\nFirst.\n\n{other}\n\n{HEAD}\n|---|---|\n{first}\n{second}\n\n\
             Second,\nlonger.\n\n### 1.1 inner\n\n{HEAD}\n|---|---|\n| A-B-03 | MAY |\n\nThird.\n"
        );
        let page = Specification {
            file: "docs/spec/a.md",
            text: text.leak(),
        };
        let mut one = (PROTOCOLS[0].requirements)()[0].clone();
        one.id = "A-B-02".into();
        one.section = "1".into();
        let shown = format!("## 1. One\n\nFirst.\n\n{other}\n\n{second}\n\nSecond,\nlonger.");
        assert_eq!(page.around(&one), shown);
        one.section = "1.1".into();
        assert_eq!(page.around(&one), "### 1.1 inner\n\nThird.");
        one.section = "2".into();
        assert_eq!(page.around(&one), "");
    }
}
