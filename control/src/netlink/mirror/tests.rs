use super::super::netns::{Namespace, privileged, wait_for};
use super::{Mirror, Options};

#[test]
fn a_dead_socket_is_replaced_and_everything_read_anew() {
    if !privileged() {
        return;
    }
    let namespace = Namespace::new();
    namespace.block_on(|| async {
        let mut mirror = Mirror::open(Options::default()).await.unwrap();
        let mut states = mirror.subscribe();
        // What the stream of messages looks like when the socket has failed.
        mirror.events = Box::new(futures_util::stream::empty());
        namespace.ip("link set lo mtu 1234");
        tokio::spawn(mirror.run());
        wait_for(&mut states, "what the dead socket missed", |state| state.links[&1].mtu == 1234).await;
        assert_eq!(states.borrow().dumps, 2);
        namespace.ip("link set lo mtu 1235");
        wait_for(&mut states, "what the new socket says", |state| state.links[&1].mtu == 1235).await;
        assert_eq!(states.borrow().dumps, 2);
    });
}
