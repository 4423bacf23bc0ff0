//! Either kind of recording.

use std::path::Path;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::fixture::Fixture;
use crate::run::{self, Difference};
use crate::states::{self, States};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Recording {
    Fixture(Fixture),
    States(States),
}

impl Recording {
    /// Reads the folder of a fixture, or the file of a state graph.
    ///
    /// # Errors
    /// When it is not there or not of the known form.
    pub fn read(path: &Path) -> Result<Self> {
        if path.is_dir() { Ok(Self::Fixture(Fixture::read(path)?)) } else { Ok(Self::States(states::read(path)?)) }
    }

    pub fn name(&self) -> &str {
        match self {
            Self::Fixture(fixture) => &fixture.script.name,
            Self::States(states) => &states.name,
        }
    }

    /// Plays it; where Headgate differs.
    ///
    /// # Errors
    /// When it needs what Headgate does not have.
    pub fn play(&self) -> Result<Vec<Difference>> {
        match self {
            Self::Fixture(fixture) => run::fixture(fixture),
            Self::States(states) => states::play(states),
        }
    }
}
