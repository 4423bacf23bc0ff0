//! Smooth weighted round robin (nginx `ngx_http_upstream_round_robin.c`): weights 5, 1, 1 give a a b a c a a.

use super::Member;

/// Among the eligible members that `also` allows.
pub fn choose(members: &mut [Member], also: impl Fn(&Member) -> bool) -> Option<usize> {
    let mut best: Option<usize> = None;
    let mut total = 0;
    for at in 0..members.len() {
        if !members[at].eligible || !also(&members[at]) {
            continue;
        }
        let member = &mut members[at];
        member.current += member.effective;
        total += member.effective;
        // What failures took comes back step by step.
        if member.effective < i64::from(member.server.weight()) {
            member.effective += 1;
        }
        if best.is_none_or(|best| members[at].current > members[best].current) {
            best = Some(at);
        }
    }
    members[best?].current -= total;
    best
}
