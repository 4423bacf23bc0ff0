//! Prometheus' text format, version 0.0.4: `# HELP`, `# TYPE`, and all samples of a metric together.

use std::fmt::{self, Write as _};

/// A metric's head.
#[derive(Debug, Clone, Copy)]
pub(super) struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    pub help: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only grows; its name ends in `_total`.
    Counter,
    Gauge,
    /// Cumulative.
    Histogram,
}

/// The name and the value of each.
pub(super) type Labels<'a> = [(&'static str, &'a str)];

#[derive(Debug, Clone, Copy)]
pub(super) enum Value {
    Whole(u64),
    Real(f64),
}

/// The text as it grows.
#[derive(Debug, Default)]
pub(super) struct Exposition(String);

/// The samples of one metric. Without any nothing is written of it.
#[derive(Debug)]
pub(super) struct Family<'a> {
    text: &'a mut String,
    metric: Metric,
    begun: bool,
}

impl Exposition {
    pub fn family(&mut self, metric: Metric) -> Family<'_> {
        Family { text: &mut self.0, metric, begun: false }
    }

    /// A metric with one sample and no labels.
    pub fn single(&mut self, metric: Metric, value: impl Into<Value>) {
        self.family(metric).sample(&[], value);
    }

    pub fn into_text(self) -> String {
        self.0
    }
}

impl Family<'_> {
    pub fn sample(&mut self, labels: &Labels<'_>, value: impl Into<Value>) {
        self.write("", labels, None, value.into());
    }

    pub fn histogram(&mut self, labels: &Labels<'_>, histogram: &headgate_api::Histogram) {
        for bucket in &histogram.buckets {
            self.write("_bucket", labels, Some(&bucket.le_s.to_string()), Value::Whole(bucket.count));
        }
        self.write("_bucket", labels, Some("+Inf"), Value::Whole(histogram.count));
        self.write("_sum", labels, None, Value::Real(histogram.sum_s));
        self.write("_count", labels, None, Value::Whole(histogram.count));
    }

    fn write(&mut self, suffix: &str, labels: &Labels<'_>, le: Option<&str>, value: Value) {
        let Metric { name, kind, help } = self.metric;
        if !self.begun {
            self.begun = true;
            let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        }
        let _ = write!(self.text, "{name}{suffix}");
        let le = le.map(|le| ("le", le));
        for (index, (label, value)) in labels.iter().copied().chain(le).enumerate() {
            let _ = write!(self.text, "{}{label}=\"{}\"", if index == 0 { '{' } else { ',' }, Escaped(value));
        }
        let end = if labels.is_empty() && le.is_none() { "" } else { "}" };
        let _ = writeln!(self.text, "{end} {value}");
    }
}

/// A label's value between its quotes.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str("\\n"),
            c => f.write_char(c),
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        })
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(value) => value.fmt(f),
            Self::Real(value) => value.fmt(f),
        }
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Whole(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Whole(value.into())
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Whole(value.into())
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

pub(super) const fn counter(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, help }
}

pub(super) const fn gauge(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, help }
}

pub(super) const fn histogram(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Histogram, help }
}

#[cfg(test)]
mod tests;
