//! Line charts as SVG.

use crate::bench::figures::figure;
use std::fmt::Write;

const WIDTH: f64 = 960.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 24.0;
/// Title and subtitle.
const HEAD: f64 = 72.0;
/// A panel's name and legend.
const PANEL_HEAD: f64 = 40.0;
const PLOT: f64 = 190.0;
/// Numbers under a plot, and a gap to the next panel.
const PANEL_FOOT: f64 = 44.0;
/// Name of the axis that all panels share.
const FOOT: f64 = 22.0;
/// Ticks that are aimed at.
const TICKS: f64 = 8.0;

/// One line.
#[derive(Debug, Clone)]
pub struct Series {
    /// For the legend.
    pub name: &'static str,
    /// As CSS has it.
    pub colour: &'static str,
    /// Whether the area below is filled.
    pub filled: bool,
    /// Places on both axes; without the second, the line is broken there.
    pub points: Vec<(f64, Option<f64>)>,
}

/// Lines over one axis.
#[derive(Debug, Clone)]
pub struct Panel {
    /// What is shown, with its unit.
    pub title: &'static str,
    /// Whether equal distances are equal factors.
    pub logarithmic: bool,
    /// The lines.
    pub series: Vec<Series>,
}

/// Panels, one above the other, over the same axis.
#[derive(Debug, Clone)]
pub struct Chart {
    /// What it is about.
    pub title: String,
    /// Particulars, smaller.
    pub subtitle: String,
    /// What the horizontal axis counts.
    pub axis: &'static str,
    /// The panels.
    pub panels: Vec<Panel>,
}

/// From values to places.
struct Scale {
    low: f64,
    high: f64,
    logarithmic: bool,
    ticks: Vec<f64>,
}

impl Scale {
    fn from_zero(high: f64) -> Self {
        let step = nice_step(high.max(1e-9) / TICKS);
        let count = (high / step).ceil().max(1.0);
        Self {
            low: 0.0,
            high: step * count,
            logarithmic: false,
            ticks: (0..=count as u32).map(|n| step * f64::from(n)).collect(),
        }
    }

    fn logarithmic(low: f64, high: f64) -> Self {
        let within = |value: f64| 10f64.powf(value.log10().floor());
        let (low, high) = (low.max(1e-3), high.max(low.max(1e-3)));
        let mut ticks = Vec::new();
        let mut decade = within(low);
        while decade <= high {
            ticks.extend([1.0, 2.0, 5.0].map(|factor| decade * factor));
            decade *= 10.0;
        }
        ticks.push(decade);
        // From the last tick below all values to the first above them.
        let first = ticks
            .iter()
            .rposition(|tick| *tick <= low * 1.000_001)
            .unwrap_or(0);
        let last = ticks
            .iter()
            .position(|tick| *tick >= high)
            .unwrap_or(ticks.len() - 1);
        let mut ticks = ticks[first..=last.max(first + 1).min(ticks.len() - 1)].to_vec();
        let (low, high) = (ticks[0], ticks[ticks.len() - 1]);
        if ticks.len() > 8 {
            ticks.retain(|tick| is_power_of_ten(*tick));
        }
        Self {
            low,
            high,
            logarithmic: true,
            ticks,
        }
    }

    /// From 0 to 1.
    fn place(&self, value: f64) -> f64 {
        let (low, high, value) = match self.logarithmic {
            true => (self.low.ln(), self.high.ln(), value.max(self.low).ln()),
            false => (self.low, self.high, value),
        };
        ((value - low) / (high - low)).clamp(0.0, 1.0)
    }
}

fn is_power_of_ten(value: f64) -> bool {
    let exponent = value.log10();
    (exponent - exponent.round()).abs() < 1e-6
}

/// 1, 2 or 5 times a power of ten, not below `least`.
fn nice_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .find(|factor| factor * power >= least * 0.999_999);
    factor.unwrap_or(10.0) * power
}

/// Text in an element.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

impl Chart {
    /// The document.
    pub fn render(&self) -> String {
        let panel_height = PANEL_HEAD + PLOT + PANEL_FOOT;
        let height = HEAD + panel_height * self.panels.len() as f64 + FOOT;
        let mut out = String::new();
        out += &format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} \
             {height}\" font-family=\"Helvetica, Arial, sans-serif\" font-size=\"12\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
             <text x=\"{LEFT}\" y=\"32\" font-size=\"18\" font-weight=\"bold\" fill=\"#111827\">{}</text>\n\
             <text x=\"{LEFT}\" y=\"54\" fill=\"#6b7280\">{}</text>\n",
            escape(&self.title),
            escape(&self.subtitle),
        );
        let points = || {
            self.panels
                .iter()
                .flat_map(|panel| &panel.series)
                .flat_map(|series| &series.points)
        };
        let longest = points().map(|(x, _)| *x).fold(0.0, f64::max);
        let across = Scale {
            high: longest.max(1e-3),
            ..Scale::from_zero(longest)
        };
        for (index, panel) in self.panels.iter().enumerate() {
            panel.render(&mut out, HEAD + panel_height * index as f64, &across);
        }
        let (middle, bottom) = ((LEFT + WIDTH - RIGHT) / 2.0, height - 18.0);
        out += &format!(
            "<text x=\"{middle}\" y=\"{bottom}\" text-anchor=\"middle\" fill=\"#374151\">{}</text>\n</svg>\n",
            escape(self.axis)
        );
        out
    }
}

