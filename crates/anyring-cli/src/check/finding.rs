//! Findings: their ids, levels and pages.

use serde::Serialize;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// What happened, for whoever looks for a cause.
    Info,
    /// About speed, or about what is easily mistaken.
    Advice,
    /// A fact that can be meant.
    Warning,
    /// A mistake.
    Error,
}

impl Level {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Level::Info => "info",
            Level::Advice => "advice",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }
}

/// What can be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Id {
    BufFreed,
    BufOverlap,
    Index,
    Fork,
    Threads,
    Setup,
    CqOverflow,
    SubmitShort,
    MultiEnd,
    CancelMiss,
    DataDup,
    Batch,
    LinkCut,
}

/// Every id, with its name, its level and its page.
pub(crate) const ALL: [(Id, &str, Level, &str); 13] = [
    page(
        Id::BufFreed,
        "UR-BUF-FREED",
        Level::Error,
        include_str!("../../../../docs/findings/UR-BUF-FREED.md"),
    ),
    page(
        Id::BufOverlap,
        "UR-BUF-OVERLAP",
        Level::Error,
        include_str!("../../../../docs/findings/UR-BUF-OVERLAP.md"),
    ),
    page(
        Id::Index,
        "UR-INDEX",
        Level::Error,
        include_str!("../../../../docs/findings/UR-INDEX.md"),
    ),
    page(
        Id::Fork,
        "UR-FORK",
        Level::Error,
        include_str!("../../../../docs/findings/UR-FORK.md"),
    ),
    page(
        Id::Threads,
        "UR-THREADS",
        Level::Error,
        include_str!("../../../../docs/findings/UR-THREADS.md"),
    ),
    page(
        Id::Setup,
        "UR-SETUP",
        Level::Error,
        include_str!("../../../../docs/findings/UR-SETUP.md"),
    ),
    page(
        Id::CqOverflow,
        "UR-CQ-OVERFLOW",
        Level::Warning,
        include_str!("../../../../docs/findings/UR-CQ-OVERFLOW.md"),
    ),
    page(
        Id::SubmitShort,
        "UR-SUBMIT-SHORT",
        Level::Warning,
        include_str!("../../../../docs/findings/UR-SUBMIT-SHORT.md"),
    ),
    page(
        Id::MultiEnd,
        "UR-MULTI-END",
        Level::Warning,
        include_str!("../../../../docs/findings/UR-MULTI-END.md"),
    ),
    page(
        Id::CancelMiss,
        "UR-CANCEL-MISS",
        Level::Warning,
        include_str!("../../../../docs/findings/UR-CANCEL-MISS.md"),
    ),
    page(
        Id::DataDup,
        "UR-DATA-DUP",
        Level::Advice,
        include_str!("../../../../docs/findings/UR-DATA-DUP.md"),
    ),
    page(
        Id::Batch,
        "UR-BATCH",
        Level::Advice,
        include_str!("../../../../docs/findings/UR-BATCH.md"),
    ),
    page(
        Id::LinkCut,
        "UR-LINK-CUT",
        Level::Info,
        include_str!("../../../../docs/findings/UR-LINK-CUT.md"),
    ),
];

const fn page(
    id: Id,
    name: &'static str,
    level: Level,
    text: &'static str,
) -> (Id, &'static str, Level, &'static str) {
    (id, name, level, text)
}

impl Id {
    pub(crate) fn name(self) -> &'static str {
        ALL[self as usize].1
    }

    pub(crate) fn level(self) -> Level {
        ALL[self as usize].2
    }

    /// By its name.
    pub(crate) fn named(name: &str) -> Option<Id> {
        let found = ALL.iter().find(|(_, other, ..)| *other == name)?;
        Some(found.0)
    }

    /// The page of docs/findings.
    pub(crate) fn page(self) -> &'static str {
        ALL[self as usize].3
    }
}

/// Something that was found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Finding {
    #[serde(serialize_with = "by_name")]
    pub(crate) id: Id,
    pub(crate) level: Level,
    /// Seconds since the program began.
    pub(crate) at: f64,
    pub(crate) pid: i32,
    pub(crate) ring_fd: i32,
    /// What is wrong, with the request in strace's manner.
    pub(crate) text: String,
}

fn by_name<S: serde::Serializer>(id: &Id, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(id.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_stand_in_their_places() {
        for (at, (id, name, _, text)) in ALL.iter().enumerate() {
            assert_eq!(*id as usize, at);
            assert_eq!(Id::named(name), Some(*id));
            assert!(text.starts_with(&format!("# {name}: ")), "{name}");
            for part in ["\n## Wrong\n", "\n## Right\n", "\n## What cannot be seen\n"] {
                assert!(text.contains(part), "{name}: {part}");
            }
        }
    }
}
