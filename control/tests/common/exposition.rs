//! A strict reader of Prometheus' text format: stricter than Prometheus, which forgives what its linter does not.

use std::collections::{BTreeMap, BTreeSet};

pub type Labels = BTreeMap<String, String>;

#[derive(Debug, Default)]
pub struct Exposition {
    /// Of each metric.
    pub types: BTreeMap<String, String>,
    pub samples: BTreeMap<(String, Labels), f64>,
}

impl Exposition {
    /// All of a text, or the first line that is wrong.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut read = Self::default();
        let (mut helped, mut closed, mut current) = (String::new(), BTreeSet::new(), String::new());
        if !text.ends_with('\n') {
            return Err("the last line has no end".to_owned());
        }
        for line in text.lines() {
            let wrong = |why: &str| Err(format!("{why}: {line}"));
            if let Some(help) = line.strip_prefix("# HELP ") {
                let Some((name, help)) = help.split_once(' ') else { return wrong("no help") };
                if help.is_empty() || help.contains('\\') || !is_name(name) || !closed.insert(name.to_owned()) {
                    return wrong("a bad or second help");
                }
                name.clone_into(&mut helped);
            } else if let Some(of_type) = line.strip_prefix("# TYPE ") {
                let Some((name, kind)) = of_type.split_once(' ') else { return wrong("no type") };
                let known = ["counter", "gauge", "histogram"].contains(&kind);
                if !known || name != helped || (kind == "counter") != name.ends_with("_total") {
                    return wrong("a bad type");
                }
                name.clone_into(&mut current);
                read.types.insert(name.to_owned(), kind.to_owned());
            } else {
                let (name, labels, value) = sample(line).ok_or_else(|| format!("no sample: {line}"))?;
                let histogram = read.types.get(&current).is_some_and(|kind| kind == "histogram");
                let suffix = name.strip_prefix(&current).filter(|_| !current.is_empty());
                let fits = match suffix {
                    Some("") => !histogram,
                    Some("_bucket") => histogram && labels.contains_key("le"),
                    Some("_sum" | "_count") => histogram,
                    _ => false,
                };
                if !fits {
                    return wrong("not a sample of the metric above");
                }
                if read.samples.insert((name, labels), value).is_some() {
                    return wrong("a second sample");
                }
            }
        }
        read.check_histograms()?;
        Ok(read)
    }

    /// The sample with exactly these labels.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.samples.get(&(name.to_owned(), labels)).copied()
    }

    /// Buckets are cumulative, and the last is all.
    fn check_histograms(&self) -> Result<(), String> {
        let mut buckets: BTreeMap<(&str, Labels), Vec<(f64, f64)>> = BTreeMap::new();
        for ((name, labels), value) in &self.samples {
            if let Some(name) = name.strip_suffix("_bucket") {
                let mut labels = labels.clone();
                let le = labels.remove("le").unwrap_or_default().parse().map_err(|_| format!("le of {name}"))?;
                buckets.entry((name, labels)).or_default().push((le, *value));
            }
        }
        for ((name, labels), mut buckets) in buckets {
            buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
            let count = self.samples.get(&(format!("{name}_count"), labels.clone())).copied();
            let rising = buckets.is_sorted_by(|a, b| a.1 <= b.1);
            let whole = buckets.last().is_some_and(|(le, all)| le.is_infinite() && Some(*all) == count);
            if !rising || !whole || !self.samples.contains_key(&(format!("{name}_sum"), labels.clone())) {
                return Err(format!("histogram {name} {labels:?}: {buckets:?}"));
            }
        }
        Ok(())
    }
}

fn sample(line: &str) -> Option<(String, Labels, f64)> {
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(end);
    let (labels, value) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Labels::new(), rest),
    };
    let value = value.strip_prefix(' ').filter(|value| !value.contains(' '))?;
    is_name(name).then_some((name.to_owned(), labels, value.parse().ok()?))
}

/// What is between the braces, and what comes after them.
fn labels(mut rest: &str) -> Option<(Labels, &str)> {
    let mut labels = Labels::new();
    loop {
        let (name, value) = rest.split_once("=\"")?;
        let (value, after) = unescaped(value)?;
        if !is_name(name) || name.contains(':') || labels.insert(name.to_owned(), value).is_some() {
            return None;
        }
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return Some((labels, after.strip_prefix('}')?)),
        }
    }
}

fn unescaped(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match chars.next()?.1 {
                'n' => '\n',
                c @ ('\\' | '"') => c,
                _ => return None,
            }),
            c => value.push(c),
        }
    }
    None
}

fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    !name.is_empty() && name.chars().all(fits) && !name.starts_with(|c: char| c.is_ascii_digit())
}
