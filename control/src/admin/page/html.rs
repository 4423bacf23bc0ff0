//! Writing HTML: text is escaped unless it is said to be markup.

/// A document as it grows.
#[derive(Debug, Default)]
pub(super) struct Html(String);

/// How a word is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    Good,
    Bad,
    Attention,
}

/// A cell of a table.
#[derive(Debug, Clone)]
pub(super) enum Cell {
    Text(String),
    /// Aligned to the right.
    Number(String),
    Badge(String, Mood),
}

impl Html {
    pub fn raw(&mut self, markup: &str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    pub fn text(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                c => self.0.push(c),
            }
        }
        self
    }

    pub fn badge(&mut self, word: &str, mood: Mood) -> &mut Self {
        let class = match mood {
            Mood::Good => "good",
            Mood::Bad => "bad",
            Mood::Attention => "attention",
        };
        self.raw("<span class=\"badge ").raw(class).raw("\">").text(word).raw("</span>")
    }

    /// A table under its heads; `rows` have a cell for each.
    pub fn table(&mut self, heads: &[&str], rows: impl IntoIterator<Item = Vec<Cell>>) -> &mut Self {
        let rows: Vec<Vec<Cell>> = rows.into_iter().collect();
        self.raw("<div class=\"wide\"><table><thead><tr>");
        for (index, head) in heads.iter().enumerate() {
            let is_number = rows.first().is_some_and(|row| matches!(row.get(index), Some(Cell::Number(_))));
            self.raw(if is_number { "<th class=\"number\">" } else { "<th>" }).text(head).raw("</th>");
        }
        self.raw("</tr></thead><tbody>");
        for row in rows {
            self.raw("<tr>");
            for cell in row {
                match cell {
                    Cell::Text(text) => self.raw("<td>").text(&text),
                    Cell::Number(number) => self.raw("<td class=\"number\">").text(&number),
                    Cell::Badge(word, mood) => self.raw("<td>").badge(&word, mood),
                };
                self.raw("</td>");
            }
            self.raw("</tr>");
        }
        self.raw("</tbody></table></div>")
    }

    pub fn into_text(self) -> String {
        self.0
    }
}

impl Cell {
    pub fn text(text: impl ToString) -> Self {
        Self::Text(text.to_string())
    }

    /// Short, as the subcommands show numbers.
    pub fn number(number: impl Into<u64>) -> Self {
        Self::Number(crate::cmd::numbers::short(number.into()))
    }
}
