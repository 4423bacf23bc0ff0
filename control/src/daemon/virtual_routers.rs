//! The daemon's part in the virtual routers: the log, notify scripts, and what only it knows of the things they track.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::Daemon;
use crate::program::{self, Command};
use crate::vrrp::track::{Tracked, Verdict};
use crate::vrrp::{Event, Notify};

/// Scripts are to take note, not to work.
const LONGEST: Duration = Duration::from_mins(1);
/// For all that are left when the daemon stops.
const LAST: Duration = Duration::from_secs(5);

/// Runs notify scripts, one after the other and so in the order of what they tell.
#[derive(Debug)]
pub struct Notifier {
    notices: mpsc::UnboundedSender<Notice>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Notice {
    command: Command,
    arguments: Vec<String>,
    /// Whom it is about.
    about: String,
}

impl Notifier {
    /// Lives as long as the thread's set of tasks.
    pub fn start() -> Self {
        let (sender, mut notices) = mpsc::unbounded_channel::<Notice>();
        let task = tokio::task::spawn_local(async move {
            while let Some(Notice { command, arguments, about }) = notices.recv().await {
                let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
                if let Err(error) = program::run(&command, &arguments, LONGEST).await {
                    let script = command.words.join(" ");
                    tracing::error!(about, script, "notify script: {error}");
                }
            }
        });
        Self { notices: sender, task }
    }

    /// Waits for the scripts that are left, for a while.
    pub async fn finish(self) {
        drop(self.notices);
        if tokio::time::timeout(LAST, self.task).await.is_err() {
            tracing::error!("notify scripts did not end within {} s", LAST.as_secs());
        }
    }

    /// As keepalived calls them: those of a state as they are, the general one with `INSTANCE`, the name, the state and the priority.
    fn tell(&self, notify: &Notify, router: &str, state: &str, priority: u8) {
        let own = match state {
            "master" => &notify.master,
            "backup" => &notify.backup,
            "fault" => &notify.fault,
            _ => &notify.stop,
        };
        let general = || {
            let state = if state == "init" { "STOP" } else { &state.to_uppercase() };
            ["INSTANCE", router, state, &priority.to_string()].map(str::to_owned).to_vec()
        };
        let notices = own.iter().map(|command| (command, Vec::new())).chain(notify.any.iter().map(|c| (c, general())));
        for (command, arguments) in notices {
            self.run(command, arguments, router);
        }
    }

    /// After all that were asked for before.
    pub fn run(&self, command: &Command, arguments: Vec<String>, about: &str) {
        let notice = Notice { command: command.clone(), arguments, about: about.to_owned() };
        let _ = self.notices.send(notice);
    }
}

impl Daemon {
    pub(super) fn virtual_router_event(&self, event: &Event) {
        match event {
            Event::Became { router, notify, from, to, cause, priority } => {
                tracing::info!(virtual_router = router, from, to, priority, "virtual router is {to}: {cause}");
                self.notifier.tell(notify, router, to, *priority);
            }
            Event::Trouble { router, what } if router.is_empty() => tracing::warn!("virtual routers: {what}"),
            Event::Trouble { router, what } => tracing::error!(virtual_router = router, "{what}"),
            Event::Odd { router, what } => tracing::warn!(virtual_router = router, "{what}"),
        }
    }

    /// Tells the virtual routers how services and upstreams are that they track.
    pub(super) fn judge_own(&mut self) {
        for instance in self.model.virtual_routers().instances() {
            for (index, track) in instance.tracks.iter().enumerate() {
                let verdict = match &track.what {
                    Tracked::Upstream(name) => self.proxy.is_up(name),
                    Tracked::Service(name) => self.service_is_up(name),
                    _ => continue,
                };
                let verdict = if verdict { Verdict::Good } else { Verdict::Bad("no server is up".into()) };
                if self.tracking.is_news(&instance.router.name, index, &verdict) {
                    self.vrrp.judge(instance.router.name.clone(), index, verdict);
                }
            }
        }
    }
}
