//! From a byte offset to a line of the file.

/// The text of a configuration file with the offsets of its lines.
pub(super) struct Source<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Source<'a> {
    pub fn new(text: &'a str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(i, _)| i + 1)).collect();
        Self { text, starts }
    }

    /// 1-based line of a byte offset. Offsets past the end belong to the last line.
    pub fn line(&self, offset: usize) -> u32 {
        self.starts.partition_point(|start| *start <= offset) as u32
    }

    /// 1-based column in characters.
    pub fn column(&self, offset: usize) -> u32 {
        let start = self.starts[self.line(offset) as usize - 1];
        let before = self.text.get(start..offset.min(self.text.len())).unwrap_or("");
        before.chars().count() as u32 + 1
    }

    /// The line's text without its end.
    pub fn excerpt(&self, line: u32) -> &'a str {
        let index = line as usize - 1;
        let end = self.starts.get(index + 1).copied().unwrap_or(self.text.len());
        self.text[self.starts[index]..end].trim_end_matches(['\n', '\r'])
    }

    /// What stands in the file at a span, shortened to be quoted in a message.
    pub fn quote(&self, span: std::ops::Range<usize>) -> String {
        super::text::shorten(self.text.get(span).unwrap_or("").lines().next().unwrap_or(""))
    }
}
