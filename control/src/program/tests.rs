use std::time::Duration;

use super::{Command, run};

fn shell(script: &str) -> Command {
    Command { words: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(), user: None }
}

const LONG: Duration = Duration::from_secs(20);

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

#[test]
fn the_status_says_how_it_was() {
    assert_eq!(block_on(run(&shell("exit 0"), &[], LONG)), Ok(()));
    assert_eq!(block_on(run(&shell("exit 3"), &[], LONG)), Err("exit status: 3".to_owned()));
    assert_eq!(block_on(run(&shell("test $1 = b"), &["a", "b"], LONG)), Ok(()), "$0 is a");
    let missing = Command { words: vec!["/nonexistent".to_owned()], user: None };
    assert!(block_on(run(&missing, &[], LONG)).unwrap_err().starts_with("cannot be run"));
    let nobody = Command { user: Some("no-such-user".to_owned()), ..shell("exit 0") };
    assert_eq!(block_on(run(&nobody, &[], LONG)), Err("there is no user no-such-user".to_owned()));
}

#[test]
fn what_hangs_is_killed_with_what_it_has_started() {
    let marker = std::env::temp_dir().join(format!("headgate-program-{}", std::process::id()));
    // The child would write the file if it lived.
    let script = format!("(sleep 2; touch {}) & echo spew; yes; wait", marker.display());
    let result = block_on(run(&shell(&script), &[], Duration::from_millis(200)));
    assert_eq!(result, Err("did not end within 200 ms".to_owned()));
    let children = std::process::Command::new("pgrep").args(["-f", &format!("touch {}", marker.display())]).output();
    assert!(children.unwrap().stdout.is_empty());
    assert!(!marker.exists());
}
