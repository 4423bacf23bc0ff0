use super::*;

/// Sun, 06 Nov 1994 08:49:37 GMT.
const MODIFIED: u64 = 784_111_777;
const ETAG: &str = "\"2ebc98a1-3e8\"";
const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

fn judge(fields: &[(Tag, &str)]) -> Verdict {
    let mut entries = vec![Tag::Path as u8, b'/', 0];
    for (tag, value) in fields {
        entries.push(*tag as u8);
        entries.extend_from_slice(value.as_bytes());
        entries.push(0);
    }
    verdict(&Asked::read(&entries), &Validators::new(MODIFIED, 1000))
}

#[test]
fn validators_are_written_as_nginx_writes_them() {
    let validators = Validators::new(MODIFIED, 1000);
    assert_eq!(validators.etag(), ETAG.as_bytes());
    assert_eq!(validators.modified().to_string(), DATE);
    let largest = Validators::new(u64::MAX, u64::MAX);
    assert_eq!(largest.etag(), b"\"ffffffffffffffff-ffffffffffffffff\"");
    assert_eq!(largest.modified().to_string(), "Fri, 31 Dec 9999 23:59:59 GMT");
}

#[test]
fn a_tag_that_is_known_need_not_be_sent_again() {
    let weak = format!("W/{ETAG}");
    let list = format!("\"x,y\" , W/\"z\",{ETAG}");
    for value in [ETAG, &weak, "*", &list] {
        assert_eq!(judge(&[(Tag::IfNoneMatch, value)]), Verdict::NotModified, "{value}");
    }
    for value in ["\"x\"", "", "2ebc98a1-3e8", "\"2ebc98a1-3e8", "\"x\", nonsense, *"] {
        assert_eq!(judge(&[(Tag::IfNoneMatch, value)]), Verdict::Whole, "{value}");
    }
    // The tag decides, the date does not.
    assert_eq!(judge(&[(Tag::IfNoneMatch, "\"x\""), (Tag::IfModifiedSince, DATE)]), Verdict::Whole);
}

#[test]
fn a_date_that_is_not_older_is_as_good() {
    assert_eq!(judge(&[(Tag::IfModifiedSince, DATE)]), Verdict::NotModified);
    assert_eq!(judge(&[(Tag::IfModifiedSince, AFTER)]), Verdict::NotModified);
    assert_eq!(judge(&[(Tag::IfModifiedSince, BEFORE)]), Verdict::Whole);
    assert_eq!(judge(&[(Tag::IfModifiedSince, "Sunday, 06-Nov-94 08:49:37 GMT")]), Verdict::NotModified);
    assert_eq!(judge(&[(Tag::IfModifiedSince, "yesterday")]), Verdict::Whole);
}

#[test]
fn a_precondition_that_does_not_hold_fails() {
    assert_eq!(judge(&[(Tag::IfMatch, ETAG)]), Verdict::Whole);
    assert_eq!(judge(&[(Tag::IfMatch, "*")]), Verdict::Whole);
    assert_eq!(judge(&[(Tag::IfMatch, "\"x\"")]), Verdict::Failed);
    // Strong comparison.
    assert_eq!(judge(&[(Tag::IfMatch, &format!("W/{ETAG}"))]), Verdict::Failed);
    assert_eq!(judge(&[(Tag::IfUnmodifiedSince, DATE)]), Verdict::Whole);
    assert_eq!(judge(&[(Tag::IfUnmodifiedSince, AFTER)]), Verdict::Whole);
    assert_eq!(judge(&[(Tag::IfUnmodifiedSince, BEFORE)]), Verdict::Failed);
    assert_eq!(judge(&[(Tag::IfMatch, ETAG), (Tag::IfUnmodifiedSince, BEFORE)]), Verdict::Whole);
    assert_eq!(judge(&[(Tag::IfMatch, "\"x\""), (Tag::IfNoneMatch, ETAG)]), Verdict::Failed);
}

#[test]
fn a_range_counts_if_the_file_is_the_same() {
    let range = (Tag::Range, "bytes=0-99");
    let part = Verdict::Part { first: 0, length: 100 };
    assert_eq!(judge(&[range]), part);
    assert_eq!(judge(&[range, (Tag::IfRange, ETAG)]), part);
    assert_eq!(judge(&[range, (Tag::IfRange, DATE)]), part);
    for other in ["\"x\"", &format!("W/{ETAG}"), BEFORE, AFTER, ""] {
        assert_eq!(judge(&[range, (Tag::IfRange, other)]), Verdict::Whole, "{other}");
    }
    assert_eq!(judge(&[(Tag::Range, "bytes=1000-")]), Verdict::Unsatisfiable);
    assert_eq!(judge(&[(Tag::Range, "bytes=1000-"), (Tag::IfRange, "\"x\"")]), Verdict::Whole);
    assert_eq!(judge(&[range, range]), Verdict::Whole);
    assert_eq!(judge(&[range, (Tag::IfNoneMatch, ETAG)]), Verdict::NotModified);
}
