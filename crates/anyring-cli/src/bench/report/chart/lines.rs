//! Throughput over a parameter that doubles.

use plotters::prelude::*;

use super::super::model::Group;
use super::super::table::short;
use super::theme::Theme;
use super::{Drawn, WIDTH};

/// A contender's line.
pub(super) struct Line {
    name: String,
    /// Place on the axis; low, median and high.
    points: Vec<(f64, [f64; 3])>,
}

/// The lines of all contenders of some groups.
pub(super) fn series(groups: &[&Group], axis: &str) -> Vec<Line> {
    let mut names: Vec<&str> = Vec::new();
    for row in groups.iter().flat_map(|g| &g.rows) {
        if !names.contains(&row.contender.as_str()) {
            names.push(&row.contender);
        }
    }
    let point = |group: &&Group, name: &str| {
        let s = group.row(name)?.per_second;
        let place = group.parameters.get(axis)?.parse::<f64>().ok()?.log2();
        Some((place, [s.low, s.median, s.high]))
    };
    let line = |name: &&str| Line {
        name: (*name).into(),
        points: groups.iter().filter_map(|g| point(g, name)).collect(),
    };
    names.iter().map(line).collect()
}

/// Draws them, with the quartiles as bars, and a legend of two columns.
pub(super) fn draw(title: &str, unit: &str, all: &[Line], theme: Theme) -> String {
    let mut svg = String::new();
    let result = try_draw(&mut svg, title, unit, all, theme);
    // Drawing into a string has no way to fail.
    result.expect("SVG in memory");
    svg
}

fn try_draw<'a>(
    svg: &'a mut String,
    title: &str,
    unit: &str,
    all: &[Line],
    theme: Theme,
) -> Drawn<'a> {
    let points = || all.iter().flat_map(|line| &line.points);
    let top = points().map(|p| p.1[2]).fold(1.0, f64::max);
    let left = points().map(|p| p.0).fold(f64::INFINITY, f64::min);
    let left = if left.is_finite() { left } else { 0.0 };
    let right = points().map(|p| p.0).fold(left + 1.0, f64::max);
    let rows = all.len().div_ceil(2) as u32;
    let area = SVGBackend::with_string(svg, (WIDTH, 406 + 22 * rows)).into_drawing_area();
    area.fill(&theme.paper)?;
    let (plot, legend) = area.split_vertically(394);
    let mut chart = ChartBuilder::on(&plot)
        .caption(title, theme.text(18))
        .margin(14)
        .x_label_area_size(46)
        .y_label_area_size(76)
        .build_cartesian_2d(left - 0.15..right + 0.15, 0.0..top * 1.08)?;
    let places = (right - left).round() as usize + 2;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(theme.paper)
        .bold_line_style(theme.faint)
        .axis_style(theme.faint)
        .label_style(theme.text(13))
        .axis_desc_style(theme.text(13))
        .x_labels(places)
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
        let colour = theme.colour(&line.name);
        let medians = line.points.iter().map(|p| (p.0, p.1[1]));
        chart.draw_series(LineSeries::new(medians.clone(), colour.stroke_width(2)))?;
        chart.draw_series(medians.map(|at| Circle::new(at, 3, colour.filled())))?;
        let spread = |p: &(f64, [f64; 3])| {
            PathElement::new(
                vec![(p.0, p.1[0]), (p.0, p.1[2])],
                colour.mix(0.6).stroke_width(1),
            )
        };
        chart.draw_series(line.points.iter().map(spread))?;
        let x = 90 + (index as i32 % 2) * 400;
        let y = 4 + 22 * (index as i32 / 2);
        let key = Rectangle::new([(x, y + 5), (x + 22, y + 9)], colour.filled());
        legend.draw(&key)?;
        let name = Text::new(line.name.clone(), (x + 32, y), theme.text(14));
        legend.draw(&name)?;
    }
    area.present()
}
