use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};

use headgate_l7::config::Pattern;

use super::*;
use crate::health::check::{Exec, Record};
use crate::program::Command;

fn asked(target: SocketAddr, kind: Kind) -> Result<Passed, String> {
    let timeout = if matches!(kind, Kind::Udp { .. }) { 300 } else { 20_000 };
    let check = Check {
        kind,
        interval: Duration::from_secs(1),
        timeout: Duration::from_millis(timeout),
        rise: 1,
        fall: 1,
        delay_before_retry: None,
        port: None,
        starts_up: true,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(probe(target, &check))
}

/// A server that says these lines, each after it has read one.
fn mail_server(lines: &[&'static str]) -> (SocketAddr, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, lines) = (listener.local_addr().unwrap(), lines.to_vec());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut heard = String::new();
        for line in lines {
            stream.write_all(line.as_bytes()).unwrap();
            if !line.ends_with('\n') {
                break;
            }
            let mut buffer = [0; 512];
            let length = stream.read(&mut buffer).unwrap_or(0);
            heard.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
        }
        heard
    });
    (address, server)
}

fn mail(lines: &[&'static str]) -> (Result<Passed, String>, String) {
    let (address, server) = mail_server(lines);
    let result = asked(address, Kind::Smtp { helo: "lb.test".to_owned() });
    (result, server.join().unwrap())
}

#[test]
fn a_mail_server_greets_and_answers() {
    let (result, heard) = mail(&["220-mail.test\r\n220 hello\r\n", "250-mail.test\r\n250 SIZE\r\n", "221 bye\r\n"]);
    assert_eq!(result, Ok(Passed::default()));
    assert_eq!(heard, "EHLO lb.test\r\nQUIT\r\n");
    assert_eq!(mail(&["554 no\r\n"]).0, Err("greeting: 554 no".to_owned()));
    assert_eq!(mail(&["220 hello\r\n", "502 what?\r\n"]).0, Err("EHLO: 502 what?".to_owned()));
    assert_eq!(mail(&["220 hello\r\n", "25"]).0, Err("EHLO: closed without a reply".to_owned()));
    assert_eq!(mail(&["HTTP/1.1 200 OK\r\n"]).0, Err("greeting: no SMTP: HTTP/1.1 200 OK".to_owned()));
}

/// A server that answers one datagram.
fn udp_server(answer: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        let (length, from) = socket.recv_from(&mut buffer).unwrap();
        socket.send_to(&answer(&buffer[..length]), from).unwrap();
    });
    address
}

fn question(code: u8) -> Result<Passed, String> {
    let server = udp_server(move |question| {
        // printf of `dig +norecurse www.test AAAA`, but for the identifier and the wish for recursion.
        assert_eq!(&question[2..12], b"\x01\0\0\x01\0\0\0\0\0\0");
        assert_eq!(&question[12..], b"\x03www\x04test\0\0\x1c\0\x01");
        [&question[..2], &[0x81, 0x80 | code], &question[4..]].concat()
    });
    asked(server, Kind::Dns { name: "www.test.".to_owned(), record: Record::Aaaa })
}

#[test]
fn a_name_server_answers_without_an_error() {
    assert_eq!(question(0), Ok(Passed::default()));
    assert_eq!(question(2), Err("SERVFAIL".to_owned()));
    assert_eq!(question(3), Err("NXDOMAIN".to_owned()));
}

fn udp(target: SocketAddr, reply: Option<&str>) -> Result<Passed, String> {
    let reply = reply.map(|pattern| Pattern::new(pattern).unwrap());
    asked(target, Kind::Udp { payload: b"ping".to_vec(), reply })
}

#[test]
fn a_datagram_is_not_refused_or_answered_as_it_should_be() {
    let echo = || udp_server(<[u8]>::to_vec);
    assert_eq!(udp(echo(), Some("^ping$")), Ok(Passed::default()));
    assert_eq!(udp(echo(), Some("pong")), Err("the answer does not match".to_owned()));
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    assert_eq!(udp(silent.local_addr().unwrap(), None), Ok(Passed::default()));
    assert_eq!(udp(silent.local_addr().unwrap(), Some("")), Err("no answer within 300ms".to_owned()));
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(udp(nobody, None), Err("connection refused".to_owned()));
}

fn exec(script: &str, dynamic_weight: bool) -> Result<Passed, String> {
    let command = Command { words: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(), user: None };
    asked("192.0.2.7:8080".parse().unwrap(), Kind::Exec(Exec { command, dynamic_weight }))
}

#[test]
fn a_program_says_whether_and_how_much() {
    assert_eq!(exec("exit 0", true), Ok(Passed::default()));
    assert_eq!(exec("exit 1", true), Err("exit status: 1".to_owned()));
    assert_eq!(exec("exit 42", true), Ok(Passed { weight: Some(40) }));
    assert_eq!(exec("exit 42", false), Err("exit status: 42".to_owned()));
    assert_eq!(exec("test $HEADGATE_ADDRESS:$HEADGATE_PORT = 192.0.2.7:8080", false), Ok(Passed::default()));
}
