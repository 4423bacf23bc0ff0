use super::words;

#[test]
fn words_are_between_blanks_and_quotes_take_blanks_in() {
    let split = |text: &str| words(text);
    assert_eq!(split("/bin/check -v  x").unwrap(), ["/bin/check", "-v", "x"]);
    assert_eq!(split("/bin/check 'a b' \"c'd\" e\"f g\"").unwrap(), ["/bin/check", "a b", "c'd", "ef g"]);
    assert_eq!(split("/bin/check ''").unwrap(), ["/bin/check", ""]);
    assert!(split("/bin/check 'a").is_err());
    assert!(split("  ").unwrap().is_empty());
}
