//! What the audience sees: text of 80 columns, or one JSON object at the end.

use std::io;
use std::time::Instant;

use anyhow::Result;
use serde::Serialize;
use serde_json::Value;

use super::super::output::{self, Colour, Paint};
use super::{Stop, go_on};

const COLUMNS: usize = 80;
/// Lines of the daemon's log that are shown after a failure.
const TAIL: usize = 20;

/// One step's result.
#[derive(Debug, Serialize)]
struct Step {
    name: &'static str,
    ok: bool,
    skipped: bool,
    summary: String,
    details: Value,
    ms: u64,
}

/// What a step has found.
pub enum Outcome {
    Passed(String, Value),
    Skipped(String),
}

#[derive(Serialize)]
struct Results<'a> {
    version: u32,
    ok: bool,
    ms: u64,
    steps: &'a [Step],
}

pub struct Show {
    json: bool,
    paint: Paint,
    stop: Stop,
    begin: Instant,
    steps: Vec<Step>,
}

impl Show {
    pub fn new(json: bool, stop: Stop) -> Self {
        Self { json, paint: Paint::stdout(), stop, begin: Instant::now(), steps: Vec::new() }
    }

    /// An error once the demo shall stop.
    pub fn go_on(&self) -> Result<()> {
        go_on(&self.stop)
    }

    /// Text as it is, lines folded at 80 columns.
    pub fn say(&self, text: &str) -> io::Result<()> {
        self.lines(text, "", None)
    }

    /// A piece of configuration.
    pub fn toml(&self, text: &str) -> io::Result<()> {
        self.lines(text, "    ", Some(Colour::Dim))
    }

    /// A command as one would type it, and what it printed.
    pub fn command(&self, command: &str, printed: &str) -> io::Result<()> {
        self.lines(&format!("$ {command}"), "  ", Some(Colour::Attention))?;
        self.lines(printed, "  ", None)
    }

    /// Runs a step and shows how it went; whether it passed.
    ///
    /// # Errors
    /// When nobody reads the output any more, or the demo shall stop.
    pub fn step(
        &mut self,
        name: &'static str,
        title: &str,
        work: impl FnOnce(&Self) -> Result<Outcome>,
    ) -> Result<bool> {
        self.go_on()?;
        let begin = Instant::now();
        let number = self.steps.len() + 1;
        self.say("")?;
        self.lines(&format!("{number}. {title}"), "", Some(Colour::Good))?;
        let result = work(self);
        self.go_on()?;
        let (mark, colour, ok, skipped, summary, details) = match result {
            Ok(Outcome::Passed(summary, details)) => ("PASS", Colour::Good, true, false, summary, details),
            Ok(Outcome::Skipped(why)) => ("SKIP", Colour::Attention, true, true, why, Value::Null),
            Err(error) => match error.downcast::<io::Error>() {
                Ok(error) if error.kind() == io::ErrorKind::BrokenPipe => return Err(error.into()),
                Ok(error) => ("FAIL", Colour::Bad, false, false, error.to_string(), Value::Null),
                Err(error) => ("FAIL", Colour::Bad, false, false, format!("{error:#}"), Value::Null),
            },
        };
        self.lines(&format!("[{mark}] {summary}"), "", Some(colour))?;
        self.steps.push(Step { name, ok, skipped, summary, details, ms: begin.elapsed().as_millis() as u64 });
        Ok(ok)
    }

    /// The end: a line, or the JSON.
    pub fn finish(&self, ok: bool) -> Result<()> {
        let ms = self.begin.elapsed().as_millis() as u64;
        if self.json {
            output::print_json(&Results { version: 1, ok, ms, steps: &self.steps })?;
            return Ok(());
        }
        let passed = self.steps.iter().filter(|step| step.ok && !step.skipped).count();
        let skipped = self.steps.iter().filter(|step| step.skipped).count();
        let failed = self.steps.iter().filter(|step| !step.ok).count();
        let seconds = ms as f64 / 1000.0;
        let line = format!("{passed} steps passed, {skipped} skipped, {failed} failed, in {seconds:.1} s");
        self.say("")?;
        self.lines(&line, "", Some(if ok { Colour::Good } else { Colour::Bad }))?;
        Ok(())
    }

    fn lines(&self, text: &str, indent: &str, colour: Option<Colour>) -> io::Result<()> {
        if self.json {
            return Ok(());
        }
        let mut all = String::new();
        let lines = if text.is_empty() { vec![""] } else { text.lines().collect() };
        for piece in lines.into_iter().flat_map(|line| fold(line, COLUMNS - indent.len())) {
            if !piece.is_empty() {
                all.push_str(indent);
                all.push_str(&self.paint.text(&piece, colour));
            }
            all.push('\n');
        }
        output::print(&all)
    }
}

/// Pieces of at most `columns` characters, cut at a space where there is one.
fn fold(line: &str, columns: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut rest: Vec<char> = line.trim_end().chars().collect();
    while rest.len() > columns {
        let blank = rest[..=columns].iter().rposition(|c| *c == ' ').filter(|at| *at > columns / 2);
        let cut = blank.unwrap_or(columns);
        let tail = rest.split_off(cut);
        pieces.push(rest.iter().collect::<String>().trim_end().to_owned());
        rest = tail.into_iter().skip_while(|c| *c == ' ').collect();
    }
    pieces.push(rest.iter().collect());
    pieces
}

/// The end of the daemon's log, on standard error: it belongs to a failure, with --json as well.
pub fn log_tail(log: &str) {
    let lines: Vec<&str> = log.lines().collect();
    output::complain("--- the daemon's log, its end ---");
    for line in &lines[lines.len().saturating_sub(TAIL)..] {
        for piece in fold(line, COLUMNS) {
            output::complain(&piece);
        }
    }
}

#[cfg(test)]
mod tests;
