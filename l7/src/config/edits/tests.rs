use super::*;

#[test]
fn set_fields_replace_and_added_ones_stand_beside() {
    let template = |text| Template::new(text).unwrap();
    let edits = Edits::new(
        vec![("X-From".into(), template("$remote_addr")), ("X-Empty".into(), template(""))],
        vec![("X-Also".into(), template("yes"))],
        vec!["Server".into()],
    );
    assert!(edits.removes(b"x-from") && edits.removes(b"SERVER") && !edits.removes(b"X-Also"));
    let mut out = Vec::new();
    let values = Values { host: b"", request_uri: b"/", remote_addr: "192.0.2.1", scheme: "http" };
    edits.write(&values, &mut out);
    assert_eq!(String::from_utf8(out).unwrap(), "X-From: 192.0.2.1\r\nX-Also: yes\r\n");
}
