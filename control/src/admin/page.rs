//! The status page: one document without scripts or anything from elsewhere, made anew at each request.

mod html;
mod tables;

use headgate_api::{NodeState, Status};

use super::Overview;
use crate::cmd::numbers::elapsed;
use html::{Html, Mood};

const STYLE: &str = include_str!("page/style.css");
/// Seconds until the browser asks again.
const REFRESH: u32 = 5;

/// The body of `/`.
pub(super) fn page(overview: &Overview) -> String {
    let Overview { status, services, upstreams, vrrp } = overview;
    let mut html = Html::default();
    html.raw("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">");
    html.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
    html.raw(&format!("<meta http-equiv=\"refresh\" content=\"{REFRESH}\">"));
    html.raw("<title>").text(&status.node).raw(" · Headgate</title><style>").raw(STYLE).raw("</style></head><body>");
    head(&mut html, status);
    html.raw("<main>");
    tables::virtual_routers(&mut html, &vrrp.virtual_routers);
    tables::services(&mut html, &services.services);
    tables::listeners(&mut html, &status.proxy);
    tables::upstreams(&mut html, &upstreams.upstreams);
    tables::dataplane(&mut html, &status.dataplane);
    html.raw("</main><footer><a href=\"/metrics\">metrics</a> <a href=\"/healthz\">health</a> ");
    for part in ["status", "services", "upstreams", "vrrp", "connections"] {
        html.raw(&format!("<a href=\"/api/{part}\">{part}</a> "));
    }
    html.raw("</footer></body></html>\n");
    html.into_text()
}

fn head(html: &mut Html, status: &Status) {
    let mood = if status.state == NodeState::Running { Mood::Good } else { Mood::Bad };
    html.raw("<header><h1>").text(&status.node).raw(" ");
    html.badge(&status.state.to_string(), mood).raw("</h1><p>");
    html.text(&format!(
        "Headgate {}, pid {}, up {}, configuration {}",
        status.headgate,
        status.pid,
        elapsed(status.uptime_s),
        status.generation
    ));
    html.raw("</p>");
    if let Some(reload) = &status.last_reload {
        let (word, mood) = if reload.ok { ("done", Mood::Good) } else { ("refused", Mood::Bad) };
        html.raw("<p>Last reload ").text(&reload.at).raw(" ").badge(word, mood).raw(" ");
        html.text(&reload.message).raw("</p>");
    }
    html.raw("</header>");
}
