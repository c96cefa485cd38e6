//! What docs/engine.md promises of the userspace engine.

use anyring_bench::ENGINE;

use super::{Claims, Group, Spread, doubt, number, ratio};

/// The group whose parameter is nearest to what the promise names.
fn nearest<'a>(
    groups: impl Iterator<Item = &'a Group>,
    parameter: &str,
    wanted: u64,
) -> Option<&'a Group> {
    groups.min_by_key(|group| number(group, parameter).abs_diff(wanted))
}

/// A contender of the engine against another.
fn against<'a>(group: &'a Group, ours: &str, theirs: &str) -> Option<&'a Spread> {
    let mut pairs = group.against.iter();
    let pair = pairs.find(|pair| pair.ours == ours && pair.theirs == theirs);
    pair.map(|pair| &pair.ratio)
}

impl Claims<'_> {
    pub(super) fn engine(&mut self) {
        let nops = self.family("calls").filter(|group| group.id != "parts");
        let (nops, least) = (nearest(nops, "batch", 32), "0.5 times or more");
        if let Some((group, found)) = nops.and_then(|g| Some((g, against(g, ENGINE, "anyring")?))) {
            let measured = format!("{}{}: {}", ratio(found), doubt(group), group.title);
            let claim = "NOPs, the userspace engine against the kernel";
            self.promise(claim, least, measured, found.median >= 0.5);
        }
        for (kind, theirs, claimed, least) in [
            ("cached", "anyring", least, 0.5),
            ("direct", "pread, 4 threads", "more than 1 times", 1.0),
        ] {
            let group = nearest(self.reads(kind), "depth", 32);
            if let Some((group, found)) = group.and_then(|g| Some((g, against(g, ENGINE, theirs)?)))
            {
                let measured = format!("{}{}: {}", ratio(found), doubt(group), group.title);
                let who = match theirs {
                    "anyring" => "the kernel",
                    other => other,
                };
                let claim = format!("{kind} reads, the userspace engine against {who}");
                self.promise(&claim, claimed, measured, found.median >= least);
            }
        }
        let long = |group: &&Group| {
            super::parameter(group, "kind") == "long" && number(group, "bytes") == 64
        };
        let group = nearest(self.family("echo").filter(long), "connections", 50);
        let rows = group.into_iter().flat_map(|group| &group.rows);
        let rows = rows.filter(|row| row.contender.starts_with(ENGINE));
        let best = rows.max_by(|a, b| a.ratio.median.total_cmp(&b.ratio.median));
        if let (Some(group), Some(row)) = (group, best) {
            let found = format!("{}{}", ratio(&row.ratio), doubt(group));
            let measured = format!("{found}: {}, {}", row.contender, group.title);
            let claim = "echo, the userspace engine against epoll";
            self.promise(
                claim,
                "0.8 times or more",
                measured,
                row.ratio.median >= 0.8,
            );
        }
    }

    fn promise(&mut self, claim: &str, claimed: &str, measured: String, kept: bool) {
        let why = if kept {
            ""
        } else {
            "not kept here; docs/engine.md says what the engine is for, and what it costs"
        };
        self.add(claim, claimed, measured, why);
    }
}
