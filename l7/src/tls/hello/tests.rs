use std::sync::Arc;

use proptest::prelude::*;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::*;

/// What rustls sends first.
fn real(name: &str) -> Vec<u8> {
    let config = ClientConfig::builder_with_provider(crate::tls::provider())
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut session = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut out = Vec::new();
    while session.wants_write() {
        session.write_tls(&mut out).unwrap();
    }
    out
}

/// The same message in records of so many bytes.
fn in_records(hello: &[u8], size: usize) -> Vec<u8> {
    let records = hello[5..].chunks(size).map(|part| {
        let length = u16::try_from(part.len()).unwrap().to_be_bytes();
        [&[HANDSHAKE, 3, 1], &length[..], part].concat()
    });
    records.collect::<Vec<_>>().concat()
}

#[test]
fn the_name_is_found_however_the_hello_is_cut() {
    let whole = real("App.example.org");
    let named = Hello::Named("app.example.org".to_owned());
    assert_eq!(hello(&whole), named);
    for size in [1, 7, 100] {
        assert_eq!(hello(&in_records(&whole, size)), named, "{size}");
    }
    for end in 0..whole.len() {
        assert_eq!(hello(&whole[..end]), Hello::Partial, "{end}");
    }
}

#[test]
fn others_have_no_name() {
    assert_eq!(hello(&real("192.0.2.1")), Hello::Unnamed);
    for text in [
        &b"SSH-2.0-OpenSSH"[..],
        b"GET / HTTP/1.1\r\n",
        &[HANDSHAKE, 2, 0, 0, 1, 1],
        &[HANDSHAKE, 3, 1, 0, 4, 2, 0, 0, 0],
    ] {
        assert_eq!(hello(text), Hello::Unnamed, "{text:?}");
    }
    assert_eq!(hello(&[HANDSHAKE, 3, 1]), Hello::Partial);
    let endless = [&[HANDSHAKE, 3, 1, 0xff, 0xff, CLIENT_HELLO, 0xff, 0, 0][..], &vec![0; MAX]].concat();
    assert_eq!(hello(&endless), Hello::Unnamed, "it does not go on forever");
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(at in 0..200_usize, bytes in prop::collection::vec(any::<u8>(), 0..8)) {
        let mut input = real("a.test");
        let at = at.min(input.len() - bytes.len());
        input[at..at + bytes.len()].copy_from_slice(&bytes);
        hello(&input);
    }
}
