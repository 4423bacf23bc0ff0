use super::*;

fn ips(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn addresses_change_when_others_are_found_and_not_by_their_order() {
    let mut answer = Answer::default();
    assert!(!answer.is_asked());
    assert!(answer.on_result("a", Ok(ips(&["10.0.0.2", "10.0.0.1", "10.0.0.2"]))));
    assert_eq!(answer.addresses(), ips(&["10.0.0.1", "10.0.0.2"]));
    assert!(!answer.on_result("a", Ok(ips(&["10.0.0.1", "10.0.0.2"]))));
    assert!(answer.on_result("a", Ok(ips(&["10.0.0.1", "2001:db8::1"]))));
}

#[test]
fn a_failure_keeps_what_was_known() {
    let mut answer = Answer::default();
    assert!(!answer.on_result("a", Err("no".to_owned())));
    assert!(answer.is_asked() && answer.addresses().is_empty());
    assert!(answer.on_result("a", Ok(ips(&["10.0.0.1"]))));
    assert_eq!(answer.error(), None);
    assert!(!answer.on_result("a", Err("no".to_owned())));
    assert_eq!((answer.addresses(), answer.error()), (&ips(&["10.0.0.1"])[..], Some("no")));
    assert!(!answer.on_result("a", Ok(ips(&["10.0.0.1"]))), "the same as before");
}

#[test]
fn addresses_of_no_host_are_none() {
    let mut answer = Answer::default();
    assert!(answer.on_result("a", Ok(ips(&["0.0.0.0", "224.0.0.1", "::", "::ffff:10.0.0.1", "255.255.255.255"]))));
    assert_eq!(answer.addresses(), ips(&["10.0.0.1"]));
    assert!(!answer.on_result("a", Ok(ips(&["0.0.0.0"]))));
    assert_eq!(answer.error(), Some("it has no address of a host"));
}

#[test]
fn names_are_looked_up_and_forgotten() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let (mut names, interval) = (Names::default(), Duration::from_hours(1));
        names.follow([("localhost".to_owned(), interval)].into());
        tokio::time::timeout(Duration::from_secs(10), names.changed()).await.expect("it is found");
        names.settle(Duration::ZERO).await;
        let found = names.answer("localhost");
        assert!(found.addresses().iter().all(IpAddr::is_loopback) && found.is_asked());
        // Another interval changes nothing of what is known.
        names.follow([("localhost".to_owned(), interval * 2)].into());
        assert_eq!(names.answer("localhost"), found);
        names.follow(HashMap::new());
        assert_eq!(names.answer("localhost"), Answer::default());
    });
}
