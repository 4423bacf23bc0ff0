//! Policy routing rules: only whether there are any beyond the usual ones.

use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};

use crate::netlink::model::{DEFAULT_TABLE, LOCAL_TABLE, MAIN_TABLE};

/// The rule in words, or `None` for one of the rules every namespace starts with (`ip-rule(8)`: 0 local, 32766 main, 32767 default).
pub fn describe(message: &RuleMessage) -> Option<String> {
    let family = match message.header.family {
        AddressFamily::Inet => "IPv4",
        AddressFamily::Inet6 => "IPv6",
        _ => return None,
    };
    let (mut priority, mut table, mut selectors) = (0, u32::from(message.header.table), Vec::new());
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Priority(number) => priority = *number,
            RuleAttribute::Table(number) => table = *number,
            // -1 means: no suppression; the kernel always reports it.
            RuleAttribute::SuppressPrefixLen(u32::MAX)
            | RuleAttribute::SuppressIfGroup(u32::MAX)
            | RuleAttribute::Protocol(_) => {}
            other => selectors.push(format!("{other:?}")),
        }
    }
    let usual = [(0, LOCAL_TABLE), (32766, MAIN_TABLE), (32767, DEFAULT_TABLE)];
    let action = message.header.action;
    if action == RuleAction::ToTable && selectors.is_empty() && usual.contains(&(priority, table)) {
        return None;
    }
    let selectors = if selectors.is_empty() { "all".to_owned() } else { selectors.join(" ") };
    let verdict = if action == RuleAction::ToTable { format!("table {table}") } else { format!("{action:?}") };
    Some(format!("{family} rule {priority}: {selectors} → {verdict}"))
}
