//! Writing for people and programs. `println!` panics when the reader of a pipe is gone; these functions report it.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use serde::Serialize;

use super::Failure;

/// Writes to standard output.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// One JSON object and a newline.
pub fn print_json(value: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_string(value)?;
    text.push('\n');
    print(&text)
}

/// An answer of the daemon: as JSON, or as a report for people.
pub(super) fn show<T: Serialize, R: Display>(
    json: bool,
    answer: T,
    report: impl FnOnce(T, Paint) -> R,
) -> Result<ExitCode, Failure> {
    if json {
        print_json(&answer)?;
    } else {
        print(&report(answer, Paint::stdout()).to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes a line to standard error. There is nobody left to tell if that fails.
pub fn complain(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Whether text may be coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Paint(bool);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    Good,
    Bad,
    Attention,
    Dim,
}

impl Paint {
    /// For tests: never, or always.
    #[cfg(test)]
    pub const fn fixed(colours: bool) -> Self {
        Self(colours)
    }

    /// Colours on a terminal, unless NO_COLOR is set (to anything but nothing).
    pub fn stdout() -> Self {
        Self(io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()))
    }

    pub fn text(self, text: &str, colour: Option<Colour>) -> String {
        let code = match colour.filter(|_| self.0) {
            None => return text.to_owned(),
            Some(Colour::Good) => "32",
            Some(Colour::Bad) => "31",
            Some(Colour::Attention) => "33",
            Some(Colour::Dim) => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}
