//! Routes that answer with files, compared with nginx on the same folder, and error pages.

mod common;

use std::fs;
use std::io::{BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::Path;

use common::nginx::nginx;
use common::proxy::{Bed, PRIMARY, PROXY, at, namespace};
use headgate_testbed::traffic::{HttpClient, Response};
use headgate_testbed::{Namespace, Process, privileged};

const NGINX: SocketAddr = at(8081);
/// Bytes of the large file.
const SIZE: u64 = 200 << 20;

/// A folder of a site with a secret beside it.
fn site(home: &Path) -> String {
    let www = home.join("www");
    fs::create_dir_all(www.join("dir/empty")).unwrap();
    for (name, content) in [
        ("index.html", "<p>index\n"),
        ("a.txt", "0123456789"),
        ("a b.txt", "blank\n"),
        ("empty.css", ""),
        ("dir/index.html", "<p>dir\n"),
        ("page.js", "a plain script\n"),
        ("page.js.gz", "not really compressed"),
    ] {
        fs::write(www.join(name), content).unwrap();
    }
    fs::write(home.join("secret"), "secret").unwrap();
    symlink("../secret", www.join("out")).unwrap();
    symlink("a.txt", www.join("inside.txt")).unwrap();
    www.to_str().unwrap().to_owned()
}

fn config(www: &str, listener: &str, route: &str) -> String {
    format!(
        "[proxy]\nworkers = [0]\n[[listener]]\nname = \"http\"\naddress = [\"{PROXY}\"]\n{listener}\n\
         [[listener.route]]\nroot = \"{www}\"\n{route}\n"
    )
}

/// nginx on the same folder.
fn on_files(ns: &Namespace, www: &str) -> Process {
    let server = format!(
        "include /etc/nginx/mime.types; default_type application/octet-stream;\n\
         server {{ listen {NGINX}; root {www}; absolute_redirect off; location / {{ }} }}"
    );
    nginx(ns, &[NGINX], &server)
}

/// Method, target, fields.
type Case<'a> = (&'a str, &'a str, Vec<(&'a str, &'a str)>);

/// What has to be alike.
fn essence(response: &Response) -> (u16, Vec<Option<String>>, Vec<u8>) {
    const FIELDS: [&str; 7] =
        ["ETag", "Last-Modified", "Content-Length", "Content-Range", "Accept-Ranges", "Location", "Allow"];
    // The words of an error are each server's own.
    let own = response.status >= 300 && response.status != 304;
    let field = |name: &&str| response.header(name).map(str::to_owned);
    let fields = FIELDS.iter().filter(|name| !own || matches!(**name, "Content-Range" | "Location")).map(field);
    (response.status, fields.collect(), if own { Vec::new() } else { response.body.clone() })
}

#[test]
fn files_are_answered_as_nginx_answers() {
    if !privileged() {
        return;
    }
    let topology = namespace("files");
    let www = site(topology.director().directory());
    let _nginx = on_files(topology.director(), &www);
    let bed = Bed::start(topology, &config(&www, "", ""));
    let known = bed.get("/a.txt");
    let (etag, date) = (known.header("ETag").unwrap(), known.header("Last-Modified").unwrap());
    assert_eq!((known.status, known.text().as_str()), (200, "0123456789"));
    assert_eq!(known.header("Content-Type"), Some("text/plain; charset=utf-8"));
    let weak = format!("W/{etag}");
    let early = "Sun, 06 Nov 1994 08:49:37 GMT";
    let mut cases: Vec<Case<'_>> = Vec::new();
    for path in [
        "/",
        "/a.txt",
        "/a%20b.txt",
        "/empty.css",
        "/dir",
        "/dir/",
        "/dir?x=1&y",
        "/dir/empty",
        "/dir/empty/",
        "/no",
        "/no/",
        "/a.txt/",
        "/inside.txt",
        "/dir/../a.txt",
        "//a.txt",
        "/./a.txt",
        "/%61.txt",
        "/dir/%2e%2e/a.txt",
    ] {
        cases.extend([("GET", path, vec![]), ("HEAD", path, vec![])]);
    }
    for (name, value) in [
        ("If-None-Match", etag),
        ("If-None-Match", "\"x\", W/\"y\""),
        ("If-None-Match", "*"),
        ("If-None-Match", &weak),
        ("If-Match", etag),
        ("If-Match", "\"x\""),
        ("If-Match", "*"),
        ("If-Modified-Since", date),
        ("If-Modified-Since", early),
        ("If-Modified-Since", "nonsense"),
        ("If-Unmodified-Since", date),
        ("If-Unmodified-Since", early),
        ("Range", "bytes=0-0"),
        ("Range", "bytes=2-5"),
        ("Range", "bytes=5-"),
        ("Range", "bytes=-3"),
        ("Range", "bytes=-300"),
        ("Range", "bytes=5-3000"),
        ("Range", "bytes=10-"),
        ("Range", "bytes=-0"),
        ("Range", "bytes=a-b"),
        ("Range", "bytes=5-2"),
        ("Range", "items=0-1"),
    ] {
        cases.extend([("GET", "/a.txt", vec![(name, value)]), ("HEAD", "/a.txt", vec![(name, value)])]);
    }
    for condition in [etag, date, early, "\"x\""] {
        cases.push(("GET", "/a.txt", vec![("Range", "bytes=2-5"), ("If-Range", condition)]));
    }
    cases.push(("GET", "/a.txt", vec![("If-None-Match", "\"x\""), ("If-Modified-Since", date)]));
    cases.push(("GET", "/empty.css", vec![("Range", "bytes=0-")]));
    for method in ["POST", "PUT", "DELETE"] {
        cases.push((method, "/a.txt", vec![]));
    }
    // One connection for all of them to us; nginx closes its own after a part of an error.
    let mut client = bed.client();
    for (method, path, fields) in cases {
        let ours = client.request(method, path, &fields, b"").unwrap();
        let theirs = HttpClient::connect(bed.ns(), NGINX).unwrap().request(method, path, &fields, b"").unwrap();
        assert_eq!(essence(&ours), essence(&theirs), "{method} {path} {fields:?}");
    }
    // Where we differ on purpose: a date in between, and several ranges.
    let late = [("If-Modified-Since", "Fri, 31 Dec 2100 23:59:59 GMT")];
    assert_eq!(bed.client().request("GET", "/a.txt", &late, b"").unwrap().status, 304);
    let several = bed.client().request("GET", "/a.txt", &[("Range", "bytes=0-1,4-5")], b"").unwrap();
    assert_eq!((several.status, several.text().as_str()), (200, "0123456789"));
    let refused = bed.client().request("POST", "/a.txt", &[], b"x").unwrap();
    assert_eq!((refused.status, refused.header("Allow")), (405, Some("GET, HEAD")));
    assert_eq!(bed.get("/out").status, 403, "nginx follows every link");
    curl(&bed);
    let precompressed =
        config(&www, "", "precompressed = true\nfollow_symlinks = true\nindex = [\"no.html\", \"a.txt\"]");
    assert!(bed.daemon.reload(&precompressed).unwrap().status.success());
    assert_eq!((bed.get("/").text().as_str(), bed.get("/out").text().as_str()), ("0123456789", "secret"));
    let plain = bed.get("/page.js");
    assert_eq!((plain.header("Content-Encoding"), plain.header("Vary")), (None, Some("Accept-Encoding")));
    let packed = bed.client().request("GET", "/page.js", &[("Accept-Encoding", "br, gzip")], b"").unwrap();
    assert_eq!((packed.header("Content-Encoding"), packed.text().as_str()), (Some("gzip"), "not really compressed"));
    assert_eq!(packed.header("Content-Type"), plain.header("Content-Type"));
    assert_ne!(packed.header("ETag"), plain.header("ETag"));
    bed.finish();
}

/// A second download brings nothing, a broken one is completed.
fn curl(bed: &Bed) {
    let home = bed.ns().directory().display().to_string();
    let (tag, file, url) = (format!("{home}/tag"), format!("{home}/got"), format!("http://{PROXY}/a.txt"));
    let code = ["-s", "-w", "%{http_code}"];
    let run = |arguments: &[&str]| {
        let command = [&["curl"][..], &code, arguments, &[&url]].concat();
        bed.ns().run(&command).unwrap()
    };
    assert_eq!(run(&["--etag-save", &tag, "-o", &file]), "200");
    assert_eq!(run(&["--etag-compare", &tag, "-o", &file]), "304");
    assert_eq!(run(&["-z", &file, "-o", "/dev/null"]), "304");
    fs::write(&file, "0123").unwrap();
    assert_eq!(run(&["-C", "-", "-o", &file]), "206");
    assert_eq!(fs::read_to_string(&file).unwrap(), "0123456789");
}

#[test]
fn no_target_leads_out_of_the_root() {
    if !privileged() {
        return;
    }
    let topology = namespace("outside");
    let www = site(topology.director().directory());
    let bed = Bed::start(topology, &config(&www, "", ""));
    for target in [
        "/../secret",
        "/dir/../../secret",
        "/%2e%2e/secret",
        "/%2E%2E%2Fsecret",
        "/..%2fsecret",
        "/..%5csecret",
        "/..\\secret",
        "/%252e%252e/secret",
        "/.%2e/secret",
        "//../secret",
        "/./../secret",
        "/dir/..%2f..%2fsecret",
        "/a.txt/../../secret",
        "/out",
        "/a.txt%00.html",
        "/%00",
        "/%c0%ae%c0%ae/secret",
        "/....//secret",
        "http://h/../secret",
        "/..;/secret",
        "/dir/%2e%2e/%2e%2e/secret",
        "/%",
        "/%2",
        "/%zz",
        "*",
        "",
        "/proc/self/environ",
        "/dev/zero",
    ] {
        let mut stream = bed.raw(format!("GET {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").as_bytes());
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status: u16 = answer[9..12].parse().unwrap();
        assert!(matches!(status, 400 | 403 | 404) && !answer.contains("secret"), "{target}: {answer}");
    }
    assert_eq!(bed.get("/a.txt").status, 200);
    bed.finish();
}

/// The eight bytes at a multiple of eight.
fn word(at: u64) -> [u8; 8] {
    at.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()
}

#[test]
fn a_large_file_is_sent_whole_and_in_parts_while_others_are_served() {
    if !privileged() {
        return;
    }
    let topology = namespace("large");
    let www = site(topology.director().directory());
    let mut file = std::io::BufWriter::new(fs::File::create(Path::new(&www).join("large")).unwrap());
    (0..SIZE).step_by(8).for_each(|at| file.write_all(&word(at)).unwrap());
    drop(file);
    let bed = Bed::start(topology, &config(&www, "", ""));
    // Takes nothing at first: nobody waits for it.
    let slow = bed.raw(b"GET /large HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    let mut client = bed.client();
    for (first, last) in [(0, 0), (SIZE / 2 - 8, SIZE / 2 + 300_007), (SIZE - 80_000, SIZE - 1)] {
        let range = format!("bytes={first}-{last}");
        let part = client.request("GET", "/large", &[("Range", &range)], b"").unwrap();
        assert_eq!((part.status, part.body.len() as u64), (206, last - first + 1));
        let right = |(number, byte): (usize, &u8)| {
            let at = first + number as u64;
            word(at & !7)[(at & 7) as usize] == *byte
        };
        assert!(part.body.iter().enumerate().all(right), "{range}");
    }
    assert_eq!(client.request("HEAD", "/large", &[], b"").unwrap().header("Content-Length"), Some("209715200"));
    let mut reader = BufReader::with_capacity(1 << 20, slow);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        reader.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let mut part = vec![0; 1 << 20];
    for begin in (0..SIZE).step_by(1 << 20) {
        reader.read_exact(&mut part).unwrap();
        assert!(part.chunks(8).zip((begin..).step_by(8)).all(|(bytes, at)| bytes == word(at)), "from {begin}");
    }
    assert_eq!(reader.read(&mut [0]).unwrap(), 0);
    assert_eq!(client.get("/a.txt").unwrap().text(), "0123456789");
    bed.finish();
}

#[test]
fn errors_have_pages() {
    if !privileged() {
        return;
    }
    let topology = namespace("pages");
    let home = topology.director().directory().to_owned();
    let www = site(&home);
    let page = |name: &str, content: &str| {
        let path = home.join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (missing, trouble, own) =
        (page("404.html", "<p>missing"), page("50x.html", "<p>trouble"), page("own.txt", "own"));
    let large = page("large.html", &"x".repeat(100_000));
    let text = |listener: &str| {
        format!(
            "[[upstream]]\nname = \"app\"\n[[upstream.server]]\naddress = \"{}\"\n{}\n\
             [[listener.route]]\npath = \"/app\"\nupstream = \"app\"\n\
             [[listener.route]]\npath = \"/own\"\nupstream = \"app\"\nerror_pages = {{ 502 = \"{own}\" }}\n\
             [[listener.route]]\npath = \"= /no\"\nrespond = {{ status = 418 }}\n\
             [[listener.route]]\npath = \"/text\"\nrespond = {{ status = 404, body = \"text\" }}\n",
            at(PRIMARY),
            config(&www, listener, "path = \"/files\"")
        )
    };
    let pages = format!("error_pages = {{ 404 = \"{missing}\", 50x = \"{trouble}\", 418 = \"{large}\" }}");
    let bed = Bed::start(topology, &text(&pages));
    let mut client = bed.client();
    for (path, status, body, kind) in [
        ("/nowhere", 404, "<p>missing", "text/html; charset=utf-8"),
        ("/files/nothing", 404, "<p>missing", "text/html; charset=utf-8"),
        ("/app", 502, "<p>trouble", "text/html; charset=utf-8"),
        ("/own", 502, "own", "text/plain; charset=utf-8"),
        ("/text", 404, "text", "text/plain; charset=utf-8"),
    ] {
        let answer = client.get(path).unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (status, body), "{path}");
        assert_eq!(answer.header("Content-Type"), Some(kind), "{path}");
        let head = client.request("HEAD", path, &[], b"").unwrap();
        assert_eq!((head.status, head.header("Content-Length")), (status, Some(body.len().to_string().as_str())));
    }
    assert_eq!(client.get("/no").unwrap().body.len(), 100_000);
    let mut stream = bed.raw(b"nonsense\r\n\r\n");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("400 Bad Request"), "no page for it: {answer}");
    // What is on the disk counts with the next reload.
    page("404.html", "<p>changed");
    assert_eq!(bed.get("/nowhere").text(), "<p>missing");
    assert!(bed.daemon.reload(&text(&pages)).unwrap().status.success());
    assert_eq!(bed.get("/nowhere").text(), "<p>changed");
    for (broken, expected) in [
        ("error_pages = { 404 = \"/nowhere/404.html\" }", "cannot read /nowhere/404.html: No such file"),
        ("error_pages = { 200 = \"/nowhere\" }", "errors are 400 to 599"),
        ("error_pages = { 404 = \"404.html\" }", "it must be absolute"),
    ] {
        let refused = bed.daemon.reload(&text(broken)).unwrap();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned() + &String::from_utf8_lossy(&refused.stdout);
        assert!(!refused.status.success() && said.contains(expected), "{said}");
    }
    assert_eq!(bed.get("/nowhere").text(), "<p>changed");
    bed.finish();
}
