//! What routes look at in heads, and what they change there.

use headgate_l7::config::{Edits, FieldMatch, Pattern, Template};

use crate::config::error::Problem;
use crate::config::reader::{Keys, Section, Value};
use crate::config::text;

pub(in crate::config) static EDITS: Keys = Keys { supported: &["set", "add", "remove"], later: &[] };

/// `request_headers` and `response_headers`. A `Host` among those of requests stands beside the others.
#[derive(Default)]
pub(in crate::config) struct HeaderEdits {
    pub edits: Edits,
    pub host: Option<Template>,
}

type Named<T> = Vec<(String, T)>;

impl HeaderEdits {
    pub fn read(section: &Section<'_, '_>, of_request: bool) -> Self {
        let added = |key| section.field(key, added).or(Vec::new());
        let (set, add) = (added("set"), added("add"));
        let name = |v: &Value<'_, '_>| v.parse("the name of a field", text::field_name);
        let remove = section.field("remove", |v| v.list("an array of names of fields", name)).or(Vec::new());
        let is_host = |name: &str| of_request && name.eq_ignore_ascii_case("host");
        let (host, set): (Named<Template>, Named<Template>) = set.into_iter().partition(|(name, _)| is_host(name));
        let remove = remove.into_iter().map(|at| at.value).collect();
        Self { edits: Edits::new(set, add, remove), host: host.into_iter().next().map(|(_, value)| value) }
    }
}

/// Names and texts with variables.
fn added(value: &Value<'_, '_>) -> Option<Named<Template>> {
    named(value, |value| value.parse("the value of a field", text::field_value))
}

/// `headers` of a route: a text, `~ pattern`, or whether there is such a field at all.
pub(super) fn conditions(value: &Value<'_, '_>) -> Option<Named<FieldMatch>> {
    named(value, |value| {
        if !value.is_string() {
            let expected = "a text, \"~ pattern\", true or false";
            return value
                .boolean_or(expected)
                .map(|there| if there { FieldMatch::Present } else { FieldMatch::Absent });
        }
        value.parse("a text or \"~ pattern\"", |text| match text.strip_prefix('~') {
            Some(pattern) => {
                Pattern::new(pattern.trim_start()).map(FieldMatch::Pattern).map_err(|_| "it is no regular expression")
            }
            None => Ok(FieldMatch::Exact(text.to_owned())),
        })
    })
}

fn named<T>(value: &Value<'_, '_>, read: impl Fn(&Value<'_, '_>) -> Option<T>) -> Option<Named<T>> {
    let mut all = Vec::new();
    for (name, value) in value.entries("a table of fields")? {
        match text::field_name(name) {
            Ok(name) => all.extend(read(&value).map(|value| (name, value))),
            Err(reason) => {
                let problem =
                    Problem::Malformed { value: text::shorten(name), expected: "the name of a field", reason };
                let _: Option<()> = value.refuse(problem);
            }
        }
    }
    Some(all)
}
