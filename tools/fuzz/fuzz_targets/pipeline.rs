//! The whole packet path with its table and timers: sequences of frames that the input describes, on a clock it moves.
//!
//! Nothing may panic or leak a frame; frames with right checksums come out with right checksums; in the end every connection
//! expires and the servers count none.
#![no_main]

use std::cell::RefCell;

use headgate_dataplane::pipeline::Verdict;
use headgate_dataplane::snapshot::DeviceId;
use headgate_fuzz::check::{ETHER, is_right, repair};
use headgate_fuzz::frames::{PORTS, SERVER_PORT, answer, cut, error, frame};
use headgate_fuzz::input::Input;
use headgate_replay::director::Director;
use headgate_replay::topology::{CLIENT_SIDE, SERVER_SIDE};
use libfuzzer_sys::fuzz_target;

/// Longer than any timeout that [`director`] leaves.
const LONG_MS: u64 = 400_000;

thread_local! {
    static DIRECTOR: RefCell<Director> = RefCell::new(director());
}

fuzz_target!(|bytes: &[u8]| DIRECTOR.with_borrow_mut(|director| run(director, &mut Input::new(bytes))));

/// Services on all ports of [`PORTS`] but the last, TCP and UDP, IPv4 and IPv6.
fn director() -> Director {
    let mut director = Director::new().unwrap();
    for (service, servers) in
        [("10.0.0.100", ["10.1.0.11", "10.1.0.12"]), ("[fd00::100]", ["[fd00:1::b]", "[fd00:1::c]"])]
    {
        for (port, options, method) in [
            (PORTS[0], "-s rr", "-g"),
            (PORTS[1], "-s wlc", "-m"),
            (PORTS[2], "-s sh", "-i"),
            (PORTS[3], "-s rr -p 60", "-m"),
            (PORTS[4], "-s mh", "-m"),
            (PORTS[5], "-s lblcr -p 60", "-g"),
            (PORTS[6], "-s rr -o", "-m"),
        ] {
            for kind in ["-t", "-u"] {
                if kind == "-t" && options.ends_with("-o") {
                    continue;
                }
                director.ipvsadm(&format!("-A {kind} {service}:{port} {options}")).unwrap();
                for server in servers {
                    let server_port = if method == "-m" { SERVER_PORT } else { port };
                    director
                        .ipvsadm(&format!("-a {kind} {service}:{port} -r {server}:{server_port} {method} -w 1"))
                        .unwrap();
                }
            }
        }
    }
    director.ipvsadm("--set 30 10 20").unwrap();
    director.configuration.sysctl("schedule_icmp", 1).unwrap();
    director.publish().unwrap();
    director
}

/// What is told apart of the frames so far.
struct Course {
    /// The last frame that was sent out, and the device.
    last: Option<(DeviceId, Vec<u8>)>,
    /// All frames had right checksums.
    honest: bool,
}

fn run(director: &mut Director, input: &mut Input<'_>) {
    let mut course = Course { last: None, honest: input.below(2) == 0 };
    while !input.is_empty() {
        match input.below(8) {
            0 => {
                let results = director.advance(u64::from(input.word())).unwrap();
                course.look_at(results);
            }
            1 => course.send(director, SERVER_SIDE, input, |last, _| answer(last)),
            2 => course.send(director, SERVER_SIDE, input, error),
            3 => course.send(director, CLIENT_SIDE, input, error),
            4 => {
                let (device, whole) = frame(input);
                let parts = cut(&whole, input.byte());
                // A part has no checksum of its own that could be made right.
                course.honest = false;
                for part in parts.into_iter().flatten() {
                    course.pass(director, device, part, input);
                }
            }
            _ => {
                let (device, frame) = frame(input);
                course.pass(director, device, frame, input);
            }
        }
    }
    let results = director.advance(LONG_MS).unwrap();
    course.look_at(results);
    assert_eq!(director.frames_held(), 0, "frames are held for ever");
    let connections = director.table.v4().iter().count() + director.table.v6().iter().count();
    assert_eq!(connections, 0, "connections do not expire");
    for id in director.servers.configured() {
        let servers = &director.servers;
        let counts = (servers.active(id), servers.inactive(id), servers.persistent(id));
        assert_eq!(counts, (0, 0, 0), "a server counts connections that do not exist");
    }
}

impl Course {
    /// Sends what `make` makes of the last frame that went out.
    fn send(
        &mut self,
        director: &mut Director,
        device: DeviceId,
        input: &mut Input<'_>,
        make: impl Fn(&[u8], &mut Input<'_>) -> Vec<u8>,
    ) {
        let Some((_, last)) = self.last.take() else { return };
        let frame = make(&last, input);
        self.pass(director, device, frame, input);
    }

    fn pass(&mut self, director: &mut Director, device: DeviceId, mut frame: Vec<u8>, input: &mut Input<'_>) {
        damage(&mut frame, input);
        if self.honest {
            repair(&mut frame);
            self.honest = frame.get(ETHER..).is_some_and(is_right);
        }
        let results = director.send(device, &frame).unwrap();
        self.look_at(results);
    }

    fn look_at(&mut self, results: Vec<(Vec<u8>, Verdict)>) {
        for (frame, verdict) in results {
            match verdict {
                Verdict::Tx(device) => {
                    let right = frame.get(ETHER..).is_some_and(is_right);
                    assert!(right || !self.honest, "a frame with a wrong checksum: {frame:02x?}");
                    self.last = Some((device, frame));
                }
                Verdict::ToKernel => assert!(is_right(&frame) || !self.honest, "to the kernel: {frame:02x?}"),
                Verdict::Drop(_) => {}
            }
        }
    }
}

/// Changes some bytes, three times in four none.
fn damage(frame: &mut Vec<u8>, input: &mut Input<'_>) {
    let wanted = input.byte();
    if wanted < 192 {
        return;
    }
    for _ in 0..wanted % 4 {
        let (at, value) = (usize::from(input.byte()), input.byte());
        if let Some(byte) = frame.get_mut(at) {
            *byte = value;
        }
    }
    if wanted & 16 != 0 {
        frame.truncate(usize::from(input.word()));
    }
    if wanted & 32 != 0 {
        frame.extend_from_slice(input.bytes(20));
    }
}
