//! The page's sections. One that would be empty is left out.

use headgate_api::{
    Dataplane, Proxy, RequestsByClass, Server, ServerState, Service, Upstream, UpstreamServer, UpstreamState,
    VirtualRouter, VrrpState,
};

use super::html::{Cell, Html, Mood};
use crate::cmd::numbers::short;
use crate::cmd::upstreams::{About, check, title, weight};

pub(super) fn virtual_routers(html: &mut Html, routers: &[VirtualRouter]) {
    if routers.is_empty() {
        return;
    }
    html.raw("<h2>Virtual routers</h2><section>");
    let heads = ["Router", "State", "Priority", "Master", "Changes", "Adverts sent", "Adverts received", "Reason"];
    html.table(&heads, routers.iter().map(virtual_router)).raw("</section>");
}

fn virtual_router(router: &VirtualRouter) -> Vec<Cell> {
    let mood = match router.state {
        VrrpState::Master | VrrpState::Backup => Mood::Good,
        VrrpState::Init => Mood::Attention,
        _ => Mood::Bad,
    };
    vec![
        Cell::text(format!("{} ({} on {})", router.name, router.id, router.interface)),
        Cell::Badge(router.state.to_string(), mood),
        Cell::number(router.effective_priority),
        Cell::text(router.master.map_or("-".to_owned(), |master| master.to_string())),
        Cell::number(router.transitions),
        Cell::number(router.adverts_sent),
        Cell::number(router.adverts_received),
        Cell::text(&router.reason),
    ]
}

pub(super) fn services(html: &mut Html, services: &[Service]) {
    if services.is_empty() {
        return;
    }
    html.raw("<h2>Services</h2>");
    for service in services {
        let (word, mood) = up(service.up);
        html.raw("<section><h3>").text(&service.name).raw(" ").badge(word, mood).raw("</h3><p>");
        let Service { protocol, address, forward, scheduler, .. } = service;
        html.text(&format!("{protocol} {address}, {forward}, {scheduler}")).raw("</p>");
        let heads = [
            "Server",
            "State",
            "Weight",
            "Active",
            "Inactive",
            "Connections",
            "Packets in",
            "Packets out",
            "Bytes in",
            "Bytes out",
            "Conn/s",
            "Check",
        ];
        html.table(&heads, service.servers.iter().chain(service.sorry_server.as_deref()).map(server)).raw("</section>");
    }
}

fn server(server: &Server) -> Vec<Cell> {
    let mood = match server.state {
        ServerState::Up => Mood::Good,
        ServerState::Drain | ServerState::Disabled | ServerState::Standby => Mood::Attention,
        _ => Mood::Bad,
    };
    let stats = &server.stats;
    vec![
        Cell::text(server.address),
        Cell::Badge(server.state.to_string(), mood),
        Cell::number(server.effective_weight),
        Cell::number(server.active),
        Cell::number(server.inactive),
        Cell::number(stats.connections),
        Cell::number(stats.packets_in),
        Cell::number(stats.packets_out),
        Cell::number(stats.bytes_in),
        Cell::number(stats.bytes_out),
        Cell::number(stats.rates.unwrap_or_default().connections),
        Cell::text(server.check.as_ref().map_or("-".to_owned(), check)),
    ]
}

pub(super) fn listeners(html: &mut Html, proxy: &Proxy) {
    if proxy.listeners.is_empty() {
        return;
    }
    html.raw("<h2>Listeners</h2><section><p>");
    let workers = proxy.workers.len();
    html.text(&format!("{} connections of clients, {workers} workers", short(proxy.connections))).raw("</p>");
    let rows = proxy.listeners.iter().map(|listener| {
        let addresses: Vec<String> = listener.addresses.iter().map(ToString::to_string).collect();
        let mut row =
            vec![Cell::text(&listener.name), Cell::text(addresses.join(", ")), Cell::number(listener.connections)];
        row.extend(listener.requests.to_array().map(Cell::number));
        row.extend([Cell::number(listener.bytes_in), Cell::number(listener.bytes_out)]);
        row
    });
    let heads = [&["Listener", "Addresses", "Connections"][..], &RequestsByClass::CLASSES, &["Bytes in", "Bytes out"]];
    html.table(&heads.concat(), rows).raw("</section>");
}

pub(super) fn upstreams(html: &mut Html, upstreams: &[Upstream]) {
    if upstreams.is_empty() {
        return;
    }
    html.raw("<h2>Upstreams</h2>");
    for upstream in upstreams {
        html.raw("<section><h3>").text(&upstream.name).raw("</h3><p>").text(&About(upstream).to_string()).raw("</p>");
        let heads = [
            "Server",
            "State",
            "Check",
            "Role",
            "Weight",
            "In flight",
            "Requests",
            "Failures",
            "Retries",
            "p50 ms",
            "p99 ms",
        ];
        html.table(&heads, upstream.servers.iter().map(upstream_server)).raw("</section>");
    }
}

fn upstream_server(server: &UpstreamServer) -> Vec<Cell> {
    let mood = match server.state {
        UpstreamState::Up => Mood::Good,
        UpstreamState::Drain | UpstreamState::Probing => Mood::Attention,
        _ => Mood::Bad,
    };
    let millis = |value: Option<f64>| Cell::Number(value.map_or("-".to_owned(), |value| format!("{value:.2}")));
    vec![
        Cell::text(title(server)),
        Cell::Badge(server.state.to_string(), mood),
        Cell::text(server.check.as_ref().map_or("-".to_owned(), check)),
        Cell::text(if server.backup { "backup" } else { "primary" }),
        Cell::Number(weight(server)),
        Cell::number(server.in_flight),
        Cell::number(server.requests),
        Cell::number(server.failures),
        Cell::number(server.retries),
        millis(server.latency_ms.map(|latency| latency.p50)),
        millis(server.latency_ms.map(|latency| latency.p99)),
    ]
}

pub(super) fn dataplane(html: &mut Html, dataplane: &Dataplane) {
    if dataplane.workers.is_empty() {
        return;
    }
    let (connections, capacity) = (dataplane.connections, dataplane.capacity);
    html.raw("<h2>Data plane</h2><section><p>");
    html.text(&format!("{} of {} connections ", short(connections), short(capacity)));
    html.raw(&format!("<meter min=\"0\" max=\"{capacity}\" value=\"{connections}\"></meter></p>"));
    let interfaces = dataplane.interfaces.iter().map(|interface| {
        let (word, mood) = if interface.present { ("present", Mood::Good) } else { ("absent", Mood::Bad) };
        vec![
            Cell::text(&interface.name),
            Cell::Badge(word.to_owned(), mood),
            Cell::text(interface.mode),
            Cell::number(interface.queues),
            Cell::number(interface.mtu),
        ]
    });
    html.table(&["Interface", "State", "XDP", "Queues", "MTU"], interfaces);
    let workers = dataplane.workers.iter().map(|worker| {
        let numbers = [worker.received, worker.transmitted, worker.to_kernel].map(Cell::number);
        [Cell::text(worker.id), Cell::text(worker.core)].into_iter().chain(numbers).collect()
    });
    html.table(&["Worker", "Core", "Received", "Sent", "To the kernel"], workers);
    if !dataplane.drops.is_empty() {
        let drops = dataplane.drops.iter().map(|(reason, packets)| vec![Cell::text(reason), Cell::number(*packets)]);
        html.table(&["Dropped because", "Packets"], drops);
    }
    html.raw("</section>");
}

fn up(up: bool) -> (&'static str, Mood) {
    if up { ("up", Mood::Good) } else { ("down", Mood::Bad) }
}
