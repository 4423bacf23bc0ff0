//! Reads a TOML tree in which every value knows its place. Whatever is wrong is noted in the findings and reading goes on, so
//! that one report has everything.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeInteger, DeString, DeTable, DeValue};

use super::error::{Findings, Place, Problem};
use super::source::Source;
use super::text;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct At<T> {
    pub value: T,
    pub place: Place,
}

/// What became of a key.
#[derive(Debug, Clone)]
pub(super) enum Field<T> {
    /// Not in the file; the place is the section's line and the key it would have.
    Absent(Place),
    /// In the file, wrong, and reported.
    Invalid,
    Set(At<T>),
}

impl<T> Field<T> {
    /// A wrong value counts as absent: its error has been noted, so the model is not used anyway.
    pub fn or(self, default: T) -> T {
        self.set().map_or(default, |at| at.value)
    }

    pub fn set(self) -> Option<At<T>> {
        if let Self::Set(at) = self { Some(at) } else { None }
    }

    /// Another one in its place when the key is absent.
    pub fn over(self, base: &Self) -> Self
    where
        T: Clone,
    {
        if let Self::Absent(_) = self { base.clone() } else { self }
    }

    /// Where it is, when it is in the file and right.
    pub fn place(&self) -> Option<&Place> {
        if let Self::Set(at) = self { Some(&at.place) } else { None }
    }

    /// Whether the key is not in the file.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent(_))
    }

    /// Notes an error when the key is absent.
    pub fn required(self, expected: &'static str, findings: &Findings) -> Option<At<T>> {
        if let Self::Absent(place) = &self {
            findings.error(place, Problem::Missing(expected));
        }
        self.set()
    }
}

/// The keys of a section: those that are read, and those of the fixed shape that belong to later versions.
#[derive(Debug)]
pub(super) struct Keys {
    pub supported: &'static [&'static str],
    pub later: &'static [&'static str],
}

impl Keys {
    /// The nearest key in spelling, if near enough to be a slip.
    fn nearest(&self, key: &str) -> Option<String> {
        nearest(key, self.supported.iter().chain(self.later)).map(str::to_owned)
    }
}

/// A table of the file.
pub(super) struct Section<'a, 'i> {
    table: &'a DeTable<'i>,
    place: Place,
    keys: &'static Keys,
    context: Context<'a>,
}

#[derive(Clone, Copy)]
struct Context<'a> {
    source: &'a Source<'a>,
    findings: &'a Findings,
}

impl<'a, 'i> Section<'a, 'i> {
    /// The whole document.
    pub fn root(table: &'a DeTable<'i>, keys: &'static Keys, source: &'a Source<'a>, findings: &'a Findings) -> Self {
        Self::open(table, Place { line: 1, ..Place::default() }, keys, Context { source, findings })
    }

    /// Every key is judged here, once, whether anybody reads it or not.
    fn open(table: &'a DeTable<'i>, place: Place, keys: &'static Keys, context: Context<'a>) -> Self {
        let section = Self { table, place, keys, context };
        for key in table.keys() {
            let name = key.get_ref().as_ref();
            let place = section.child(name, context.source.line(key.span().start));
            if keys.later.contains(&name) {
                context.findings.error(&place, Problem::KeyNotSupported);
            } else if !keys.supported.contains(&name) {
                context
                    .findings
                    .error(&place, Problem::UnknownKey { nearest: keys.nearest(name), known: keys.supported });
            }
        }
        section
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Reads one key with one of the readers of [`Value`].
    pub fn field<T>(&self, key: &'static str, read: impl FnOnce(&Value<'a, 'i>) -> Option<T>) -> Field<T> {
        match self.value(key) {
            None => Field::Absent(self.child(key, self.place.line)),
            Some(value) => match read(&value) {
                Some(result) => Field::Set(At { value: result, place: value.place }),
                None => Field::Invalid,
            },
        }
    }

    /// A sub-table, `[a.b]` or `b = { … }`.
    pub fn section(&self, key: &'static str, keys: &'static Keys) -> Option<Section<'a, 'i>> {
        self.value(key)?.section(keys)
    }

    /// An array of tables, `[[a.b]]`.
    pub fn sections(&self, key: &'static str, keys: &'static Keys) -> Vec<Section<'a, 'i>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let Some(items) = value.items("an array of tables ([[…]])") else { return Vec::new() };
        items.iter().filter_map(|item| item.section(keys)).collect()
    }

    /// The first key that is none of these.
    pub fn beyond(&self, keys: &[&str]) -> Option<Place> {
        let others = self.table.keys().filter(|key| !keys.contains(&key.get_ref().as_ref()));
        let first = others.min_by_key(|key| key.span().start)?;
        Some(self.child(first.get_ref(), self.context.source.line(first.span().start)))
    }

