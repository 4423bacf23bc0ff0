//! Columns of text, aligned to the widest cell.

use std::fmt;

use super::output::{Colour, Paint};

const INDENT: &str = "  ";
const GAP: &str = "  ";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

#[derive(Debug, Clone)]
pub(super) struct Cell {
    text: String,
    colour: Option<Colour>,
}

impl Cell {
    pub fn coloured(text: impl fmt::Display, colour: Option<Colour>) -> Self {
        Self { text: text.to_string(), colour }
    }
}

impl<T: fmt::Display> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: text.to_string(), colour: None }
    }
}

/// A heading and rows, indented; empty without rows.
#[derive(Debug)]
pub(super) struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<Cell>>,
    paint: Paint,
}

impl Table {
    pub fn new(columns: Vec<(&'static str, Align)>, paint: Paint) -> Self {
        Self { columns, rows: Vec::new(), paint }
    }

    /// One cell per column.
    pub fn row(&mut self, cells: Vec<Cell>) {
        debug_assert_eq!(cells.len(), self.columns.len());
        self.rows.push(cells);
    }

    fn line(&self, f: &mut fmt::Formatter<'_>, widths: &[usize], cells: &[Cell]) -> fmt::Result {
        f.write_str(INDENT)?;
        for (i, (cell, (_, align))) in cells.iter().zip(&self.columns).enumerate() {
            if i > 0 {
                f.write_str(GAP)?;
            }
            let last = i + 1 == cells.len();
            let pad = widths[i].saturating_sub(cell.text.chars().count());
            let (before, after) = match align {
                Align::Right => (pad, 0),
                Align::Left => (0, if last { 0 } else { pad }),
            };
            write!(f, "{:before$}{}{:after$}", "", self.paint.text(&cell.text, cell.colour), "")?;
        }
        f.write_str("\n")
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rows.is_empty() {
            return Ok(());
        }
        let heading: Vec<Cell> = self.columns.iter().map(|(name, _)| Cell::coloured(name, Some(Colour::Dim))).collect();
        let lines = || std::iter::once(&heading).chain(&self.rows);
        let width = |i: usize| lines().map(|row| row[i].text.chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        lines().try_for_each(|row| self.line(f, &widths, row))
    }
}