impl Panel {
    fn render(&self, out: &mut String, top: f64, across: &Scale) {
        let plot = top + PANEL_HEAD;
        let up = self.scale();
        let right = WIDTH - RIGHT;
        *out += &format!(
            "<text x=\"{LEFT}\" y=\"{:.1}\" font-size=\"14\" font-weight=\"bold\" fill=\"#374151\">{}</text>\n",
            top + 22.0,
            escape(self.title)
        );
        self.legend(out, top + 18.0);
        for tick in &up.ticks {
            let y = plot + PLOT * (1.0 - up.place(*tick));
            *out += &format!(
                "<line x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\" stroke=\"#e5e7eb\"/>\n\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#6b7280\">{}</text>\n",
                LEFT - 8.0,
                y + 4.0,
                figure(*tick)
            );
        }
        let x = |value: f64| LEFT + (right - LEFT) * across.place(value);
        for tick in across.ticks.iter().filter(|tick| **tick <= across.high) {
            *out += &format!(
                "<line x1=\"{0:.1}\" y1=\"{1:.1}\" x2=\"{0:.1}\" y2=\"{2:.1}\" stroke=\"#9ca3af\"/>\n\
                 <text x=\"{0:.1}\" y=\"{3:.1}\" text-anchor=\"middle\" fill=\"#6b7280\">{4}</text>\n",
                x(*tick),
                plot + PLOT,
                plot + PLOT + 5.0,
                plot + PLOT + 19.0,
                figure(*tick)
            );
        }
        for series in &self.series {
            series.render(
                out,
                &x,
                &|value| plot + PLOT * (1.0 - up.place(value)),
                plot + PLOT,
            );
        }
        *out += &format!(
            "<line x1=\"{LEFT}\" y1=\"{0:.1}\" x2=\"{right}\" y2=\"{0:.1}\" stroke=\"#9ca3af\"/>\n",
            plot + PLOT
        );
    }

    fn scale(&self) -> Scale {
        let values = || {
            self.series
                .iter()
                .flat_map(|series| &series.points)
                .filter_map(|(_, y)| *y)
        };
        let high = values().fold(0.0, f64::max);
        match self.logarithmic && high > 0.0 {
            true => Scale::logarithmic(values().fold(f64::INFINITY, f64::min), high),
            false => Scale::from_zero(high.max(1.0)),
        }
    }

    /// At the right end of the panel's title line.
    fn legend(&self, out: &mut String, y: f64) {
        let mut x = WIDTH - RIGHT;
        for series in self.series.iter().rev() {
            // Letters are about this wide at 12 pixels.
            let left = x - series.name.chars().count() as f64 * 6.0 - 6.0;
            *out += &format!(
                "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#374151\">{}</text>\n\
                 <line x1=\"{:.1}\" y1=\"{y:.1}\" x2=\"{:.1}\" y2=\"{y:.1}\" stroke=\"{}\" stroke-width=\"3\"/>\n",
                y + 4.0,
                escape(series.name),
                left - 28.0,
                left - 6.0,
                series.colour
            );
            x = left - 48.0;
        }
    }
}

impl Series {
    fn render(&self, out: &mut String, x: &dyn Fn(f64) -> f64, y: &dyn Fn(f64) -> f64, floor: f64) {
        for run in self.points.split(|(_, value)| value.is_none()) {
            let places: Vec<(f64, f64)> = run
                .iter()
                .filter_map(|(at, value)| Some((x(*at), y((*value)?))))
                .collect();
            let (Some(first), Some(last)) = (places.first(), places.last()) else {
                continue;
            };
            if places.len() == 1 {
                *out += &format!(
                    "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.5\" fill=\"{}\"/>\n",
                    first.0, first.1, self.colour
                );
                continue;
            }
            let mut line = String::new();
            for (x, y) in &places {
                // Writing to memory cannot fail.
                let _ = write!(line, "{x:.1},{y:.1} ");
            }
            if self.filled {
                *out += &format!(
                    "<polygon points=\"{:.1},{floor:.1} {line}{:.1},{floor:.1}\" fill=\"{}\" fill-opacity=\"0.12\"/>\n",
                    first.0, last.0, self.colour
                );
            }
            *out += &format!(
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\" stroke-linejoin=\"round\"/>\n",
                line.trim_end(),
                self.colour
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_hold_all_values() {
        let scale = Scale::from_zero(31_400.0);
        assert_eq!(scale.ticks.last(), Some(&35_000.0));
        assert_eq!(scale.ticks.len(), 8, "{:?}", scale.ticks);
        let scale = Scale::logarithmic(3.0, 170.0);
        assert!((scale.low - 2.0).abs() < 1e-9 && (scale.high - 200.0).abs() < 1e-9);
        assert!((scale.place(20.0) - 0.5).abs() < 1e-9);
        for flat in [0.4, 1.0, 7.0, 10.0] {
            let scale = Scale::logarithmic(flat, flat);
            assert!(
                scale.low < scale.high && scale.low <= flat && scale.high >= flat,
                "{flat}"
            );
        }
        assert!(Scale::logarithmic(0.2, 90_000.0).ticks.len() <= 8);
    }

    #[test]
    fn a_line_is_broken_where_nothing_is_known() {
        let chart = Chart {
            title: "a < b & c".to_owned(),
            subtitle: String::new(),
            axis: "seconds",
            panels: vec![Panel {
                title: "latency",
                logarithmic: true,
                series: vec![Series {
                    name: "p50",
                    colour: "#000",
                    filled: false,
                    points: vec![(1.0, Some(2.0)), (2.0, Some(3.0)), (3.0, None), (4.0, Some(2.0))],
                }],
            }],
        };
        let svg = chart.render();
        assert_eq!(svg.matches("<polyline").count(), 1, "{svg}");
        assert_eq!(svg.matches("<circle").count(), 1, "a single point is a dot");
        assert!(svg.contains("a &lt; b &amp; c"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }
}
