//! One event stream of a run, several sinks: terminal, JSON lines, JUnit, Markdown
