//! An error with its causes in one line.

use anyhow::Error;

/// The error and its causes, outermost first. A cause that the message before already ends with is not repeated: many of our
/// errors name theirs, since they are also shown alone.
pub fn chain(error: &Error) -> String {
    let mut line = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if line.is_empty() {
            line = cause;
        } else if !line.ends_with(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_named_once() {
        let told = Error::msg("no such device").context("there is no interface eth9: no such device");
        assert_eq!(
            chain(&told.context("interface eth9")),
            "interface eth9: there is no interface eth9: no such device"
        );
        assert_eq!(chain(&Error::msg("in use").context("cannot listen")), "cannot listen: in use");
    }
}
