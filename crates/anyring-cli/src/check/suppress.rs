//! Suppressions: findings that are known, and not reported.

use super::finding::{Finding, Id};

/// `ID` or `ID TEXT`: findings of that id whose text contains TEXT.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Suppression {
    id: Id,
    text: String,
}

/// A file: one a line, `#` at the beginning of a line is a comment.
pub(super) fn read(text: &str) -> Result<Vec<Suppression>, String> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (name, text) = line.split_once(' ').unwrap_or((line, ""));
            let id = Id::named(name).ok_or_else(|| format!("{name}: there is no such finding"))?;
            Ok(Suppression {
                id,
                text: text.trim().to_owned(),
            })
        })
        .collect()
}

impl Suppression {
    pub(super) fn covers(&self, finding: &Finding) -> bool {
        self.id == finding.id && finding.text.contains(&self.text)
    }
}

/// The line that suppresses a finding and those like it: without what changes from run to
/// run, which are numbers and addresses.
pub(super) fn line(finding: &Finding) -> String {
    let changing = |c: char| c.is_ascii_digit() || c == '#';
    let longest = finding
        .text
        .split(changing)
        .map(|part| part.trim_end_matches("0x").trim())
        .max_by_key(|part| part.len())
        .unwrap_or_default();
    format!("{} {longest}", finding.id.name())
        .trim_end()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(text: &str) -> Finding {
        Finding {
            id: Id::Index,
            level: Id::Index.level(),
            at: 0.0,
            pid: 1,
            ring_fd: 3,
            text: text.to_owned(),
        }
    }

    #[test]
    fn lines_are_read() {
        let all = read("# known\nUR-INDEX\n\nUR-FORK process 7\n").unwrap();
        assert_eq!(all.len(), 2);
        assert!(all[0].covers(&finding("whatever")));
        assert!(!all[1].covers(&finding("process 7")));
        assert!(read("UR-BANANA").unwrap_err().contains("UR-BANANA"));
    }

    #[test]
    fn what_is_made_covers() {
        let one = finding("#12 read(5, 0x7f00, 64, 0) = -EBADF: no file is registered at index 9");
        let other =
            finding("#99 read(8, 0x7eff, 64, 0) = -EBADF: no file is registered at index 4");
        let made = line(&one);
        let all = read(&made).unwrap();
        assert!(all[0].covers(&one) && all[0].covers(&other), "{made}");
    }
}
