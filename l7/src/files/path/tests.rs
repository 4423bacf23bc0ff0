use super::*;

#[test]
fn a_path_is_looked_up_below_the_root() {
    assert_eq!(below(b"/"), Some(b"".as_slice()));
    assert_eq!(below(b"/a/b.html"), Some(b"a/b.html".as_slice()));
    assert_eq!(below(b"/a/b/"), Some(b"a/b/".as_slice()));
    assert_eq!(below(b"/..a/.b/c..d"), Some(b"..a/.b/c..d".as_slice()));
}

#[test]
fn what_could_lead_elsewhere_is_no_path() {
    for path in
        ["", "a", "/..", "/../a", "/a/..", "/a/../b", "/.", "/./a", "//", "//etc/passwd", "/a//b", "/a\0b", "/a//"]
    {
        assert_eq!(below(path.as_bytes()), None, "{path:?}");
    }
}