    fn value(&self, key: &'static str) -> Option<Value<'a, 'i>> {
        debug_assert!(self.keys.supported.contains(&key), "{key} is not in the list of its section");
        let (name, value) = self.table.get_key_value(key)?;
        // A header such as [a.b] gives its table the line of the header, but a key inside a table its own line.
        let start = if value.get_ref().is_table() { value.span().start } else { name.span().start };
        Some(Value { node: value, place: self.child(key, self.context.source.line(start)), context: self.context })
    }

    fn child(&self, key: &str, line: u32) -> Place {
        let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        let key = if bare { key.to_owned() } else { format!("{:?}", text::shorten(key)) };
        let key = if self.place.key.is_empty() { key } else { format!("{}.{key}", self.place.key) };
        Place { line, key, ..Place::default() }
    }
}

/// A value of the file. The readers return `None` after noting what is wrong.
pub(super) struct Value<'a, 'i> {
    node: &'a Spanned<DeValue<'i>>,
    place: Place,
    context: Context<'a>,
}

impl<'a, 'i> Value<'a, 'i> {
    pub fn boolean(&self) -> Option<bool> {
        self.boolean_or("true or false")
    }

    /// A boolean where something else would do as well.
    pub fn boolean_or(&self, expected: &'static str) -> Option<bool> {
        self.node.get_ref().as_bool().or_else(|| self.wrong_type(expected))
    }

    /// The kernel writes its switches as 0 and 1; both forms are taken.
    pub fn switch(&self) -> Option<bool> {
        match self.node.get_ref() {
            DeValue::Integer(_) => self.integer::<u8>(0..=1, "").map(|n| n == 1),
            DeValue::Boolean(on) => Some(*on),
            _ => self.wrong_type("true, false, 1 or 0"),
        }
    }

    /// `unit` completes "out of range (1 to 9 …)"; empty for a bare number.
    pub fn integer<T: TryFrom<i128> + Display + Copy + Into<i128>>(
        &self,
        range: RangeInclusive<T>,
        unit: &'static str,
    ) -> Option<T> {
        let (min, max) = (*range.start(), *range.end());
        let Some(integer) = self.node.get_ref().as_integer() else {
            return self.wrong_type(format!("a whole number ({min} to {max})"));
        };
        let number = number(integer).filter(|n| (min.into()..=max.into()).contains(n));
        number.and_then(|n| T::try_from(n).ok()).or_else(|| self.out_of_range(integer, min, max, unit))
    }

