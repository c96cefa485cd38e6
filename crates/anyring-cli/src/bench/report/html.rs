//! One self-contained page.

use std::fmt::Write;

use super::chart::{DARK, LIGHT, charts};
use super::model::Report;
use super::table::{TITLES, cells, comparisons, fio_cells, outside_cells};

const STYLE: &str = "
:root{color-scheme:light dark;--paper:#f6f8fa;--card:#fff;--ink:#24292f;--faint:#d0d7de;--soft:#57606a}
@media(prefers-color-scheme:dark){:root{--paper:#0d1117;--card:#161b22;--ink:#e6edf3;--faint:#30363d;--soft:#8b949e}}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.55 system-ui,sans-serif}
main{max-width:1020px;margin:0 auto;padding:32px 20px 64px}
h1{font-size:28px;margin:0 0 4px}h2{margin:40px 0 12px;font-size:20px}h3{margin:0 0 8px;font-size:15px}
p.soft{color:var(--soft);margin:0 0 20px}
.card{background:var(--card);border:1px solid var(--faint);border-radius:10px;padding:16px;margin:0 0 16px;overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:13px}
th,td{text-align:left;padding:6px 10px;border-bottom:1px solid var(--faint);vertical-align:top}
tr:last-child td{border-bottom:0}th{color:var(--soft);font-weight:600}
p.pairs{margin:12px 10px 0;color:var(--soft);font-size:13px}p.pairs b{color:var(--ink);font-weight:500}
svg{max-width:100%;height:auto;display:block;margin:auto}.dark{display:none}
@media(prefers-color-scheme:dark){.dark{display:block}.light{display:none}}
";

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn table(out: &mut String, titles: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    out.push_str("<table><tr>");
    for title in titles {
        let _ = write!(out, "<th>{}</th>", escape(title));
    }
    out.push_str("</tr>");
    for row in rows {
        out.push_str("<tr>");
        for cell in row {
            let _ = write!(out, "<td>{}</td>", escape(&cell));
        }
        out.push_str("</tr>");
    }
    out.push_str("</table>");
}

/// The page.
pub(crate) fn page(report: &Report) -> String {
    let m = &report.machine;
    let mut out = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>uring bench</title><style>{STYLE}</style><main><h1>uring bench</h1>\
         <p class=\"soft\">{} · Linux {} {} · {} · {} processors · load {:.2}<br>{}<br>Medians with quartiles over interleaved repetitions in random order.</p>",
        escape(&report.date),
        escape(&m.kernel),
        escape(&m.architecture),
        escape(&m.cpu),
        m.processors,
        m.load,
        escape(&report.peers.join(" · "))
    );
    out.push_str("<h2>Claims</h2><div class=\"card\">");
    table(
        &mut out,
        &["claim", "claimed", "measured", "why it differs"],
        report.claims.iter().map(|c| {
            vec![
                c.claim.clone(),
                c.claimed.clone(),
                c.measured.clone(),
                c.why.clone(),
            ]
        }),
    );
    out.push_str("</div>");
    let pairs = charts(report, LIGHT).into_iter().zip(charts(report, DARK));
    for (index, (light, dark)) in pairs.enumerate() {
        if index == 0 {
            out.push_str("<h2>Charts</h2>");
        }
        let _ = write!(
            out,
            "<div class=\"card\" role=\"img\" aria-label=\"{}\"><div class=\"light\">{}</div><div class=\"dark\">{}</div></div>",
            escape(&light.title),
            light.svg,
            dark.svg
        );
    }
    out.push_str("<h2>Figures</h2>");
    for group in &report.groups {
        let _ = write!(out, "<div class=\"card\"><h3>{}</h3>", escape(&group.title));
        table(
            &mut out,
            &TITLES,
            group.rows.iter().map(|row| cells(row).to_vec()),
        );
        out.push_str("<p class=\"pairs\">");
        for [pair, ratio] in comparisons(group) {
            let _ = write!(out, "{}: <b>{}</b><br>", escape(&pair), escape(&ratio));
        }
        out.push_str("</p>");
        out.push_str("</div>");
    }
    if !report.outside.is_empty() {
        out.push_str("<h2>System calls, counted from outside</h2><div class=\"card\">");
        let titles = ["", "by strace", "inside, in the same runs"];
        table(&mut out, &titles, report.outside.iter().map(outside_cells));
        out.push_str("</div>");
    }
    if !report.fio.is_empty() {
        out.push_str("<h2>fio on the same file, as a sanity check</h2><div class=\"card\">");
        let titles = ["engine", "reads/s"];
        table(&mut out, &titles, report.fio.iter().map(fio_cells));
        out.push_str("</div>");
    }
    for (title, list) in [("Missing", &report.missing), ("Notes", &report.notes)] {
        if !list.is_empty() {
            let _ = write!(out, "<h2>{title}</h2><ul>");
            for line in list {
                let _ = write!(out, "<li>{}</li>", escape(line));
            }
            out.push_str("</ul>");
        }
    }
    out.push_str("</main></html>\n");
    out
}
