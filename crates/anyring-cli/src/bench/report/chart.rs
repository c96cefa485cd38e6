//! Charts, in light and dark.

use plotters::coord::ranged1d::{IntoSegmentedCoord, SegmentValue};
use plotters::prelude::*;

use super::model::{Group, Report};
use super::table::short;

/// Colours of the page around a chart.
#[derive(Clone, Copy)]
pub(crate) struct Theme {
    pub(crate) name: &'static str,
    paper: RGBColor,
    ink: RGBColor,
    faint: RGBColor,
    lines: [RGBColor; 10],
}

/// Light paper.
pub(crate) const LIGHT: Theme = Theme {
    name: "light",
    paper: RGBColor(255, 255, 255),
    ink: RGBColor(36, 41, 47),
    faint: RGBColor(225, 228, 232),
    lines: [
        RGBColor(87, 96, 106),
        RGBColor(191, 135, 0),
        RGBColor(9, 105, 218),
        RGBColor(26, 127, 55),
        RGBColor(130, 80, 223),
        RGBColor(207, 34, 46),
        RGBColor(219, 97, 162),
        RGBColor(188, 76, 0),
        RGBColor(27, 124, 131),
        RGBColor(110, 119, 129),
    ],
};

/// Dark paper.
pub(crate) const DARK: Theme = Theme {
    name: "dark",
    paper: RGBColor(22, 27, 34),
    ink: RGBColor(230, 237, 243),
    faint: RGBColor(48, 54, 61),
    lines: [
        RGBColor(139, 148, 158),
        RGBColor(210, 153, 34),
        RGBColor(88, 166, 255),
        RGBColor(63, 185, 80),
        RGBColor(188, 140, 255),
        RGBColor(255, 123, 114),
        RGBColor(247, 120, 186),
        RGBColor(240, 136, 62),
        RGBColor(57, 197, 207),
        RGBColor(177, 186, 196),
    ],
};

/// A chart: file name, title, SVG.
pub(crate) struct Chart {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) svg: String,
}

type Drawn<'a> = Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

const WIDTH: u32 = 920;
const FONT: &str = "system-ui, sans-serif";

struct Line {
    name: String,
    /// Place on the axis; low, median and high.
    points: Vec<(f64, [f64; 3])>,
}

fn series(groups: &[&Group], axis: &str) -> Vec<Line> {
    let mut names: Vec<&str> = Vec::new();
    for row in groups.iter().flat_map(|g| &g.rows) {
        if !names.contains(&row.contender.as_str()) {
            names.push(&row.contender);
        }
    }
    let line = |name: &&str| Line {
        name: (*name).into(),
        points: groups
            .iter()
            .filter_map(|g| {
                let s = g.row(name)?.per_second;
                Some((
                    g.parameters.get(axis)?.parse::<f64>().ok()?.log2(),
                    [s.low, s.median, s.high],
                ))
            })
            .collect(),
    };
    names.iter().map(line).collect()
}

/// Throughput over a parameter that doubles, with the quartiles as bars.
fn lines(title: &str, unit: &str, all: &[Line], theme: Theme) -> String {
    let mut svg = String::new();
    let draw = |svg: &mut String| -> Drawn<'_> {
        let height = 400 + 20 * all.len() as u32;
        let top = all
            .iter()
            .flat_map(|l| &l.points)
            .map(|p| p.1[2])
            .fold(1.0, f64::max);
        let right = all
            .iter()
            .flat_map(|l| &l.points)
            .map(|p| p.0)
            .fold(1.0, f64::max);
        let area = SVGBackend::with_string(svg, (WIDTH, height)).into_drawing_area();
        area.fill(&theme.paper)?;
        let (plot, legend) = area.split_vertically(390);
        let font = |size: u32| (FONT, size).into_font().color(&theme.ink);
        let mut chart = ChartBuilder::on(&plot)
            .caption(title, font(18))
            .margin(14)
            .x_label_area_size(44)
            .y_label_area_size(72)
            .build_cartesian_2d(-0.15..right + 0.15, 0.0..top * 1.08)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(theme.paper)
            .bold_line_style(theme.faint)
            .axis_style(theme.faint)
            .label_style(font(13))
            .x_labels(right as usize + 2)
            .x_label_formatter(&|x| {
                if (x - x.round()).abs() < 0.01 {
                    format!("{:.0}", x.round().exp2())
                } else {
                    String::new()
                }
            })
            .y_label_formatter(&|y| short(*y))
            .x_desc(unit)
            .y_desc("operations/s")
            .draw()?;
        for (index, line) in all.iter().enumerate() {
            let colour = theme.lines[index % theme.lines.len()];
            chart.draw_series(LineSeries::new(
                line.points.iter().map(|p| (p.0, p.1[1])),
                colour.stroke_width(2),
            ))?;
            chart.draw_series(
                line.points
                    .iter()
                    .map(|p| Circle::new((p.0, p.1[1]), 3, colour.filled())),
            )?;
            chart.draw_series(
                line.points
                    .iter()
                    .map(|p| PathElement::new(vec![(p.0, p.1[0]), (p.0, p.1[2])], colour)),
            )?;
            let y = 6 + 20 * index as i32;
            legend.draw(&Rectangle::new(
                [(90, y + 4), (112, y + 8)],
                colour.filled(),
            ))?;
            legend.draw(&Text::new(line.name.clone(), (122, y), font(14)))?;
        }
        area.present()
    };
    // Drawing into a string has no way to fail.
    draw(&mut svg).expect("SVG in memory");
    svg
}

