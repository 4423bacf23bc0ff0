use super::*;

#[test]
fn the_ending_of_the_name_tells_the_type() {
    for (path, expected) in [
        ("index.html", "text/html"),
        ("a/b/INDEX.HTML", "text/html"),
        ("style.css", "text/css"),
        ("app.js", "text/javascript"),
        ("data.json", "application/json"),
        ("logo.svg", "image/svg+xml"),
        ("app.wasm", "application/wasm"),
        ("archive.tar.gz", "application/gzip"),
        ("noending", "application/octet-stream"),
        ("a.html/noending", "application/octet-stream"),
        ("strange.xyzzy", "application/octet-stream"),
        ("dot.", "application/octet-stream"),
    ] {
        assert_eq!(type_of(path.as_bytes()), expected, "{path}");
    }
    assert_eq!(type_of(b"\xff.\xff"), "application/octet-stream");
}

#[test]
fn texts_are_utf_8() {
    let written = |media_type| {
        let mut out = Vec::new();
        write(media_type, &mut out);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(written("text/html"), "text/html; charset=utf-8");
    assert_eq!(written("image/png"), "image/png");
}

#[test]
fn a_coding_is_accepted_unless_its_weight_is_zero() {
    for (value, gzip, br) in [
        ("gzip", true, false),
        ("gzip, deflate, br", true, true),
        ("GZIP;q=0.5, br;q=1.0", true, true),
        ("gzip;q=0, br;q=0.000", false, false),
        ("gzip ; q=0.1", true, false),
        ("*", false, false),
        ("xgzip", false, false),
        ("", false, false),
    ] {
        assert_eq!((accepts(value.as_bytes(), "gzip"), accepts(value.as_bytes(), "br")), (gzip, br), "{value}");
    }
}
