//! Templates (persistence): entries with one key of kind 1, and a count of the connections that joined.
//!
//! Count, closing bit and generation share the state word, so joining and closing cannot pass each other: with a count of its own,
//! "closing, oh, joined meanwhile, open again" would let a second template in.

use super::SubTable;
use super::entry::ConnId;
use super::key::{Key, STATE};
use super::sync::{Breakage, Ordering, broken};
use super::word::state_word;

impl<K: Key> SubTable<K> {
    /// Joins a connection-to-be to a template: the template cannot expire until it leaves. `false` when it is gone or closing.
    pub fn template_join(&self, id: ConnId) -> bool {
        self.change(id, super::State::join).is_some()
    }

    /// Takes back one join; call it when the connection ended (with [`Found::template`](super::Found::template)) or could not be
    /// created. Without effect when the template is gone: it may have been ended to make room for another with its key.
    pub fn template_leave(&self, id: ConnId) {
        self.change(id, super::State::leave);
    }

    /// Closes an expired template to joins if no connection holds it. `true` for the one caller who closed it and goes on to
    /// [`end`](SubTable::end) it. Anyone who meets a closing template may end it too; it is done once.
    pub fn template_close_if_unused(&self, id: ConnId) -> bool {
        if broken(Breakage::TemplateWord) {
            return self.close_in_two_steps(id);
        }
        self.change(id, super::State::close).is_some()
    }

    fn close_in_two_steps(&self, id: ConnId) -> bool {
        let Some(entry) = self.entry(id.index) else { return false };
        let Some(closed) = super::State::from_bits(entry[STATE].load(Ordering::Acquire)).close() else { return false };
        entry[STATE].store(state_word(id.generation, closed), Ordering::Release);
        true
    }
}