/// One bar for each value, the label beside it.
fn bars(
    title: &str,
    unit: &str,
    values: &[(String, f64)],
    show: impl Fn(f64) -> String,
    theme: Theme,
) -> String {
    let mut svg = String::new();
    let draw = |svg: &mut String| -> Drawn<'_> {
        let count = values.len() as i32;
        let top = values.iter().map(|v| v.1).fold(1e-9, f64::max);
        let area =
            SVGBackend::with_string(svg, (WIDTH, 110 + 30 * count as u32)).into_drawing_area();
        area.fill(&theme.paper)?;
        let font = |size: u32| (FONT, size).into_font().color(&theme.ink);
        let mut chart = ChartBuilder::on(&area)
            .caption(title, font(18))
            .margin(14)
            .margin_right(96)
            .x_label_area_size(40)
            .y_label_area_size(270)
            .build_cartesian_2d(0.0..top * 1.05, (0..count.max(1) - 1).into_segmented())?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .light_line_style(theme.paper)
            .bold_line_style(theme.faint)
            .axis_style(theme.faint)
            .label_style(font(13))
            .y_labels(values.len().max(1))
            .y_label_formatter(&|y| match y {
                SegmentValue::CenterOf(i) => values
                    .get((count - 1 - i) as usize)
                    .map_or(String::new(), |v| v.0.clone()),
                _ => String::new(),
            })
            .x_label_formatter(&|x| show(*x))
            .x_desc(unit)
            .draw()?;
        for (index, (_, value)) in values.iter().enumerate() {
            let colour = theme.lines[index % theme.lines.len()];
            let place = count - 1 - index as i32;
            let mut bar = Rectangle::new(
                [
                    (0.0, SegmentValue::Exact(place)),
                    (*value, SegmentValue::Exact(place + 1)),
                ],
                colour.filled(),
            );
            bar.set_margin(5, 5, 0, 0);
            chart.draw_series([bar])?;
            let at = (*value, SegmentValue::CenterOf(place));
            chart
                .draw_series([EmptyElement::at(at) + Text::new(show(*value), (6, -6), font(13))])?;
        }
        area.present()
    };
    draw(&mut svg).expect("SVG in memory");
    svg
}

/// All charts the report has figures for.
pub(crate) fn charts(report: &Report, theme: Theme) -> Vec<Chart> {
    let mut charts = Vec::new();
    let mut add = |name: &str, title: &str, svg: String| {
        charts.push(Chart {
            name: format!("{name}-{}.svg", theme.name),
            title: title.into(),
            svg,
        });
    };
    let of = |family: &str, key: &str, value: &str| -> Vec<&Group> {
        report
            .groups
            .iter()
            .filter(|g| g.family == family && g.parameters.get(key).is_some_and(|v| v == value))
            .collect()
    };
    for kind in ["cached", "direct"] {
        let groups = of("reads", "kind", kind);
        if groups.len() > 1 {
            let title = format!("4 KiB random reads, {kind}: throughput by queue depth");
            add(
                &format!("reads-{kind}"),
                &title,
                lines(&title, "queue depth", &series(&groups, "depth"), theme),
            );
        }
        let Some(deepest) = groups.last() else {
            continue;
        };
        let depth = &deepest.parameters["depth"];
        let calls: Vec<_> = deepest
            .rows
            .iter()
            .filter_map(|r| Some((r.contender.clone(), r.calls.as_ref()?.median)))
            .collect();
        let title = format!("System calls for each read, {kind}, depth {depth}");
        add(
            &format!("calls-{kind}"),
            &title,
            bars(&title, "system calls", &calls, |v| format!("{v:.3}"), theme),
        );
        let tails: Vec<_> = deepest
            .rows
            .iter()
            .filter_map(|r| Some((r.contender.clone(), r.latency?)))
            .flat_map(|(n, l)| {
                let all = [("p50", Some(l.p50)), ("p99", l.p99), ("p99.9", l.p999)];
                all.into_iter()
                    .filter_map(move |(p, s)| Some((format!("{n} {p}"), s?.median)))
            })
            .collect();
        if !tails.is_empty() {
            let title = format!("Latency of a read, {kind}, depth {depth}");
            add(
                &format!("latency-{kind}"),
                &title,
                bars(&title, "time", &tails, super::table::time, theme),
            );
        }
    }
    for kind in ["short", "long"] {
        for bytes in ["64", "4096"] {
            let groups: Vec<&Group> = of("echo", "kind", kind)
                .into_iter()
                .filter(|g| g.parameters["bytes"] == bytes)
                .collect();
            if groups.len() > 1 {
                let title = format!("Echo of {bytes} bytes, {kind} connections: requests/s");
                add(
                    &format!("echo-{kind}-{bytes}"),
                    &title,
                    lines(
                        &title,
                        "connections",
                        &series(&groups, "connections"),
                        theme,
                    ),
                );
            }
        }
    }
    charts
}
