//! What stands in a route that answers with files, and `error_pages`.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use crate::config::error::Problem;
use crate::config::reader::{At, Field, Section, Value};
use crate::config::text;

pub(in crate::config) struct Files {
    pub root: Field<PathBuf>,
    pub index: Field<Vec<At<String>>>,
    pub follow_symlinks: Field<bool>,
    pub precompressed: Field<bool>,
}

/// Which statuses, and the file with their page.
pub(in crate::config) type ErrorPages = Vec<(RangeInclusive<u16>, At<PathBuf>)>;

impl Files {
    pub fn read(section: &Section<'_, '_>) -> Self {
        let name = |v: &Value<'_, '_>| v.parse("the name of a file", file_name);
        Self {
            root: section.field("root", |v| v.parse("the path of a folder", text::absolute)),
            index: section.field("index", |v| v.list("an array of names such as [\"index.html\"]", name)),
            follow_symlinks: section.field("follow_symlinks", Value::boolean),
            precompressed: section.field("precompressed", Value::boolean),
        }
    }
}

/// Of a route or listener: `{ 404 = "/srv/404.html", 50x = "/srv/50x.html" }`.
pub(in crate::config) fn error_pages(section: &Section<'_, '_>) -> ErrorPages {
    let entry = |(key, v): (&str, Value<'_, '_>)| {
        let statuses = match statuses(key) {
            Ok(statuses) => statuses,
            Err(reason) => {
                let expected = "a status such as 404, 50x or 4xx";
                return v.refuse(Problem::Malformed { value: format!("{key:?}"), expected, reason });
            }
        };
        let path = v.parse("the path of a file", text::absolute)?;
        Some((statuses, At { value: path, place: v.place().clone() }))
    };
    let pages = section.field("error_pages", |v| v.entries("a table such as { 404 = \"/srv/www/404.html\" }"));
    pages.set().map_or_else(Vec::new, |at| at.value.into_iter().filter_map(entry).collect())
}

fn file_name(text: &str) -> Result<String, &'static str> {
    match text {
        "" => Err("it is empty"),
        "." | ".." => Err("it names a folder"),
        _ if text.contains('/') => Err("it contains a slash"),
        _ if text.contains('\0') => Err("it contains a zero byte"),
        _ => Ok(text.to_owned()),
    }
}

/// `404`, `50x` = 500 to 509, `4xx` = 400 to 499.
fn statuses(text: &str) -> Result<RangeInclusive<u16>, &'static str> {
    let fixed = text.trim_end_matches('x');
    let free = text.len() - fixed.len();
    if text.len() != 3 || free > 2 || !fixed.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("it needs three digits, the last of which may be x");
    }
    let number = |filling: &str| format!("{fixed}{}", filling.repeat(free)).parse::<u16>();
    match (number("0"), number("9")) {
        (Ok(first @ 400..), Ok(last @ ..=599)) => Ok(first..=last),
        _ => Err("errors are 400 to 599"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_single_ones_tens_and_hundreds() {
        assert_eq!(statuses("404"), Ok(404..=404));
        assert_eq!(statuses("50x"), Ok(500..=509));
        assert_eq!(statuses("4xx"), Ok(400..=499));
        for wrong in ["", "4", "xxx", "4x4", "200", "2xx", "600", "5000", "40X", "+40"] {
            assert!(statuses(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_index_is_a_name_in_its_folder() {
        assert_eq!(file_name("index.html"), Ok("index.html".to_owned()));
        for wrong in ["", "..", "a/b", "/etc/passwd"] {
            assert!(file_name(wrong).is_err(), "{wrong}");
        }
    }
}
