//! Random operations against a model of maps.

use std::collections::HashMap;

use super::support::*;
use crate::table::*;

#[derive(Debug, Clone, Copy, PartialEq)]
struct Connection {
    forward: Key4,
    reverse: Option<Key4>,
    server: u32,
    state: State,
}

/// The rules of the table for a single user, in the plainest form.
#[derive(Default)]
struct Model {
    live: HashMap<ConnId, Connection>,
    owners: HashMap<Key4, (ConnId, Direction)>,
}

impl Model {
    fn expect(&self, new: &New<Key4>) -> Result<(), CreateError> {
        if let Some((id, _)) = self.owners.get(&new.forward) {
            return Err(CreateError::Exists(*id));
        }
        match new.reverse.and_then(|key| self.owners.get(&key)) {
            Some((_, Direction::Forward)) => Err(CreateError::ReverseTaken),
            Some(_) if new.on_reverse_taken == OnReverseTaken::Refuse => Err(CreateError::ReverseTaken),
            _ => Ok(()),
        }
    }

    fn insert(&mut self, id: ConnId, new: &New<Key4>) {
        self.live.insert(
            id,
            Connection { forward: new.forward, reverse: new.reverse, server: new.server, state: new.state },
        );
        self.owners.insert(new.forward, (id, Direction::Forward));
        if let Some(key) = new.reverse {
            self.owners.insert(key, (id, Direction::Reverse));
        }
    }

    fn remove(&mut self, id: ConnId) -> Option<Connection> {
        self.owners.retain(|_, owner| owner.0 != id);
        self.live.remove(&id)
    }

    fn check(&self, table: &SubTable<Key4>, key: &Key4) {
        let found = table.find(key);
        assert_eq!(found.map(|found| (found.id, found.direction)), self.owners.get(key).copied(), "{key:?}");
        if let Some(found) = found {
            let known = self.live[&found.id];
            let got = Connection {
                forward: found.forward,
                reverse: found.reverse,
                server: found.server,
                state: State::new(found.state.protocol_state(), found.state.flags(), found.state.timeout_seconds()),
            };
            assert_eq!(got, known);
        }
    }
}

fn random_new(rng: &mut Rng, keys: u32) -> New<Key4> {
    let n = rng.below(keys);
    let reverse = match rng.below(8) {
        0 => None,
        1 => Some(forward(rng.below(keys))),
        // Few servers and clients: reverse keys collide.
        _ => Some(reverse(rng.below(keys), rng.below(2))),
    };
    let on_reverse_taken = if rng.below(4) == 0 { OnReverseTaken::Refuse } else { OnReverseTaken::Take };
    let state = State::new(rng.next() as u8, rng.next() as u16, rng.below(1 << 20));
    let forward = if rng.below(16) == 0 { super::support::reverse(n, 0) } else { forward(n) };
    New { forward, reverse: reverse.filter(|key| *key != forward), state, on_reverse_taken, ..nat(n, rng.below(1000)) }
}

fn run(rng: &mut Rng, capacity: u32, keys: u32, steps: u32) {
    let table = table(capacity, 0);
    let (table, v4) = (&table, table.v4());
    let mut pool = Pool::new(table);
    let mut model = Model::default();
    let mut ids: Vec<ConnId> = Vec::new();
    for step in 0..steps {
        match rng.below(10) {
            0..5 => {
                let new = random_new(rng, keys);
                let full = model.live.len() == capacity as usize;
                match v4.create(&mut pool, &new) {
                    Ok(id) => {
                        assert_eq!(model.expect(&new), Ok(()));
                        model.insert(id, &new);
                        ids.push(id);
                    }
                    Err(CreateError::Full) => assert!(full),
                    Err(why) => assert_eq!(model.expect(&new), Err(why)),
                }
            }
            5..8 if !ids.is_empty() => {
                // Also ids that ended long ago.
                let id = ids[rng.below(ids.len() as u32) as usize];
                let ended = v4.end(&mut pool, id).map(|found| (found.forward, found.server));
                assert_eq!(ended, model.remove(id).map(|known| (known.forward, known.server)));
            }
            8 if !ids.is_empty() => {
                let id = ids[rng.below(ids.len() as u32) as usize];
                let state = State::new(rng.next() as u8, 7, 5);
                let changed = v4.update_state(id, |_| state).is_some();
                assert_eq!(changed, model.live.contains_key(&id));
                model.live.entry(id).and_modify(|known| known.state = state);
            }
            _ if !ids.is_empty() => {
                let id = ids[rng.below(ids.len() as u32) as usize];
                let key = model.live.get(&id).and_then(|known| known.reverse);
                let mine = key.is_some_and(|key| model.owners.get(&key).is_none_or(|owner| owner.0 == id));
                assert_eq!(v4.restore_reverse(id), mine);
                if let (Some(key), true) = (key, mine) {
                    model.owners.insert(key, (id, Direction::Reverse));
                }
            }
            _ => {}
        }
        model.check(v4, &forward(rng.below(keys)));
        model.check(v4, &reverse(rng.below(keys), rng.below(2)));
        if step.is_multiple_of(1000) {
            assert_eq!(assert_tidy(v4).live, model.live.len());
        }
        if step.is_multiple_of(10_000) {
            table.release(std::mem::replace(&mut pool, Pool::new(table)));
        }
    }
    let listed: HashMap<ConnId, Key4> = v4.iter().map(|found| (found.id, found.forward)).collect();
    assert_eq!(listed, model.live.iter().map(|(id, known)| (*id, known.forward)).collect());
}

#[test]
fn random_operations_follow_the_model() {
    let mut rng = Rng::seeded(1);
    run(&mut rng, 64, 40, 40_000);
    run(&mut rng, 64, 400, 40_000);
    run(&mut rng, 3000, 4000, 40_000);
}

#[test]
fn random_operations_follow_the_model_through_a_rebuild() {
    let mut rng = Rng::seeded(2);
    let table = table(500, 0);
    let mut pool = Pool::new(&table);
    let mut model = Model::default();
    for _ in 0..50 {
        for _ in 0..200 {
            let new = random_new(&mut rng, 400);
            if let Ok(id) = table.v4().create(&mut pool, &new) {
                model.insert(id, &new);
            }
        }
        let victims: Vec<ConnId> = model.live.keys().copied().filter(|_| rng.below(3) == 0).collect();
        for id in victims {
            assert!(table.v4().end(&mut pool, id).is_some());
            model.remove(id);
        }
        // The stock is lost on purpose, as in a crash.
        pool = Pool::new(&table);
        let report = table.rebuild(Tick::new(200));
        assert_eq!((report.live, report.dropped), (model.live.len(), 0));
        let audit = assert_tidy(table.v4());
        assert_eq!(audit.unlisted_free, 0);
        // Connections whose reverse key was lost to one that ended have it again.
        for (id, known) in &model.live {
            if let Some(key) = known.reverse {
                model.owners.entry(key).or_insert((*id, Direction::Reverse));
                let owner = table.v4().find(&key).unwrap();
                model.owners.insert(key, (owner.id, owner.direction));
            }
        }
        for n in 0..400 {
            model.check(table.v4(), &forward(n));
        }
    }
}
