use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// How many problems of a file are shown.
const SHOWN: usize = 30;

/// Something that is wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The bytes of the text that are wrong.
    pub range: Range<usize>,
    /// What is wrong, in a sentence.
    pub message: String,
    /// What stands at the place, in a few words.
    pub label: String,
    /// Another place that has to do with it, and what is there.
    pub related: Option<(Range<usize>, String)>,
    /// What would be right.
    pub help: Option<String>,
}

impl Problem {
    /// A problem at a place.
    #[must_use]
    pub fn new(range: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            range,
            message: message.into(),
            label: String::new(),
            related: None,
            help: None,
        }
    }

    /// Says what would be right.
    #[must_use]
    pub fn help(mut self, help: impl Into<Option<String>>) -> Self {
        self.help = help.into();
        self
    }

    /// Says what stands at the place.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Points at another place too.
    #[must_use]
    pub fn related(mut self, range: Range<usize>, label: impl Into<String>) -> Self {
        self.related = Some((range, label.into()));
        self
    }
}

/// A place in a file, for people: both counted from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file's path, as it is shown.
    pub file: String,
    pub line: usize,
    pub column: usize,
}

impl Place {
    /// The place of a byte of a text.
    #[must_use]
    pub fn of(file: &str, text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// Everything that is wrong in one file. As text: each problem with file, line, column, the line
/// itself with a marker, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    file: String,
    text: String,
    list: Vec<Problem>,
}

impl Problems {
    /// The problems of a file, in the order of their places.
    #[must_use]
    pub fn new(file: &str, text: &str, mut list: Vec<Problem>) -> Self {
        list.sort_by_key(|problem| (problem.range.start, problem.range.end));
        list.dedup();
        Self {
            file: file.to_owned(),
            text: text.to_owned(),
            list,
        }
    }

    /// The file's path, as it is shown.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The problems, in the order of their places.
    #[must_use]
    pub fn list(&self) -> &[Problem] {
        &self.list
    }

    /// Each problem in a sentence without its place, for a file that is not written yet.
    #[must_use]
    pub fn in_words(&self) -> String {
        let each = self.list.iter().map(|problem| match &problem.help {
            Some(help) => format!("{}; {help}", problem.message),
            None => problem.message.clone(),
        });
        each.collect::<Vec<_>>().join("\n")
    }

    /// The text human-readable, with colours or without. It does not begin with "error:" and does not
    /// end with a line break.
    #[must_use]
    pub fn render(&self, colours: bool) -> String {
        let renderer = if colours {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let shown = self.list.iter().take(SHOWN);
        let mut parts: Vec<_> = shown
            .map(|problem| renderer.render(&[self.group(problem)]))
            .collect();
        if self.list.len() > SHOWN {
            let more = self.list.len() - SHOWN;
            parts.push(format!("{more} more problems in {}", self.file));
        }
        parts.join("\n\n")
    }

    fn group<'a>(&'a self, problem: &'a Problem) -> Group<'a> {
        let (window, start, first_line) = self.window(problem);
        let place = |range: &Range<usize>| {
            let limit = |offset: usize| offset.saturating_sub(start).min(window.len());
            limit(range.start)..limit(range.end)
        };
        let label = Some(problem.label.as_str()).filter(|label| !label.is_empty());
        let primary = AnnotationKind::Primary.span(place(&problem.range));
        let mut snippet = Snippet::source(window)
            .path(self.file.as_str())
            .line_start(first_line)
            .annotation(primary.label(label));
        if let Some((range, label)) = &problem.related {
            let context = AnnotationKind::Context.span(place(range));
            snippet = snippet.annotation(context.label(label.as_str()));
        }
        let group = match self.text.is_empty() {
            // There is no line to show.
            true => {
                let message = format!("{}: {}", self.file, problem.message);
                Group::with_title(Level::ERROR.primary_title(message))
            }
            false => {
                let title = Level::ERROR.primary_title(problem.message.as_str());
                title.element(snippet)
            }
        };
        match &problem.help {
            Some(help) => group.element(Level::HELP.message(help.as_str())),
            None => group,
        }
    }

    /// The lines that a problem touches, the offset of the first and its number: the rest of a
    /// large file need not be looked at.
    fn window(&self, problem: &Problem) -> (&str, usize, usize) {
        let related = problem.related.as_ref().map(|(range, _)| range);
        let start = related.map_or(problem.range.start, |other| {
            problem.range.start.min(other.start)
        });
        let end = related.map_or(problem.range.end, |other| problem.range.end.max(other.end));
        let before = self.text.get(..start).unwrap_or(&self.text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let after = self.text.get(end..).unwrap_or_default();
        let end = after
            .find('\n')
            .map_or(self.text.len(), |newline| end + newline);
        let first_line = before.matches('\n').count() + 1;
        (
            self.text.get(start..end).unwrap_or_default(),
            start,
            first_line,
        )
    }
}

impl std::fmt::Display for Problems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Problems {}
