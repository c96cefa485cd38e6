//! A bar for each contender, or a dot for each percentile.

use plotters::coord::ranged1d::{IntoSegmentedCoord, SegmentValue};
use plotters::prelude::*;

use super::super::model::{Latency, Spread};
use super::super::table::time;
use super::theme::Theme;
use super::{Drawn, WIDTH};

/// Height of a contender's row.
const ROW: u32 = 30;
/// Width of the names.
const NAMES: u32 = 270;

/// A bar for each value, with the quartiles, and the median beside it.
pub(super) fn draw(
    title: &str,
    unit: &str,
    values: &[(String, Spread)],
    show: impl Fn(f64) -> String,
    theme: Theme,
) -> String {
    let mut svg = String::new();
    let result = try_bars(&mut svg, title, unit, values, &show, theme);
    result.expect("SVG in memory");
    svg
}

fn try_bars<'a>(
    svg: &'a mut String,
    title: &str,
    unit: &str,
    values: &[(String, Spread)],
    show: &dyn Fn(f64) -> String,
    theme: Theme,
) -> Drawn<'a> {
    let count = values.len() as i32;
    let top = values.iter().map(|v| v.1.high).fold(1e-9, f64::max);
    let size = (WIDTH, 110 + ROW * count as u32);
    let area = SVGBackend::with_string(svg, size).into_drawing_area();
    area.fill(&theme.paper)?;
    let rows = (0..count.max(1) - 1).into_segmented();
    let mut chart = ChartBuilder::on(&area)
        .caption(title, theme.text(18))
        .margin(14)
        .margin_right(96)
        .x_label_area_size(46)
        .y_label_area_size(NAMES)
        .build_cartesian_2d(0.0..top * 1.05, rows)?;
    let name = |place: &SegmentValue<i32>| match place {
        SegmentValue::CenterOf(i) => values
            .get((count - 1 - i) as usize)
            .map_or(String::new(), |v| v.0.clone()),
        _ => String::new(),
    };
    chart
        .configure_mesh()
        .disable_y_mesh()
        .light_line_style(theme.paper)
        .bold_line_style(theme.faint)
        .axis_style(theme.faint)
        .label_style(theme.text(13))
        .axis_desc_style(theme.text(13))
        .y_labels(values.len().max(1))
        .y_label_formatter(&name)
        .x_label_formatter(&|x| show(*x))
        .x_desc(unit)
        .draw()?;
    for (index, (name, value)) in values.iter().enumerate() {
        let colour = theme.colour(name);
        let place = count - 1 - index as i32;
        let (from, to) = (SegmentValue::Exact(place), SegmentValue::Exact(place + 1));
        let mut bar = Rectangle::new([(0.0, from), (value.median, to)], colour.filled());
        bar.set_margin(6, 6, 0, 0);
        chart.draw_series([bar])?;
        let middle = SegmentValue::CenterOf(place);
        let ends = vec![(value.low, middle.clone()), (value.high, middle.clone())];
        chart.draw_series([PathElement::new(ends, theme.ink.stroke_width(1))])?;
        let at = EmptyElement::at((value.high.max(value.median), middle));
        let label = Text::new(show(value.median), (7, -6), theme.text(13));
        chart.draw_series([at + label])?;
    }
    area.present()
}

/// Percentiles of contenders on a logarithmic axis, with their quartiles.
pub(super) fn percentiles(title: &str, all: &[(String, Latency)], theme: Theme) -> String {
    let mut svg = String::new();
    let result = try_percentiles(&mut svg, title, all, theme);
    result.expect("SVG in memory");
    svg
}

fn dots(latency: &Latency) -> [(&'static str, Option<Spread>, i32); 3] {
    [
        ("p50", Some(latency.p50), 3),
        ("p99", latency.p99, 4),
        ("p99.9", latency.p999, 6),
    ]
}

fn try_percentiles<'a>(
    svg: &'a mut String,
    title: &str,
    all: &[(String, Latency)],
    theme: Theme,
) -> Drawn<'a> {
    let count = all.len() as i32;
    let spreads = || all.iter().flat_map(|one| dots(&one.1)).filter_map(|d| d.1);
    let low = spreads().map(|s| s.low).fold(f64::INFINITY, f64::min);
    let high = spreads().map(|s| s.high).fold(1.0, f64::max);
    let size = (WIDTH, 136 + ROW * count as u32);
    let area = SVGBackend::with_string(svg, size).into_drawing_area();
    area.fill(&theme.paper)?;
    let (legend, plot) = area.titled(title, theme.text(18))?.split_vertically(28);
    // Whole powers of ten, so that there are labels at both ends.
    let axis =
        (10f64.powf(low.max(1.0).log10().floor())..10f64.powf(high.log10().ceil())).log_scale();
    let mut chart = ChartBuilder::on(&plot)
        .margin(14)
        .margin_right(30)
        .x_label_area_size(46)
        .y_label_area_size(NAMES)
        .build_cartesian_2d(axis, 0.0..f64::from(count.max(1)))?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .light_line_style(theme.paper)
        .bold_line_style(theme.faint)
        .axis_style(theme.faint)
        .label_style(theme.text(13))
        .axis_desc_style(theme.text(13))
        .x_labels(5)
        .x_label_formatter(&|x| time(*x))
        .x_desc("time of an operation, logarithmic")
        .draw()?;
    for (index, (name, latency)) in all.iter().enumerate() {
        let colour = theme.colour(name);
        let y = f64::from(count - index as i32) - 0.5;
        let found = dots(latency);
        let found = || found.iter().filter_map(|d| Some((d.1?, d.2)));
        let medians: Vec<(f64, f64)> = found().map(|(s, _)| (s.median, y)).collect();
        chart.draw_series([PathElement::new(medians, colour.mix(0.45).stroke_width(2))])?;
        for (s, size) in found() {
            let ends = vec![(s.low, y), (s.high, y)];
            chart.draw_series([PathElement::new(ends, theme.soft.stroke_width(1))])?;
            chart.draw_series([Circle::new((s.median, y), size, colour.filled())])?;
        }
        let (_, top) = plot.get_pixel_range();
        let place = chart.backend_coord(&(high, y)).1 - top.start;
        let label = Text::new(name.clone(), (NAMES as i32 + 4, place), theme.label(13));
        plot.draw(&label)?;
    }
    for (index, (name, _, size)) in dots(&all[0].1).into_iter().enumerate() {
        let x = NAMES as i32 + 24 + 80 * index as i32;
        legend.draw(&Circle::new((x, 14), size, theme.soft.filled()))?;
        let label = Text::new(name, (x + 12, 7), theme.text(13));
        legend.draw(&label)?;
    }
    area.present()
}