    pub fn string(&self, expected: &'static str) -> Option<&'a str> {
        match self.node.get_ref() {
            DeValue::String(text) => Some(text.as_ref()),
            _ => self.wrong_type(expected),
        }
    }

    /// A string in a form of its own; see [`super::text`].
    pub fn parse<T>(&self, expected: &'static str, parse: impl FnOnce(&str) -> Result<T, &'static str>) -> Option<T> {
        let text = self.string(expected)?;
        let refuse = |reason| self.refuse(Problem::Malformed { value: quoted(text), expected, reason });
        parse(text).map_or_else(refuse, Some)
    }

    /// As [`Self::parse`], of what has been read already.
    pub fn check<T, U>(
        &self,
        expected: &'static str,
        read: T,
        check: impl FnOnce(T) -> Result<U, &'static str>,
    ) -> Option<U> {
        let refuse = |reason| self.refuse(Problem::Malformed { value: "the value".to_owned(), expected, reason });
        check(read).map_or_else(refuse, Some)
    }

    /// As [`Self::parse`], of what must not show up in a log.
    pub fn secret<T>(&self, expected: &'static str, parse: impl FnOnce(&str) -> Result<T, &'static str>) -> Option<T> {
        self.check(expected, self.string(expected)?, parse)
    }

    pub fn duration(&self, range: RangeInclusive<Duration>) -> Option<Duration> {
        let duration = self.parse("a duration such as \"90s\" or \"15m\"", text::duration)?;
        if range.contains(&duration) {
            return Some(duration);
        }
        let [min, max] = [range.start(), range.end()].map(|d| text::show_duration(*d));
        self.out_of_range(quoted(self.string("")?), min, max, "")
    }

    /// A size, as a string with unit or as a number of bytes.
    pub fn size(&self, range: RangeInclusive<u64>) -> Option<u64> {
        if self.is_integer() {
            return self.integer(range, "bytes");
        }
        let size = self.parse("a size such as \"16KiB\"", text::size)?;
        if range.contains(&size) {
            return Some(size);
        }
        let [min, max] = [range.start(), range.end()].map(|size| text::show_size(*size));
        self.out_of_range(quoted(self.string("")?), min, max, "")
    }

    /// One of a closed list of words. A word without a value belongs to a later version.
    pub fn choice<T: Copy>(&self, choices: &[(&'static str, Option<T>)]) -> Option<T> {
        let word = self.string("a string")?;
        let allowed = || choices.iter().filter(|(_, value)| value.is_some()).map(|(name, _)| *name);
        match choices.iter().find(|(name, _)| *name == word) {
            Some((_, Some(value))) => Some(*value),
            Some((_, None)) => self.refuse(Problem::ValueNotSupported(quoted(word))),
            None => self.refuse(Problem::NotOneOf {
                value: quoted(word),
                allowed: allowed().collect(),
                nearest: nearest(word, choices.iter().map(|(name, _)| name)),
            }),
        }
    }

    /// Refuses a word that is none of these.
    pub fn not_one_of<T>(&self, word: &str, words: impl Iterator<Item = &'static str>) -> Option<T> {
        let allowed: Vec<_> = words.collect();
        let nearest = nearest(word, &allowed);
        self.refuse(Problem::NotOneOf { value: quoted(word), allowed, nearest })
    }

    /// The elements of an array, each with a place of its own.
    pub fn items(&self, expected: &'static str) -> Option<Vec<Value<'a, 'i>>> {
        let Some(array) = self.node.get_ref().as_array() else { return self.wrong_type(expected) };
        let item = |(index, value): (usize, &'a Spanned<DeValue<'i>>)| {
            let key = format!("{}[{index}]", self.place.key);
            let place = Place { line: self.context.source.line(value.span().start), key, ..Place::default() };
            Value { node: value, place, context: self.context }
        };
        Some(array.iter().enumerate().map(item).collect())
    }

    /// An array whose elements are read alike; elements that are wrong are noted and left out.
    pub fn list<T>(&self, expected: &'static str, read: impl Fn(&Value<'a, 'i>) -> Option<T>) -> Option<Vec<At<T>>> {
        let at = |item: Value<'a, 'i>| read(&item).map(|value| At { value, place: item.place });
        Some(self.items(expected)?.into_iter().filter_map(at).collect())
    }

    /// A table whose keys are not known beforehand, in the order of the file.
    pub fn entries(&self, expected: &'static str) -> Option<Vec<(&'a str, Value<'a, 'i>)>> {
        static FREE: Keys = Keys { supported: &[], later: &[] };
        let Some(table) = self.node.get_ref().as_table() else { return self.wrong_type(expected) };
        let (place, context) = (self.place.clone(), self.context);
        let section = Section { table, place, keys: &FREE, context };
        let entry = |(name, node): (&'a Spanned<DeString<'i>>, &'a Spanned<DeValue<'i>>)| {
            let place = section.child(name.get_ref(), context.source.line(name.span().start));
            (name.get_ref().as_ref(), Value { node, place, context })
        };
        let mut entries: Vec<_> = table.iter().map(|(name, node)| (name.span().start, entry((name, node)))).collect();
        entries.sort_by_key(|(start, _)| *start);
        Some(entries.into_iter().map(|(_, entry)| entry).collect())
    }

    pub fn section(&self, keys: &'static Keys) -> Option<Section<'a, 'i>> {
        match self.node.get_ref().as_table() {
            Some(table) => Some(Section::open(table, self.place.clone(), keys, self.context)),
            None => self.wrong_type("a table"),
        }
    }

    pub fn is_word(&self, word: &str) -> bool {
        self.node.get_ref().as_str() == Some(word)
    }

    pub fn is_string(&self) -> bool {
        self.node.get_ref().is_str()
    }

    pub fn is_table(&self) -> bool {
        self.node.get_ref().is_table()
    }

    pub fn is_array(&self) -> bool {
        self.node.get_ref().is_array()
    }

    pub fn is_false(&self) -> bool {
        self.node.get_ref().as_bool() == Some(false)
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    pub fn is_integer(&self) -> bool {
        self.node.get_ref().is_integer()
    }

    pub fn refuse<T>(&self, problem: Problem) -> Option<T> {
        self.context.findings.error(&self.place, problem);
        None
    }

    fn out_of_range<T>(
        &self,
        value: impl Display,
        min: impl Display,
        max: impl Display,
        unit: &'static str,
    ) -> Option<T> {
        let [value, min, max] = [text::shorten(&value.to_string()), min.to_string(), max.to_string()];
        self.refuse(Problem::OutOfRange { value, min, max, unit })
    }

    pub fn wrong_type<T>(&self, expected: impl Into<String>) -> Option<T> {
        let found = match self.node.get_ref() {
            DeValue::Table(_) => "a table".to_owned(),
            DeValue::Array(_) => "an array".to_owned(),
            other => format!("{} {}", other.type_str(), self.context.source.quote(self.node.span())),
        };
        self.refuse(Problem::WrongType { expected: expected.into(), found })
    }
}

fn number(integer: &DeInteger<'_>) -> Option<i128> {
    i128::from_str_radix(integer.as_str(), integer.radix()).ok()
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text::shorten(text))
}

/// The word nearest to `word`, if at most a third of it differs.
fn nearest<'w>(word: &str, known: impl IntoIterator<Item = &'w &'static str>) -> Option<&'static str> {
    let distance = |known: &'static str| (strsim::damerau_levenshtein(word, known), known);
    let (distance, nearest) = known.into_iter().map(|known| distance(known)).min()?;
    (distance <= (word.chars().count().max(3)) / 3).then_some(nearest)
}
