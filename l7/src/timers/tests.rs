use super::*;

use std::future::{pending, ready};

fn on_this_thread<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
}

#[test]
fn what_is_ready_is_never_late() {
    on_this_thread(async {
        let timers = Timers::default();
        let deadline = timers.deadline();
        deadline.set(Duration::ZERO);
        assert_eq!(deadline.within(ready(7)).await, Ok(7));
    });
}

#[test]
fn the_sweep_wakes_who_is_late() {
    on_this_thread(async {
        let timers = Rc::new(Timers::default());
        let deadline = timers.deadline();
        deadline.set(Duration::from_millis(20));
        tokio::select! {
            late = deadline.within(pending::<()>()) => assert_eq!(late, Err(Late)),
            () = timers.sweep() => unreachable!("it goes on for ever"),
        }
    });
}

#[test]
fn slots_of_ended_tasks_are_forgotten() {
    let timers = Timers::default();
    let first = timers.deadline();
    drop(timers.deadline());
    timers.sweep_once(0);
    assert_eq!(timers.slots.borrow().len(), 1);
    drop(first);
    timers.sweep_once(0);
    assert!(timers.slots.borrow().is_empty());
}
