use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;

use proptest::prelude::*;

use super::*;
use crate::files::path::below;
use crate::http1::target::normal_path;

const SECRET: &str = "secret";

/// A folder `root` with files and links, and a secret beside it.
struct Tree(PathBuf);

impl Tree {
    fn new(name: &str) -> Self {
        let tree = Self(std::env::temp_dir().join(format!("headgate-{name}-{}", std::process::id())));
        let _ = fs::remove_dir_all(&tree.0);
        let root = tree.0.join("root");
        fs::create_dir_all(root.join("dir/inner")).unwrap();
        fs::write(root.join("file"), "file").unwrap();
        fs::write(root.join("dir/inner/deep"), "deep").unwrap();
        fs::write(tree.0.join("secret"), SECRET).unwrap();
        symlink("file", root.join("link")).unwrap();
        symlink("../../file", root.join("dir/inner/up")).unwrap();
        symlink("../secret", root.join("out")).unwrap();
        symlink("..", root.join("parent")).unwrap();
        symlink(tree.0.join("secret"), root.join("absolute")).unwrap();
        symlink("/proc/self/root", root.join("magic")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        tree
    }

    fn files(&self, follow_symlinks: bool) -> Files {
        Files { root: self.0.join("root"), index: Vec::new(), follow_symlinks, precompressed: false }
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn content(files: &Files, path: &str, now: u64) -> Result<String, u16> {
    let mut opened = open_below(files, path.as_bytes(), now)?;
    let mut text = String::new();
    opened.file.read_to_string(&mut text).map_err(|_| 0_u16)?;
    Ok(text)
}

#[test]
fn links_lead_around_within_the_root_only() {
    let tree = Tree::new("links");
    let files = tree.files(false);
    for (path, expected) in [
        ("file", Ok("file")),
        ("link", Ok("file")),
        ("dir/inner/up", Ok("file")),
        ("dir/inner/deep", Ok("deep")),
        ("dir", Err(0)),
        ("nothing", Err(404)),
        ("file/more", Err(404)),
        ("file/", Err(404)),
        ("out", Err(403)),
        ("parent/secret", Err(403)),
        ("absolute", Err(403)),
        ("magic/etc/passwd", Err(403)),
        ("loop", Err(403)),
        ("../secret", Err(403)),
        ("/etc/passwd", Err(403)),
    ] {
        assert_eq!(content(&files, path, 0), expected.map(str::to_owned), "{path}");
    }
    assert_eq!(content(&files, &"x/".repeat(3000), 0), Err(404));
    let files = tree.files(true);
    for path in ["out", "parent/secret", "absolute"] {
        assert_eq!(content(&files, path, 0), Ok(SECRET.to_owned()), "{path}");
    }
    assert_eq!(content(&files, "magic/etc/passwd", 0), Err(403));
}

#[test]
fn what_is_there_is_told() {
    let tree = Tree::new("kinds");
    nix::unistd::mkfifo(&tree.0.join("root/pipe"), Mode::S_IRWXU).unwrap();
    let files = tree.files(false);
    let kind = |path: &str| open_below(&files, path.as_bytes(), 0).map(|opened| (opened.kind, opened.size));
    assert_eq!(kind("file"), Ok((Kind::File, 4)));
    assert_eq!(kind("dir").map(|known| known.0), Ok(Kind::Folder));
    assert_eq!(kind("").map(|known| known.0), Ok(Kind::Folder));
    assert_eq!(kind("pipe"), Ok((Kind::Other, 0)), "nobody waits for a writer");
}

#[test]
fn a_root_that_is_turned_to_another_folder_is_followed() {
    let tree = Tree::new("turned");
    let current = tree.0.join("current");
    symlink("root", &current).unwrap();
    let files = Files { root: current.clone(), ..tree.files(false) };
    assert_eq!(content(&files, "file", 0), Ok("file".to_owned()));
    fs::create_dir(tree.0.join("next")).unwrap();
    fs::write(tree.0.join("next/file"), "next").unwrap();
    fs::remove_file(&current).unwrap();
    symlink("next", &current).unwrap();
    assert_eq!(content(&files, "file", ROOT_FOR - 1), Ok("file".to_owned()));
    assert_eq!(content(&files, "file", ROOT_FOR), Ok("next".to_owned()));
    let gone = Files { root: tree.0.join("gone"), ..files };
    assert_eq!(content(&gone, "file", 0), Err(404));
}

proptest! {
    /// Whatever is asked for, what lies beside the root is never sent; what exists below it is found under its plain name.
    #[test]
    fn no_target_leads_out_of_the_root(parts in proptest::collection::vec(part(), 0..8)) {
        thread_local! {
            static TREE: Tree = Tree::new("targets");
        }
        let target = format!("/{}", parts.concat());
        let Ok(path) = normal_path(target.as_bytes()) else { return Ok(()) };
        let Some(below) = below(&path) else { return Ok(()) };
        TREE.with(|tree| {
            if let Ok(mut opened) = open_below(&tree.files(false), below, 0)
                && opened.kind == Kind::File
            {
                let mut text = String::new();
                opened.file.read_to_string(&mut text).unwrap();
                assert!(matches!(text.as_str(), "file" | "deep"), "{target}: {text}");
            }
        });
    }
}

fn part() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "/",
        "..",
        ".",
        "%2e",
        "%2E%2e",
        "%2f",
        "%5c",
        "\\",
        "%00",
        "%252e",
        "secret",
        "file",
        "link",
        "out",
        "parent",
        "absolute",
        "dir",
        "inner",
        "up",
        "deep",
        "magic",
        "loop",
        "etc/passwd",
        "?",
        ";",
        "%c0%ae",
        "%u002e",
    ])
}
