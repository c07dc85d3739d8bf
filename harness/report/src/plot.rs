use std::io;
use std::path::Path;

use plotters::prelude::*;
use shakedown_engine::event::{Latency, LoadStretch, LoadSummary};

use crate::text::clean_line;
use crate::{Outcome, Record};

/// Width and height in pixels.
const SIZE: (u32, u32) = (960, 720);

/// The lines of a latency, from below: name, which it is, colour.
type Line = (&'static str, fn(&Latency) -> f64, RGBColor);

const LINES: [Line; 3] = [
    ("p50", |latency| latency.p50, RGBColor(0x2b, 0x83, 0xba)),
    ("p99", |latency| latency.p99, RGBColor(0xe6, 0x8a, 0x00)),
    ("max", |latency| latency.max, RGBColor(0xc0, 0x2b, 0x2b)),
];

/// A plot of the latencies of the last load over time, as SVG; nothing is written where there was no
/// load.
///
/// Text is left to the viewer (`font-family="sans-serif"`): no font is needed to write it.
pub(crate) fn document(record: &Record, _: &Path, _: &Outcome) -> io::Result<Option<String>> {
    record.loads.last().map(draw).transpose()
}

/// The whole drawing: time to handshake above, time to first media below.
fn draw(load: &LoadSummary) -> io::Result<String> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        area.fill(&WHITE).map_err(io::Error::other)?;
        let title = format!("{}, {} plays", clean_line(&load.scenario), load.plays);
        let area = area
            .titled(&title, ("sans-serif", 18))
            .map_err(io::Error::other)?;
        let (above, below) = area.split_vertically((SIZE.1 - 30) / 2);
        curve(&above, "time to handshake [ms]", load, |stretch| {
            stretch.time_to_handshake
        })?;
        curve(&below, "time to first media [ms]", load, |stretch| {
            stretch.time_to_first_media
        })?;
        area.present().map_err(io::Error::other)?;
    }
    Ok(text)
}

fn curve(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    name: &str,
    load: &LoadSummary,
    of: fn(&LoadStretch) -> Option<Latency>,
) -> io::Result<()> {
    let points: Vec<(f64, Latency)> = load
        .course
        .iter()
        .filter_map(|stretch| Some((stretch.time, of(stretch)?)))
        .collect();
    let end = load.course.last().map_or(1.0, |last| last.time).max(1e-3);
    let highest = points.iter().map(|(_, latency)| latency.max * 1e3);
    let highest = highest.fold(0.01, f64::max) * 1.05;
    let mut chart = ChartBuilder::on(area)
        .margin(8)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..end, 0.0..highest)
        .map_err(io::Error::other)?;
    chart
        .configure_mesh()
        .x_desc("time since the first play [s]")
        .y_desc(name)
        .max_light_lines(0)
        .draw()
        .map_err(io::Error::other)?;
    for (label, of, colour) in LINES {
        let line = points
            .iter()
            .map(|(time, latency)| (*time, of(latency) * 1e3));
        chart
            .draw_series(LineSeries::new(line, colour.stroke_width(2)))
            .map_err(io::Error::other)?
            .label(label)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .draw()
        .map_err(io::Error::other)
}
