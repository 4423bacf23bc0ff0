//! Going over to the file as it is now: all of it or nothing.

use headgate_api as api;

use super::Daemon;
use super::chain::chain;
use crate::config::{self, Environment};
use crate::time;

impl Daemon {
    /// Reads the file again and goes over to it; a bad file changes nothing.
    pub(super) async fn reload(&mut self) -> api::ReloadReport {
        let report = self.try_reload().await;
        let message = if !report.ok {
            report.errors.first().map(ToString::to_string).unwrap_or_default()
        } else if report.changes.is_empty() {
            "nothing changed".to_owned()
        } else {
            report.changes.join("; ")
        };
        if report.ok {
            tracing::info!(generation = report.generation, "reloaded: {message}");
        } else {
            tracing::error!("reload refused: {message}");
        }
        let unix_s = time::unix().as_secs();
        self.last_reload = Some(api::LastReload { at: time::rfc3339(unix_s), unix_s, ok: report.ok, message });
        report
    }

    async fn try_reload(&mut self) -> api::ReloadReport {
        let refused = |generation, errors| api::ReloadReport {
            version: api::VERSION,
            ok: false,
            generation,
            changes: Vec::new(),
            errors,
            warnings: Vec::new(),
        };
        let loaded = match config::load(&self.file, &Environment::detect()) {
            Ok(loaded) => loaded,
            Err(error) => return refused(self.generation, error.to_problems()),
        };
        let changes = config::diff::diff(&self.model, &loaded.model);
        let before = std::mem::replace(&mut self.model, loaded.model.clone());
        let applied = match self.held.follow(&self.commands, self.model.addresses()).await {
            Ok(()) => {
                self.await_addresses().await;
                self.proxy.resolve(self.model.proxy()).await;
                self.follow_admin().await.and_then(|()| self.apply())
            }
            Err(error) => Err(error),
        };
        if let Err(error) = applied {
            let reason = chain(&error);
            tracing::error!("the new configuration cannot be applied, going back: {reason}");
            self.model = before;
            self.proxy.resolve(self.model.proxy()).await;
            let back = self.held.follow(&self.commands, self.model.addresses()).await.and_then(|()| self.apply());
            if let Err(error) = back.and(self.follow_admin().await) {
                tracing::error!("going back failed too: {}", chain(&error));
            }
            let problem = api::Problem {
                file: self.file.display().to_string(),
                line: 0,
                column: None,
                key: String::new(),
                message: reason,
            };
            return refused(self.generation, vec![problem]);
        }
        self.log.set_level(self.model.control().log().level());
        let unheld = self.unheld(&loaded);
        api::ReloadReport {
            version: api::VERSION,
            ok: true,
            generation: self.generation,
            changes: changes.iter().map(ToString::to_string).collect(),
            errors: Vec::new(),
            warnings: loaded.warnings.iter().chain(&unheld).map(config::ConfigWarning::to_api).collect(),
        }
    }
}
