//! Headers of the PROXY protocol: nothing is read beyond them, and in pieces the verdict is that of the whole.
#![no_main]

use headgate_l7::open::proxy_header::{Header, MAX, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let whole = parse(input);
    if let Ok(Some(Header { length, .. })) = whole {
        assert!(length <= input.len() && length <= MAX, "{length} bytes of {}", input.len());
        assert_eq!(parse(&input[..length]), whole, "what follows does not matter");
    }
    for end in 0..input.len() {
        match parse(&input[..end]) {
            // It wants more, and will say the same as the whole in the end.
            Ok(None) => {}
            early => {
                assert_eq!(early, whole, "after {end} bytes");
                break;
            }
        }
    }
});
