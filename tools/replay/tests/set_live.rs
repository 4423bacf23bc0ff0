//! `ipvsadm --set` while connections live, as recorded: a new timeout counts from the next packet on.

use headgate_replay::states::{Session, States};

#[test]
fn a_new_timeout_counts_from_the_next_packet_on() {
    let states: States = serde_json::from_str(r#"{"name": "set-live", "forward": "masq"}"#).unwrap();
    let mut session = Session::new(&states).unwrap();
    for event in ["in:S", "out:SA", "in:A"] {
        session.tcp(event).unwrap();
    }
    assert_eq!(session.connection(), Some(("ESTABLISHED".to_owned(), 900)));
    session.set(50, 0, 0).unwrap();
    assert_eq!(session.connection(), Some(("ESTABLISHED".to_owned(), 900)));
    session.tcp("in:A").unwrap();
    assert_eq!(session.connection(), Some(("ESTABLISHED".to_owned(), 50)));
    session.set(0, 15, 0).unwrap();
    session.tcp("out:FA").unwrap();
    assert_eq!(session.connection(), Some(("FIN_WAIT".to_owned(), 15)));
}
