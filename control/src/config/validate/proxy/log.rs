//! Access logs.

use std::sync::Arc;

use headgate_l7::log::{AccessLog, Destination, Format};

use crate::config::error::{Advice, Findings, Place};
use crate::config::raw;
use crate::config::raw::LineFormat;
use crate::config::reader::{At, Field};
use crate::config::validate::Unique;

/// `outer`: where nothing is said. Files are opened when the configuration is put to use.
pub(super) fn access_log(
    raw: Field<Option<raw::AccessLog>>,
    outer: Option<&Arc<AccessLog>>,
    findings: &Findings,
) -> Option<Arc<AccessLog>> {
    let raw = match raw {
        Field::Absent(_) | Field::Invalid => return outer.cloned(),
        Field::Set(at) => at.value?,
    };
    let path = raw.path.required("where it goes, such as \"/var/log/headgate/access.log\"", findings);
    if let Some(at) = &path {
        warn_of_folder(&at.value, &at.place, findings);
    }
    let format = raw.format.or(LineFormat::Combined);
    let mut seen = Unique::default();
    let fields_place = if let Field::Set(at) = &raw.fields { Some(at.place.clone()) } else { None };
    let mut fields = Vec::new();
    for At { value, place } in raw.fields.or(Vec::new()) {
        if seen.insert(&value.name(), &place, findings) {
            fields.push(value);
        }
    }
    let format = match format {
        LineFormat::Json => Format::json(&fields),
        other => {
            if let Some(place) = fields_place {
                findings.warning(&place, Advice::FieldsIgnored);
            }
            match other {
                LineFormat::Template(format) => format,
                LineFormat::Combined | LineFormat::Json => Format::combined(),
            }
        }
    };
    Some(Arc::new(AccessLog { destination: path?.value, format }))
}

fn warn_of_folder(destination: &Destination, place: &Place, findings: &Findings) {
    if let Destination::File(path) = destination
        && let Some(folder) = path.parent().filter(|folder| !folder.is_dir())
    {
        findings.warning(place, Advice::LogFolderMissing(folder.display().to_string()));
    }
}
